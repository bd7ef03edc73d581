"""What a write of a task entails: counts, the unique key, edges, groups, and the dependents that a finish lets go.

Every task that is written comes through ``insert``, ``claimed`` or ``move``, in a state that ``accept`` or ``step``
made. Dependents are let go by ``let_go``, under a budget; a parent that it does not get through with is owed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from taskcore.protocol import (
    SCAN_LIMIT,
    CancelReason,
    Change,
    Event,
    OnParentFailure,
    Refused,
    State,
    Task,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    step,
)
from taskcore.records._circles import closes_circle
from taskcore.records._parents import Outcome
from taskcore.records._rows import EdgeRow, KeyRow, ParentRow
from taskcore.records._transaction import GroupTally, Transaction

__all__ = [
    "AWAITED",
    "DONE",
    "HELD_BACK",
    "MARKS",
    "check_sealed",
    "drop_edges",
    "drop_key",
    "insert",
    "key_holder",
    "let_go",
    "link",
    "move",
    "outcome_of",
    "parts_of_edges",
    "take_key",
    "transit",
    "waiting",
    "waits_for_itself",
]

DONE = 0
"""The mark of an edge whose child has finished."""

HELD_BACK = 1
"""The mark of an edge whose child is unfinished, and no longer waits for this parent: the parent has to stay."""

AWAITED = 2
"""The mark of an edge whose child waits for this parent."""

MARKS = (DONE, HELD_BACK, AWAITED)

EDGES_AT_ONCE = 1000


def outcome_of(tx: Transaction, parent_id: str) -> Outcome:
    """Return how a task or group stands as a parent; a group with a member that failed has failed once it finishes."""
    task = tx.task(parent_id)
    if task is not None:
        if not task.state.is_finished:
            return Outcome.UNFINISHED
        return Outcome.SUCCESSFUL if task.state is State.SUCCESSFUL else Outcome.FAILED
    group = tx.group(parent_id)
    if group is None:
        return Outcome.MISSING
    if not group.is_finished:
        return Outcome.UNFINISHED
    return Outcome.SUCCESSFUL if group.is_successful else Outcome.FAILED


def transit(tx: Transaction, task: Task, change: Change) -> Task | Refused:
    """Step a task, and write it with all that follows when the machine allows it."""
    after = step(task, change, tx.now)
    if isinstance(after, Task):
        move(tx, task, after)
    return after


def insert(tx: Transaction, task: Task) -> None:
    """Write a new task. Its key and its edges are taken by the caller."""
    spec = task.spec
    tx.put("tasks", spec.id, task)
    queue = tx.queue(spec.queue_name)
    state = task.state
    tx.note_move(queue, None, state)
    if state is State.READY:
        if task.run_after > tx.now:
            queue.scheduled += 1
        tx.ready_queues.add(spec.queue_name)
    elif state is not State.BLOCKED:
        tx.finished.append(spec.id)
    if spec.group_id is not None and (group := tx.group(spec.group_id)) is not None:
        group.count(state)
        if state.is_finished:
            check_sealed(tx, group)


def move(tx: Transaction, before: Task, after: Task) -> None:
    """Write a task that was changed (not by CLAIM), and do all that its new state entails."""
    spec = after.spec
    source, target = before.state, after.state
    queue = tx.queue(before.spec.queue_name)
    if source is State.READY and queue.scheduled and tx.is_scheduled(before):
        queue.scheduled -= 1
    tx.put("tasks", spec.id, after)
    if before.spec.queue_name != spec.queue_name:
        tx.note_move(queue, source, None)
        queue = tx.queue(spec.queue_name)
        tx.note_move(queue, None, target)
    elif source is not target:
        tx.note_move(queue, source, target)
    if target is State.READY:
        if after.run_after > tx.now:
            queue.scheduled += 1
        tx.ready_queues.add(spec.queue_name)
    if source is target:
        return
    is_finished = not (target is State.READY or target is State.RUNNING or target is State.BLOCKED)
    if is_finished:
        _finish(tx, after)
    if spec.group_id is not None and (group := tx.group(spec.group_id)) is not None:
        group.count(source, -1)
        group.count(target)
        if is_finished:
            check_sealed(tx, group)


def _finish(tx: Transaction, task: Task) -> None:
    spec = task.spec
    if spec.unique is not None:
        drop_key(tx, task, (UniqueUntil.STARTED, UniqueUntil.FINISHED))
    if spec.parents:
        _mark_edges(tx, spec.id)
    tx.finished.append(spec.id)
    if tx.get("parents", spec.id) is not None:
        tx.letting_go.append(spec.id)


def check_sealed(tx: Transaction, group: GroupTally) -> None:
    """Note that a group has finished, if it has, and that its children are to be let go."""
    if not group.is_finished:
        return
    group_id = group.group.id
    if group.group.finished_at is None:
        group.group = attrs.evolve(group.group, finished_at=tx.now)
    tx.finished.append(group_id)
    if tx.get("parents", group_id) is not None:
        tx.letting_go.append(group_id)


# Unique keys


def key_holder(tx: Transaction, key: str) -> str | None:
    """Return the id of the task that holds a unique key now, or ``None``."""
    row: KeyRow | None = tx.get("keys", key)
    if row is None or (row.moment is not None and row.moment <= tx.now):
        return None
    return row.task_id


def take_key(tx: Transaction, unique: UniqueKey, task_id: str) -> None:
    """Let a task hold a key."""
    moment = unique.moment if unique.until is UniqueUntil.MOMENT else None
    if moment is None or moment > tx.now:
        tx.put("keys", unique.key, KeyRow(key=unique.key, task_id=task_id, moment=moment))


def drop_key(tx: Transaction, task: Task, scopes: tuple[UniqueUntil, ...]) -> None:
    """Give back the key of a task, if it still holds it and its scope is one of these."""
    unique = task.spec.unique
    if unique is None or unique.until not in scopes:
        return
    row: KeyRow | None = tx.get("keys", unique.key)
    if row is not None and row.task_id == task.spec.id:
        tx.put("keys", unique.key, None)


# Edges


def link(tx: Transaction, child_id: str, parent_ids: Iterable[str], *, is_done: bool = False) -> None:
    """Write the edges of a child to those of its parents that are there."""
    for parent_id in parent_ids:
        outcome = outcome_of(tx, parent_id)
        if outcome is Outcome.MISSING:
            continue
        mark = DONE if is_done else AWAITED if outcome is Outcome.UNFINISHED else HELD_BACK
        _put_edge(tx, parent_id, child_id, mark)
        if tx.get("parents", parent_id) is None:
            tx.put("parents", parent_id, ParentRow(id=parent_id))


def _put_edge(tx: Transaction, parent_id: str, child_id: str, mark: int) -> None:
    tx.put("edges", f"{parent_id}/{child_id}", EdgeRow(parent_id=parent_id, child_id=child_id, mark=mark))


def parts_of_edges(tx: Transaction, child_id: str) -> list[tuple[int, str]]:
    """Return mark and parent of each edge of a child."""
    found: list[tuple[int, str]] = []
    low: tuple[str | int, ...] = (child_id, DONE)
    while True:
        parts = tx.range("parents", low, (child_id, AWAITED + 1), EDGES_AT_ONCE)
        found += [(int(mark), str(parent_id)) for _child, mark, parent_id, _key in parts]
        if len(parts) < EDGES_AT_ONCE:
            return found
        low = (*parts[-1], "")


def _mark_edges(tx: Transaction, child_id: str) -> None:
    for mark, parent_id in parts_of_edges(tx, child_id):
        if mark != DONE:
            _put_edge(tx, parent_id, child_id, DONE)


def drop_edges(tx: Transaction, child_id: str) -> None:
    """Delete the edges of a child, and the rows of parents that are left without any."""
    for _mark, parent_id in parts_of_edges(tx, child_id):
        tx.put("edges", f"{parent_id}/{child_id}", None)
        if not tx.range("children", (parent_id,), (parent_id, AWAITED + 1), 1):
            tx.put("parents", parent_id, None)


def waits_for_itself(tx: Transaction, spec: TaskSpec, unfinished: Iterable[str]) -> bool:
    """Return whether a task that is to wait for these parents would close a circle."""
    return closes_circle(spec, unfinished, lambda node: waiting(tx, node))


def waiting(tx: Transaction, node: str) -> Iterator[tuple[str, str | None]]:
    """Yield the id and group of each task that waits for a task or group."""
    if tx.get("parents", node) is None:
        return
    child_ids = [str(parts[2]) for parts in tx.range("children", (node, AWAITED), (node, AWAITED + 1), SCAN_LIMIT)]
    tx.load("tasks", child_ids)
    for child in map(tx.task, child_ids):
        if child is not None:
            yield child.id, child.spec.group_id


# Propagation


def let_go(tx: Transaction) -> None:
    """Let go children of what has finished, and of what finishes by that, as far as the budget goes; owe the rest."""
    while tx.letting_go:
        parent_id = tx.letting_go.popleft()
        tx.budget -= _let_go_children(tx, parent_id, tx.budget)


def _let_go_children(tx: Transaction, parent_id: str, budget: int) -> int:
    row: ParentRow | None = tx.get("parents", parent_id)
    if row is None:
        return 0
    outcome = outcome_of(tx, parent_id)
    edges: Sequence[tuple[str | int, ...]] = ()
    if outcome in (Outcome.SUCCESSFUL, Outcome.FAILED):
        edges = tx.range("children", (parent_id, AWAITED), (parent_id, AWAITED + 1), budget + 1)
    for _parent, _mark, child_id, _key in edges[:budget]:
        _let_go_child(tx, parent_id, str(child_id), outcome)
    is_owed = len(edges) > budget
    if is_owed != (row.owed_since is not None):
        tx.put("parents", parent_id, attrs.evolve(row, owed_since=tx.now if is_owed else None))
    return min(budget, len(edges))


def _let_go_child(tx: Transaction, parent_id: str, child_id: str, outcome: Outcome) -> None:
    _put_edge(tx, parent_id, child_id, HELD_BACK)
    child = tx.task(child_id)
    if child is None:
        return
    if outcome is Outcome.FAILED and child.spec.on_parent_failure is OnParentFailure.CANCEL:
        transit(tx, child, Change(task_id=child_id, event=Event.CANCEL, reason=CancelReason.DEPENDENCY))
    elif len(child.spec.parents) == 1 or not tx.range("parents", (child_id, AWAITED), (child_id, AWAITED + 1), 1):
        transit(tx, child, Change(task_id=child_id, event=Event.UNBLOCK, waits=0))
