"""Run one claimed task: decode its arguments, call the function, and make an ``Outcome`` of what came of it.

Nothing here talks to a store. A ``Run`` is what the task's ``Context`` talks to; whoever executes it (a thread, the
event loop, a child process, ``drain``) reads from it what is to be sent, and tells it of cancels and lost leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from taskcore._call import Call, spec_for
from taskcore._codec import decode_arguments, encode_result, failure_from
from taskcore._context import Context, enter, leave
from taskcore._control import Abort, CancelRequested, Snooze
from taskcore._data import Failure, Item, Progress, Task, TaskSpec
from taskcore._definition import TaskDefinition
from taskcore._ids import IdSource
from taskcore._naming import type_name
from taskcore._options import NotGiven
from taskcore._policy import (
    Aborted,
    CancelObeyed,
    GivenBack,
    Outcome,
    Raised,
    Returned,
    Snoozed,
    Undecodable,
    Unstorable,
)
from taskcore._retry import Curve, Retry
from taskcore._vocabulary import CancelLevel, ItemKind
from taskcore.clock import Clock
from taskcore.errors import InvalidInput, LeaseLost, NotEncodable, PayloadTooLarge, UndecodablePayload

__all__ = [
    "Job",
    "Run",
    "Surroundings",
    "current_run",
    "effective_retry",
    "execute",
    "execute_async",
    "outcome_of_exception",
]

T = TypeVar("T")

_logger = logging.getLogger("taskcore.worker")
_LOGGED: ContextVar[Run] = ContextVar("taskcore_logged_run")
_NO_OUTPUTS: Mapping[str, str] = MappingProxyType({})
_LONGEST_DELAY = timedelta(days=3650)
_ENQUEUED_AT_MOST = 1000
_MRO = type.__dict__["__mro__"]


@attrs.frozen(kw_only=True)
class Surroundings:
    """What runs of one process share: clock, ids and limits."""

    clock: Clock
    monotonic: Callable[[], float]
    """Seconds by the clock's monotonic time."""
    ids: IdSource
    payload_limit: int
    result_limit: int


@attrs.frozen(kw_only=True)
class Job:
    """A definition, with what a run needs of its options at hand."""

    definition: TaskDefinition[..., object]
    function: Callable[..., Any]
    is_async: bool
    takes_context: bool
    retry: Retry | None
    timeout: timedelta | None
    soft_timeout: timedelta | None
    is_atomic: bool = False

    @classmethod
    def of(cls, definition: TaskDefinition[..., object]) -> Job:
        """Return the job of a definition."""
        options = definition.options
        return cls(
            definition=definition,
            function=definition.function,
            is_async=definition.is_async,
            takes_context=definition.takes_context,
            retry=_given(options.retry),
            timeout=_given(options.timeout),
            soft_timeout=_given(options.soft_timeout),
            is_atomic=definition.is_atomic,
        )


def _given(option: T | NotGiven | None) -> T | None:
    return None if isinstance(option, NotGiven) else option


class Run:
    """One run of one task, as its ``Context`` and its executor share it. Implements ``RunSink``.

    The running function only appends; the worker's threads take away what they have sent.
    """

    __slots__ = (
        "_next_item",
        "_surroundings",
        "cancel_level_wanted",
        "deadline",
        "interruption",
        "is_lost",
        "items",
        "job",
        "latest_progress",
        "logs_left",
        "refresh",
        "sent_progress",
        "specs",
        "started",
        "started_at",
        "task",
    )

    def __init__(
        self, task: Task, job: Job, surroundings: Surroundings, *, started: float, started_at: datetime
    ) -> None:
        self.task = task
        self.job = job
        self._surroundings = surroundings
        self.started = started
        """When it began, in the seconds of ``Surroundings.monotonic``."""
        self.started_at = started_at
        """The same by the store's clock."""
        self.deadline: float | None = None
        """When its hard timeout ends it; in the same seconds."""
        self.cancel_level_wanted: CancelLevel | None = None
        self.is_lost = False
        """Another worker may hold the task now."""
        self.interruption: Outcome | None = None
        """Why its executor stops it: the outcome when it ends by a cancellation that was raised in it."""
        self.refresh: Callable[[], None] | None = None
        """Called before it is asked whether it is to stop: where nothing else brings the news (``drain``)."""
        self.latest_progress: Progress | None = None
        self.sent_progress: Progress | None = None
        self.items: list[Item] = []
        """What the store has not confirmed yet, oldest first."""
        self._next_item = 0
        self.specs: list[TaskSpec] = []
        self.logs_left = 0

    def progress(self, progress: Progress) -> None:
        """Keep the newest progress; it is sent with the next heartbeat, or with the outcome."""
        self.latest_progress = attrs.evolve(progress, updated_at=self._surroundings.clock.now())

    def item(
        self,
        *,
        count: float | None,
        data_json: str | None,
        dimensions: Mapping[str, str],
        kind: ItemKind = ItemKind.ITEM,
    ) -> None:
        """Append a sub-result or log line."""
        sequence = self._next_item
        self._next_item = sequence + 1
        made = Item(
            task_id=self.task.spec.id,
            epoch=self.task.epoch,
            sequence=sequence,
            kind=kind,
            at=self._surroundings.clock.now(),
            dimensions=dimensions,
            count=count,
            data_json=data_json,
        )
        self.items.append(made)

    def cancel_level(self) -> CancelLevel | None:
        """Return the cancel that is wanted, as far as the worker has heard."""
        if self.refresh is not None:
            self.refresh()
        return self.cancel_level_wanted

    def is_lease_lost(self) -> bool:
        """Return whether another worker may hold the task now."""
        if self.refresh is not None:
            self.refresh()
        return self.is_lost

    def enqueue(self, call: Call[object]) -> str:
        """Have a call stored in the same step as this run's success; return its id.

        Raises InvalidInput beyond a thousand: all of them are one atomic step of the store.
        """
        if len(self.specs) >= _ENQUEUED_AT_MOST:
            raise InvalidInput(
                f"Task {self.task.name!r}: a run enqueues at most {_ENQUEUED_AT_MOST:,} tasks with its own success. "
                "For more, have it enqueue one task that calls enqueue_many() or group() of a client."
            )
        surroundings = self._surroundings
        now = surroundings.clock.now()
        task_id = surroundings.ids.new(now)
        self.specs.append(spec_for(call, task_id=task_id, now=now, payload_limit=surroundings.payload_limit))
        return task_id

    def remaining(self) -> timedelta | None:
        """Return how long the run may still go on; ``None``: it has no hard timeout."""
        if self.deadline is None:
            return None
        return timedelta(seconds=max(0.0, self.deadline - self._surroundings.monotonic()))

    def want_cancel(self, level: CancelLevel) -> None:
        """Note that a cancel is wanted, for ``ctx.check()`` and for the outcome of obeying it."""
        self.cancel_level_wanted = level
        if self.interruption is None:
            self.interruption = CancelObeyed()

    def lose(self) -> None:
        """Note that another worker may hold the task now."""
        self.is_lost = True
        if self.interruption is None:
            self.interruption = GivenBack("its lease was lost", has_begun=True)

    @property
    def timeout(self) -> timedelta | None:
        """The hard limit of the run: the task's own, else the definition's."""
        return self.task.spec.timeout or self.job.timeout

    @property
    def soft_timeout(self) -> timedelta | None:
        """When it is asked to stop by ``SoftTimeout``: the task's own, else the definition's."""
        return self.task.spec.soft_timeout or self.job.soft_timeout

    @property
    def has_news(self) -> bool:
        """Whether there is progress or an item that the store has not been told of."""
        return bool(self.items) or self.latest_progress is not self.sent_progress

    def encode(self, value: object) -> Outcome:
        """Return the outcome of having returned ``value``."""
        try:
            value_json = encode_result(self.job.definition, value, self._surroundings.result_limit)
        except (NotEncodable, PayloadTooLarge) as error:
            return Unstorable(failure_from(error))
        return Returned(value_json, tuple(self.specs) if self.specs else ())


def effective_retry(task: Task, job: Job | None) -> Retry | None:
    """Return the retry that governs ``task``: its own, else that of the definition this process has."""
    if task.spec.retry is not None or job is None:
        return task.spec.retry
    return job.retry


def current_run() -> Run | None:
    """Return the run that this code is part of, if what it logs is to be kept."""
    return _LOGGED.get(None)


def execute(run: Run, outputs: Mapping[str, str] = _NO_OUTPUTS) -> Outcome:
    """Run a plain function in the calling thread. ``outputs`` are the values of the parents it refers to."""
    job = run.job
    try:
        args, kwargs = decode_arguments(job.definition, run.task.spec.arguments_json, outputs)
    except Exception as error:
        return _undecodable(error)
    except BaseException as error:  # a constructor of the user's that ends the program: it is held to be the task's
        return outcome_of_exception(run, error)
    context = Context(run.task, run)
    token = enter(context)
    logged = _LOGGED.set(run) if run.logs_left else None
    pid = os.getpid()
    try:
        value = job.function(context, *args, **kwargs) if job.takes_context else job.function(*args, **kwargs)
        _end_copy(pid)
        return run.encode(value)
    except BaseException as error:
        _end_copy(pid, error)
        return outcome_of_exception(run, error)
    finally:
        leave(token)
        if logged is not None:
            _LOGGED.reset(logged)


async def execute_async(run: Run, outputs: Mapping[str, str] = _NO_OUTPUTS) -> Outcome:
    """Run an ``async`` function on the running loop. See ``execute``."""
    job = run.job
    try:
        args, kwargs = decode_arguments(job.definition, run.task.spec.arguments_json, outputs)
    except Exception as error:
        return _undecodable(error)
    except BaseException as error:  # a constructor of the user's that ends the program: it is held to be the task's
        return outcome_of_exception(run, error)
    context = Context(run.task, run)
    token = enter(context)
    logged = _LOGGED.set(run) if run.logs_left else None
    pid = os.getpid()
    try:
        called = job.function(context, *args, **kwargs) if job.takes_context else job.function(*args, **kwargs)
        value = await called
        _end_copy(pid)
        return run.encode(value)
    except BaseException as error:
        _end_copy(pid, error)
        return outcome_of_exception(run, error)
    finally:
        leave(token)
        if logged is not None:
            _LOGGED.reset(logged)


def _end_copy(pid: int, error: BaseException | None = None) -> None:
    """End a copy of this process that the function made with ``os.fork``: it has no threads, and is no worker.

    Only the copy gets here with another ``pid``; the function should have ended it, with ``os._exit`` or an exec.
    """
    if os.getpid() == pid:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    os._exit(code if isinstance(code, int) else int(code is not None))


def _undecodable(error: Exception) -> Undecodable:
    if isinstance(error, UndecodablePayload):
        return Undecodable(failure_from(error))
    made = UndecodablePayload(f"Its arguments do not decode: {type(error).__name__}: {error}")
    made.__cause__ = error
    return Undecodable(failure_from(made))


def outcome_of_exception(run: Run, error: BaseException) -> Outcome:
    """Return what ``error``, raised by the run's function, means for the task; never raises.

    An exception that cannot be looked at (a subclass of ``Snooze`` that forgot the delay) counts as the exception that
    looking at it raised.
    """
    try:
        return _outcome_of(run, error)
    except BaseException as fault:
        return Raised(failure_from(fault), _names_of(fault))


def _outcome_of(run: Run, error: BaseException) -> Outcome:
    if isinstance(error, Snooze):
        return Snoozed(error.delay, error.limit)
    if isinstance(error, Abort):
        return Aborted(failure_from(error).message)
    if isinstance(error, (CancelRequested, LeaseLost, asyncio.CancelledError)) and run.interruption is not None:
        return run.interruption
    if isinstance(error, CancelRequested):
        return Aborted("it raised CancelRequested though nobody wanted a cancel")
    retry = effective_retry(run.task, run.job)
    delay = None
    if retry is not None and not isinstance(retry.backoff, Curve):
        delay = _custom_delay(retry.backoff, run.task, error)
    return Raised(_failure(error), _names_of(error), delay)


def _names_of(error: BaseException) -> tuple[str, ...]:
    return tuple(type_name(base) for base in _MRO.__get__(type(error)))  # whatever its metaclass answers


def _failure(error: BaseException) -> Failure:
    """Return an exception as data, its traceback without the frames of taskcore that it begins with."""
    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("taskcore."):
        trace = trace.tb_next
    return failure_from(error if trace is None else error.with_traceback(trace))


def _custom_delay(
    backoff: Callable[[int, BaseException], timedelta], task: Task, error: BaseException
) -> timedelta | None:
    """Ask the user's backoff function; a bad answer is logged, and the default curve stands in (``_policy``)."""
    try:
        delay = backoff(task.failures + 1, error)
    except BaseException:  # in a worker's thread nobody else would catch it
        _logger.exception("The backoff function of task %s (%s) raised: the default curve is used.", task.id, task.name)
        return None
    if isinstance(delay, timedelta) and (timedelta(0) <= delay <= _LONGEST_DELAY or delay == timedelta.max):
        return delay
    _logger.error(
        "The backoff function of task %s (%s) answered %r, not a timedelta from zero to ten years (or timedelta.max): "
        "the default curve is used.",
        task.id,
        task.name,
        delay,
    )
    return None
