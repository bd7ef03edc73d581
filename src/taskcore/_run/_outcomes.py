"""What an exception that a task raised means for it; nothing that the user's code answers to that can raise again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from taskcore._codec import failure_from
from taskcore._control import Abort, CancelRequested, Snooze
from taskcore._data import Failure, Task
from taskcore._naming import type_name
from taskcore._policy import Aborted, Outcome, Raised, Snoozed
from taskcore._retry import Curve
from taskcore._run._run import Run, effective_retry
from taskcore.errors import LeaseLost

__all__ = ["outcome_of_exception"]

_logger = logging.getLogger("taskcore.worker")
_LONGEST_DELAY = timedelta(days=3650)
_MRO = type.__dict__["__mro__"]


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
