"""What must hold of every step of the machine, said without its table: the judges of the exploration.

A rule is given a task, a change, the moment and what ``step`` made of them, and tells whether that is right. Rules
speak of roles (the holder, a lapse, an operator), not of rows, so that a slip in the table is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from taskcore.protocol import (
    CancelLevel,
    CancelReason,
    Change,
    Event,
    Refused,
    Settle,
    State,
    Task,
    Verdict,
)

Outcome = Task | Refused
Rule = Callable[[Task, Change, datetime, Outcome], bool]

# What a worker says of the task it holds; the store itself says the last three of tasks whose lease is over.
HOLDER_ENDS = frozenset({Event.SUCCEED, Event.FAIL, Event.RETRY, Event.RELEASE, Event.ABORT})
HOLDER_STAYS = frozenset({Event.START, Event.HEARTBEAT})
LOST = frozenset({Event.RECLAIM, Event.ABANDON, Event.LET_GO})
OPERATOR = frozenset({Event.CANCEL, Event.RESCHEDULE, Event.REPLACE, Event.AMEND, Event.REQUEUE})
REWRITES = frozenset({Event.RESCHEDULE, Event.REPLACE, Event.AMEND})
WAITING = frozenset({State.BLOCKED, State.READY})


def is_held(task: Task, change: Change) -> bool:
    return task.lease is not None and change.fence == task.fence


def is_lapsed(task: Task, now: datetime) -> bool:
    return task.lease is not None and task.lease.expires_at <= now


def is_overdue(task: Task, now: datetime) -> bool:
    return task.spec.expires_at is not None and task.spec.expires_at <= now


def crashes_after(task: Task) -> int:
    """Return the crashes once this run is lost: an at-most-once or crashed task that had not begun is not blamed."""
    had_begun = task.lease is not None and task.lease.is_started
    return task.crashes + (1 if had_begun or (task.crashes == 0 and task.spec.max_crashes > 0) else 0)


def wanted_state(task: Task, change: Change, now: datetime) -> State | None:
    """Return the state that the change leads to, or None where it must be refused."""
    if task.state is State.RUNNING:
        return _wanted_of_running(task, change, now)
    if change.event in OPERATOR and change.version not in {None, task.version}:
        return None
    if task.state in WAITING:
        return _wanted_of_waiting(task, change, now)
    if change.event is Event.REQUEUE and task.state is not State.SUCCESSFUL:
        return State.BLOCKED if change.waits else State.READY
    return None


def _wanted_of_running(task: Task, change: Change, now: datetime) -> State | None:
    event, is_cancelled = change.event, task.cancel_level is not None
    if event is Event.CANCEL:
        return State.RUNNING if change.version in {None, task.version} else None
    if event in LOST and change.fence is None:
        may_act = is_lapsed(task, now) and is_cancelled is (event is Event.LET_GO)
    else:
        may_act = is_held(task, change)
    if not may_act or event not in HOLDER_ENDS | HOLDER_STAYS | LOST:
        return None
    if event in HOLDER_STAYS:
        return State.RUNNING
    if event in {Event.SUCCEED, Event.FAIL}:
        return State.SUCCESSFUL if event is Event.SUCCEED else State.FAILED
    if is_cancelled or event is Event.ABORT:
        return State.CANCELLED
    if event is Event.LET_GO:
        return None
    limit = task.spec.max_attempts
    is_possible = {
        Event.RETRY: limit is None or task.failures + 2 <= limit,
        Event.RELEASE: True,
        Event.RECLAIM: crashes_after(task) <= task.spec.max_crashes,
        Event.ABANDON: crashes_after(task) > task.spec.max_crashes,
    }[event]
    if not is_possible:
        return None
    return State.FAILED if event is Event.ABANDON else State.READY


def _wanted_of_waiting(task: Task, change: Change, now: datetime) -> State | None:
    event = change.event
    if event is Event.CLAIM:
        is_ready = task.state is State.READY and task.run_after <= now and not is_overdue(task, now)
        return State.RUNNING if is_ready else None
    if event is Event.UNBLOCK:
        return State.READY if task.state is State.BLOCKED and change.waits == 0 else None
    if event is Event.CANCEL:
        return State.CANCELLED
    if event is Event.EXPIRE:
        return State.CANCELLED if is_overdue(task, now) else None
    if event in REWRITES and change.spec is not None and change.spec.id == task.id:
        if event is Event.REPLACE:
            return State.BLOCKED if change.waits else State.READY
        return task.state
    return None


# Rules of every step


def goes_where_it_must(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """The state after is the wanted one, and what must be refused is."""
    return wanted_state(task, change, now) == (outcome.state if isinstance(outcome, Task) else None)


def whatever_leaves_running_is_held_or_lapsed(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """The theorem: a run is ended by its holder, or after its lease; and the lease is dropped."""
    if isinstance(outcome, Refused) or task.state is not State.RUNNING or outcome.state is State.RUNNING:
        return True
    return (is_held(task, change) or is_lapsed(task, now)) and outcome.lease is None


def a_wrong_fence_changes_nothing(task: Task, change: Change, _now: datetime, outcome: Outcome) -> bool:
    """Who shows a fence that is not the holder's is told ALREADY or STALE."""
    is_shown = change.fence is not None and change.event in HOLDER_ENDS | HOLDER_STAYS | {Event.RECLAIM, Event.ABANDON}
    if not is_shown or is_held(task, change):
        return True
    assert change.fence is not None
    is_repeat = task.last_settle == Settle(change.fence.epoch, change.fence.nonce, change.event)
    wanted = Verdict.ALREADY if is_repeat else Verdict.STALE
    return isinstance(outcome, Refused) and outcome.verdict is wanted


def a_lease_is_there_while_running(_task: Task, _change: Change, _now: datetime, outcome: Outcome) -> bool:
    """RUNNING tasks have a lease, others none."""
    return isinstance(outcome, Refused) or (outcome.lease is not None) == (outcome.state is State.RUNNING)


def lease_changes_as_said(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """A claim grants it, START marks it, a heartbeat prolongs it and never shortens it; nothing else touches it."""
    if isinstance(outcome, Refused) or outcome.state is not State.RUNNING:
        return True
    if change.event is Event.CLAIM:
        return outcome.lease == change.grant
    assert task.lease is not None
    wanted = task.lease
    if change.event is Event.START:
        wanted = attrs.evolve(wanted, is_started=True)
    if change.event is Event.HEARTBEAT and change.extend is not None:
        wanted = attrs.evolve(wanted, expires_at=max(wanted.expires_at, now + change.extend))
    return outcome.lease == wanted


def version_rises_by_one(task: Task, _change: Change, _now: datetime, outcome: Outcome) -> bool:
    """Every write is seen in the version."""
    return isinstance(outcome, Refused) or outcome.version == task.version + 1


def claims_are_counted(task: Task, change: Change, _now: datetime, outcome: Outcome) -> bool:
    """The epoch is the number of claims."""
    return isinstance(outcome, Refused) or outcome.epoch == task.epoch + (change.event is Event.CLAIM)


def settle_is_remembered(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """The end of a run is remembered until the next claim, and nothing else touches that."""
    if isinstance(outcome, Refused):
        return True
    wanted = task.last_settle
    if task.state is State.RUNNING and outcome.state is not State.RUNNING:
        wanted = Settle(task.fence.epoch, task.fence.nonce, change.event)
    elif change.event is Event.CLAIM:
        wanted = None
    return outcome.last_settle == wanted


def is_started_over(change: Change) -> bool:
    return change.event in {Event.REQUEUE, Event.REPLACE}


def counters_mean_one_thing_each(task: Task, change: Change, _now: datetime, outcome: Outcome) -> bool:
    """Exceptions, lost workers and the rest are counted apart; a requeue or replacement begins at zero."""
    if isinstance(outcome, Refused):
        return True
    if is_started_over(change):
        return (outcome.failures, outcome.crashes, outcome.releases) == (0, 0, 0)
    failures = task.failures + (change.event in {Event.FAIL, Event.RETRY})
    crashes = crashes_after(task) if change.event in LOST else task.crashes
    releases = task.releases + (change.event is Event.RELEASE)
    return (outcome.failures, outcome.crashes, outcome.releases) == (failures, crashes, releases)


def limits_hold(task: Task, _change: Change, _now: datetime, outcome: Outcome) -> bool:
    """A task that may run again has tries and crashes left."""
    if isinstance(outcome, Refused) or outcome.state is not State.READY or outcome.spec is not task.spec:
        return True
    has_tries = outcome.spec.max_attempts is None or outcome.failures < outcome.spec.max_attempts
    return has_tries and outcome.crashes <= outcome.spec.max_crashes


def cancel_is_kept_until_the_end(task: Task, change: Change, _now: datetime, outcome: Outcome) -> bool:
    """A wanted cancel stays, at the highest level asked for, while the task runs, and no longer."""
    if isinstance(outcome, Refused):
        return True
    wanted = task.cancel_level
    if change.event is Event.CANCEL and outcome.state is State.RUNNING:
        asked = change.level or CancelLevel.ASK
        wanted = asked if wanted is None or asked.value > wanted.value else wanted
    if outcome.state is not State.RUNNING:
        wanted = None
    return outcome.cancel_level == wanted


def reason_is_given(task: Task, change: Change, _now: datetime, outcome: Outcome) -> bool:
    """CANCELLED tasks say why, and so do those whose cancel is wanted; the first reason stays. Others have none."""
    if isinstance(outcome, Refused):
        return True
    wanted: CancelReason | None = None
    if outcome.state is State.CANCELLED or outcome.cancel_level is not None:
        if change.event is Event.EXPIRE:
            wanted = CancelReason.EXPIRED
        elif change.event is Event.CANCEL:
            wanted = task.reason or change.reason or CancelReason.USER
        else:
            wanted = task.reason or change.reason or CancelReason.ABORTED
    return outcome.reason == wanted


def result_is_that_of_the_last_run(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """SUCCEED brings a value, FAIL and ABANDON a failure; a requeue clears them; nothing else touches them."""
    if isinstance(outcome, Refused):
        return True
    if change.event in {Event.SUCCEED, Event.FAIL, Event.ABANDON} and outcome.state is not State.CANCELLED:
        result = outcome.result
        if result is None or task.lease is None:
            return False
        told = (result.worker_id, result.started_at, result.finished_at)
        has_value = change.event is Event.SUCCEED
        return (
            told == (task.lease.worker_id, change.started_at, now)
            and result.value_json == (change.value_json if has_value else None)
            and (result.failure is None) == has_value
            and (change.failure is None or result.failure == change.failure)
        )
    return outcome.result == (None if is_started_over(change) else task.result)


def progress_is_the_newest(task: Task, change: Change, _now: datetime, outcome: Outcome) -> bool:
    """Progress that a heartbeat or the end of a run brings is kept; a requeue clears it."""
    if isinstance(outcome, Refused):
        return True
    wanted = None if is_started_over(change) else task.progress
    if change.event in HOLDER_ENDS | LOST | {Event.HEARTBEAT}:
        wanted = change.progress or wanted
    return outcome.progress == wanted


def unsuccessful_runs_are_noted(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """Each run that did not succeed leaves a note of how it ended, and nothing else does."""
    if isinstance(outcome, Refused):
        return True
    if task.state is not State.RUNNING or outcome.state in {State.RUNNING, State.SUCCESSFUL}:
        return outcome.attempts == task.attempts
    if len(outcome.attempts) != len(task.attempts) + 1 or task.lease is None:
        return False
    note = outcome.attempts[-1]
    told = (note.epoch, note.event, note.worker_id, note.claimed_at, note.started_at, note.ended_at, note.failure)
    lease = task.lease
    wanted = (task.epoch, change.event, lease.worker_id, lease.claimed_at, change.started_at, now, change.failure)
    return told == wanted


def moment_is_the_one_asked_for(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """run_after is what the change asks for, else now; lost workers back off; nothing else moves it."""
    if isinstance(outcome, Refused):
        return True
    wanted = task.run_after
    may_move = {Event.RETRY, Event.RELEASE, Event.RESCHEDULE, Event.REPLACE, Event.REQUEUE}
    if change.event in may_move and outcome.state in WAITING:
        asked = None if change.spec is None else change.spec.run_after
        wanted = change.run_after or (now + change.delay if change.delay is not None else asked or now)
    if change.event is Event.RECLAIM and outcome.state is State.READY:
        wanted = now + {0: timedelta(0), 1: timedelta(0), 2: timedelta(seconds=1)}[outcome.crashes]
    return outcome.run_after == wanted


def spec_is_the_one_asked_for(task: Task, change: Change, now: datetime, outcome: Outcome) -> bool:
    """Only rewriting events put another spec in its place; a requeue drops an expiry that has passed."""
    if isinstance(outcome, Refused):
        return True
    wanted = task.spec
    if change.event in REWRITES:
        assert change.spec is not None
        wanted = change.spec
    if change.event is Event.REQUEUE and is_overdue(task, now):
        wanted = attrs.evolve(wanted, expires_at=None)
    return outcome.spec == wanted


def change_of_state_is_dated(task: Task, _change: Change, now: datetime, outcome: Outcome) -> bool:
    """changed_at is when the state last changed."""
    if isinstance(outcome, Refused):
        return True
    return outcome.changed_at == (task.changed_at if outcome.state is task.state else now)


RULES: tuple[Rule, ...] = (
    goes_where_it_must,
    whatever_leaves_running_is_held_or_lapsed,
    a_wrong_fence_changes_nothing,
    a_lease_is_there_while_running,
    lease_changes_as_said,
    version_rises_by_one,
    claims_are_counted,
    settle_is_remembered,
    counters_mean_one_thing_each,
    limits_hold,
    cancel_is_kept_until_the_end,
    reason_is_given,
    result_is_that_of_the_last_run,
    progress_is_the_newest,
    unsuccessful_runs_are_noted,
    moment_is_the_one_asked_for,
    spec_is_the_one_asked_for,
    change_of_state_is_dated,
)


def broken(task: Task, change: Change, now: datetime, outcome: Outcome) -> str | None:
    """Return the name of the first rule that does not hold, or None."""
    for rule in RULES:
        if not rule(task, change, now, outcome):
            return rule.__name__
    return None
