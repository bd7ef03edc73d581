"""The transition table: which event moves a task from where to where, under which guards, with which effects.

``TRANSITIONS`` is the whole state machine, as data; ``_machine`` interprets it, ``docs/lifecycle.md`` is generated from
it, and what backends write in SQL or Lua is held to it by the conformance suite. A ``Change`` is one event on its way
to one task. The theorem that matters: whatever leaves RUNNING is HELD (the caller shows the fence) or LAPSED (the
lease is over), and drops the lease. So a stale worker changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum

import attrs

from taskcore._data import Failure, Fence, Item, Lease, Progress, TaskSpec
from taskcore._frozen import made_quickly
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


@made_quickly
@attrs.frozen(kw_only=True, weakref_slot=False)
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


_SETTLE = (Effect.SETTLE, Effect.TAKE_PROGRESS)
_ABORTED = (*_SETTLE, Effect.NOTE_ATTEMPT, Effect.GIVE_REASON, Effect.CLEAR_CANCEL)
_STARTS = ((State.READY, Guard.NOTHING_TO_WAIT_FOR), (State.BLOCKED, Guard.PARENTS_UNFINISHED))
"""Where a task begins again, by whether it has to wait."""


def _rows_of_holders() -> Iterator[Transition]:
    """Yield what a worker does with a task that it claims: up to the end of a run that it has seen."""
    ready, running, cancelled = State.READY, State.RUNNING, State.CANCELLED
    g, e, row = Guard, Effect, Transition
    take = (e.RAISE_EPOCH, e.GRANT_LEASE, e.FORGET_SETTLE, e.CLEAR_CANCEL)
    yield row(Event.CLAIM, ready, running, (g.DUE, g.NOT_OVERDUE), take)
    yield row(Event.START, running, running, (g.HELD,), (e.MARK_STARTED,))
    yield row(Event.HEARTBEAT, running, running, (g.HELD,), (e.EXTEND_LEASE, e.TAKE_PROGRESS))
    yield row(Event.SUCCEED, running, State.SUCCESSFUL, (g.HELD,), (*_SETTLE, e.TAKE_VALUE, e.CLEAR_CANCEL))
    fail = (*_SETTLE, e.NOTE_ATTEMPT, e.COUNT_FAILURE, e.TAKE_FAILURE, e.CLEAR_CANCEL)
    yield row(Event.FAIL, running, State.FAILED, (g.HELD,), fail)
    retry = (*_SETTLE, e.NOTE_ATTEMPT, e.COUNT_FAILURE, e.SET_RUN_AFTER)
    yield row(Event.RETRY, running, ready, (g.HELD, g.NO_CANCEL_WANTED, g.TRIES_LEFT), retry)
    yield row(Event.RETRY, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_FAILURE, *_ABORTED))
    release = (*_SETTLE, e.NOTE_ATTEMPT, e.COUNT_RELEASE, e.SET_RUN_AFTER)
    yield row(Event.RELEASE, running, ready, (g.HELD, g.NO_CANCEL_WANTED), release)
    yield row(Event.RELEASE, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_RELEASE, *_ABORTED))
    yield row(Event.ABORT, running, cancelled, (g.HELD,), _ABORTED)


def _rows_of_losses() -> Iterator[Transition]:
    """Yield what becomes of a task whose worker, or whose process, is lost."""
    running, cancelled = State.RUNNING, State.CANCELLED
    g, e, row = Guard, Effect, Transition
    lost = (*_SETTLE, e.NOTE_ATTEMPT, e.COUNT_CRASH)
    forgiven = (g.HELD_OR_LAPSED, g.NO_CANCEL_WANTED, g.CRASHES_LEFT)
    yield row(Event.RECLAIM, running, State.READY, forgiven, (*lost, e.BACK_OFF))
    yield row(Event.RECLAIM, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_CRASH, *_ABORTED))
    spent = (g.HELD_OR_LAPSED, g.NO_CANCEL_WANTED, g.CRASHES_SPENT)
    yield row(Event.ABANDON, running, State.FAILED, spent, (*lost, e.LOSE_WORKER))
    yield row(Event.ABANDON, running, cancelled, (g.HELD, g.CANCEL_WANTED), (e.COUNT_CRASH, *_ABORTED))
    yield row(Event.LET_GO, running, cancelled, (g.HELD_OR_LAPSED, g.CANCEL_WANTED), (e.COUNT_CRASH, *_ABORTED))


def _rows_of_waiting(source: State) -> Iterator[Transition]:
    """Yield what happens to a task that nobody has claimed."""
    g, e, row = Guard, Effect, Transition
    yield row(Event.CANCEL, source, State.CANCELLED, (g.SAME_VERSION,), (e.GIVE_REASON,))
    yield row(Event.EXPIRE, source, State.CANCELLED, (g.OVERDUE,), (e.GIVE_REASON,))
    yield row(Event.RESCHEDULE, source, source, (g.SAME_VERSION, g.SAME_ID), (e.TAKE_SPEC, e.SET_RUN_AFTER))
    yield row(Event.AMEND, source, source, (g.SAME_VERSION, g.SAME_ID), (e.TAKE_SPEC,))
    for target, waits in _STARTS:
        effects = (e.TAKE_SPEC, e.START_OVER, e.SET_RUN_AFTER)
        yield row(Event.REPLACE, source, target, (g.SAME_VERSION, g.SAME_ID, waits), effects)


def _rows_of_finished(source: State) -> Iterator[Transition]:
    """Yield what happens to a task that did not succeed."""
    for target, waits in _STARTS:
        effects = (Effect.START_OVER, Effect.DROP_PAST_EXPIRY, Effect.SET_RUN_AFTER)
        yield Transition(Event.REQUEUE, source, target, (Guard.SAME_VERSION, waits), effects)


TRANSITIONS: tuple[Transition, ...] = (
    *_rows_of_holders(),
    *_rows_of_losses(),
    Transition(Event.CANCEL, State.RUNNING, State.RUNNING, (Guard.SAME_VERSION,), (Effect.WANT_CANCEL,)),
    Transition(Event.UNBLOCK, State.BLOCKED, State.READY, (Guard.NOTHING_TO_WAIT_FOR,), ()),
    *_rows_of_waiting(State.BLOCKED),
    *_rows_of_waiting(State.READY),
    *_rows_of_finished(State.FAILED),
    *_rows_of_finished(State.CANCELLED),
)
"""The table. Of several rows with the same event and source the first whose guards all hold is taken."""
