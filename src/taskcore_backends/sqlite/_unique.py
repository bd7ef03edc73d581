"""Unique keys: who holds one, and what a second task that asks for it is answered."""

from __future__ import annotations

from functools import partial

import attrs

from taskcore.errors import InvalidInput, MissingParent
from taskcore.protocol import (
    Added,
    AddVerdict,
    CancelReason,
    Change,
    Event,
    OnConflict,
    OnParentFailure,
    Refused,
    Task,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    Verdict,
    replacement,
    step,
)
from taskcore.records import Outcome, replacement_problem, unique_conflict
from taskcore.records.columns import IS_CHILD, MAY_HOLD_KEY, RUNNING, SCOPES, micros
from taskcore_backends.sqlite._reading import Stored
from taskcore_backends.sqlite._relations import find_parents, link, waits_for_itself
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["answer_conflict", "key_holder", "replace", "take_key"]


def key_holder(tx: Transaction, key: str) -> str | None:
    """Return the id of the task that holds a key now, or ``None``."""
    found: str | None = tx.one(
        "SELECT task_id FROM holder WHERE unique_key = ? AND (moment IS NULL OR moment > ?)", (key, tx.now)
    )
    return found


def take_key(tx: Transaction, unique: UniqueKey, task_id: str) -> None:
    """Let a task hold a key that is free."""
    until = None
    if unique.until is UniqueUntil.MOMENT and unique.moment is not None:
        until = micros(unique.moment)
        if until <= tx.now:
            return
    tx.execute(
        "INSERT OR REPLACE INTO holder (unique_key, task_id, scope, moment) VALUES (?, ?, ?, ?)",
        (unique.key, task_id, SCOPES[unique.until], until),
    )


def answer_conflict(tx: Transaction, spec: TaskSpec, unique: UniqueKey, holder_id: str, *, is_raising: bool) -> Added:
    """Return, or do, what ``spec`` says for the case that another task holds its key."""
    if unique.on_conflict is OnConflict.RAISE and is_raising:
        raise unique_conflict(unique.key, task_id=spec.id, task_name=spec.name, holder_id=holder_id)
    holder = tx.load(holder_id)
    if holder is not None and holder.code < RUNNING:
        if unique.on_conflict is OnConflict.REPLACE:
            if is_raising:
                find_parents(tx, spec)
            change = Change(task_id=holder_id, event=Event.REPLACE, spec=replacement(holder.task.spec, spec))
            after = replace(tx, holder, change)
            if isinstance(after, Task):
                return Added(AddVerdict.REPLACED, holder_id)
            if is_raising:
                raise InvalidInput(f"Task {holder_id} ({spec.name}), the holder of {unique.key!r}: {after.why}")
        elif unique.on_conflict is OnConflict.RESCHEDULE:
            moved = attrs.evolve(
                holder.task.spec, run_after=spec.run_after, priority=spec.priority, queue_name=spec.queue_name
            )
            new = step(holder.task, Change(task_id=holder_id, event=Event.RESCHEDULE, spec=moved), tx.moment)
            if isinstance(new, Task):
                tx.write(holder, new)
                return Added(AddVerdict.RESCHEDULED, holder_id)
    return Added(AddVerdict.EXISTING, holder_id)


def replace(tx: Transaction, old: Stored, change: Change) -> Task | Refused:
    """Make a REPLACE: the new call's parents and unique key take the place of the old ones.

    Refused, besides what the machine refuses: a parent that is not there or itself waits for this task, another
    group, a key that another task holds.
    """
    spec = change.spec
    if spec is None or old.code >= RUNNING:
        return step(old.task, change, tx.moment)
    try:
        parents = find_parents(tx, spec)
    except MissingParent as error:
        return Refused(Verdict.REFUSED, str(error))
    unfinished = [parent_id for parent_id, outcome in parents if outcome is Outcome.UNFINISHED]
    problem = replacement_problem(
        old.task, spec, unfinished, key_holder=partial(key_holder, tx), waits_for_itself=partial(waits_for_itself, tx)
    )
    if problem is not None:
        return Refused(Verdict.REFUSED, problem)
    new = step(old.task, attrs.evolve(change, waits=len(unfinished)), tx.moment)
    if isinstance(new, Refused):
        return new
    if old.task.spec.unique != spec.unique:
        if old.task.spec.unique is not None:
            tx.execute(
                "DELETE FROM holder WHERE unique_key = ? AND task_id = ?", (old.task.spec.unique.key, old.task.id)
            )
        if spec.unique is not None:
            take_key(tx, spec.unique, old.task.id)
    flags = old.flags & ~(IS_CHILD | MAY_HOLD_KEY)
    flags |= (IS_CHILD if parents else 0) | (MAY_HOLD_KEY if spec.unique is not None else 0)
    tx.write(attrs.evolve(old, flags=flags), new)
    tx.execute("DELETE FROM edge WHERE child_id = ?", (old.task.id,))
    link(tx, old.task.id, parents)
    has_failed = any(outcome is Outcome.FAILED for _parent_id, outcome in parents)
    if has_failed and spec.on_parent_failure is OnParentFailure.CANCEL:
        return _cancel(tx, old.task.id)
    return new


def _cancel(tx: Transaction, task_id: str) -> Task | Refused:
    stored = tx.load(task_id)
    assert stored is not None  # written just now
    change = Change(task_id=task_id, event=Event.CANCEL, reason=CancelReason.DEPENDENCY)
    cancelled = step(stored.task, change, tx.moment)
    if isinstance(cancelled, Task):
        tx.write(stored, cancelled)
    return cancelled
