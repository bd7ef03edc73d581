"""Schedules and workers: documents beside the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taskcore.errors import InvalidInput
from taskcore.protocol import Order, Page, Schedule, ScheduleQuery, TaskSpec, WorkerInfo
from taskcore.records import load_data, place_of_slot, schedule_cursor
from taskcore_backends.redis._link import Link
from taskcore_backends.redis._packing import micros, optional_micros, pack
from taskcore_backends.redis._records import pack_spec
from taskcore_backends.redis._words import refusal

__all__ = ["beat", "fire", "order", "put_schedule", "schedules", "workers"]

_PORTION = 100


def _row(schedule: Schedule, document: str) -> bytes:
    return pack([schedule.name, schedule.revision, optional_micros(schedule.next_slot), document])


def put_schedule(link: Link, schedule: Schedule, document: str, expected_revision: int | None) -> bool:
    """Answer ``Backend.put_schedule``."""
    expected = "" if expected_revision is None else str(expected_revision)
    return bool(link.write("put_schedule", schedule.id, expected, _row(schedule, document)))


def fire(link: Link, before: Schedule, after: Schedule | None, document: str, specs: Sequence[TaskSpec]) -> bool:
    """Answer ``Backend.fire``."""
    row = b"" if after is None else _row(after, document)
    if after is not None and after.id != before.id:
        raise InvalidInput(f"fire moves one schedule on: {after.name!r} ({after.id}) is not {before.id}.")
    answer = link.write("fire", before.id, str(before.revision), row, *map(pack_spec, specs))
    if isinstance(answer, list):
        raise refusal(answer[1], answer[2:])
    return bool(answer)


def schedules(link: Link, query: ScheduleQuery) -> Page[Schedule]:
    """Answer ``Backend.schedules``. Cursors: the last name, or with ``due_by`` the last slot and id."""
    found: list[Schedule] = []
    stream = _by_name(link, query) if query.due_by is None else _by_slot(link, query)
    for schedule in stream:
        if query.names and schedule.name not in query.names:
            continue
        if query.ids and schedule.id not in query.ids:
            continue
        if len(found) == query.limit:
            return Page(tuple(found), schedule_cursor(found[-1], query))
        found.append(schedule)
    return Page(tuple(found))


def _by_name(link: Link, query: ScheduleQuery) -> Iterator[Schedule]:
    start = "-" if query.cursor is None else f"({query.cursor}\x01"
    while True:
        rows = link.read("list_schedules", "name", start, _PORTION, 0)
        for _schedule_id, document in rows:
            schedule = load_data(Schedule, document.decode())
            yield schedule
            start = f"({schedule.name}\0{schedule.id}"
        if len(rows) < _PORTION:
            return


def _by_slot(link: Link, query: ScheduleQuery) -> Iterator[Schedule]:
    assert query.due_by is not None
    after = None if query.cursor is None else place_of_slot(query.cursor)
    passed = 0
    while True:
        rows = link.read("list_schedules", "slot", micros(query.due_by), _PORTION, passed)
        for _schedule_id, document in rows:
            schedule = load_data(Schedule, document.decode())
            is_new = after is None or (optional_micros(schedule.next_slot) or 0, schedule.id) > after
            if schedule.enabled and is_new:
                yield schedule
        if len(rows) < _PORTION:
            return
        passed += _PORTION


# Workers


def beat(link: Link, worker: WorkerInfo, document: str) -> Order:
    """Answer ``Backend.beat``."""
    wanted = link.read("beat", worker.id, micros(worker.last_beat_at), document)
    return Order.RUN if wanted is None else Order(wanted.decode())


def order(link: Link, worker_id: str, wanted: Order) -> bool:
    """Answer ``Backend.order``."""
    return bool(link.read("order", worker_id, wanted.value))


def workers(link: Link) -> list[WorkerInfo]:
    """Answer ``Backend.workers``."""
    found: list[WorkerInfo] = []
    while True:
        documents = link.read("workers", _PORTION, len(found))
        found += [load_data(WorkerInfo, document.decode()) for document in documents]
        if len(documents) < _PORTION:
            return found
