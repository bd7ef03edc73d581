"""Schedules and workers: documents beside the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from taskcore.errors import InvalidInput
from taskcore.protocol import Order, Page, Schedule, ScheduleQuery, TaskSpec, WorkerInfo
from taskcore.records import load_data, place_of_slot, schedule_cursor
from taskcore.records.columns import micros, optional_micros, span
from taskcore_backends.sqlite._adding import add
from taskcore_backends.sqlite._connections import Reader
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["beat", "delete_schedule", "fire", "order", "put_schedule", "schedules", "workers"]

_FORGET_AFTER = span(timedelta(days=1))

_PUT = """
    INSERT INTO schedule (id, name, revision, next_slot, document) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, revision = excluded.revision, next_slot = excluded.next_slot,
        document = excluded.document
"""


def put_schedule(tx: Transaction, schedule: Schedule, document: str, expected_revision: int | None) -> bool:
    """Answer ``Backend.put_schedule``: compare the revision, then that no other schedule has the name."""
    if tx.one("SELECT revision FROM schedule WHERE id = ?", (schedule.id,)) != expected_revision:
        return False
    if tx.one("SELECT id FROM schedule WHERE name = ?", (schedule.name,)) not in (None, schedule.id):
        return False
    _put(tx, schedule, document)
    return True


def _put(tx: Transaction, schedule: Schedule, document: str) -> None:
    slot = optional_micros(schedule.next_slot)
    tx.execute(_PUT, (schedule.id, schedule.name, schedule.revision, slot, document))


def delete_schedule(tx: Transaction, schedule_id: str) -> bool:
    """Answer ``Backend.delete_schedule``."""
    return tx.execute("DELETE FROM schedule WHERE id = ?", (schedule_id,)).rowcount == 1


def fire(tx: Transaction, before: Schedule, after: Schedule | None, document: str, specs: Sequence[TaskSpec]) -> bool:
    """Answer ``Backend.fire``."""
    row = tx.execute("SELECT name, revision FROM schedule WHERE id = ?", (before.id,)).fetchone()
    if row is None or row[1] != before.revision:
        return False
    if after is None:
        delete_schedule(tx, before.id)
    elif (after.id, after.name) != (before.id, row[0]):
        raise InvalidInput(f"fire moves one schedule on: {after.name!r} ({after.id}) is not {row[0]!r}.")
    else:
        _put(tx, after, document)
    add(tx, specs, is_raising=False)
    return True


def schedules(reader: Reader, query: ScheduleQuery) -> Page[Schedule]:
    """Answer ``Backend.schedules``. Cursors: the last name, or with ``due_by`` the last slot and id."""
    conditions: list[str] = []
    parameters: list[Any] = []
    for column, values in (("name", query.names), ("id", query.ids)):
        if values:
            conditions.append(f"{column} IN ({', '.join('?' * len(values))})")
            parameters += values
    order = "name"
    if query.due_by is not None:
        order = "next_slot, id"
        conditions.append("next_slot IS NOT NULL AND next_slot <= ?")
        parameters.append(micros(query.due_by))
    if query.cursor is not None:
        condition, place = _after_cursor(query, query.cursor)
        conditions.append(condition)
        parameters += place
    sql = f"SELECT document FROM schedule WHERE {' AND '.join(conditions) or 'TRUE'} ORDER BY {order}"
    found: list[Schedule] = []
    for (document,) in reader.execute(sql, parameters):
        schedule = load_data(Schedule, document)
        if query.due_by is not None and not schedule.enabled:
            continue
        if len(found) == query.limit:
            return Page(tuple(found), schedule_cursor(found[-1], query))
        found.append(schedule)
    return Page(tuple(found))


def _after_cursor(query: ScheduleQuery, cursor: str) -> tuple[str, list[Any]]:
    if query.due_by is None:
        return "name > ?", [cursor]
    return "(next_slot, id) > (?, ?)", [*place_of_slot(cursor)]


# Workers


def beat(tx: Transaction, worker: WorkerInfo, document: str) -> Order:
    """Answer ``Backend.beat``; workers that were silent for a day are forgotten meanwhile."""
    tx.execute(
        """
        INSERT INTO worker (id, last_beat_at, document) VALUES (?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET last_beat_at = excluded.last_beat_at, document = excluded.document
        """,
        (worker.id, micros(worker.last_beat_at), document),
    )
    wanted = tx.one("SELECT wanted FROM worker WHERE id = ?", (worker.id,))
    tx.execute("DELETE FROM worker WHERE last_beat_at < ?", (tx.now - _FORGET_AFTER,))
    tx.execute("DELETE FROM claimer WHERE at < ?", (tx.now - _FORGET_AFTER,))
    return Order.RUN if wanted is None else Order(wanted)


def order(tx: Transaction, worker_id: str, wanted: Order) -> bool:
    """Answer ``Backend.order``."""
    return tx.execute("UPDATE worker SET wanted = ? WHERE id = ?", (wanted.value, worker_id)).rowcount == 1


def workers(reader: Reader, now: int) -> list[WorkerInfo]:
    """Answer ``Backend.workers``."""
    sql = "SELECT document FROM worker WHERE last_beat_at >= ? ORDER BY last_beat_at DESC, id DESC"
    return [load_data(WorkerInfo, document) for (document,) in reader.execute(sql, (now - _FORGET_AFTER,))]
