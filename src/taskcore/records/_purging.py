"""``purge``: finished tasks are deleted with their items and edges.

What stays in any case: a task that an unfinished one was enqueued to wait for, and the members of a group that an
unfinished one was enqueued to wait for, as it still needs their results. With ``keep_latest`` tasks are ranked among
those of their name, or group, that match the other filters of kind (states, queue, name, group); tasks without a
group are left alone when it is counted per group.

A sealed group goes with its last member; one that never had any, or was sealed later, after ``EMPTY_GROUPS_KEPT``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from taskcore.protocol import EMPTY_GROUPS_KEPT, KeepPer, PurgeRequest, Task, UniqueUntil
from taskcore.records._entries import AFTER, micros
from taskcore.records._finding import keys_in
from taskcore.records._moving import AWAITED, DONE, drop_edges, drop_key
from taskcore.records._transaction import Transaction

__all__ = ["purge"]

_CHUNK = 500


def purge(tx: Transaction, request: PurgeRequest) -> int:
    """Answer ``Backend.purge``."""
    held_groups: dict[str, bool] = {}
    doomed: list[Task] = []
    for task in _candidates(tx, request):
        if _may_go(tx, task, request) and not _is_needed(tx, task, held_groups):
            doomed.append(task)
            if len(doomed) == request.limit:
                break
    for task in doomed:
        _delete(tx, task)
    if request.takes_empty_groups:
        for group_id in list(islice(_empty_groups(tx), request.limit)):
            tx.delete_group(group_id)
    return len(doomed)


# Which tasks


def _candidates(tx: Transaction, request: PurgeRequest) -> Iterator[Task]:
    """Yield tasks that may match, oldest first where they come from an index."""
    if request.keep_latest is not None:
        return _older_ones(tx, request, request.keep_latest)
    if request.ids:
        return _loaded(tx, dict.fromkeys(request.ids))
    if request.group_id is not None:
        return _loaded(tx, keys_in(tx, "members", (request.group_id,)))
    if request.is_due:
        return _in_time(tx, "purgeable", (), tx.now_us + 1)
    return _finished(tx, request)


def _finished(tx: Transaction, request: PurgeRequest) -> Iterator[Task]:
    before = None if request.finished_before is None else micros(request.finished_before)
    for name in _names(tx, request):
        yield from _in_time(tx, "finished", (name,), before)


def _names(tx: Transaction, request: PurgeRequest) -> Iterator[str]:
    if request.name is not None:
        yield request.name
        return
    low: tuple[str | int, ...] = ()
    while parts := tx.range("finished", low, None, 1):
        name = str(parts[0][0])
        yield name
        low = (name + AFTER,)


def _in_time(tx: Transaction, index: str, prefix: tuple[str, ...], before: int | None) -> Iterator[Task]:
    low: tuple[str | int, ...] = prefix
    high: tuple[str | int, ...] | None = None
    if before is not None:
        high = (*prefix, before)
    elif prefix:
        high = (prefix[0] + AFTER,)
    while True:
        parts = tx.range(index, low, high, _CHUNK)
        yield from _loaded(tx, [str(part[-1]) for part in parts])
        if len(parts) < _CHUNK:
            return
        low = (*parts[-1], "")


def _loaded(tx: Transaction, keys: Iterable[str]) -> Iterator[Task]:
    ids = list(keys)
    tx.load("tasks", ids)
    for task_id in ids:
        task = tx.task(task_id)
        if task is not None and task.state.is_finished:
            yield task


def _older_ones(tx: Transaction, request: PurgeRequest, keep: int) -> Iterator[Task]:
    per_group = request.keep_per is KeepPer.GROUP
    for pool in _pools(tx, request):
        ranked: dict[str, list[Task]] = {}
        for task in pool:
            kind = task.spec.group_id if per_group else task.name
            if kind is not None and _is_of_kind(task, request):
                ranked.setdefault(kind, []).append(task)
        for tasks in ranked.values():
            tasks.sort(key=lambda task: (task.changed_at, task.id))
            yield from tasks[: max(0, len(tasks) - keep)]


def _pools(tx: Transaction, request: PurgeRequest) -> Iterator[Iterator[Task]]:
    """Yield tasks in pools that hold whole names, or groups."""
    if request.group_id is not None:
        yield _loaded(tx, keys_in(tx, "members", (request.group_id,)))
    elif request.keep_per is KeepPer.GROUP:
        for group_id in list(keys_in(tx, "groups", ())):
            yield _loaded(tx, keys_in(tx, "members", (group_id,)))
    else:
        for name in _names(tx, request):
            yield _in_time(tx, "finished", (name,), None)


def _is_of_kind(task: Task, request: PurgeRequest) -> bool:
    spec = task.spec
    return (
        task.state in request.states
        and (request.queue_name is None or spec.queue_name == request.queue_name)
        and (request.name is None or spec.name == request.name)
        and (request.group_id is None or spec.group_id == request.group_id)
    )


def _may_go(tx: Transaction, task: Task, request: PurgeRequest) -> bool:
    return (
        _is_of_kind(task, request)
        and (not request.ids or task.id in request.ids)
        and (not request.is_due or ((moment := task.purge_at) is not None and moment <= tx.now))
        and (request.finished_before is None or task.changed_at < request.finished_before)
    )


def _empty_groups(tx: Transaction) -> Iterator[str]:
    before = (micros(tx.now - EMPTY_GROUPS_KEPT) + 1,)
    low: tuple[str | int, ...] = ()
    while True:
        parts = tx.range("empty_groups", low, before, _CHUNK)
        for part in parts:
            if not _has_unfinished_child(tx, str(part[-1])):
                yield str(part[-1])
        if len(parts) < _CHUNK:
            return
        low = (*parts[-1], "")


# What stays, what goes


def _has_unfinished_child(tx: Transaction, parent_id: str) -> bool:
    if tx.get("parents", parent_id) is None:
        return False
    return bool(tx.range("children", (parent_id, DONE + 1), (parent_id, AWAITED + 1), 1))


def _is_needed(tx: Transaction, task: Task, held_groups: dict[str, bool]) -> bool:
    group_id = task.spec.group_id
    if group_id is not None:
        if group_id not in held_groups:
            held_groups[group_id] = _has_unfinished_child(tx, group_id)
        if held_groups[group_id]:
            return True
    return _has_unfinished_child(tx, task.id)


def _delete(tx: Transaction, task: Task) -> None:
    spec = task.spec
    tx.put("tasks", spec.id, None)
    tx.note_move(tx.queue(spec.queue_name), task.state, None)
    for key in _item_keys(tx, spec.id):
        tx.put("items", key, None)
    if spec.parents:
        drop_edges(tx, spec.id)
    if spec.unique is not None:
        drop_key(tx, task, (UniqueUntil.STARTED, UniqueUntil.FINISHED))
    if spec.group_id is not None and (group := tx.group(spec.group_id)) is not None:
        group.count(task.state, -1)
        if group.total is None:
            group.purged += 1
        else:
            group.total -= 1
            if not group.counts:
                tx.delete_group(spec.group_id)


def _item_keys(tx: Transaction, task_id: str) -> list[str]:
    keys: list[str] = []
    low: tuple[str | int, ...] = (task_id,)
    while True:
        parts = tx.range("items", low, (task_id + AFTER,), _CHUNK)
        keys += [str(part[3]) for part in parts]
        if len(parts) < _CHUNK:
            return keys
        low = (*parts[-1], "")
