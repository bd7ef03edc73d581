"""Schedules and workers: documents beside the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from taskcore.errors import InvalidInput
from taskcore.protocol import Order, Page, Schedule, ScheduleQuery, TaskSpec, WorkerInfo
from taskcore.records import load_data, place_of_slot, schedule_cursor
from taskcore.records.columns import micros, optional_micros, span
from taskcore_backends.django._adding import add
from taskcore_backends.django._dialects import marks
from taskcore_backends.django._transaction import Statements, Transaction

__all__ = ["beat", "delete_schedule", "fire", "order", "put_schedule", "schedules", "workers"]

_FORGET_AFTER = span(timedelta(days=1))

_SCHEDULE = "id, name, revision, enabled, next_slot, last_run_at, runs, task_name, queue_name, updated_at, document"

_WORKER = "id, hostname, pid, state, started_at, last_beat_at, expires_at, completed, document"


def put_schedule(tx: Transaction, schedule: Schedule, document: str, expected_revision: int | None) -> bool:
    """Answer ``Backend.put_schedule``: compare the revision, then that no other schedule has the name."""
    if _revision(tx, schedule.id) != expected_revision:
        return False
    if tx.one("SELECT id FROM taskcore_schedule WHERE name = %s", (schedule.name,)) not in (None, schedule.id):
        return False
    return _put(tx, schedule, document, is_new=expected_revision is None)


def _revision(tx: Transaction, schedule_id: str) -> int | None:
    """Return the revision of a schedule, and hold it."""
    sql = f"SELECT revision FROM taskcore_schedule WHERE id = %s {tx.dialect.lock}"
    found: int | None = tx.one(sql, (schedule_id,))
    return found


def _put(tx: Transaction, schedule: Schedule, document: str, *, is_new: bool) -> bool:
    """Write a schedule; return whether nobody else has taken its id or name meanwhile."""
    values = (
        schedule.id,
        schedule.name,
        schedule.revision,
        schedule.enabled,
        optional_micros(schedule.next_slot),
        optional_micros(schedule.last_run_at),
        schedule.runs,
        schedule.spec.name,
        schedule.spec.queue_name,
        micros(schedule.updated_at),
        document,
    )
    if is_new:
        return tx.run(tx.dialect.insert_new("taskcore_schedule", _SCHEDULE), values) == 1
    sql = f"UPDATE taskcore_schedule SET {_SCHEDULE.replace(',', ' = %s,')} = %s WHERE id = %s"
    try:
        with transaction.atomic(using=tx.alias):
            return tx.run(sql, (*values, schedule.id)) == 1
    except IntegrityError:  # its new name was taken just now
        return False


def delete_schedule(tx: Transaction, schedule_id: str) -> bool:
    """Answer ``Backend.delete_schedule``."""
    return tx.run("DELETE FROM taskcore_schedule WHERE id = %s", (schedule_id,)) == 1


def fire(tx: Transaction, before: Schedule, after: Schedule | None, document: str, specs: Sequence[TaskSpec]) -> bool:
    """Answer ``Backend.fire``."""
    sql = f"SELECT name, revision FROM taskcore_schedule WHERE id = %s {tx.dialect.lock}"
    rows = tx.rows(sql, (before.id,))
    if not rows or rows[0][1] != before.revision:
        return False
    if after is None:
        delete_schedule(tx, before.id)
    elif (after.id, after.name) != (before.id, rows[0][0]):
        raise InvalidInput(f"fire moves one schedule on: {after.name!r} ({after.id}) is not {rows[0][0]!r}.")
    else:
        _put(tx, after, document, is_new=False)
    add(tx, specs, is_raising=False)
    return True


def schedules(store: Statements, query: ScheduleQuery) -> Page[Schedule]:
    """Answer ``Backend.schedules``. Cursors: the last name, or with ``due_by`` the last slot and id."""
    conditions: list[str] = []
    values: list[Any] = []
    for column, wanted in (("name", query.names), ("id", query.ids)):
        if wanted:
            conditions.append(f"{column} IN ({marks(len(wanted))})")
            values += wanted
    order = "name"
    if query.due_by is not None:
        order = "next_slot, id"
        conditions.append("next_slot IS NOT NULL AND next_slot <= %s AND enabled = TRUE")
        values.append(micros(query.due_by))
    if query.cursor is not None:
        condition, place = _after_cursor(query, query.cursor)
        conditions.append(condition)
        values += place
    where = " AND ".join(conditions) or "1 = 1"
    sql = f"SELECT document FROM taskcore_schedule WHERE {where} ORDER BY {order} LIMIT %s"
    rows = store.rows(sql, (*values, query.limit + 1))
    found = [load_data(Schedule, document) for (document,) in rows[: query.limit]]
    return Page(tuple(found), schedule_cursor(found[-1], query) if len(rows) > query.limit else None)


def _after_cursor(query: ScheduleQuery, cursor: str) -> tuple[str, list[Any]]:
    if query.due_by is None:
        return "name > %s", [cursor]
    slot, schedule_id = place_of_slot(cursor)
    return "(next_slot > %s OR (next_slot = %s AND id > %s))", [slot, slot, schedule_id]


# Workers


def beat(tx: Transaction, worker: WorkerInfo, document: str) -> Order:
    """Answer ``Backend.beat``; workers that were silent for a day are forgotten meanwhile."""
    values = (
        worker.id,
        worker.hostname[:255],
        worker.pid,
        worker.state.value,
        micros(worker.started_at),
        micros(worker.last_beat_at),
        micros(worker.expires_at),
        worker.completed,
        document,
    )
    tx.run(tx.dialect.put("taskcore_worker", _WORKER, ("id",)), values)
    wanted = tx.one("SELECT wanted FROM taskcore_worker WHERE id = %s", (worker.id,))
    sql = f"SELECT id FROM taskcore_worker WHERE last_beat_at < %s ORDER BY id {tx.dialect.lock_free}"
    silent = [row[0] for row in tx.rows(sql, (tx.now - _FORGET_AFTER,))]
    tx.run_many("DELETE FROM taskcore_worker WHERE id IN ({})", silent)
    return Order.RUN if wanted is None else Order(wanted)


def order(tx: Transaction, worker_id: str, wanted: Order) -> bool:
    """Answer ``Backend.order``."""
    return tx.run("UPDATE taskcore_worker SET wanted = %s WHERE id = %s", (wanted.value, worker_id)) == 1


def workers(store: Statements) -> list[WorkerInfo]:
    """Answer ``Backend.workers``."""
    sql = "SELECT document FROM taskcore_worker WHERE last_beat_at >= %s ORDER BY last_beat_at DESC, id DESC"
    return [load_data(WorkerInfo, document) for (document,) in store.rows(sql, (store.now - _FORGET_AFTER,))]
