"""``purge``: finished tasks are deleted with their items, attempts, texts and edges.

What stays in any case: a task that an unfinished one was enqueued to wait for, and the members of a group that an
unfinished one was enqueued to wait for. With ``keep_latest`` tasks are ranked among those of their name, or group,
that match the other filters of kind (states, queue, name, group).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from taskcore.protocol import KeepPer, PurgeRequest
from taskcore.records.columns import (
    CANCELLED,
    FAILED,
    HAS_ATTEMPTS,
    IS_BULKY,
    IS_CHILD,
    MAY_HOLD_KEY,
    SUCCESSFUL,
    micros,
    state_codes,
)
from taskcore_backends.django._dialects import marks
from taskcore_backends.django._empty_groups import purge_empty_groups
from taskcore_backends.django._planning import in_order
from taskcore_backends.django._reading import Row
from taskcore_backends.django._transaction import Transaction

__all__ = ["purge"]

_COLUMNS = "t.id, t.queue_name, t.code, t.flags, t.group_id, t.unique_key"

_IS_FREE = """
    NOT EXISTS (SELECT 1 FROM taskcore_dependency AS e WHERE e.parent_id = t.id AND e.mark > 0 {share})
    AND (t.group_id IS NULL OR NOT EXISTS (
        SELECT 1 FROM taskcore_dependency AS e WHERE e.parent_id = t.group_id AND e.mark > 0 {share}
    ))
"""

_TAKE_FROM_GROUP = """
    UPDATE taskcore_group SET
        purged = purged + CASE WHEN total IS NULL THEN %s ELSE 0 END, total = total - %s, members = members - %s,
        successful = successful - %s, failed = failed - %s, cancelled = cancelled - %s
    WHERE id = %s
"""

_AT_ONCE = 200


def purge(tx: Transaction, request: PurgeRequest) -> int:
    """Answer ``Backend.purge``."""
    count = 0
    with in_order(tx, is_callers=tx.is_callers):
        for where, order, parameters in _selections(tx, request):
            wanted = request.limit - count
            if wanted <= 0:
                break
            sql = f"SELECT t.id FROM taskcore_task AS t WHERE {where} {order} LIMIT %s"
            ids = [task_id for (task_id,) in tx.rows(sql, (*parameters, wanted))]
            for start in range(0, len(ids), _AT_ONCE):
                count += _delete(tx, ids[start : start + _AT_ONCE])
        if request.takes_empty_groups:
            purge_empty_groups(tx, request.limit)
    return count


@attrs.frozen
class _Filters:
    """The conditions of a request: those of kind, by which tasks are ranked, and the others; and their values."""

    kind: str
    kind_values: tuple[Any, ...]
    rest: str
    rest_values: tuple[Any, ...]

    @property
    def where(self) -> str:
        """All of them."""
        return f"{self.kind} AND {self.rest}"

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of all of them."""
        return (*self.kind_values, *self.rest_values)


def _filters(tx: Transaction, request: PurgeRequest) -> _Filters:
    codes = ", ".join(map(str, state_codes(request.states))) or "NULL"
    is_found_otherwise = bool(request.ids) or request.group_id is not None or request.is_due
    code = "t.code + 0" if is_found_otherwise and request.keep_latest is None else "t.code"  # not by the index of these
    kind = [f"{code} > 3 AND {code} IN ({codes})"]
    rest = [_IS_FREE.format(share="")]
    kind_values: list[Any] = []
    rest_values: list[Any] = []
    given = (("queue_name", request.queue_name), ("name", request.name), ("group_id", request.group_id))
    for column, value in given:
        if value is not None:
            kind.append(f"t.{column} = %s")
            kind_values.append(value)
    if request.ids:
        rest.append(f"t.id IN ({marks(len(request.ids))})")
        rest_values += request.ids
    if request.is_due:
        rest.append("t.purge_at IS NOT NULL AND t.purge_at <= %s")
        rest_values.append(tx.now)
    if request.finished_before is not None:
        rest.append("t.changed_at < %s")
        rest_values.append(micros(request.finished_before))
    return _Filters(" AND ".join(kind), tuple(kind_values), " AND ".join(rest), tuple(rest_values))


def _selections(tx: Transaction, request: PurgeRequest) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Yield what selects the tasks that are to go, each served by an index, oldest first where that matters."""
    filters = _filters(tx, request)
    if request.keep_latest is not None:
        yield from _older_ones(tx, request, request.keep_latest, filters)
    elif request.ids or request.group_id is not None:
        yield filters.where, "", filters.values
    elif request.is_due:
        yield filters.where, "ORDER BY t.purge_at", filters.values
    else:
        for name in _names(tx, request):
            yield f"t.name = %s AND {filters.where}", "ORDER BY t.changed_at", (name, *filters.values)


def _names(tx: Transaction, request: PurgeRequest) -> Iterator[str]:
    if request.name is not None:
        yield request.name
        return
    name = tx.one("SELECT name FROM taskcore_task WHERE code > 3 ORDER BY name LIMIT 1")
    while name is not None:
        yield name
        name = tx.one("SELECT name FROM taskcore_task WHERE code > 3 AND name > %s ORDER BY name LIMIT 1", (name,))


def _older_ones(
    tx: Transaction, request: PurgeRequest, keep: int, filters: _Filters
) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Yield, for each name or group, what selects the tasks that finished before the newest ``keep``."""
    if request.keep_per is KeepPer.GROUP:
        column, pools = "group_id", _groups(tx, request, keep)
    else:
        column, pools = "name", _names(tx, request)
    for pool in pools:
        where, values = f"t.{column} = %s AND {filters.kind}", (pool, *filters.kind_values)
        if keep:
            sql = f"""
                SELECT t.changed_at, t.id FROM taskcore_task AS t WHERE {where}
                ORDER BY t.changed_at DESC, t.id DESC LIMIT 1 OFFSET %s
            """
            rows = tx.rows(sql, (*values, keep - 1))
            if not rows:
                continue
            at, task_id = rows[0]
            where += " AND (t.changed_at < %s OR (t.changed_at = %s AND t.id < %s))"
            values = (*values, at, at, task_id)
        yield f"{where} AND {filters.rest}", "ORDER BY t.changed_at, t.id", (*values, *filters.rest_values)


def _groups(tx: Transaction, request: PurgeRequest, keep: int) -> Iterator[str]:
    if request.group_id is not None:
        yield request.group_id
        return
    sql = "SELECT id FROM taskcore_group WHERE successful + failed + cancelled > %s ORDER BY id"
    for (group_id,) in tx.rows(sql, (keep,)):
        yield group_id


def _delete(tx: Transaction, ids: list[str]) -> int:
    """Delete those of these tasks that may still go, with all that is theirs; return how many.

    They are held first, and their groups, and looked at again then: a child may have been enqueued meanwhile. A caller
    who sees an older state is shown the present one (MySQL), or refused by then (PostgreSQL).
    """
    sql = f"SELECT id, group_id FROM taskcore_task WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock_free}"
    held = tx.many(sql, ids)
    group_ids = sorted({group_id for _task_id, group_id in held if group_id is not None})
    tx.many(f"SELECT id FROM taskcore_group WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock}", group_ids)
    rows = tx.many(
        f"SELECT {_COLUMNS} FROM taskcore_task AS t WHERE t.id IN ({{}}) AND t.code + 0 > 3 "
        f"AND {_IS_FREE.format(share=tx.share)} {tx.share}",
        [task_id for task_id, _group_id in held],
    )
    doomed = sorted(row[0] for row in rows)
    tx.run_many("DELETE FROM taskcore_task WHERE id IN ({})", doomed)
    tx.run_many("DELETE FROM taskcore_item WHERE task_id IN ({})", doomed)
    for flag, table, column in (
        (IS_BULKY, "payload", "task_id"),
        (HAS_ATTEMPTS, "attempt", "task_id"),
        (IS_CHILD, "dependency", "child_id"),
    ):
        some = sorted(row[0] for row in rows if row[3] & flag)
        tx.run_many(f"DELETE FROM taskcore_{table} WHERE {column} IN ({{}})", some)
    for row in rows:
        if row[3] & MAY_HOLD_KEY:
            sql = "DELETE FROM taskcore_unique WHERE unique_key = %s AND task_id = %s AND scope < 2"
            tx.run(sql, (row[5], row[0]))
    _count_out(tx, rows)
    return len(rows)


def _count_out(tx: Transaction, rows: list[Row]) -> None:
    groups: dict[str, Counter[int]] = {}
    for _id, queue_name, code, _flags, group_id, _key in rows:
        tx.count(queue_name, code, -1)
        if group_id is not None:
            groups.setdefault(group_id, Counter())[code] += 1
    for group_id, numbers in sorted(groups.items()):
        count = sum(numbers.values())
        taken = (numbers[SUCCESSFUL], numbers[FAILED], numbers[CANCELLED])
        tx.run(_TAKE_FROM_GROUP, (count, count, count, *taken, group_id))
        tx.run("DELETE FROM taskcore_group WHERE id = %s AND total IS NOT NULL AND members = 0", (group_id,))
