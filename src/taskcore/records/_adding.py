"""``add``: new tasks and groups, unique keys and parents.

For each spec, in order: is a task of this id there (ALREADY); is its unique key held (the policy answers, and its
parents are not looked at); are its parents and its group there (``MissingParent``). So a repeated call is answered as
before also when a parent was purged since. Specs of one call see those before them.

A group is sealed by a ``total``: as many members as the caller meant. Specs of this call that did not become members,
because another task stands for them, are taken off it, and so are members that were purged since.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs

from taskcore.errors import InvalidInput, MissingParent
from taskcore.protocol import (
    Added,
    AddVerdict,
    CancelReason,
    Change,
    Event,
    Group,
    OnConflict,
    OnParentFailure,
    Refused,
    State,
    Task,
    TaskSpec,
    UniqueUntil,
    Verdict,
    accept,
    replacement,
)
from taskcore.records._circles import CIRCLE, Joining
from taskcore.records._moving import (
    check_sealed,
    drop_edges,
    drop_key,
    insert,
    key_holder,
    let_go,
    link,
    outcome_of,
    take_key,
    transit,
    waiting,
    waits_for_itself,
)
from taskcore.records._parents import Outcome, refuse_missing
from taskcore.records._problems import Look, replacement_problem, unique_conflict
from taskcore.records._transaction import Transaction

__all__ = ["add", "look", "look_at_parents", "replace"]

_WAITING = (State.BLOCKED, State.READY)


def add(
    tx: Transaction, specs: Sequence[TaskSpec], group: Group | None = None, *, is_raising: bool = True
) -> list[Added]:
    """Add checked specs. With ``is_raising`` off a conflict is never raised: the holder stands for the task."""
    if group is not None and tx.group(group.id) is None:
        tx.put_group(group)
    tx.load("tasks", [spec.id for spec in specs])
    parents = [parent_id for spec in specs for parent_id in spec.parents]
    if parents:
        tx.load("tasks", list(dict.fromkeys(parents)))
    added: list[Added] = []
    members: Joining | None = None
    now = tx.now
    for spec in specs:
        if tx.task(spec.id) is not None:
            added.append(Added(AddVerdict.ALREADY, spec.id))
        elif spec.unique is None and not spec.parents and spec.group_id is None:
            insert(tx, accept(spec, now))
            added.append(Added(AddVerdict.ADDED, spec.id))
        else:
            members = members or Joining(lambda node: waiting(tx, node))
            added.append(_add_bound(tx, spec, members, is_raising=is_raising))
    if group is not None and group.total is not None:
        _seal(tx, group, specs, added)
    if tx.letting_go:
        let_go(tx)
    return added


def _add_bound(tx: Transaction, spec: TaskSpec, members: Joining, *, is_raising: bool) -> Added:
    """Add a spec that has a unique key, parents or a group."""
    if spec.unique is not None and (holder_id := key_holder(tx, spec.unique.key)) is not None:
        members.forget()
        return _answer_conflict(tx, spec, holder_id, is_raising=is_raising)
    unfinished, has_failed = look_at_parents(tx, spec)
    if spec.group_id is not None:
        _check_open(tx, spec, spec.group_id)
    task = accept(spec, tx.now, unfinished_parents=len(unfinished), has_failed_parent=has_failed)
    if task.state is State.BLOCKED:
        if members.closes_circle(spec, unfinished):
            raise InvalidInput(f"Task {spec.id} ({spec.name}), to join the group {spec.group_id}: {CIRCLE}")
        members.note(spec, unfinished)
    is_done = task.state.is_finished
    if spec.parents:
        link(tx, spec.id, dict.fromkeys(spec.parents), is_done=is_done)
    if spec.unique is not None and (not is_done or spec.unique.until is UniqueUntil.MOMENT):
        take_key(tx, spec.unique, spec.id)
    insert(tx, task)
    return Added(AddVerdict.ADDED, spec.id)


def look_at_parents(tx: Transaction, spec: TaskSpec) -> tuple[list[str], bool]:
    """Return which parents are unfinished, and whether one has failed; raise ``MissingParent``."""
    outcomes = {parent_id: outcome_of(tx, parent_id) for parent_id in spec.parents}
    refuse_missing(spec, outcomes.items())
    unfinished = [parent_id for parent_id, outcome in outcomes.items() if outcome is Outcome.UNFINISHED]
    return unfinished, Outcome.FAILED in outcomes.values()


def _check_open(tx: Transaction, spec: TaskSpec, group_id: str) -> None:
    group = tx.group(group_id)
    if group is None:
        raise MissingParent(
            f"Task {spec.id} ({spec.name}) is to join the group {group_id}: not in this store. Add the group first.",
            parent_ids=[group_id],
        )
    if group.total is not None and group.stored >= group.total:
        raise InvalidInput(
            f"Task {spec.id} ({spec.name}) is to join the group {group_id}, which is sealed: it has all of its "
            f"{group.total} members."
        )


def _seal(tx: Transaction, group: Group, specs: Sequence[TaskSpec], added: Sequence[Added]) -> None:
    tally = tx.group(group.id)
    assert tally is not None  # stored above
    if tally.total is None and group.total is not None:
        others = sum(
            spec.group_id == group.id and answer.verdict not in (AddVerdict.ADDED, AddVerdict.ALREADY)
            for spec, answer in zip(specs, added, strict=True)
        )
        total = group.total - others - tally.purged
        if total < tally.stored:
            raise InvalidInput(
                f"Group {group.id} cannot be sealed with {group.total} members: it has {tally.stored} already."
            )
        tally.total = total
    if tally.group.finished_at is None:
        check_sealed(tx, tally)


# Conflicts of unique keys


def _answer_conflict(tx: Transaction, spec: TaskSpec, holder_id: str, *, is_raising: bool) -> Added:
    assert spec.unique is not None
    policy = spec.unique.on_conflict
    if policy is OnConflict.RAISE and is_raising:
        raise unique_conflict(spec.unique.key, task_id=spec.id, task_name=spec.name, holder_id=holder_id)
    holder = tx.task(holder_id)
    if holder is not None and holder.state in _WAITING:
        if policy is OnConflict.REPLACE:
            if is_raising:
                look_at_parents(tx, spec)
            change = Change(task_id=holder_id, event=Event.REPLACE, spec=replacement(holder.spec, spec))
            after = replace(tx, holder, change)
            if isinstance(after, Task):
                return Added(AddVerdict.REPLACED, holder_id)
            if is_raising:
                raise InvalidInput(f"Task {holder_id} ({spec.name}), the holder of {spec.unique.key!r}: {after.why}")
        elif policy is OnConflict.RESCHEDULE:
            moved = attrs.evolve(
                holder.spec, run_after=spec.run_after, priority=spec.priority, queue_name=spec.queue_name
            )
            change = Change(task_id=holder_id, event=Event.RESCHEDULE, spec=moved)
            if isinstance(transit(tx, holder, change), Task):
                return Added(AddVerdict.RESCHEDULED, holder_id)
    return Added(AddVerdict.EXISTING, holder_id)


def replace(tx: Transaction, task: Task, change: Change) -> Task | Refused:
    """Make a REPLACE: the new call's parents and unique key take the place of the old ones.

    Refused, besides what the machine refuses: a parent that is not there or itself waits for this task, a key that
    another task holds.
    """
    spec = change.spec
    if spec is None or task.state not in _WAITING:
        return transit(tx, task, change)
    try:
        unfinished, has_failed = look_at_parents(tx, spec)
    except MissingParent as error:
        return Refused(Verdict.REFUSED, str(error))
    problem = replacement_problem(
        task, spec, unfinished, key_holder=partial(key_holder, tx), waits_for_itself=partial(waits_for_itself, tx)
    )
    if problem is not None:
        return Refused(Verdict.REFUSED, problem)
    after = transit(tx, task, attrs.evolve(change, waits=len(unfinished)))
    if isinstance(after, Refused):
        return after
    if task.spec.unique != spec.unique:
        drop_key(tx, task, tuple(UniqueUntil))
        if spec.unique is not None:
            take_key(tx, spec.unique, task.id)
    drop_edges(tx, task.id)
    link(tx, task.id, dict.fromkeys(spec.parents))
    if has_failed and spec.on_parent_failure is OnParentFailure.CANCEL:
        return transit(tx, after, Change(task_id=task.id, event=Event.CANCEL, reason=CancelReason.DEPENDENCY))
    return after


def look(tx: Transaction) -> Look:
    """Return what ``find_problem`` asks of the store in the middle of a step."""

    def size_of(group_id: str) -> tuple[int | None, int] | None:
        group = tx.group(group_id)
        return None if group is None else (group.total, group.stored)

    return Look(
        is_stored=lambda task_id: tx.task(task_id) is not None,
        key_holder=lambda key: key_holder(tx, key),
        outcome_of=lambda parent_id: outcome_of(tx, parent_id),
        size_of=size_of,
        waiting=lambda node: waiting(tx, node),
    )
