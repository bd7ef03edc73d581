"""What a site uses of taskcore directly: its clients, its tasks, and workers for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from typing_extensions import TypedDict, Unpack

from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore._worker import ExecutorKind, Worker
from taskcore._worker._settings import OutcomeHook
from taskcore.contrib.django._clients import CLIENTS
from taskcore.contrib.django._definitions import site_definitions
from taskcore.contrib.django._options import AliasOptions, alias_options
from taskcore.contrib.django._outcomes import FinishedSignals
from taskcore.protocol import Capability

__all__ = ["WorkerSettings", "client", "definitions", "worker", "worker_of"]

_logger = logging.getLogger("taskcore.worker")


def client(alias: str = "default", *, database: str | None = None) -> Client:
    """Return the client of an alias of ``settings.TASKS``: always the same one within a process, safe between threads.

    ``database`` takes the tables in that database in the place of the storage of the alias. It is closed when the
    settings change, as tests do, so ask for it where it is used and do not keep it. Raises ImproperlyConfigured for an
    alias that taskcore does not keep, and BackendError when the store cannot be opened.
    """
    return CLIENTS.get(alias_options(alias, database))


def definitions(alias: str = "default", modules: Iterable[str] = ()) -> list[TaskDefinition[..., object]]:
    """Return the tasks of the site, for a worker: Django's and taskcore's own.

    They are those that the module ``tasks`` of each installed app defines or imports (a package with all of its
    modules), those of ``OPTIONS["modules"]``, and those of ``modules``.
    """
    return site_definitions(alias_options(alias), modules)


class WorkerSettings(TypedDict, total=False):
    """The keyword arguments of ``taskcore.Worker``."""

    queue_names: Sequence[str] | None
    concurrency: int | None
    executor: str | ExecutorKind
    lease: timedelta
    grace: timedelta
    batch_size: int
    poll_interval: timedelta
    name: str | None
    capture_logs: bool | int
    max_tasks_per_child: int | None
    max_memory_per_child: int | None
    on_outcome: OutcomeHook | Sequence[OutcomeHook]
    result_limit: int


def worker(
    alias: str = "default",
    *,
    modules: Iterable[str] = (),
    only: Sequence[str] = (),
    database: str | None = None,
    **settings: Unpack[WorkerSettings],
) -> Worker:
    """Return a worker for the tasks of the site: what the command ``taskcore_worker`` runs.

    It serves the queues of the alias and those that its tasks name. ``worker().drain()`` runs what is due in the
    calling thread, for tests. Tasks with ``atomic=True`` are left out, with a warning, where they cannot be: on a
    storage without transactions, and with processes. ``only`` are names of the tasks that it runs, with ``*`` for
    anything (``shop.tasks.*``); all when left out. Others that it meets go back to their queue, so give it queues of
    its own.

    Raises as ``client`` and ``taskcore.Worker`` do, and ImportError or whatever else a module with tasks raises.
    """
    options = alias_options(alias, database)
    found = site_definitions(options, modules)
    if only:
        found = [one for one in found if any(fnmatchcase(one.name, pattern) for pattern in only)]
    return worker_of(options, found, settings)


def worker_of(options: AliasOptions, found: Sequence[TaskDefinition[..., object]], settings: WorkerSettings) -> Worker:
    """Return a worker for these definitions of an alias."""
    backend = CLIENTS.get(options).backend
    is_apart = settings.get("executor") in ("processes", ExecutorKind.PROCESSES)
    if is_apart or Capability.TRANSACTIONS not in backend.capabilities:
        left_out = [one.name for one in found if one.is_atomic]
        found = [one for one in found if not one.is_atomic]
        if left_out:
            _logger.warning(
                "Left out, for atomic tasks need threads and the database that they are in: %s.", ", ".join(left_out)
            )
    hooks = settings.get("on_outcome", ())
    settings["on_outcome"] = [FinishedSignals(options), *([hooks] if callable(hooks) else hooks)]
    if options.queues:
        named = {one.options.queue_name for one in found if isinstance(one.options.queue_name, str)}
        settings.setdefault("queue_names", sorted(options.queues | named))
    return Worker(CLIENTS.get(options), found, **settings)
