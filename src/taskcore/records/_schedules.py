"""Schedules and workers: what is stored beside tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import attrs

from taskcore.errors import InvalidInput
from taskcore.protocol import Order, Page, Schedule, ScheduleQuery, TaskSpec, WorkerInfo
from taskcore.records._adding import add
from taskcore.records._cursors import place_of_slot, schedule_cursor
from taskcore.records._entries import AFTER, micros
from taskcore.records._rows import WorkerRow
from taskcore.records._transaction import Transaction

__all__ = ["beat", "delete_schedule", "fire", "order", "put_schedule", "schedules", "workers"]

FORGET_AFTER = timedelta(days=1)

_CHUNK = 200


def _id_of_name(tx: Transaction, name: str) -> str | None:
    parts = tx.range("schedules", (name,), (name + AFTER,), 1)
    return str(parts[0][1]) if parts else None


def put_schedule(tx: Transaction, schedule: Schedule, expected_revision: int | None) -> bool:
    """Answer ``Backend.put_schedule``: compare the revision, then that no other schedule has the name."""
    stored: Schedule | None = tx.get("schedules", schedule.id)
    if (None if stored is None else stored.revision) != expected_revision:
        return False
    if _id_of_name(tx, schedule.name) not in (None, schedule.id):
        return False
    tx.put("schedules", schedule.id, schedule)
    return True


def delete_schedule(tx: Transaction, schedule_id: str) -> bool:
    """Answer ``Backend.delete_schedule``."""
    if tx.get("schedules", schedule_id) is None:
        return False
    tx.put("schedules", schedule_id, None)
    return True


def fire(tx: Transaction, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
    """Answer ``Backend.fire``."""
    stored: Schedule | None = tx.get("schedules", before.id)
    if stored is None or stored.revision != before.revision:
        return False
    if after is not None and (after.id, after.name) != (stored.id, stored.name):
        raise InvalidInput(f"fire moves one schedule on: {after.name!r} ({after.id}) is not {stored.name!r}.")
    tx.put("schedules", stored.id, after)
    add(tx, specs, is_raising=False)
    return True


def schedules(tx: Transaction, query: ScheduleQuery) -> Page[Schedule]:
    """Answer ``Backend.schedules``."""
    index = "schedules"
    start: tuple[str | int, ...] = () if query.cursor is None else (query.cursor + AFTER,)
    end: tuple[str | int, ...] | None = None
    if query.due_by is not None:
        index, start, end = "slots", _after_slot(query.cursor), (micros(query.due_by) + 1,)
    found: list[Schedule] = []
    while True:
        parts = tx.range(index, start, end, _CHUNK)
        tx.load("schedules", [str(part[1]) for part in parts])
        for part in parts:
            schedule: Schedule | None = tx.get("schedules", str(part[1]))
            if schedule is not None and _matches(schedule, query):
                if len(found) == query.limit:
                    return Page(tuple(found), schedule_cursor(found[-1], query))
                found.append(schedule)
        if len(parts) < _CHUNK:
            return Page(tuple(found))
        start = (*parts[-1], "")


def _matches(schedule: Schedule, query: ScheduleQuery) -> bool:
    return (
        (not query.names or schedule.name in query.names)
        and (not query.ids or schedule.id in query.ids)
        and (query.due_by is None or schedule.enabled)
    )


def _after_slot(cursor: str | None) -> tuple[str | int, ...]:
    if cursor is None:
        return ()
    slot, schedule_id = place_of_slot(cursor)
    return (slot, schedule_id + AFTER)


# Workers


def beat(tx: Transaction, worker: WorkerInfo) -> Order:
    """Answer ``Backend.beat``; workers that were silent for a day are forgotten meanwhile."""
    row: WorkerRow | None = tx.get("workers", worker.id)
    row = WorkerRow(info=worker) if row is None else attrs.evolve(row, info=worker)
    tx.put("workers", worker.id, row)
    for _moment, worker_id in tx.range("workers", (), (micros(tx.now - FORGET_AFTER),), _CHUNK):
        tx.put("workers", str(worker_id), None)
    return row.order


def order(tx: Transaction, worker_id: str, wanted: Order) -> bool:
    """Answer ``Backend.order``."""
    row: WorkerRow | None = tx.get("workers", worker_id)
    if row is None:
        return False
    tx.put("workers", worker_id, attrs.evolve(row, order=wanted))
    return True


def workers(tx: Transaction) -> list[WorkerInfo]:
    """Answer ``Backend.workers``."""
    found: list[WorkerInfo] = []
    end: tuple[str | int, ...] | None = None
    low = (micros(tx.now - FORGET_AFTER),)
    while True:
        parts = tx.range("workers", low, end, _CHUNK, is_descending=True)
        rows: list[WorkerRow | None] = [tx.get("workers", str(worker_id)) for _moment, worker_id in parts]
        found += [row.info for row in rows if row is not None]
        if len(parts) < _CHUNK:
            return found
        end = parts[-1]
