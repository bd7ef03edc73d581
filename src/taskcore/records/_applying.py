"""``apply``: one change after the other, each compared before it is set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs

from taskcore.protocol import (
    Applied,
    Change,
    Event,
    Refused,
    State,
    Task,
    UniqueUntil,
    Verdict,
    step,
)
from taskcore.records._adding import add, look, replace
from taskcore.records._moving import (
    AWAITED,
    drop_edges,
    key_holder,
    let_go,
    link,
    move,
    outcome_of,
    parts_of_edges,
    take_key,
    transit,
    waits_for_itself,
)
from taskcore.records._parents import Outcome
from taskcore.records._problems import OTHER_BONDS, find_problem, has_same_bonds, requeue_problem
from taskcore.records._transaction import Transaction

__all__ = ["apply"]


def apply(tx: Transaction, changes: Sequence[Change]) -> tuple[Applied, ...]:
    """Make checked changes, in order; each sees what those before it did."""
    ids = [change.task_id for change in changes]
    tx.load("tasks", ids)
    tx.load("parents", ids)
    return tuple([_apply_one(tx, change) for change in changes])


def _apply_one(tx: Transaction, change: Change) -> Applied:
    task = tx.task(change.task_id)
    if task is None:
        return Applied(change.task_id, Verdict.MISSING)
    if change.progress is not None:  # what is stored must not change when the caller's own dict does
        counters = dict(change.progress.counters)
        change = attrs.evolve(change, progress=attrs.evolve(change.progress, counters=counters))
    special = _SPECIAL.get(change.event)
    after: Task | Refused
    if special is not None:
        problem = find_problem(change.tasks, None, look(tx)) if change.tasks else None
        after = special(tx, task, change) if problem is None else Refused(Verdict.REFUSED, problem)
    else:
        after = step(task, change, tx.now)
        if isinstance(after, Task):
            leaving = task if after.state.is_finished else None
            if change.tasks and (problem := find_problem(change.tasks, leaving, look(tx))) is not None:
                after = Refused(Verdict.REFUSED, problem)
            else:
                move(tx, task, after)
    if isinstance(after, Refused):
        return Applied(change.task_id, after.verdict, task.state, task.version, task.cancel_level, after.why)
    if change.items or change.tasks:
        _store_extras(tx, change)
    if tx.letting_go:
        let_go(tx)
    return Applied(change.task_id, Verdict.APPLIED, after.state, after.version, after.cancel_level)


def _store_extras(tx: Transaction, change: Change) -> None:
    keys = [f"{item.task_id}/{item.epoch}/{item.sequence}" for item in change.items]
    tx.load("items", keys)
    for key, item in zip(keys, change.items, strict=True):
        if tx.get("items", key) is None:
            tx.put("items", key, attrs.evolve(item, dimensions=dict(item.dimensions)))
    if change.tasks:
        add(tx, change.tasks, is_raising=False)


def _unblock(tx: Transaction, task: Task, change: Change) -> Task | Refused:
    waits = sum(mark == AWAITED for mark, _parent_id in parts_of_edges(tx, task.id))
    return transit(tx, task, attrs.evolve(change, waits=waits))


def _amend(tx: Transaction, task: Task, change: Change) -> Task | Refused:
    """Amend or reschedule: what the store keeps beside the task has to stay as it is."""
    new = change.spec
    if new is not None and not has_same_bonds(new, task.spec):
        return Refused(Verdict.REFUSED, f"{change.event.value} {OTHER_BONDS}")
    return transit(tx, task, change)


def _requeue(tx: Transaction, task: Task, change: Change) -> Task | Refused:
    if task.state not in (State.FAILED, State.CANCELLED):
        return transit(tx, task, change)
    outcomes = {parent_id: outcome_of(tx, parent_id) for parent_id in task.spec.parents}
    problem = requeue_problem(
        task, outcomes, key_holder=partial(key_holder, tx), waits_for_itself=partial(waits_for_itself, tx)
    )
    if problem is not None:
        return Refused(Verdict.REFUSED, problem)
    waits = sum(outcome is Outcome.UNFINISHED for outcome in outcomes.values())
    after = transit(tx, task, attrs.evolve(change, waits=waits))
    if isinstance(after, Task):
        unique = task.spec.unique
        if unique is not None and unique.until is UniqueUntil.FINISHED:
            take_key(tx, unique, task.id)
        if outcomes:
            drop_edges(tx, task.id)
            link(tx, task.id, outcomes)
    return after


_SPECIAL: dict[Event, Callable[[Transaction, Task, Change], Task | Refused]] = {
    Event.UNBLOCK: _unblock,
    Event.AMEND: _amend,
    Event.RESCHEDULE: _amend,
    Event.REPLACE: replace,
    Event.REQUEUE: _requeue,
}
"""Events for which the store has to look at more than the task."""
