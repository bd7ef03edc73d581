"""What a worker says to the store after a run: ``decide`` turns the outcome of one run into one ``Change``.

Pure: the moment and the random number are passed in. The rules of retrying live here (who is tried again, after how
long, up to when), and what becomes of runs that never were: unknown names, payloads that do not decode, children that
died. ``_run`` makes the outcomes, the worker sends the changes.

Two decisions that need a reason:

- **An unknown name** goes back and waits; it is never failed. During a deploy old and new workers share a queue, and
  the one that knows the name will come.
- **A payload that does not decode** may be the same deploy: an old worker reads what new code wrote. So it goes back
  too, but only ``UNDECODABLE_RELEASES`` times with growing delays (about ten minutes in all); after that the code and
  the payload really disagree, and the task fails with the decoder's message, for an operator to amend or requeue.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

import attrs
from typing_extensions import assert_never

from taskcore._data import Failure, Item, Progress, Task, TaskSpec
from taskcore._machine import WORKER_LOST, lapse_event
from taskcore._retry import Curve, CurveKind, Retry
from taskcore._transitions import Change
from taskcore._vocabulary import CancelReason, Event

__all__ = [
    "ABORT",
    "DEFAULT_BACKOFF",
    "HARD_TIMEOUT",
    "SNOOZE",
    "UNDECODABLE_RELEASES",
    "Aborted",
    "CancelObeyed",
    "Decision",
    "Ended",
    "GivenBack",
    "Outcome",
    "Overdue",
    "Raised",
    "Returned",
    "Snoozed",
    "TimedOut",
    "Undecodable",
    "Unfinished",
    "UnknownName",
    "Unstorable",
    "WorkerDied",
    "decide",
    "retry_delay",
    "succeed",
]

HARD_TIMEOUT = "taskcore.HardTimeout"
"""The ``exception_type`` of a run that was ended at its hard timeout."""

ABORT = "taskcore.Abort"
"""The ``exception_type`` of what a task said when it gave itself up."""

SNOOZE = "taskcore.Snooze"
"""The ``exception_type`` that marks a release as a snooze among the attempts of a task."""

UNDECODABLE_RELEASES = 6
"""How often a payload that does not decode goes back before the task fails: 10 s, 20 s, 40 s … after each other."""

_HARD_TIMEOUT_NAMES = (HARD_TIMEOUT, "builtins.TimeoutError", "builtins.OSError", "builtins.Exception")
_NO_RETRY = Retry()
_NO_DELAY = timedelta(0)
_UNKNOWN_FIRST, _UNKNOWN_LONGEST = timedelta(seconds=5), timedelta(minutes=1)
_UNDECODABLE_FIRST, _UNDECODABLE_LONGEST = timedelta(seconds=10), timedelta(minutes=10)

DEFAULT_BACKOFF = Curve(kind=CurveKind.EXPONENTIAL, base=timedelta(seconds=1), maximum=timedelta(hours=1))
"""What stands in for a backoff function that raised, or answered something that is no delay."""


@attrs.frozen
class Returned:
    """The function returned; its value is encoded (``None``: not kept)."""

    value_json: str | None
    tasks: tuple[TaskSpec, ...] = ()
    """What it enqueued with ``ctx.enqueue``: stored in the same step."""


@attrs.frozen
class Raised:
    """The function raised. ``type_names`` are the dotted names of the exception's class and of all its bases."""

    failure: Failure
    type_names: tuple[str, ...]
    custom_delay: timedelta | None = None
    """What the retry's own backoff function answered, if it has one and it answered well; ``max``: never again."""


@attrs.frozen
class Unstorable:
    """The function returned something that cannot travel, or is too large: running it again would not help."""

    failure: Failure


@attrs.frozen
class Snoozed:
    """The function asked to be run later, without this run counting as a try."""

    delay: timedelta
    limit: int | None = None
    """How often it may ask; ``None``: no limit."""


@attrs.frozen
class Aborted:
    """The function gave itself up."""

    message: str = ""


@attrs.frozen
class CancelObeyed:
    """A cancel was wanted, and the run stopped for it, or had not begun."""


@attrs.frozen
class Overdue:
    """``expires_at`` passed between the claim and the start; it was not started."""


@attrs.frozen
class TimedOut:
    """The run was still going at its hard timeout."""

    timeout: timedelta
    is_stopped: bool
    """Whether it certainly runs no more. A thread cannot be killed: tried again it could run twice at once, so such
    a task fails, whatever its ``Retry`` says."""


@attrs.frozen
class WorkerDied:
    """The process that ran it ended without an answer, and its parent lives to tell."""

    message: str


@attrs.frozen
class GivenBack:
    """It did not run, or not to its end, through no fault of its own: a shutdown, a lost lease, no room."""

    why: str
    delay: timedelta = _NO_DELAY
    has_begun: bool = False
    """Its function had been called. A task that may run at most once is then not given back, but lost."""


@attrs.frozen
class UnknownName:
    """The worker has no definition of this name."""


@attrs.frozen
class Undecodable:
    """The arguments do not decode by the annotations that the function has in this process."""

    failure: Failure


Ended: TypeAlias = Raised | Unstorable | Snoozed | Aborted | CancelObeyed | TimedOut
"""How a run ended that did not return (or was cancelled before it could begin)."""

Unfinished: TypeAlias = Overdue | WorkerDied | GivenBack | UnknownName | Undecodable
"""How a claimed task came back without having run to its end."""

Outcome: TypeAlias = Returned | Ended | Unfinished
"""How one claimed task came back."""


@attrs.frozen
class Decision:
    """The change to send, and why in words, for the log."""

    change: Change
    note: str = ""


def decide(
    task: Task,
    outcome: Outcome,
    *,
    retry: Retry | None = None,
    now: datetime,
    random: float = 0.0,
    started_at: datetime | None = None,
    progress: Progress | None = None,
    items: tuple[Item, ...] = (),
) -> Decision:
    """Return the one change that answers ``outcome`` of the run of ``task`` (as it was claimed).

    ``retry`` is the definition's; the one of the spec wins. ``now`` is the store's clock as well as it is known,
    ``random`` is in [0, 1). What the run leaves besides its outcome (``started_at``, ``progress``, ``items``) is stored
    in the same step.
    """
    if isinstance(outcome, Returned):
        return succeed(task, outcome, started_at=started_at, progress=progress, items=items)
    if isinstance(outcome, Unfinished):
        answer = _answer_unfinished(task, outcome, random)
    else:
        answer = _answer_ended(task, outcome, task.spec.retry or retry or _NO_RETRY, now, random)
    change = Change(
        task_id=task.spec.id,
        event=answer.event,
        fence=task.fence,
        failure=answer.failure,
        delay=answer.delay,
        reason=answer.reason,
        started_at=started_at,
        progress=progress,
        items=items,
    )
    return Decision(change, answer.note)


def succeed(
    task: Task,
    outcome: Returned,
    *,
    started_at: datetime | None = None,
    progress: Progress | None = None,
    items: tuple[Item, ...] = (),
) -> Decision:
    """Return the change that answers a function's return: what ``decide`` does, which needs no clock and no retry."""
    return Decision(
        Change(
            task_id=task.spec.id,
            event=Event.SUCCEED,
            fence=task.fence,
            value_json=outcome.value_json,
            tasks=outcome.tasks,
            started_at=started_at,
            progress=progress,
            items=items,
        )
    )


@attrs.frozen
class _Answer:
    """What is particular to one outcome in the change that answers it."""

    event: Event
    note: str = ""
    failure: Failure | None = None
    delay: timedelta | None = None
    reason: CancelReason | None = None


def _answer_unfinished(task: Task, outcome: Unfinished, random: float) -> _Answer:
    match outcome:
        case Overdue():
            return _Answer(Event.ABORT, "it expired before it could start", reason=CancelReason.EXPIRED)
        case WorkerDied(message=message):
            return _Answer(lapse_event(task), message, Failure(exception_type=WORKER_LOST, message=message))
        case GivenBack(why=why, has_begun=True) if task.spec.max_crashes == 0:
            message = f"It had begun, and may not begin again (max_crashes=0): {why}."
            return _Answer(lapse_event(task), message, Failure(exception_type=WORKER_LOST, message=message))
        case GivenBack(why=why, delay=delay):
            return _Answer(Event.RELEASE, why, delay=delay)
        case UnknownName():
            delay = _doubled(_UNKNOWN_FIRST, task.releases, _UNKNOWN_LONGEST, random)
            return _Answer(Event.RELEASE, f"this worker knows no task named {task.spec.name!r}", delay=delay)
        case Undecodable(failure=failure):
            before = _releases_marked(task, failure.exception_type)
            if before >= UNDECODABLE_RELEASES:
                return _Answer(Event.FAIL, "its arguments still do not decode", failure)
            delay = _doubled(_UNDECODABLE_FIRST, before, _UNDECODABLE_LONGEST, random)
            return _Answer(Event.RELEASE, f"its arguments do not decode: {failure.message}", failure, delay)
        case _:
            assert_never(outcome)


def _answer_ended(task: Task, outcome: Ended, retry: Retry, now: datetime, random: float) -> _Answer:
    match outcome:
        case Raised():
            return _answer_exception(task, outcome, retry, now, random)
        case TimedOut(timeout=timeout, is_stopped=is_stopped):
            failure = Failure(exception_type=HARD_TIMEOUT, message=f"It ran longer than its timeout of {timeout}.")
            if not is_stopped:
                return _Answer(Event.FAIL, "it cannot be stopped, so it is not tried again", failure)
            return _answer_exception(task, Raised(failure, _HARD_TIMEOUT_NAMES), retry, now, random)
        case Unstorable(failure=failure):
            return _Answer(Event.FAIL, "its return value cannot be stored", failure)
        case Snoozed(delay=delay, limit=limit):
            if limit is not None and _snoozes(task) >= limit:
                note = f"It snoozed {limit} times, which is its limit."
                return _Answer(Event.FAIL, note, Failure(exception_type=SNOOZE, message=note))
            note = f"it snoozes for {delay}"
            return _Answer(Event.RELEASE, note, Failure(exception_type=SNOOZE, message=note), delay)
        case Aborted(message=message):
            failure = Failure(exception_type=ABORT, message=message)
            return _Answer(Event.ABORT, message, failure, reason=CancelReason.ABORTED)
        case CancelObeyed():
            return _Answer(Event.ABORT, "a cancel was wanted", reason=CancelReason.USER)
        case _:
            assert_never(outcome)


def _answer_exception(task: Task, raised: Raised, retry: Retry, now: datetime, random: float) -> _Answer:
    failures = task.failures + 1
    limit = task.spec.max_attempts
    if limit is not None and failures >= limit:
        return _Answer(Event.FAIL, "" if limit == 1 else f"all {limit} attempts are spent", raised.failure)
    if raised.custom_delay == timedelta.max:
        return _Answer(Event.FAIL, "its backoff function lets it not be tried again", raised.failure)
    if not _is_tried_again(retry, raised.type_names):
        return _Answer(Event.FAIL, f"{raised.failure.exception_type} is not retried", raised.failure)
    delay = retry_delay(retry, failures, random, custom=raised.custom_delay)
    if retry.until is not None and now - task.spec.enqueued_at > retry.until - delay:
        note = f"the next try would be later than {retry.until} after it was enqueued"
        return _Answer(Event.FAIL, note, raised.failure)
    note = f"failure {failures} of {limit or 'any number'}, again in {delay}"
    return _Answer(Event.RETRY, note, raised.failure, delay)


def _is_tried_again(retry: Retry, type_names: tuple[str, ...]) -> bool:
    if any(name in type_names for name in retry.not_on):
        return False
    return any(name in type_names for name in (retry.on or ("builtins.Exception",)))


def retry_delay(retry: Retry, failures: int, random: float, *, custom: timedelta | None = None) -> timedelta:
    """Return the wait after the ``failures``-th exception, never longer than the curve says: jitter takes away.

    ``custom`` is the answer of a backoff function. When the retry has such a function but no answer of it is there,
    the default curve stands in: a broken backoff must not change what becomes of the task.
    """
    if custom is None:
        curve = retry.backoff if isinstance(retry.backoff, Curve) else DEFAULT_BACKOFF
        custom = curve.delay(failures)
    return custom * (1.0 - retry.jitter * random)


def _doubled(first: timedelta, times: int, longest: timedelta, random: float) -> timedelta:
    return min(first * 2.0 ** min(times, 20), longest) * (1.0 - 0.1 * random)


def _releases_marked(task: Task, exception_type: str) -> int:
    return sum(
        attempt.event is Event.RELEASE
        and attempt.failure is not None
        and attempt.failure.exception_type == exception_type
        for attempt in task.attempts
    )


def _snoozes(task: Task) -> int:
    """Return how often it snoozed: all releases but those known to have been something else.

    Attempts keep the first and the last 20, so a shutdown that has scrolled out of a long list counts as a snooze.
    """
    others = sum(attempt.event is Event.RELEASE for attempt in task.attempts) - _releases_marked(task, SNOOZE)
    return task.releases - others
