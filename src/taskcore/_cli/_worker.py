"""``worker``: run the tasks of the modules that are named."""

from __future__ import annotations

import logging
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from taskcore._cli._exit import ExitCode
from taskcore._cli._terminal import Terminal
from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore.errors import InvalidInput

__all__ = ["definitions_of", "worker", "worker_settings"]

_CODES = {
    "finished": ExitCode.DONE,
    "unfinished": ExitCode.WORKER_UNFINISHED,
    "retired": ExitCode.WORKER_RETIRED,
    "closed": ExitCode.STORE_UNAVAILABLE,
}
"""By the value of the ``WorkerExit``."""


def worker(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Run tasks until told to stop, or with --burst until none is left."""
    from taskcore._worker import Worker  # noqa: PLC0415  # a third of the time that every other command takes to begin

    logging.basicConfig(
        level=options.log_level.upper(), stream=terminal.err, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    made = Worker(client, definitions_of(options.tasks), **worker_settings(options))
    return _CODES[made.run(burst=options.burst).value]


def worker_settings(options: Namespace) -> dict[str, Any]:
    """Return what the options say of a worker, as its keyword arguments; what is left out is left to it."""
    settings = {
        "queue_names": options.queues,
        "concurrency": options.concurrency,
        "executor": options.executor,
        "lease": options.lease,
        "grace": options.grace,
        "max_tasks_per_child": options.max_tasks_per_child,
        "max_memory_per_child": options.max_memory_per_child,
        "capture_logs": options.capture_logs,
    }
    return {name: value for name, value in settings.items() if value is not None}


def definitions_of(references: list[str]) -> list[TaskDefinition[..., object]]:
    """Return the tasks of `module`, or of `module:attribute` (a task, or a list of them), each once.

    Modules are looked for in the present directory as well. Raises InvalidInput for one that cannot be imported, holds
    no task, or has no such attribute, and when two different tasks have one name.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found: dict[str, TaskDefinition[..., object]] = {}
    for reference in references:
        for definition in _read(reference):
            other = found.setdefault(definition.name, definition)
            if other.function is not definition.function:
                raise InvalidInput(f"{reference} holds another task named {definition.name!r}: names are unique.")
    return list(found.values())


def _read(reference: str) -> list[TaskDefinition[..., object]]:
    module_name, colon, path = reference.partition(":")
    module = _imported(module_name)
    if not colon:
        found = list(_tasks_in(vars(module).values()))
        if not found:
            raise InvalidInput(f"Module {module_name!r} holds no task: nothing in it was made with @task.")
        return found
    value: object = module
    for step in path.split("."):
        if not hasattr(value, step):
            raise InvalidInput(f"{reference!r}: {value!r} has no attribute {step!r}.")
        value = getattr(value, step)
    if isinstance(value, TaskDefinition):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        found = list(_tasks_in(value))
        if found and len(found) == len(value):
            return found
    raise InvalidInput(f"{reference!r} is neither a task nor a list of tasks: {value!r}.")


def _tasks_in(values: object) -> Iterator[TaskDefinition[..., object]]:
    for value in values:  # type: ignore[attr-defined]  # any iterable
        if isinstance(value, TaskDefinition):
            yield value


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise InvalidInput(f"There is no module {name!r}, neither here nor installed.") from error
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _broken(name: str, error: BaseException) -> InvalidInput:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return InvalidInput(f"Module {name!r} cannot be imported: {type(error).__name__}: {error}{where}.")
