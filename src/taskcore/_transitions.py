"""The transition table: which event moves a task from where to where, under which guards, with which effects.

``TRANSITIONS`` is the whole state machine, as data; ``_machine`` interprets it, ``docs/lifecycle.md`` is generated from
it, and what backends write in SQL or Lua is held to it by the conformance suite. A ``Change`` is one event on its way
to one task. The theorem that matters: whatever leaves RUNNING is HELD (the caller shows the fence) or LAPSED (the
lease is over), and drops the lease. So a stale worker changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

import attrs

from taskcore._data import Failure, Fence, Item, Lease, Progress, TaskSpec
from taskcore._vocabulary import CancelLevel, CancelReason, Event, State

__all__ = ["TRANSITIONS", "Change", "Effect", "Guard", "Refused", "Transition", "Verdict"]


class Guard(Enum):
    """What must hold for a transition; the value is how the lifecycle page says it."""

    DUE = "run_after has passed"
    NOT_OVERDUE = "expires_at has not passed"
    OVERDUE = "expires_at has passed"
    HELD = "the fence is the present holder's"
    LAPSED = "the lease is over"
    HELD_OR_LAPSED = "a fence is given and is the holder's, or none is given and the lease is over"
    CANCEL_WANTED = "a cancel is wanted"
    NO_CANCEL_WANTED = "no cancel is wanted"
    TRIES_LEFT = "this failure leaves tries"
    CRASHES_LEFT = "this crash is forgiven"
    CRASHES_SPENT = "this crash is one too many"
    NOTHING_TO_WAIT_FOR = "no parent is unfinished"
    PARENTS_UNFINISHED = "a parent is unfinished"
    SAME_VERSION = "the version, if given, is the current one"
    SAME_ID = "the new spec keeps the id"


class Effect(Enum):
    """What a transition changes besides the state; the value is how the lifecycle page says it."""

    RAISE_EPOCH = "epoch + 1"
    GRANT_LEASE = "take the new lease"
    FORGET_SETTLE = "forget the last settle"
    CLEAR_CANCEL = "clear the wanted cancel"
    MARK_STARTED = "lease.is_started"
    EXTEND_LEASE = "extend the lease"
    TAKE_PROGRESS = "take the progress"
    SETTLE = "settle: drop the lease, remember (epoch, nonce, event)"
    TAKE_VALUE = "take the value"
    TAKE_FAILURE = "take the failure"
    LOSE_WORKER = "failure: worker lost"
    COUNT_FAILURE = "failures + 1"
    COUNT_CRASH = "crashes + 1, unless a suspect had not started"
    COUNT_RELEASE = "releases + 1"
    NOTE_ATTEMPT = "note the attempt"
    SET_RUN_AFTER = "set run_after"
    BACK_OFF = "run_after by the number of crashes"
    WANT_CANCEL = "want a cancel, at the higher of the two levels"
    GIVE_REASON = "give the reason"
    TAKE_SPEC = "take the new spec"
    START_OVER = "counters, result, progress and cancel cleared"
    DROP_PAST_EXPIRY = "drop an expires_at that has passed"


class Verdict(Enum):
    """What became of a change."""

    APPLIED = "applied"
    ALREADY = "already"
    """This very fence settled just so before: repeating after a lost reply is safe."""
    STALE = "stale"
    """Somebody else holds the task now, or nobody does: nothing was changed."""
    MISSING = "missing"
    """There is no such task."""
    REFUSED = "refused"
    """The machine has no such transition from where the task is, or a guard does not hold: nothing was changed."""


@attrs.frozen(kw_only=True)
class Change:
    """One event for one task, and all that it brings from outside.

    Workers show a ``fence``; operators may give the ``version`` they saw. ``items`` and ``tasks`` (new tasks) are
    stored in the same atomic step as the transition, and only when it is applied.
    """

    task_id: str
    event: Event
    fence: Fence | None = None
    version: int | None = None
    grant: Lease | None = None
    """CLAIM: the lease."""
    extend: timedelta | None = None
    """HEARTBEAT: the lease ends this long after the store's now."""
    progress: Progress | None = None
    """HEARTBEAT and settles: the newest progress, if it changed."""
    value_json: str | None = None
    """SUCCEED: the return value, or None when it is not kept."""
    failure: Failure | None = None
    """FAIL, RETRY, and what else has an exception to tell."""
    started_at: datetime | None = None
    """Settles: when the run really began."""
    delay: timedelta | None = None
    """RETRY, RELEASE, REQUEUE, RESCHEDULE: run_after is this long after the store's now."""
    run_after: datetime | None = None
    """The same as an absolute moment; wins over ``delay``."""
    level: CancelLevel | None = None
    """CANCEL: how hard; ASK when left out."""
    reason: CancelReason | None = None
    """CANCEL, ABORT: why."""
    spec: TaskSpec | None = None
    """RESCHEDULE, REPLACE, AMEND: what takes the place of the old spec."""
    waits: int = 0
    """UNBLOCK, REQUEUE, REPLACE: how many parents are unfinished. The store counts them itself."""
    items: tuple[Item, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()


@attrs.frozen
class Refused:
    """A change that was not made: the verdict, and why in words."""

    verdict: Verdict
    why: str


@attrs.frozen
class Transition:
    """One row of the table."""

    event: Event
    source: State
    target: State
    guards: tuple[Guard, ...]
    effects: tuple[Effect, ...]


def _rows() -> tuple[Transition, ...]:
    """Return the table. Of several rows with the same event and source the first whose guards all hold is taken."""
    blocked, ready, running = State.BLOCKED, State.READY, State.RUNNING
    successful, failed, cancelled = State.SUCCESSFUL, State.FAILED, State.CANCELLED
    g, e, row = Guard, Effect, Transition
    settle = (e.SETTLE, e.TAKE_PROGRESS)
    aborted = (*settle, e.NOTE_ATTEMPT, e.GIVE_REASON, e.CLEAR_CANCEL)
    rows = [
        row(
            Event.CLAIM,
            ready,
            running,
            (g.DUE, g.NOT_OVERDUE),
            (e.RAISE_EPOCH, e.GRANT_LEASE, e.FORGET_SETTLE, e.CLEAR_CANCEL),
        ),
        row(Event.START, running, running, (g.HELD,), (e.MARK_STARTED,)),
        row(Event.HEARTBEAT, running, running, (g.HELD,), (e.EXTEND_LEASE, e.TAKE_PROGRESS)),
        row(Event.SUCCEED, running, successful, (g.HELD,), (*settle, e.TAKE_VALUE, e.CLEAR_CANCEL)),
        row(
            Event.FAIL,
            running,
            failed,
            (g.HELD,),
            (*settle, e.NOTE_ATTEMPT, e.COUNT_FAILURE, e.TAKE_FAILURE, e.CLEAR_CANCEL),
        ),
        row(
            Event.RETRY,
            running,
            ready,
            (g.HELD, g.NO_CANCEL_WANTED, g.TRIES_LEFT),
            (*settle, e.NOTE_ATTEMPT, e.COUNT_FAILURE, e.SET_RUN_AFTER),
        ),
        row(Event.RETRY, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_FAILURE, *aborted)),
        row(
            Event.RELEASE,
            running,
            ready,
            (g.HELD, g.NO_CANCEL_WANTED),
            (*settle, e.NOTE_ATTEMPT, e.COUNT_RELEASE, e.SET_RUN_AFTER),
        ),
        row(Event.RELEASE, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_RELEASE, *aborted)),
        row(Event.ABORT, running, cancelled, (g.HELD,), aborted),
        row(
            Event.RECLAIM,
            running,
            ready,
            (g.HELD_OR_LAPSED, g.NO_CANCEL_WANTED, g.CRASHES_LEFT),
            (*settle, e.NOTE_ATTEMPT, e.COUNT_CRASH, e.BACK_OFF),
        ),
        row(Event.RECLAIM, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_CRASH, *aborted)),
        row(
            Event.ABANDON,
            running,
            failed,
            (g.HELD_OR_LAPSED, g.NO_CANCEL_WANTED, g.CRASHES_SPENT),
            (*settle, e.NOTE_ATTEMPT, e.COUNT_CRASH, e.LOSE_WORKER),
        ),
        row(Event.ABANDON, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_CRASH, *aborted)),
        row(Event.LET_GO, running, cancelled, (g.LAPSED, g.CANCEL_WANTED), (e.COUNT_CRASH, *aborted)),
        row(Event.CANCEL, running, running, (g.SAME_VERSION,), (e.WANT_CANCEL,)),
        row(Event.UNBLOCK, blocked, ready, (g.NOTHING_TO_WAIT_FOR,), ()),
    ]
    for source in (blocked, ready):
        rows += [
            row(Event.CANCEL, source, cancelled, (g.SAME_VERSION,), (e.GIVE_REASON,)),
            row(Event.EXPIRE, source, cancelled, (g.OVERDUE,), (e.GIVE_REASON,)),
            row(Event.RESCHEDULE, source, source, (g.SAME_VERSION, g.SAME_ID), (e.TAKE_SPEC, e.SET_RUN_AFTER)),
            row(Event.AMEND, source, source, (g.SAME_VERSION, g.SAME_ID), (e.TAKE_SPEC,)),
        ]
        rows += [
            row(
                Event.REPLACE,
                source,
                target,
                (g.SAME_VERSION, g.SAME_ID, waiting),
                (e.TAKE_SPEC, e.START_OVER, e.SET_RUN_AFTER),
            )
            for target, waiting in ((ready, g.NOTHING_TO_WAIT_FOR), (blocked, g.PARENTS_UNFINISHED))
        ]
    for source in (failed, cancelled):
        rows += [
            row(
                Event.REQUEUE,
                source,
                target,
                (g.SAME_VERSION, waiting),
                (e.START_OVER, e.DROP_PAST_EXPIRY, e.SET_RUN_AFTER),
            )
            for target, waiting in ((ready, g.NOTHING_TO_WAIT_FOR), (blocked, g.PARENTS_UNFINISHED))
        ]
    return tuple(rows)


TRANSITIONS: tuple[Transition, ...] = _rows()
