"""``get``, ``find`` and the other questions about tasks, groups and items, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskcore.protocol import SCAN_LIMIT, Group, GroupQuery, Item, Page, Query, State, Task, first_id_at
from taskcore.records import item_cursor, load_data, place_of_item
from taskcore.records.columns import (
    BLOCKED,
    CANCELLED,
    FAILED,
    RUNNING,
    moment,
    optional_moment,
    state_codes,
)
from taskcore_backends.django._dialects import Dialect
from taskcore_backends.django._reading import COLUMNS, Row, tasks_as_they_are
from taskcore_backends.django._transaction import Statements

__all__ = ["children", "find", "find_scan", "get", "groups", "items", "unique_holder"]

_RARE = frozenset({BLOCKED, FAILED, CANCELLED})

_IS_RARE = "code IN (2, 5, 6)"
"""As the condition of the index says it: SQLite knows no other way."""

_GET = f"SELECT {COLUMNS} FROM taskcore_task AS t WHERE t.id IN ({{}})"

_LIVE = "(SELECT count(*) FROM taskcore_task AS t WHERE t.group_id = g.id AND t.code <= 3 AND t.code {})"

_GROUP = f"""
    SELECT g.id, g.name, g.created_at, g.total, g.finished_at, g.purged, {_LIVE.format("= 2")},
        {_LIVE.format("IN (0, 1)")}, {_LIVE.format("= 3")}, g.successful, g.failed, g.cancelled
    FROM taskcore_group AS g
"""


def get(store: Statements, task_ids: Sequence[str]) -> list[Task | None]:
    """Answer ``Backend.get``."""
    found = tasks_as_they_are(store.rows, store.many(_GET, dict.fromkeys(task_ids)))
    by_id = {task.id: task for task in found}
    return [by_id.get(task_id) for task_id in task_ids]


# find


def find(store: Statements, query: Query) -> Page[Task]:
    """Answer ``Backend.find``: the narrowest index that serves a filter is scanned, the rest is looked at."""
    scan, values = find_scan(query, store.dialect)
    filters, filter_values = _filters(query)
    order = "ASC" if query.is_oldest_first else "DESC"
    if not filters:  # nothing is left to look at: every row found is one of the page
        rows = store.rows(
            f"SELECT {COLUMNS} FROM taskcore_task AS t WHERE 1 = 1{_bounds(query)[0]} ORDER BY t.id {order} LIMIT %s",
            (*values, query.limit + 1),
        )
        return Page(
            tuple(tasks_as_they_are(store.rows, rows[: query.limit])),
            rows[query.limit - 1][0] if len(rows) > query.limit else None,
        )
    sql = f"""
        SELECT {COLUMNS} FROM {store.dialect.scanned.format(scan)}
        AND {" AND ".join(filters)} ORDER BY found.id {order} LIMIT %s
    """
    rows = store.rows(sql, (*values, *filter_values, query.limit + 1))
    if len(rows) > query.limit:
        return Page(tuple(tasks_as_they_are(store.rows, rows[: query.limit])), rows[query.limit - 1][0])
    last = store.one(
        f"SELECT found.id FROM ({scan}) AS found ORDER BY found.id {order} LIMIT 1 OFFSET %s",
        (
            *values,
            SCAN_LIMIT - 1,
        ),
    )
    return Page(tuple(tasks_as_they_are(store.rows, rows)), last)


def _filters(query: Query) -> tuple[list[str], list[Any]]:
    """Return the conditions of a query on the row, and their values."""
    filters: list[str] = []
    values: list[Any] = []
    for column, value in (
        ("queue_name", query.queue_name),
        ("name", query.name),
        ("unique_key", query.unique_key),
        ("group_id", query.group_id),
        ("schedule_id", query.schedule_id),
        ("worker_id", query.worker_id),
    ):
        if value is not None:
            filters.append(f"t.{column} = %s")
            values.append(value)
    if query.worker_id is not None:
        filters.append("t.code = 3")
    codes = state_codes(query.states)
    if codes:
        filters.append(f"t.code IN ({', '.join(map(str, codes))})")
    return filters, values


def find_scan(query: Query, dialect: Dialect) -> tuple[str, list[Any]]:
    """Return the statement that scans an index for ids, at most SCAN_LIMIT rows, and its values."""
    codes = state_codes(query.states)
    bounds, values = _bounds(query)
    direction = "ASC" if query.is_oldest_first else "DESC"
    order = f"ORDER BY id {direction} LIMIT {SCAN_LIMIT}"
    of_few = f"ORDER BY {dialect.unindexed} {direction} LIMIT {SCAN_LIMIT}"
    for column, value in (
        ("unique_key", query.unique_key),
        ("group_id", query.group_id),
        ("schedule_id", query.schedule_id),
    ):
        if value is not None:
            return f"SELECT id FROM taskcore_task WHERE {column} = %s{bounds} {order}", [value, *values]
    if query.worker_id is not None:
        sql = f"SELECT id FROM taskcore_task WHERE code = 3 AND worker_id = %s{bounds} {of_few}"
        return sql, [query.worker_id, *values]
    if codes == [RUNNING]:
        return f"SELECT id FROM taskcore_task WHERE code = 3{bounds} {of_few}", values
    if codes and _RARE.issuperset(codes):
        rare = f"SELECT id FROM taskcore_task WHERE {_IS_RARE}{bounds}"
        scans = [f"SELECT id FROM ({rare} AND code = {code} {order}) AS r{code}" for code in codes]
        return f"{' UNION ALL '.join(scans)} {order}", values * len(codes)
    return f"SELECT id FROM taskcore_task WHERE 1 = 1{bounds} {order}", values


def _bounds(query: Query) -> tuple[str, list[Any]]:
    """Return the conditions on the id that the range of time and the cursor make."""
    conditions = ""
    values: list[Any] = []
    if query.enqueued_from is not None:
        conditions += " AND id >= %s"
        values.append(first_id_at(query.enqueued_from))
    if query.enqueued_until is not None:
        conditions += " AND id < %s"
        values.append(first_id_at(query.enqueued_until))
    if query.cursor is not None:
        conditions += f" AND id {'>' if query.is_oldest_first else '<'} %s"
        values.append(query.cursor)
    return conditions, values


# What belongs to tasks


def children(store: Statements, parent_id: str, cursor: str | None, limit: int) -> Page[Task]:
    """Answer ``Backend.children``."""
    sql = f"""
        SELECT {COLUMNS} FROM taskcore_dependency AS e JOIN taskcore_task AS t ON t.id = e.child_id
        WHERE e.parent_id = %s AND e.child_id > %s ORDER BY e.child_id LIMIT %s
    """
    rows = store.rows(sql, (parent_id, cursor or "", limit + 1))
    return Page(tuple(tasks_as_they_are(store.rows, rows[:limit])), rows[limit - 1][0] if len(rows) > limit else None)


def unique_holder(store: Statements, key: str) -> str | None:
    """Answer ``Backend.unique_holder``."""
    sql = "SELECT task_id FROM taskcore_unique WHERE unique_key = %s AND (moment IS NULL OR moment > %s)"
    found: str | None = store.one(sql, (key, store.now))
    return found


def groups(store: Statements, query: GroupQuery) -> Page[Group]:
    """Answer ``Backend.groups``."""
    if query.ids:
        by_id = {row[0]: _group(row) for row in store.many(f"{_GROUP} WHERE g.id IN ({{}})", dict.fromkeys(query.ids))}
        found = [by_id[group_id] for group_id in dict.fromkeys(query.ids) if group_id in by_id]
        return Page(tuple(group for group in found if query.name is None or group.name == query.name))
    conditions: list[str] = []
    values: list[Any] = []
    if query.name is not None:
        conditions.append("g.name = %s")
        values.append(query.name)
    if query.cursor is not None:
        conditions.append("g.id < %s")
        values.append(query.cursor)
    where = " AND ".join(conditions) or "1 = 1"
    rows = store.rows(f"{_GROUP} WHERE {where} ORDER BY g.id DESC LIMIT %s", (*values, query.limit + 1))
    page = tuple(_group(row) for row in rows[: query.limit])
    return Page(page, page[-1].id if len(rows) > query.limit else None)


def _group(row: Row) -> Group:
    group_id, name, created_at, total, finished_at, purged, *numbers = row
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


def items(store: Statements, task_id: str, cursor: str | None, limit: int) -> Page[Item]:
    """Answer ``Backend.items``."""
    place = (-1, -1)
    if cursor is not None:
        place = place_of_item(cursor)
    sql = """
        SELECT document FROM taskcore_item
        WHERE task_id = %s AND epoch >= %s AND (epoch > %s OR sequence > %s) ORDER BY epoch, sequence LIMIT %s
    """
    rows = store.rows(sql, (task_id, place[0], place[0], place[1], limit + 1))
    found = [load_data(Item, document) for (document,) in rows[:limit]]
    return Page(tuple(found), item_cursor(found[-1]) if len(rows) > limit else None)
