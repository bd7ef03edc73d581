"""``get``, ``find`` and the other questions about tasks, groups and items, in pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from taskcore.protocol import SCAN_LIMIT, Group, GroupQuery, Item, Page, Query, State, Task, first_id_at
from taskcore.records import item_cursor, load_data, place_of_item
from taskcore.records.columns import BLOCKED, CANCELLED, FAILED, RUNNING, moment, optional_moment, state_codes
from taskcore_backends.sqlite._connections import Reader
from taskcore_backends.sqlite._reading import COLUMNS, tasks

__all__ = ["children", "find", "find_statement", "get", "groups", "items", "unique_holder"]

_RARE = frozenset({BLOCKED, FAILED, CANCELLED})

_GET = f"SELECT {COLUMNS} FROM task AS t WHERE t.id = ?"

_GET_MANY = f"SELECT {COLUMNS} FROM task AS t WHERE t.id IN (SELECT value FROM json_each(?))"

_TEAM = "id, name, created_at, total, finished_at, purged, blocked, ready, running, successful, failed, cancelled"


def get(reader: Reader, task_ids: Sequence[str]) -> list[Task | None]:
    """Answer ``Backend.get``."""
    if len(task_ids) == 1:
        found = tasks(reader.execute(_GET, (task_ids[0],)).fetchall())
        return [found[0] if found else None]
    by_id = {task.id: task for task in tasks(reader.execute(_GET_MANY, (json.dumps(task_ids),)).fetchall())}
    return [by_id.get(task_id) for task_id in task_ids]


# find


def find(reader: Reader, query: Query) -> Page[Task]:
    """Answer ``Backend.find``: the narrowest index that serves a filter is scanned, the rest is looked at."""
    parameters: dict[str, Any] = {"scan": SCAN_LIMIT, "limit": query.limit + 1}
    scan, filters = find_statement(query, parameters)
    sql = f"""
        SELECT {COLUMNS} FROM ({scan}) AS found CROSS JOIN task AS t ON t.seq = found.seq
        WHERE {" AND ".join(filters) or "TRUE"} LIMIT :limit
    """
    rows = reader.execute(sql, parameters).fetchall()
    if len(rows) > query.limit:
        return Page(tuple(tasks(rows[: query.limit])), rows[query.limit - 1][1])
    last = reader.execute(f"SELECT id FROM ({scan}) LIMIT 1 OFFSET {SCAN_LIMIT - 1}", parameters).fetchone()
    return Page(tuple(tasks(rows)), None if last is None else last[0])


def find_statement(query: Query, parameters: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the statement that scans an index for seq and id, at most SCAN_LIMIT rows, and the filters left.

    Values go into ``parameters``.
    """
    codes = state_codes(query.states)
    filters: list[str] = []
    for column, value in (
        ("queue", query.queue_name),
        ("name", query.name),
        ("unique_key", query.unique_key),
        ("group_id", query.group_id),
        ("schedule_id", query.schedule_id),
        ("worker_id", query.worker_id),
    ):
        if value is not None:
            parameters[column] = value
            filters.append(f"t.{column} = :{column}")
    if query.worker_id is not None:
        filters.append("t.code = 3")
    if codes:
        filters.append(f"t.code IN ({', '.join(map(str, codes))})")
    bounds = _bounds(query, parameters)
    order = f"ORDER BY id {'ASC' if query.is_oldest_first else 'DESC'} LIMIT :scan"
    for column in ("unique_key", "group_id", "schedule_id"):
        if column in parameters:
            return f"SELECT seq, id FROM task WHERE {column} = :{column}{bounds} {order}", filters
    if query.worker_id is not None or codes == [RUNNING]:
        worker = "" if query.worker_id is None else " AND worker_id = :worker_id"
        return f"SELECT seq, id FROM task INDEXED BY task_lease WHERE code = 3{worker}{bounds} {order}", filters
    if codes and _RARE.issuperset(codes):
        scans = " UNION ALL ".join(
            f"SELECT seq, id FROM task WHERE code = {code}{' AND code > 4' * (code > 4)}{bounds}" for code in codes
        )
        return f"{scans} {order}", filters
    return f"SELECT seq, id FROM task WHERE TRUE{bounds} {order}", filters


def _bounds(query: Query, parameters: dict[str, Any]) -> str:
    """Return the conditions on the id that the range of time and the cursor make."""
    conditions = ""
    if query.enqueued_from is not None:
        parameters["low"] = first_id_at(query.enqueued_from)
        conditions += " AND id >= :low"
    if query.enqueued_until is not None:
        parameters["high"] = first_id_at(query.enqueued_until)
        conditions += " AND id < :high"
    if query.cursor is not None:
        parameters["cursor"] = query.cursor
        conditions += f" AND id {'>' if query.is_oldest_first else '<'} :cursor"
    return conditions


# What belongs to tasks


def children(reader: Reader, parent_id: str, cursor: str | None, limit: int) -> Page[Task]:
    """Answer ``Backend.children``."""
    sql = f"""
        SELECT {COLUMNS} FROM edge AS e CROSS JOIN task AS t ON t.id = e.child_id
        WHERE e.parent_id = ? AND e.child_id > ? ORDER BY e.child_id LIMIT ?
    """
    rows = reader.execute(sql, (parent_id, cursor or "", limit + 1)).fetchall()
    return Page(tuple(tasks(rows[:limit])), rows[limit - 1][1] if len(rows) > limit else None)


def unique_holder(reader: Reader, key: str, now: int) -> str | None:
    """Answer ``Backend.unique_holder``."""
    sql = "SELECT task_id FROM holder WHERE unique_key = ? AND (moment IS NULL OR moment > ?)"
    row = reader.execute(sql, (key, now)).fetchone()
    return None if row is None else str(row[0])


def groups(reader: Reader, query: GroupQuery) -> Page[Group]:
    """Answer ``Backend.groups``."""
    if query.ids:
        rows = reader.execute(
            f"SELECT {_TEAM} FROM team WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(query.ids),)
        ).fetchall()
        by_id = {row[0]: _group(*row) for row in rows}
        found = [by_id[group_id] for group_id in dict.fromkeys(query.ids) if group_id in by_id]
        return Page(tuple(group for group in found if query.name is None or group.name == query.name))
    conditions, parameters = "TRUE", {"name": query.name, "cursor": query.cursor, "limit": query.limit + 1}
    if query.name is not None:
        conditions += " AND name = :name"
    if query.cursor is not None:
        conditions += " AND id < :cursor"
    rows = reader.execute(
        f"SELECT {_TEAM} FROM team WHERE {conditions} ORDER BY id DESC LIMIT :limit", parameters
    ).fetchall()
    page = tuple(_group(*row) for row in rows[: query.limit])
    return Page(page, page[-1].id if len(rows) > query.limit else None)


def _group(
    group_id: str, name: str, created_at: int, total: int | None, finished_at: int | None, purged: int, *numbers: int
) -> Group:
    states = (State.BLOCKED, State.READY, State.RUNNING, State.SUCCESSFUL, State.FAILED, State.CANCELLED)
    return Group(
        id=group_id,
        name=name,
        created_at=moment(created_at),
        total=total,
        counts={state: number for state, number in zip(states, numbers, strict=True) if number},
        purged=purged,
        finished_at=optional_moment(finished_at),
    )


def items(reader: Reader, task_id: str, cursor: str | None, limit: int) -> Page[Item]:
    """Answer ``Backend.items``."""
    place = (-1, -1) if cursor is None else place_of_item(cursor)
    sql = """
        SELECT document FROM item WHERE task_id = ? AND (epoch, sequence) > (?, ?) ORDER BY epoch, sequence LIMIT ?
    """
    rows = reader.execute(sql, (task_id, *place, limit + 1)).fetchall()
    found = [load_data(Item, document) for (document,) in rows[:limit]]
    return Page(tuple(found), item_cursor(found[-1]) if len(rows) > limit else None)
