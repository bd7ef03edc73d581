"""``purge``: finished tasks are deleted with their items and edges.

What stays in any case: a task that an unfinished one was enqueued to wait for, and the members of a group that an
unfinished one was enqueued to wait for. With ``keep_latest`` tasks are ranked among those of their name, or group,
that match the other filters of kind (states, queue, name, group).

A sealed group goes with its last member; one that never had any, or was sealed later, after ``EMPTY_GROUPS_KEPT``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs

from taskcore.protocol import EMPTY_GROUPS_KEPT, KeepPer, PurgeRequest
from taskcore.records.columns import IS_BULKY, IS_CHILD, MAY_HOLD_KEY, micros, span, state_codes
from taskcore_backends.sqlite._reading import Row
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["purge"]

_SELECT = "SELECT seq, id, queue, code, flags, group_id, unique_key FROM task AS t"

_IS_FREE = """
    NOT EXISTS (SELECT 1 FROM edge AS e WHERE e.parent_id = t.id AND e.mark > 0)
    AND (t.group_id IS NULL OR NOT EXISTS (SELECT 1 FROM edge AS e WHERE e.parent_id = t.group_id AND e.mark > 0))
"""

_TAKE_FROM_GROUP = """
    UPDATE team SET
        total = total - :n, purged = purged + iif(total IS NULL, :n, 0),
        successful = successful - :n4, failed = failed - :n5, cancelled = cancelled - :n6
    WHERE id = :id
"""

_DROP_EMPTY_GROUP = """
    DELETE FROM team
    WHERE id = ? AND total IS NOT NULL AND blocked + ready + running + successful + failed + cancelled = 0
"""

_DROP_EMPTY_GROUPS = """
    DELETE FROM team WHERE id IN (
        SELECT id FROM team AS t
        WHERE blocked + ready + running + successful + failed + cancelled = 0
            AND coalesce(finished_at, created_at) <= ? AND (total IS NOT NULL OR purged = 0)
            AND NOT EXISTS (SELECT 1 FROM edge AS e WHERE e.parent_id = t.id AND e.mark > 0)
        ORDER BY coalesce(finished_at, created_at), id LIMIT ?
    )
"""


def purge(tx: Transaction, request: PurgeRequest) -> int:
    """Answer ``Backend.purge``."""
    doomed: list[Row] = []
    for sql, parameters in _selections(tx, request):
        wanted = request.limit - len(doomed)
        if wanted <= 0:
            break
        doomed += tx.execute(f"{sql} LIMIT :limit", {**parameters, "limit": wanted}).fetchall()
    _delete(tx, doomed)
    if request.takes_empty_groups:
        tx.execute(_DROP_EMPTY_GROUPS, (tx.now - span(EMPTY_GROUPS_KEPT), request.limit))
    return len(doomed)


@attrs.frozen
class _Filters:
    """The conditions of a request: those of kind, by which tasks are ranked, and the others; and their values."""

    kind: str
    rest: str
    values: dict[str, Any]


def _filters(tx: Transaction, request: PurgeRequest) -> _Filters:
    kind = [f"t.code > 3 AND t.code IN ({', '.join(map(str, state_codes(request.states))) or 'NULL'})"]
    rest = [_IS_FREE]
    values: dict[str, Any] = {}
    for column, value in (("queue", request.queue_name), ("name", request.name), ("group_id", request.group_id)):
        if value is not None:
            kind.append(f"t.{column} = :{column}")
            values[column] = value
    if request.ids:
        rest.append("t.id IN (SELECT value FROM json_each(:ids))")
        values["ids"] = json.dumps(request.ids)
    if request.is_due:
        rest.append("t.purge_at IS NOT NULL AND t.purge_at <= :now")
        values["now"] = tx.now
    if request.finished_before is not None:
        rest.append("t.changed_at < :before")
        values["before"] = micros(request.finished_before)
    return _Filters(" AND ".join(kind), " AND ".join(rest), values)


def _selections(tx: Transaction, request: PurgeRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield statements that select what is to go, each served by an index, oldest first where that matters."""
    filters = _filters(tx, request)
    if request.keep_latest is not None:
        yield from _older_ones(tx, request, request.keep_latest, filters)
    elif request.ids or request.group_id is not None or request.is_due:
        yield f"{_SELECT} WHERE {filters.kind} AND {filters.rest}", filters.values
    else:
        for name in _names(tx, request):
            sql = f"{_SELECT} WHERE t.name = :name AND {filters.kind} AND {filters.rest} ORDER BY t.changed_at"
            yield sql, {**filters.values, "name": name}


def _names(tx: Transaction, request: PurgeRequest) -> Iterator[str]:
    if request.name is not None:
        yield request.name
        return
    name = tx.one("SELECT name FROM task WHERE code > 3 ORDER BY name LIMIT 1")
    while name is not None:
        yield name
        name = tx.one("SELECT name FROM task WHERE code > 3 AND name > ? ORDER BY name LIMIT 1", (name,))


def _older_ones(
    tx: Transaction, request: PurgeRequest, keep: int, filters: _Filters
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, for each name or group, what selects the tasks that finished before the newest ``keep``."""
    if request.keep_per is KeepPer.GROUP:
        column, pools = "group_id", _groups(tx, request, keep)
    else:
        column, pools = "name", _names(tx, request)
    for pool in pools:
        values = {**filters.values, column: pool}
        where = f"WHERE t.{column} = :{column} AND {filters.kind}"
        if keep:
            edge = tx.execute(
                f"SELECT changed_at, id FROM task AS t {where} ORDER BY changed_at DESC, id DESC LIMIT 1 OFFSET :skip",
                {**values, "skip": keep - 1},
            ).fetchone()
            if edge is None:
                continue
            values["edge_at"], values["edge_id"] = edge
            where += " AND (t.changed_at, t.id) < (:edge_at, :edge_id)"
        yield f"{_SELECT} {where} AND {filters.rest} ORDER BY t.changed_at, t.id", values


def _groups(tx: Transaction, request: PurgeRequest, keep: int) -> Iterator[str]:
    if request.group_id is not None:
        yield request.group_id
        return
    sql = "SELECT id FROM team WHERE successful + failed + cancelled > ?"
    for (group_id,) in tx.execute(sql, (keep,)).fetchall():
        yield group_id


def _delete(tx: Transaction, rows: list[Row]) -> None:
    """Delete tasks with all that is theirs."""
    ids = [(row[1],) for row in rows]
    tx.executemany("DELETE FROM task WHERE seq = ?", [(row[0],) for row in rows])
    tx.executemany("DELETE FROM item WHERE task_id = ?", ids)
    tx.executemany("DELETE FROM payload WHERE seq = ?", [(row[0],) for row in rows if row[4] & IS_BULKY])
    tx.executemany("DELETE FROM edge WHERE child_id = ?", [(row[1],) for row in rows if row[4] & IS_CHILD])
    tx.executemany(
        "DELETE FROM holder WHERE unique_key = ? AND task_id = ? AND scope < 2",
        [(row[6], row[1]) for row in rows if row[4] & MAY_HOLD_KEY],
    )
    groups: dict[str, dict[int, int]] = {}
    for _seq, _id, queue, code, _flags, group_id, _key in rows:
        tx.count(queue, code, -1)
        if group_id is not None:
            numbers = groups.setdefault(group_id, {})
            numbers[code] = numbers.get(code, 0) + 1
    for group_id, numbers in groups.items():
        taken = {f"n{code}": numbers.get(code, 0) for code in (4, 5, 6)}
        tx.execute(_TAKE_FROM_GROUP, {"id": group_id, "n": sum(numbers.values()), **taken})
        tx.execute(_DROP_EMPTY_GROUP, (group_id,))
