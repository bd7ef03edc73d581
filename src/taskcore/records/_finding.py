"""``find`` and the other questions: what is read in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from typing import Any

from taskcore.protocol import (
    SCAN_LIMIT,
    Group,
    GroupQuery,
    Item,
    Page,
    Query,
    QueueStats,
    State,
    Stats,
    Task,
    first_id_at,
)
from taskcore.records._cursors import item_cursor, place_of_item
from taskcore.records._entries import AFTER
from taskcore.records._moving import MARKS
from taskcore.records._rows import GroupRow, QueueRow
from taskcore.records._transaction import Transaction

__all__ = ["children", "find", "groups", "items", "keys_in", "stats"]

_CHUNK = 200


def keys_in(
    tx: Transaction,
    index: str,
    prefix: tuple[str | int, ...],
    *,
    low: str | int = "",
    high: str | None = None,
    is_descending: bool = False,
    chunk: int = _CHUNK,
) -> Iterator[str]:
    """Yield the keys in an index behind a prefix, in order: from ``low`` on, below ``high``."""
    start: tuple[str | int, ...] = (*prefix, low)
    end: tuple[str | int, ...] | None
    if high is not None:
        end = (*prefix, high)
    elif prefix:
        last = prefix[-1]
        end = (*prefix[:-1], last + 1 if isinstance(last, int) else last + AFTER)
    else:
        end = None
    while True:
        parts = tx.range(index, start, end, chunk, is_descending=is_descending)
        for part in parts:
            yield str(part[len(prefix)])
        if len(parts) < chunk:
            return
        if is_descending:
            end = parts[-1]
        else:
            start = (*parts[-1], "")


def find(tx: Transaction, query: Query) -> Page[Task]:
    """Answer ``Backend.find``: the narrowest index that serves a filter gives the ids, the rest is looked at."""
    is_descending = not query.is_oldest_first
    low = "" if query.enqueued_from is None else first_id_at(query.enqueued_from)
    high = None if query.enqueued_until is None else first_id_at(query.enqueued_until)
    if query.cursor is not None:
        if is_descending:
            high = query.cursor if high is None else min(high, query.cursor)
        else:
            low = max(low, query.cursor + AFTER)
    if high is not None and high <= low:
        return Page(())
    found: list[Task] = []
    looked_at = 0
    last = ""
    for ids in _in_chunks(_source(tx, query, low, high, is_descending=is_descending), min(_CHUNK, query.limit + 1)):
        tx.load("tasks", ids)
        for task_id in ids:
            if looked_at >= SCAN_LIMIT:
                return Page(tuple(found), last)
            looked_at += 1
            task = tx.task(task_id)
            if task is not None and _matches(task, query):
                if len(found) == query.limit:
                    return Page(tuple(found), found[-1].id)
                found.append(task)
            last = task_id
    return Page(tuple(found))


def _in_chunks(ids: Iterator[str], size: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    for task_id in ids:
        chunk.append(task_id)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _source(tx: Transaction, query: Query, low: str, high: str | None, *, is_descending: bool) -> Iterator[str]:
    for index, key in (
        ("keys_of", query.unique_key),
        ("members", query.group_id),
        ("slots_of", query.schedule_id),
    ):
        if key is not None:
            return keys_in(tx, index, (key,), low=low, high=high, is_descending=is_descending)
    if query.worker_id is not None:
        return _held_by(tx, query.worker_id, low, high, is_descending=is_descending)
    states = [state.value for state in (query.states or State)]
    streams = [
        keys_in(tx, "states", (state,), low=low, high=high, is_descending=is_descending) for state in sorted(states)
    ]
    return streams[0] if len(streams) == 1 else merge(*streams, reverse=is_descending)


def _held_by(tx: Transaction, worker_id: str, low: str, high: str | None, *, is_descending: bool) -> Iterator[str]:
    parts = tx.range("held", (worker_id,), (worker_id + AFTER,), 1_000_000)
    ids = sorted((str(part[2]) for part in parts), reverse=is_descending)
    return (task_id for task_id in ids if low <= task_id and (high is None or task_id < high))


def _matches(task: Task, query: Query) -> bool:
    spec = task.spec
    return (
        (not query.states or task.state in query.states)
        and (query.queue_name is None or spec.queue_name == query.queue_name)
        and (query.name is None or spec.name == query.name)
        and (query.group_id is None or spec.group_id == query.group_id)
        and (query.schedule_id is None or spec.schedule_id == query.schedule_id)
        and (query.unique_key is None or (spec.unique is not None and spec.unique.key == query.unique_key))
        and (query.worker_id is None or (task.lease is not None and task.lease.worker_id == query.worker_id))
    )


def _page(keys: Iterable[str], limit: int, load: Callable[[list[str]], list[Any]]) -> Page[Any]:
    taken: list[str] = []
    for key in keys:
        if len(taken) == limit:
            return Page(tuple(load(taken)), taken[-1])
        taken.append(key)
    return Page(tuple(load(taken)))


def children(tx: Transaction, parent_id: str, cursor: str | None, limit: int) -> Page[Task]:
    """Answer ``Backend.children``."""
    low = "" if cursor is None else cursor + AFTER
    ids = merge(*(keys_in(tx, "children", (parent_id, mark), low=low, chunk=limit + 1) for mark in MARKS))

    def load(taken: list[str]) -> list[Task]:
        tx.load("tasks", taken)
        return [task for task_id in taken if (task := tx.task(task_id)) is not None]

    return _page(ids, limit, load)


def groups(tx: Transaction, query: GroupQuery) -> Page[Group]:
    """Answer ``Backend.groups``."""

    def load(taken: Sequence[str]) -> list[Group]:
        tx.load("groups", list(taken))
        rows: list[GroupRow | None] = [tx.get("groups", group_id) for group_id in taken]
        return [row.group for row in rows if row is not None]

    if query.ids:
        found = load(list(dict.fromkeys(query.ids)))
        return Page(tuple(group for group in found if query.name is None or group.name == query.name))
    index, prefix = ("groups", ()) if query.name is None else ("group_names", (query.name,))
    return _page(keys_in(tx, index, prefix, high=query.cursor, is_descending=True), query.limit, load)


def items(tx: Transaction, task_id: str, cursor: str | None, limit: int) -> Page[Item]:
    """Answer ``Backend.items``."""
    low: tuple[str | int, ...] = (task_id,)
    if cursor is not None:
        epoch, sequence = place_of_item(cursor)
        low = (task_id, epoch, sequence + 1)
    parts = tx.range("items", low, (task_id + AFTER,), limit + 1)
    kept = parts[:limit]
    tx.load("items", [str(part[3]) for part in kept])
    found: list[Item] = [tx.get("items", str(part[3])) for part in kept]
    if len(parts) <= limit:
        return Page(tuple(found))
    return Page(tuple(found), item_cursor(found[-1]))


# Statistics


def stats(tx: Transaction) -> Stats:
    """Answer ``Backend.stats``."""
    late = _late_promotions(tx)
    queues: list[QueueStats] = []
    for name in keys_in(tx, "queues", ()):
        row: QueueRow | None = tx.get("queues", name)
        if row is not None and (row.counts or row.is_paused):
            waiting = [task.run_after for task in late.get(name, [])]
            oldest, early = _due(tx, name)
            queues.append(
                QueueStats(
                    name=name,
                    counts=dict(row.counts),
                    scheduled=row.scheduled - len(waiting) + early,
                    oldest_due_at=min([*waiting, *([oldest] if oldest else [])], default=None),
                    is_paused=row.is_paused,
                )
            )
    return Stats(
        queues=tuple(queues),
        schedules=sum(1 for _key in keys_in(tx, "schedules", ())),
        groups=sum(1 for _key in keys_in(tx, "groups", ())),
        now=tx.now,
    )


def _late_promotions(tx: Transaction) -> dict[str, list[Task]]:
    """Return by queue the tasks that are due by now, but that no claim has moved into the order of claims yet."""
    late: dict[str, list[Task]] = {}
    low: tuple[str | int, ...] = ()
    while True:
        parts = tx.range("timers", low, (tx.now_us + 1,), _CHUNK)
        for _moment, kind, task_id in parts:
            if kind == "due" and (task := tx.task(str(task_id))) is not None:
                late.setdefault(task.queue_name, []).append(task)
        if len(parts) < _CHUNK:
            return late
        low = (*parts[-1], "")


def _due(tx: Transaction, queue_name: str) -> tuple[datetime | None, int]:
    """Return the oldest moment in the order of claims, and how many are not due, as the clock was set back."""
    oldest: list[datetime] = []
    early = 0
    now = tx.now_us // 1000
    for index in ("claims", "suspects"):
        low: tuple[str | int, ...] = (queue_name,)
        while parts := tx.range(index, low, (queue_name + AFTER,), 1):
            _queue, priority, due, _task_id = parts[0]
            same = tx.range(index, parts[0], (queue_name, priority, int(due) + 1), SCAN_LIMIT)
            tx.load("tasks", [str(part[3]) for part in same])
            tasks = [tx.task(str(part[3])) for part in same]
            oldest += [task.run_after for task in tasks if task is not None and task.run_after <= tx.now]
            low = (queue_name, int(priority) + 1)
            early += sum(1 for _id in keys_in(tx, index, (queue_name, priority), low=now + 1))
    return min(oldest, default=None), early
