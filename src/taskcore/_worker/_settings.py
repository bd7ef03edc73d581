"""``Settings``: what a worker was told when it was made, checked at the door."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum

import attrs

from taskcore._data import Failure, Task
from taskcore._naming import shown
from taskcore._transitions import Verdict
from taskcore._vocabulary import Event, State
from taskcore._worker._memory import CAN_TELL
from taskcore.errors import InvalidOption

__all__ = ["ExecutorKind", "OutcomeHook", "Settings", "TaskOutcome", "settings_from", "whole"]

_BATCH_LARGEST = 1000
_CHILD_LARGEST = 10**15
_MEMORY_LEAST = 1_000_000
"""Bytes; less is no memory of a process, but surely a number of megabytes."""


class ExecutorKind(Enum):
    """Where the plain (not ``async``) functions of a worker run. Async ones always run on one event loop of its own."""

    THREADS = "threads"
    PROCESSES = "processes"
    ASYNC = "async"
    """Only async functions; a plain one is refused."""


@attrs.frozen(kw_only=True)
class TaskOutcome:
    """What became of one run, as a hook is told after the store has answered."""

    task: Task
    """As it was when it was claimed."""
    event: Event
    """What the worker asked for: SUCCEED, FAIL, RETRY, RELEASE, ABORT, RECLAIM or ABANDON."""
    verdict: Verdict
    """What the store answered: STALE means that another worker held the task, and nothing was changed."""
    duration: timedelta | None
    """How long it ran; ``None``: it did not."""
    failure: Failure | None
    state: State | None = None
    """The state that the task was left in, as the store answered."""
    value_json: str | None = None
    """What it returned, as JSON text, when it succeeded."""
    note: str = ""
    """Why, in words."""


OutcomeHook = Callable[[TaskOutcome], object]


@attrs.frozen(kw_only=True)
class Settings:
    """See ``Worker`` for what each means."""

    queue_names: tuple[str, ...]
    concurrency: int
    executor: ExecutorKind
    lease: timedelta
    grace: timedelta
    batch_size: int
    poll_interval: timedelta
    name: str
    capture_level: int | None
    max_tasks_per_child: int | None
    max_memory_per_child: int | None
    hooks: tuple[OutcomeHook, ...]


def _default_concurrency(executor: ExecutorKind) -> int:
    cores = os.cpu_count() or 1
    if executor is ExecutorKind.PROCESSES:
        return cores
    return 100 if executor is ExecutorKind.ASYNC else min(32, cores + 4)


def whole(name: str, value: object, lowest: int, highest: int) -> int:
    """Return a whole number within its range; raise ``InvalidOption``."""
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise InvalidOption(f"Worker({name}=…) is a whole number from {lowest} to {highest}, not {value!r}.")
    return value


def _span(name: str, value: object, lowest: timedelta, highest: timedelta) -> timedelta:
    if not isinstance(value, timedelta) or not lowest <= value <= highest:
        raise InvalidOption(f"Worker({name}=…) is a timedelta from {lowest} to {highest}, not {value!r}.")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidOption(f"Worker(name=…) is a text of printable characters, not {shown(value)}.")
    return value


def _executor(value: object) -> ExecutorKind:
    try:
        return value if isinstance(value, ExecutorKind) else ExecutorKind(value)
    except ValueError:
        raise InvalidOption(f'Worker(executor=…) is "threads", "processes" or "async", not {value!r}.') from None


def _queues(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise InvalidOption(f"Worker(queue_names=…) is a list of at least one name, not {value!r}.")
    for name in value:
        if not isinstance(name, str) or not name:
            raise InvalidOption(f"Worker(queue_names=…) holds names of queues, not {name!r}.")
    return tuple(dict.fromkeys(value))


def _capture_level(value: object) -> int | None:
    if isinstance(value, bool):
        return logging.INFO if value else None
    if not isinstance(value, int):
        raise InvalidOption(f"Worker(capture_logs=…) is True, False or a level such as logging.DEBUG, not {value!r}.")
    return value


def _check_children(kind: ExecutorKind, name: str, value: int | None, lowest: int) -> None:
    """Raise ``InvalidOption`` for a limit of children that is out of its range, or where there are none."""
    if value is None:
        return
    whole(name, value, lowest, _CHILD_LARGEST)
    if kind is not ExecutorKind.PROCESSES:
        raise InvalidOption(f'Worker({name}=…) is for executor="processes" only.')


def settings_from(
    *,
    queue_names: Sequence[str],
    concurrency: int | None,
    executor: str | ExecutorKind,
    lease: timedelta,
    grace: timedelta,
    batch_size: int,
    poll_interval: timedelta,
    name: str,
    capture_logs: bool | int,
    max_tasks_per_child: int | None,
    max_memory_per_child: int | None,
    hooks: Sequence[OutcomeHook],
) -> Settings:
    """Return the settings; raise ``InvalidOption`` for one that is out of its range."""
    kind = _executor(executor)
    _check_children(kind, "max_tasks_per_child", max_tasks_per_child, 1)
    _check_children(kind, "max_memory_per_child", max_memory_per_child, _MEMORY_LEAST)
    if max_memory_per_child is not None and not CAN_TELL:
        raise InvalidOption("Worker(max_memory_per_child=…): this platform does not tell a process its memory.")
    if not isinstance(hooks, (tuple, list)):
        raise InvalidOption(f"Worker(on_outcome=…) takes a function or a list of them, not {shown(hooks)}.")
    for hook in hooks:
        if not callable(hook):
            raise InvalidOption(f"Worker(on_outcome=…) takes functions of one TaskOutcome, not {hook!r}.")
    return Settings(
        queue_names=_queues(queue_names),
        concurrency=_default_concurrency(kind) if concurrency is None else whole("concurrency", concurrency, 1, 10000),
        executor=kind,
        lease=_span("lease", lease, timedelta(milliseconds=100), timedelta(days=1)),
        grace=_span("grace", grace, timedelta(0), timedelta(days=366)),
        batch_size=whole("batch_size", batch_size, 1, _BATCH_LARGEST),
        poll_interval=_span("poll_interval", poll_interval, timedelta(milliseconds=1), timedelta(hours=1)),
        name=_name(name),
        capture_level=_capture_level(capture_logs),
        max_tasks_per_child=max_tasks_per_child,
        max_memory_per_child=max_memory_per_child,
        hooks=tuple(hooks),
    )
