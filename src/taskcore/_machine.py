"""The interpreter of the transition table. ``step`` is the only function that makes a task in a new state.

``accept`` makes the first state. Nothing is read from outside: the moment is passed in, and whatever else an event
brings comes in the ``Change``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import attrs

from taskcore._data import Attempt, Failure, Result, Settle, Task, TaskSpec, later
from taskcore._transitions import TRANSITIONS, Change, Effect, Guard, Refused, Transition, Verdict
from taskcore._vocabulary import CancelLevel, CancelReason, Event, OnParentFailure, State

__all__ = ["ATTEMPTS_KEPT", "WORKER_LOST", "Phase", "accept", "lapse_event", "phase", "replacement", "step"]

ATTEMPTS_KEPT = 20
"""How many of the latest unsuccessful attempts are kept, besides the very first."""

WORKER_LOST = "taskcore.WorkerLost"
"""The ``exception_type`` of a task that was given up because its workers were lost too often."""


class Phase(Enum):
    """Finer words for where a task is at a moment: views, never stored."""

    BLOCKED = "blocked"
    SCHEDULED = "scheduled"
    RETRYING = "retrying"
    READY = "ready"
    RUNNING = "running"
    CANCELLING = "cancelling"
    LAPSED = "lapsed"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    CANCELLED = "cancelled"


_HOLDER_EVENTS = frozenset(row.event for row in TRANSITIONS if Guard.HELD in row.guards)

# Guards: (task, change, now) -> bool


def _is_overdue(task: Task, _change: Change, now: datetime) -> bool:
    return task.spec.expires_at is not None and task.spec.expires_at <= now


def _is_held(task: Task, change: Change, _now: datetime) -> bool:
    fence, lease = change.fence, task.lease
    return fence is not None and lease is not None and fence.epoch == task.epoch and fence.nonce == lease.nonce


def _is_lapsed(task: Task, _change: Change, now: datetime) -> bool:
    return task.lease is not None and task.lease.expires_at <= now


def _counted_crashes(task: Task) -> int:
    """Return the crashes after one more: a suspect that had not been started yet is not to blame."""
    is_blamed = not task.is_suspect or (task.lease is not None and task.lease.is_started)
    return task.crashes + is_blamed


_GUARDS: dict[Guard, Callable[[Task, Change, datetime], bool]] = {
    Guard.DUE: lambda task, _change, now: task.run_after <= now,
    Guard.NOT_OVERDUE: lambda task, change, now: not _is_overdue(task, change, now),
    Guard.OVERDUE: _is_overdue,
    Guard.HELD: _is_held,
    Guard.LAPSED: _is_lapsed,
    Guard.HELD_OR_LAPSED: lambda task, change, now: (
        _is_lapsed(task, change, now) if change.fence is None else _is_held(task, change, now)
    ),
    Guard.CANCEL_WANTED: lambda task, _change, _now: task.cancel_level is not None,
    Guard.NO_CANCEL_WANTED: lambda task, _change, _now: task.cancel_level is None,
    Guard.TRIES_LEFT: lambda task, _change, _now: (
        task.spec.max_attempts is None or task.failures + 1 < task.spec.max_attempts
    ),
    Guard.CRASHES_LEFT: lambda task, _change, _now: _counted_crashes(task) <= task.spec.max_crashes,
    Guard.CRASHES_SPENT: lambda task, _change, _now: _counted_crashes(task) > task.spec.max_crashes,
    Guard.NOTHING_TO_WAIT_FOR: lambda _task, change, _now: change.waits == 0,
    Guard.PARENTS_UNFINISHED: lambda _task, change, _now: change.waits > 0,
    Guard.SAME_VERSION: lambda task, change, _now: change.version is None or change.version == task.version,
    Guard.SAME_ID: lambda task, change, _now: change.spec is not None and change.spec.id == task.spec.id,
}

# Effects: (task, change, now, fields) -> None; fields are what the new task has of its own

_Fields = dict[str, Any]


def _grant_lease(_task: Task, change: Change, _now: datetime, fields: _Fields) -> None:
    if change.grant is None:
        raise ValueError("CLAIM brings the lease that is to be granted.")
    fields["lease"] = change.grant


def _mark_started(task: Task, _change: Change, _now: datetime, fields: _Fields) -> None:
    assert task.lease is not None  # HELD
    fields["lease"] = attrs.evolve(task.lease, is_started=True)


def _extend_lease(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    assert task.lease is not None  # HELD
    if change.extend is not None:
        fields["lease"] = attrs.evolve(task.lease, expires_at=max(task.lease.expires_at, now + change.extend))


def _take_progress(_task: Task, change: Change, _now: datetime, fields: _Fields) -> None:
    if change.progress is not None:
        fields["progress"] = change.progress


def _settle(task: Task, change: Change, _now: datetime, fields: _Fields) -> None:
    assert task.lease is not None  # HELD or LAPSED
    fields["lease"] = None
    fields["last_settle"] = Settle(task.epoch, task.lease.nonce, change.event)


def _take_value(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    assert task.lease is not None
    fields["result"] = Result(
        value_json=change.value_json,
        worker_id=task.lease.worker_id,
        started_at=change.started_at,
        finished_at=now,
    )


def _take_failure(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    assert task.lease is not None
    fields["result"] = Result(
        failure=change.failure,
        worker_id=task.lease.worker_id,
        started_at=change.started_at,
        finished_at=now,
    )


def _lose_worker(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    failure = change.failure or Failure(
        exception_type=WORKER_LOST,
        message=f"Its worker was lost in {_counted_crashes(task)} runs; max_crashes is {task.spec.max_crashes}.",
    )
    _take_failure(task, attrs.evolve(change, failure=failure), now, fields)


def _note_attempt(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    assert task.lease is not None
    attempt = Attempt(
        epoch=task.epoch,
        event=change.event,
        worker_id=task.lease.worker_id,
        claimed_at=task.lease.claimed_at,
        started_at=change.started_at,
        ended_at=now,
        failure=change.failure,
    )
    kept = task.attempts
    if len(kept) > ATTEMPTS_KEPT:
        kept = (kept[0], *kept[len(kept) - ATTEMPTS_KEPT + 1 :])
    fields["attempts"] = (*kept, attempt)


def _set_run_after(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    spec: TaskSpec = fields.get("spec", task.spec)
    if change.run_after is not None:
        fields["run_after"] = change.run_after
    elif change.delay is not None:
        fields["run_after"] = later(now, change.delay)
    elif change.spec is not None and spec.run_after is not None:
        fields["run_after"] = spec.run_after
    else:
        fields["run_after"] = now


def _back_off(task: Task, _change: Change, now: datetime, fields: _Fields) -> None:
    """Delay by the crashes counted: none after the first (most are innocent), then 1 s, 2 s, 4 s … up to a minute."""
    crashes = _counted_crashes(task)
    fields["run_after"] = now + timedelta(seconds=0 if crashes < 2 else min(60, 2 ** min(crashes - 2, 6)))


def _want_cancel(task: Task, change: Change, _now: datetime, fields: _Fields) -> None:
    asked = change.level or CancelLevel.ASK
    if task.cancel_level is None or asked.value > task.cancel_level.value:
        fields["cancel_level"] = asked
    fields["reason"] = task.reason or change.reason or CancelReason.USER


def _give_reason(task: Task, change: Change, _now: datetime, fields: _Fields) -> None:
    if change.event is Event.EXPIRE:
        fields["reason"] = CancelReason.EXPIRED
    elif change.event is Event.CANCEL:
        fields["reason"] = change.reason or CancelReason.USER
    else:
        fields["reason"] = task.reason or change.reason or CancelReason.ABORTED


def _clear_cancel(_task: Task, _change: Change, _now: datetime, fields: _Fields) -> None:
    fields["cancel_level"] = None
    fields.setdefault("reason", None)


def _take_spec(_task: Task, change: Change, _now: datetime, fields: _Fields) -> None:
    fields["spec"] = change.spec


def _start_over(_task: Task, _change: Change, _now: datetime, fields: _Fields) -> None:
    fields.update(failures=0, crashes=0, releases=0, result=None, progress=None, cancel_level=None, reason=None)


def _drop_past_expiry(task: Task, change: Change, now: datetime, fields: _Fields) -> None:
    if _is_overdue(task, change, now):
        fields["spec"] = attrs.evolve(fields.get("spec", task.spec), expires_at=None)


def _put(name: str, value: Callable[[Task], object]) -> Callable[[Task, Change, datetime, _Fields], None]:
    def effect(task: Task, _change: Change, _now: datetime, fields: _Fields) -> None:
        fields[name] = value(task)

    return effect


_EFFECTS: dict[Effect, Callable[[Task, Change, datetime, _Fields], None]] = {
    Effect.RAISE_EPOCH: _put("epoch", lambda task: task.epoch + 1),
    Effect.GRANT_LEASE: _grant_lease,
    Effect.FORGET_SETTLE: _put("last_settle", lambda _task: None),
    Effect.CLEAR_CANCEL: _clear_cancel,
    Effect.MARK_STARTED: _mark_started,
    Effect.EXTEND_LEASE: _extend_lease,
    Effect.TAKE_PROGRESS: _take_progress,
    Effect.SETTLE: _settle,
    Effect.TAKE_VALUE: _take_value,
    Effect.TAKE_FAILURE: _take_failure,
    Effect.LOSE_WORKER: _lose_worker,
    Effect.COUNT_FAILURE: _put("failures", lambda task: task.failures + 1),
    Effect.COUNT_CRASH: _put("crashes", _counted_crashes),
    Effect.COUNT_RELEASE: _put("releases", lambda task: task.releases + 1),
    Effect.NOTE_ATTEMPT: _note_attempt,
    Effect.SET_RUN_AFTER: _set_run_after,
    Effect.BACK_OFF: _back_off,
    Effect.WANT_CANCEL: _want_cancel,
    Effect.GIVE_REASON: _give_reason,
    Effect.TAKE_SPEC: _take_spec,
    Effect.START_OVER: _start_over,
    Effect.DROP_PAST_EXPIRY: _drop_past_expiry,
}


_Compiled = tuple[
    State,
    tuple[tuple[Guard, Callable[[Task, Change, datetime], bool]], ...],
    tuple[Callable[[Task, Change, datetime, _Fields], None], ...],
]


def _compile(table: tuple[Transition, ...]) -> dict[Event, dict[State, tuple[_Compiled, ...]]]:
    compiled: dict[Event, dict[State, tuple[_Compiled, ...]]] = {}
    for row in table:
        by_state = compiled.setdefault(row.event, {})
        entry = (
            row.target,
            tuple((guard, _GUARDS[guard]) for guard in row.guards),
            tuple(_EFFECTS[effect] for effect in row.effects),
        )
        by_state[row.source] = (*by_state.get(row.source, ()), entry)
    return compiled


_COMPILED = _compile(TRANSITIONS)


def step(task: Task, change: Change, now: datetime) -> Task | Refused:
    """Return the task after ``change`` at ``now`` (the store's clock), or why it stays as it is.

    Of the rows for this event and state the first whose guards all hold is taken; the version rises by one.
    """
    failing: Guard | None = None
    for target, guards, effects in _COMPILED[change.event].get(task.state, ()):
        for guard, holds in guards:
            if not holds(task, change, now):
                failing = failing or guard
                break
        else:
            fields: _Fields = {"version": task.version + 1}
            if target is not task.state:
                fields["state"] = target
                fields["changed_at"] = now
            for effect in effects:
                effect(task, change, now, fields)
            return attrs.evolve(task, **fields)
    return _refuse(task, change, failing)


def _refuse(task: Task, change: Change, failing: Guard | None) -> Refused:
    event, state = change.event, task.state
    if change.fence is not None and (failing is None or failing in (Guard.HELD, Guard.HELD_OR_LAPSED)):
        settled = Settle(change.fence.epoch, change.fence.nonce, event)
        if task.last_settle == settled:
            return Refused(Verdict.ALREADY, f"{event.value} was applied before with this fence.")
        return Refused(Verdict.STALE, f"{event.value} shows a fence that no longer holds the task ({state.value}).")
    if failing is None:
        if event is Event.CANCEL and state is State.CANCELLED:
            return Refused(Verdict.ALREADY, "It is CANCELLED already.")
        return Refused(Verdict.REFUSED, f"A task that is {state.value} has no {event.value}.")
    if failing is Guard.HELD or (failing is Guard.HELD_OR_LAPSED and event in _HOLDER_EVENTS):
        return Refused(Verdict.REFUSED, f"{event.value} needs the fence of the holder, or a lease that is over.")
    return Refused(Verdict.REFUSED, f"{event.value} of a task that is {state.value}: not the case: {failing.value}.")


def accept(spec: TaskSpec, now: datetime, *, unfinished_parents: int = 0, has_failed_parent: bool = False) -> Task:
    """Return the first state of a new task: BLOCKED, READY, or CANCELLED when a parent has failed and it minds.

    ``now`` is the store's clock; a spec without ``run_after`` is due at once. The store counts the parents.
    """
    state, reason = State.READY, None
    if has_failed_parent and spec.on_parent_failure is OnParentFailure.CANCEL:
        state, reason = State.CANCELLED, CancelReason.DEPENDENCY
    elif unfinished_parents:
        state = State.BLOCKED
    return Task(
        spec=spec,
        state=state,
        run_after=now if spec.run_after is None else spec.run_after,
        changed_at=now,
        reason=reason,
    )


def lapse_event(task: Task) -> Event:
    """Return what housekeeping does to a RUNNING task whose lease is over: LET_GO, RECLAIM or ABANDON."""
    if task.cancel_level is not None:
        return Event.LET_GO
    return Event.RECLAIM if _counted_crashes(task) <= task.spec.max_crashes else Event.ABANDON


def replacement(old: TaskSpec, new: TaskSpec) -> TaskSpec:
    """Return ``new`` in the place of ``old`` (REPLACE): it keeps the id, the moment of enqueueing and the group."""
    return attrs.evolve(new, id=old.id, enqueued_at=old.enqueued_at, group_id=old.group_id, group_index=old.group_index)


_PHASES = {
    State.BLOCKED: Phase.BLOCKED,
    State.READY: Phase.READY,
    State.RUNNING: Phase.RUNNING,
    State.SUCCESSFUL: Phase.SUCCESSFUL,
    State.FAILED: Phase.FAILED,
    State.CANCELLED: Phase.CANCELLED,
}


def phase(task: Task, now: datetime) -> Phase:
    """Return the finer word for where ``task`` is at ``now``: scheduled, retrying, lapsed, cancelling, or its state."""
    if task.state is State.READY and task.run_after > now:
        return Phase.RETRYING if task.failures or task.crashes else Phase.SCHEDULED
    if task.state is State.RUNNING and task.lease is not None:
        if task.lease.expires_at <= now:
            return Phase.LAPSED
        if task.cancel_level is not None:
            return Phase.CANCELLING
    return _PHASES[task.state]
