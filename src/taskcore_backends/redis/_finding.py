"""``get``, ``find`` and the other questions about tasks, groups and items: in portions, each one short script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from taskcore.protocol import SCAN_LIMIT, Group, GroupQuery, Item, Page, Query, State, Task, first_id_at
from taskcore.records import item_cursor, load_data, place_of_item
from taskcore_backends.redis._changes import item_place
from taskcore_backends.redis._layout import state_codes
from taskcore_backends.redis._link import Link
from taskcore_backends.redis._packing import Packable, moment, optional_moment, pack
from taskcore_backends.redis._records import Record, load_task, load_tasks

__all__ = ["children", "find", "get", "groups", "in_portions", "items"]

PORTION = 500
"""How many tasks one script looks at."""

_OWN_INDEX = {frozenset({5}): "s:5", frozenset({6}): "s:6", frozenset({2}): "blocked"}


def in_portions(values: Sequence[str], size: int = PORTION) -> Iterator[Sequence[str]]:
    """Yield the values, so many at a time."""
    for first in range(0, len(values), size):
        yield values[first : first + size]


def get(link: Link, task_ids: Sequence[str]) -> list[Task | None]:
    """Answer ``Backend.get``."""
    moments: dict[int, Any] = {}
    found: list[Task | None] = []
    for portion in in_portions(task_ids):
        found += [None if one is None else load_task(one, moments) for one in link.read("get", *portion)]
    return found


# find


def find(link: Link, query: Query) -> Page[Task]:
    """Answer ``Backend.find``: the narrowest index that serves a filter is read, the rest is looked at."""
    low, high = _bounds(query)
    if low is None:
        return Page(())
    if query.worker_id is not None or query.states == frozenset({State.RUNNING}):
        return _find_running(link, query, low, high)
    index = _index(query)
    found: list[Record] = []
    looked_at = 0
    while True:
        wanted = query.limit + 1 - len(found)
        portion = min(PORTION, SCAN_LIMIT - looked_at)
        request = _request(query, index, low, high, wanted, portion)
        records, seen, last, has_more = link.read("find", request)
        found += records
        looked_at += seen
        if len(found) > query.limit:
            page = load_tasks(found[: query.limit])
            return Page(tuple(page), page[-1].id)
        if not has_more:
            return Page(tuple(load_tasks(found)))
        if looked_at >= SCAN_LIMIT:
            return Page(tuple(load_tasks(found)), last.decode())
        if query.is_oldest_first:
            low = f"({last.decode()}"
        else:
            high = f"({last.decode()}"


def _bounds(query: Query) -> tuple[str | None, str]:
    """Return the range of ids as ZRANGEBYLEX takes it; ``None`` when it is empty."""
    low = "" if query.enqueued_from is None else first_id_at(query.enqueued_from)
    high = None if query.enqueued_until is None else first_id_at(query.enqueued_until)
    lower = f"[{low}" if low else "-"
    if query.cursor is not None:
        if not query.is_oldest_first:
            high = query.cursor if high is None else min(high, query.cursor)
        elif query.cursor >= low:
            low = query.cursor
            lower = f"({low}"
    if high is not None and high <= low:
        return None, ""
    return lower, "+" if high is None else f"({high}"


def _index(query: Query) -> str:
    if query.unique_key is not None:
        return f"y:{query.unique_key}"
    if query.group_id is not None:
        return f"g:{query.group_id}"
    if query.schedule_id is not None:
        return f"l:{query.schedule_id}"
    return _OWN_INDEX.get(frozenset(state_codes(query.states)), "")


def _request(query: Query, index: str, low: str, high: str, limit: int, look_at: int) -> bytes:
    codes: Packable = state_codes(query.states) or None
    return pack(
        [
            index,
            low,
            high,
            not query.is_oldest_first,
            limit,
            look_at,
            codes,
            query.queue_name,
            query.name,
            query.group_id,
            query.schedule_id,
            query.unique_key,
            query.worker_id,
        ]
    )


def _find_running(link: Link, query: Query, low: str, high: str) -> Page[Task]:
    """Find among the tasks that run now, which are not many: their ids are read and sorted."""
    ids = sorted(_running(link), reverse=not query.is_oldest_first)
    inside = [task_id for task_id in ids if _is_inside(task_id, low, high)]
    found: list[Task] = []
    for portion in in_portions(inside[:SCAN_LIMIT], min(PORTION, query.limit + 1)):
        for task in get(link, portion):
            if task is not None and _matches(task, query):
                if len(found) == query.limit:
                    return Page(tuple(found), found[-1].id)
                found.append(task)
    return Page(tuple(found), inside[SCAN_LIMIT - 1] if len(inside) > SCAN_LIMIT else None)


def _running(link: Link) -> set[str]:
    node = link.node()

    def scan() -> set[str]:
        return {member.decode() for member, _score in node.zscan_iter(f"{link.prefix}leases", count=PORTION)}

    found: set[str] = link.guarded(scan)
    return found


def _is_inside(task_id: str, low: str, high: str) -> bool:
    is_above = low == "-" or (task_id > low[1:] if low[0] == "(" else task_id >= low[1:])
    return is_above and (high == "+" or task_id < high[1:])


def _matches(task: Task, query: Query) -> bool:
    spec = task.spec
    return (
        task.state is State.RUNNING
        and (not query.states or task.state in query.states)
        and (query.queue_name is None or spec.queue_name == query.queue_name)
        and (query.name is None or spec.name == query.name)
        and (query.group_id is None or spec.group_id == query.group_id)
        and (query.schedule_id is None or spec.schedule_id == query.schedule_id)
        and (query.unique_key is None or (spec.unique is not None and spec.unique.key == query.unique_key))
        and (query.worker_id is None or (task.lease is not None and task.lease.worker_id == query.worker_id))
    )


# What belongs to tasks


def children(link: Link, parent_id: str, cursor: str | None, limit: int) -> Page[Task]:
    """Answer ``Backend.children``."""
    found: list[Task] = []
    behind = cursor or ""
    while len(found) <= limit:
        wanted = min(PORTION, limit + 1 - len(found))
        ids = sorted({child_id.decode() for child_id in link.read("children", parent_id, behind, wanted)})[:wanted]
        found += [task for task in get(link, ids) if task is not None]
        if len(ids) < wanted:
            break
        behind = ids[-1]
    return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)


def groups(link: Link, query: GroupQuery) -> Page[Group]:
    """Answer ``Backend.groups``."""
    if query.ids:
        ids = list(dict.fromkeys(query.ids))
        rows = [row for portion in in_portions(ids) for row in link.read("groups", "ids", *portion)]
        found = [_group(*row) for row in rows]
        return Page(tuple(group for group in found if query.name is None or group.name == query.name))
    rows, before = [], query.cursor or ""
    while len(rows) <= query.limit:
        wanted = min(PORTION, query.limit + 1 - len(rows))
        portion = link.read("groups", "page", query.name or "", before, wanted)
        rows += portion
        if len(portion) < wanted:
            break
        before = portion[-1][0].decode()
    page = tuple(_group(*row) for row in rows[: query.limit])
    return Page(page, page[-1].id if len(rows) > query.limit else None)


_GROUP_STATES = (State.BLOCKED, State.READY, State.RUNNING, State.SUCCESSFUL, State.FAILED, State.CANCELLED)


def _group(
    group_id: bytes, name: bytes, created_at: int, total: int | None, finished_at: int | None, purged: int, *counts: int
) -> Group:
    return Group(
        id=group_id.decode(),
        name=name.decode(),
        created_at=moment(created_at),
        total=total,
        counts={state: number for state, number in zip(_GROUP_STATES, counts, strict=True) if number},
        finished_at=optional_moment(finished_at),
        purged=purged,
    )


def items(link: Link, task_id: str, cursor: str | None, limit: int) -> Page[Item]:
    """Answer ``Backend.items``."""
    low = "-"
    if cursor is not None:
        epoch, sequence = place_of_item(cursor)
        low = f"[{item_place(epoch, sequence + 1)}"
    key = f"{link.prefix}x:{task_id}"
    members = link.execute("ZRANGEBYLEX", key, low, "+", "LIMIT", 0, limit + 1)
    found = [load_data(Item, member[32:].decode()) for member in islice(members, limit)]
    return Page(tuple(found), item_cursor(found[-1]) if len(members) > limit else None)
