"""``Worker``: what a program makes, runs and stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any
from uuid import uuid4

import attrs
from typing_extensions import Self

from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore._ids import IdSource
from taskcore._naming import shown
from taskcore._run import Job, Surroundings
from taskcore._worker._capture import capturing
from taskcore._worker._core import Core
from taskcore._worker._drain import drain
from taskcore._worker._engine import Engine
from taskcore._worker._settings import ExecutorKind, OutcomeHook, Settings, settings_from, whole
from taskcore._worker._signals import stopping_on_signals
from taskcore._worker._stopping import WorkerExit
from taskcore.clock import Clock, SystemClock
from taskcore.errors import InvalidDefinition, InvalidOption, TaskcoreError, UnsupportedCapability
from taskcore.protocol import Backend, Capability

__all__ = ["Worker"]

_logger = logging.getLogger("taskcore.worker")
_RESULT_LIMIT = 1_000_000


class Worker:
    """Runs the tasks of one store that it has the definitions of.

    ``tasks``: the definitions it may run; a task of any other name goes back to its queue with a delay and a warning.
    ``queue_names``: what it claims from; the queues of its definitions and "default" when left out.
    ``concurrency``: how many tasks run at once, async ones included. ``executor``: where plain functions run:
    "threads", "processes" (each task of which must be importable), or "async" (only ``async`` functions are allowed);
    ``async`` functions always run on one event loop of the worker's.
    ``lease``: how long a task is held unless heartbeats, every third of it, extend it: what a crash delays a task by.
    ``grace``: how long running tasks may go on after the first stop.
    ``batch_size``: the most tasks of one claim. ``poll_interval``: how often to look without a hint from the store.
    ``capture_logs``: keep what tasks log (True: from INFO on; or a level) as items of the task, at most 1,000 lines, as
    far as the levels of the loggers let it through; in child processes the root logger is set to that level.
    ``max_tasks_per_child``: renew a child process after so many tasks; ``max_memory_per_child``: when it has more bytes
    of memory than this after a task (not on Windows).
    ``on_outcome``: a function, or several, told of each outcome after the store has it; what they raise is logged.
    ``result_limit``: bytes of an encoded return value.

    Raises InvalidOption, and InvalidDefinition for definitions that cannot be run so.
    """

    def __init__(
        self,
        client: Client,
        tasks: Iterable[TaskDefinition[..., Any]],
        *,
        queue_names: Sequence[str] | None = None,
        concurrency: int | None = None,
        executor: str | ExecutorKind = ExecutorKind.THREADS,
        lease: timedelta = timedelta(seconds=30),
        grace: timedelta = timedelta(seconds=30),
        batch_size: int = 100,
        poll_interval: timedelta = timedelta(seconds=1),
        name: str | None = None,
        capture_logs: bool | int = False,
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
        on_outcome: OutcomeHook | Sequence[OutcomeHook] = (),
        result_limit: int = _RESULT_LIMIT,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(client, Client):
            raise InvalidOption(f"Worker({shown(client)}, …): it takes a Client (of an AsyncClient, its .sync).")
        self._jobs = _jobs_of(tasks)
        self._client = client
        self._result_limit = whole("result_limit", result_limit, 1, 2**31 - 1)
        self._clock = clock
        self._settings = settings_from(
            queue_names=_queues_of(self._jobs) if queue_names is None else queue_names,
            concurrency=concurrency,
            executor=executor,
            lease=lease,
            grace=grace,
            batch_size=batch_size,
            poll_interval=poll_interval,
            name=name or "taskcore",
            capture_logs=capture_logs,
            max_tasks_per_child=max_tasks_per_child,
            max_memory_per_child=max_memory_per_child,
            hooks=(on_outcome,) if callable(on_outcome) else on_outcome,
        )
        _check_jobs(self._jobs, self._settings.executor, client.backend)
        self._id = uuid4().hex
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stops = 0

    @property
    def id(self) -> str:
        """Random for each worker made: the ``worker_id`` of its leases."""
        return self._id

    @property
    def settings(self) -> Settings:
        """What it was told, with what was left out filled in."""
        return self._settings

    def run(self, burst: bool = False) -> WorkerExit:
        """Work until SIGTERM, SIGINT (Ctrl-C), or ``stop``; with ``burst`` until nothing is left to claim.

        The first signal stops gracefully: nothing more is claimed, what was not started goes back at once, what runs
        has ``grace`` to end. A second one stops at once: children are killed and their tasks released, coroutines
        cancelled; threads cannot be, so their tasks go on until the process ends, and their leases lapse. Signals are
        heard only when called in the main thread. Use the ``code`` of what is returned for ``sys.exit``.
        """
        clock = self._clock or SystemClock()
        core = self._core(self._settings, clock, _seconds_of(clock))
        with self._lock:
            if self._engine is not None or self._is_started_elsewhere():
                raise TaskcoreError("This worker runs already; make another one to run twice.")
            engine = self._engine = Engine(core, is_burst=burst, name=self._settings.name)
            if self._stops:
                engine.stop(self._stops)
        _logger.info(
            "Worker %s runs %d tasks from %s with %d %s.",
            self._id,
            len(self._jobs),
            ", ".join(self._settings.queue_names),
            self._settings.concurrency,
            self._settings.executor.value,
        )
        try:
            with stopping_on_signals(engine.stop), capturing(self._settings.capture_level):
                ended = engine.run()
        finally:
            with self._lock:
                self._engine = None
                self._stops = 0
        _logger.info("Worker %s %s after %d tasks.", self._id, ended.value, core.reporter.completed)
        return ended

    def drain(self) -> int:
        """Run all that is due in the calling thread, due schedules included; return how many tasks were run.

        For tests: it never sleeps and starts no thread, whatever the executor, so with a ``FakeClock`` in the backend
        a test decides what is due. Plain functions are held to no timeout. Raises what the store raises.
        """
        clock = _StoreClock(self._client.backend)
        settings = attrs.evolve(self._settings, concurrency=1, batch_size=1)
        return drain(self._core(settings, clock, _seconds_of(clock)))

    def stop(self, *, at_once: bool = False) -> None:
        """Have ``run`` stop, as a signal would; returns without waiting. Asked twice, it stops at once."""
        with self._lock:
            times = 2 if at_once else 1
            if self._engine is None:
                self._stops += times if self._thread is not None and self._thread.is_alive() else 0
            else:
                self._engine.stop(times)

    def start(self) -> None:
        """Run in a thread of its own: for embedding a worker in another program. ``stop`` and ``join`` end it."""
        if self._thread is not None and self._thread.is_alive():
            raise TaskcoreError("This worker runs already.")
        self._thread = threading.Thread(target=self.run, name=f"{self._settings.name}-cycle", daemon=True)
        self._thread.start()

    def _is_started_elsewhere(self) -> bool:
        """Return whether the thread of ``start`` lives, which may not have come to its engine yet, and is not this."""
        thread = self._thread
        return thread is not None and thread is not threading.current_thread() and thread.is_alive()

    def join(self, timeout: timedelta | None = None) -> bool:
        """Wait until the thread of ``start`` has ended; return whether it has."""
        if self._thread is None:
            return True
        self._thread.join(None if timeout is None else timeout.total_seconds())
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        """Start it in a thread."""
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop it and wait for its end."""
        self.stop()
        self.join()

    def _core(self, settings: Settings, clock: Clock, monotonic: Callable[[], float]) -> Core:
        surroundings = Surroundings(
            clock=clock,
            monotonic=monotonic,
            ids=IdSource(),
            payload_limit=self._client.payload_limit,
            result_limit=self._result_limit,
        )
        return Core(self._client.backend, surroundings, self._jobs, settings, self._id)


class _StoreClock:
    """The store's clock as the worker's own: where the store's is a test's."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._start = backend.now()

    def now(self) -> datetime:
        """Return the store's now."""
        return self._backend.now()

    def monotonic(self) -> timedelta:
        """Return how far the store's clock has come."""
        return self._backend.now() - self._start


def _seconds_of(clock: Clock) -> Callable[[], float]:
    if isinstance(clock, SystemClock):
        return time.monotonic
    return lambda: clock.monotonic().total_seconds()


def _jobs_of(tasks: Iterable[TaskDefinition[..., Any]]) -> Mapping[str, Job]:
    jobs: dict[str, Job] = {}
    if not isinstance(tasks, Iterable):
        raise InvalidDefinition(f"Worker(client, tasks): {shown(tasks)} is no list of tasks.")
    for definition in tasks:
        if not isinstance(definition, TaskDefinition):
            raise InvalidDefinition(f"Worker(client, tasks): {shown(definition)} is no task; decorate it with @task.")
        known = jobs.get(definition.name)
        if known is not None and known.function is not definition.function:
            raise InvalidDefinition(f"Two different tasks are named {definition.name!r}: give one another name.")
        jobs[definition.name] = Job.of(definition)
    if not jobs:
        raise InvalidOption("Worker(client, tasks) needs at least one task to run.")
    return jobs


def _queues_of(jobs: Mapping[str, Job]) -> tuple[str, ...]:
    names = [job.definition.options.queue_name for job in jobs.values()]
    return tuple(dict.fromkeys([*(name for name in names if isinstance(name, str)), "default"]))


def _check_jobs(jobs: Mapping[str, Job], executor: ExecutorKind, backend: Backend) -> None:
    for job in jobs.values():
        if job.is_atomic:
            _check_atomic(job, executor, backend)
        if job.is_async:
            continue
        if executor is ExecutorKind.ASYNC:
            raise InvalidDefinition(
                f'Task {job.definition.name!r} is a plain function: a worker with executor="async" runs only async '
                'ones. Use executor="threads"; async tasks run on an event loop there, too.'
            )
        if executor is ExecutorKind.PROCESSES:
            job.definition.check_importable()


def _check_atomic(job: Job, executor: ExecutorKind, backend: Backend) -> None:
    """Raise for a task with a transaction where there can be none."""
    name = job.definition.name
    if Capability.TRANSACTIONS not in backend.capabilities:
        raise UnsupportedCapability(
            f"Task {name!r} is atomic: it runs in a transaction of the database that its tasks are in, and the backend "
            f"{backend.url} is in none. Take atomic=True away, or keep tasks in the site's database (DjangoBackend)."
        )
    if executor is not ExecutorKind.THREADS:
        raise InvalidDefinition(
            f"Task {name!r} is atomic: it runs in a transaction of a thread of the worker, so not with "
            f'executor="{executor.value}". Use executor="threads".'
        )
