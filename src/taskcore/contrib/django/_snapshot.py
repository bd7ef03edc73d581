"""Copies of what stands in other stores than the database, for the admin to list: written here, and only here.

A copy is written only by newer news: tasks by their version, schedules by their revision, workers by their last beat;
news that come late, or from a second snapshot at the same time, change nothing. What a round reads is bounded; the
next round goes on. Copies expire by settings of their own: they are hidden first, and deleted in the next round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any, TypeVar

import attrs
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from taskcore._client import Client
from taskcore.clock import SystemClock
from taskcore.contrib.django.models import (
    Copy,
    GroupCopy,
    ItemCopy,
    ScheduleCopy,
    SnapshotMark,
    TaskCopy,
    WorkerCopy,
)
from taskcore.protocol import Group, GroupQuery, Item, Schedule, ScheduleQuery, State, Task, WorkerInfo
from taskcore.records import dump_data
from taskcore.records.columns import CANCELLED, FAILED, RUNNING, SUCCESSFUL, code_of

__all__ = ["Limits", "Taken", "copy_of_group", "copy_of_schedule", "copy_of_task", "copy_of_worker", "renew", "take"]

_BATCH = 500
_OVERLAP = timedelta(minutes=10)
"""How far behind the newest task a round begins: clocks differ, and slots are older than their tasks."""
_FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SHOWN = 200
_BEAT_EVERY = timedelta(seconds=60)
"""How often at most the mere beat of a worker is written."""
_UNFINISHED = frozenset(state for state in State if not state.is_finished)
_EXPIRE = {"successful": timedelta(days=1), "failed": timedelta(days=3), "unfinished": timedelta(days=5)}
_STATES = {
    "successful": Q(code=SUCCESSFUL),
    "failed": Q(code__in=(FAILED, CANCELLED)),
    "unfinished": Q(code__lte=RUNNING),
}

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Limits:
    """How much one round reads."""

    tasks: int = 20_000
    groups: int = 1_000
    items: int = 100
    """Of each task that has changed; 0 leaves them out."""


@attrs.frozen(kw_only=True)
class Taken:
    """What a round wrote."""

    tasks: int
    schedules: int
    groups: int
    workers: int
    deleted: int


# Copies


def copy_of_task(task: Task, alias: str) -> TaskCopy:
    """Return a task as a row, not stored yet."""
    spec, lease, result, progress = task.spec, task.lease, task.result, task.progress
    failure = None if result is None else result.failure
    worker_id = result.worker_id if result is not None else None
    return TaskCopy(
        id=f"{task.id}@{alias}",
        storage=alias,
        name=task.name,
        queue_name=task.queue_name,
        precedence=-task.priority,
        code=code_of(task.state, is_due=task.run_after <= SystemClock().now()),
        version=task.version,
        run_after=task.run_after,
        enqueued_at=spec.enqueued_at,
        changed_at=task.changed_at,
        expires_at=spec.expires_at,
        epoch=task.epoch,
        failures=task.failures,
        crashes=task.crashes,
        releases=task.releases,
        max_attempts=spec.max_attempts,
        group_id=None if spec.group_id is None else f"{spec.group_id}@{alias}",
        schedule_id=None if spec.schedule_id is None else f"{spec.schedule_id}@{alias}",
        unique_key=None if spec.unique is None else spec.unique.key,
        label=spec.label,
        worker_id=worker_id if lease is None else lease.worker_id,
        claimed_at=None if lease is None else lease.claimed_at,
        lease_expires=None if lease is None else lease.expires_at,
        cancel=None if task.cancel_level is None else task.cancel_level.value,
        reason=None if task.reason is None else task.reason.value,
        started_at=None if result is None else result.started_at,
        progress=None if progress is None else dump_data(progress),
        arguments=spec.arguments_json[:_SHOWN],
        error=None if failure is None else f"{failure.exception_type}: {failure.message}"[:_SHOWN],
        document=dump_data(task),
    )


def copy_of_group(group: Group, alias: str) -> GroupCopy:
    """Return a group as a row, not stored yet."""
    return GroupCopy(
        id=f"{group.id}@{alias}",
        storage=alias,
        name=group.name,
        created_at=group.created_at,
        total=group.total,
        finished_at=group.finished_at,
    )


def copy_of_schedule(schedule: Schedule, alias: str) -> ScheduleCopy:
    """Return a schedule as a row, not stored yet."""
    return ScheduleCopy(
        id=f"{schedule.id}@{alias}",
        storage=alias,
        name=schedule.name,
        revision=schedule.revision,
        enabled=schedule.enabled,
        next_slot=schedule.next_slot,
        last_run_at=schedule.last_run_at,
        runs=schedule.runs,
        task_name=schedule.spec.name,
        queue_name=schedule.spec.queue_name,
        updated_at=schedule.updated_at,
        document=dump_data(schedule),
    )


def copy_of_worker(worker: WorkerInfo, alias: str) -> WorkerCopy:
    """Return a worker as a row, not stored yet."""
    return WorkerCopy(
        id=f"{worker.id}@{alias}",
        storage=alias,
        hostname=worker.hostname,
        pid=worker.pid,
        state=worker.state.value,
        started_at=worker.started_at,
        last_beat_at=worker.last_beat_at,
        expires_at=worker.expires_at,
        completed=worker.completed,
    )


def _copy_of_item(item: Item, task: TaskCopy) -> ItemCopy:
    return ItemCopy(
        id=f"{task.plain_id}.{item.epoch:08}.{item.sequence:08}@{task.storage}",
        storage=task.storage,
        task_id=task.pk,
        epoch=item.epoch,
        sequence=item.sequence,
        kind=item.kind.value,
        document=dump_data(item),
    )


# Writing


def _write(copies: Sequence[Copy], newer: str) -> list[Any]:
    """Store those copies that are news by the column ``newer``; return them."""
    if not copies:
        return []
    model: Any = type(copies[0])
    known = dict(model.objects.filter(pk__in=[one.pk for one in copies]).values_list("pk", newer))
    new = [one for one in copies if one.pk not in known]
    written: list[Any] = []
    with transaction.atomic(using=model.objects.db):
        if new:
            model.objects.bulk_create(new, ignore_conflicts=True)
            written.extend(new)
        columns = [field.attname for field in model._meta.concrete_fields if not field.primary_key]
        for one in copies:
            seen = known.get(one.pk)
            if seen is not None and seen < getattr(one, newer):
                values = {column: getattr(one, column) for column in columns}
                rows = model.objects.filter(pk=one.pk, **{f"{newer}__lt": getattr(one, newer)})
                if rows.update(**values):
                    written.append(one)
    return written


def _chunks(found: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(found)
    while chunk := list(islice(rest, _BATCH)):
        yield chunk


def _write_tasks(alias: str, client: Client, tasks: Iterable[Task], items: int) -> int:
    count = 0
    for chunk in _chunks(tasks):
        written = _write([copy_of_task(task, alias) for task in chunk], "version")
        count += len(written)
        if items:
            for one in written:
                _write_items(client, one, items)
    return count


def _write_items(client: Client, task: TaskCopy, most: int) -> None:
    found = client.items(task.plain_id, limit=most).items
    if found:
        ItemCopy.objects.bulk_create([_copy_of_item(item, task) for item in found], ignore_conflicts=True)


# A round


def take(alias: str, client: Client, limits: Limits | None = None) -> Taken:
    """Copy what is new in a store; return how much that was. Raises BackendError when the store cannot be asked."""
    limits = limits or Limits()
    now = client.backend.now()
    deleted = _expire(alias, now)
    tasks = _take_tasks(alias, client, now, limits)
    return Taken(
        tasks=tasks,
        schedules=_take_schedules(alias, client),
        groups=_take_groups(alias, client, limits),
        workers=_take_workers(alias, client),
        deleted=deleted,
    )


def _take_tasks(alias: str, client: Client, now: datetime, limits: Limits) -> int:
    count = _take_new(alias, client, now, limits)
    unfinished = islice(client.iterate(states=_UNFINISHED, limit=_BATCH), limits.tasks)
    count += _write_tasks(alias, client, unfinished, limits.items)
    return count + _look_again(alias, client, now, limits)


def _take_new(alias: str, client: Client, now: datetime, limits: Limits) -> int:
    """Copy tasks in the order they were enqueued in, from where the last round stopped, or from a little before it."""
    mark = SnapshotMark.objects.filter(pk=alias).first()
    begin = _FIRST if mark is None else mark.taken_at if mark.cursor else mark.taken_at - _OVERLAP
    cursor = mark.cursor or None if mark is not None else None
    count, left = 0, limits.tasks
    while left > 0:
        page = client.find(enqueued_from=begin, is_oldest_first=True, cursor=cursor, limit=min(_BATCH, left))
        count += _write_tasks(alias, client, page.items, limits.items)
        left -= max(1, len(page.items))
        cursor = page.cursor
        if cursor is None:
            break
    reached = {"taken_at": now, "cursor": ""} if cursor is None else {"taken_at": begin, "cursor": cursor}
    SnapshotMark.objects.update_or_create(pk=alias, defaults=reached)
    return count


def _look_again(alias: str, client: Client, now: datetime, limits: Limits) -> int:
    """Ask for what was unfinished when it was copied, and for what somebody may have requeued."""
    copies = TaskCopy.objects.filter(storage=alias)
    unfinished = copies.filter(code__lte=RUNNING)
    requeueable = copies.filter(code__in=(FAILED, CANCELLED), changed_at__gt=now - timedelta(days=1))
    count = 0
    for wanted, most in ((unfinished, limits.tasks), (requeueable, 1_000)):
        for rows in _chunks(wanted.only("id", "storage", "code").order_by("-id")[:most]):
            count += _renew_tasks(alias, client, rows, limits.items, forget=wanted is unfinished)
    return count


def _renew_tasks(alias: str, client: Client, rows: Sequence[Any], items: int, *, forget: bool) -> int:
    found = client.backend.get([row.plain_id for row in rows])
    gone = [row.pk for row, task in zip(rows, found, strict=True) if task is None]
    if forget and gone:  # how it ended nobody knows any more
        _delete_tasks(gone)
    return _write_tasks(alias, client, [task for task in found if task is not None], items)


def _delete_tasks(keys: Sequence[str]) -> None:
    ItemCopy.objects.filter(task_id__in=keys).delete()
    TaskCopy.objects.filter(pk__in=keys).delete()


def _take_schedules(alias: str, client: Client) -> int:
    seen: set[str] = set()
    count = 0
    for chunk in _chunks(client.schedules()):
        copies = [copy_of_schedule(schedule, alias) for schedule in chunk]
        seen.update(one.pk for one in copies)
        count += len(_write(copies, "revision"))
    gone = [key for key in ScheduleCopy.objects.filter(storage=alias).values_list("pk", flat=True) if key not in seen]
    for keys in _chunks(gone):
        ScheduleCopy.objects.filter(pk__in=keys).delete()
    return count


def _take_groups(alias: str, client: Client, limits: Limits) -> int:
    newest = client.groups(limit=limits.groups).items
    open_copies = GroupCopy.objects.filter(storage=alias, finished_at__isnull=True).order_by("-id")[: limits.groups]
    ids = [row.plain_id for row in open_copies]
    older = client.backend.groups(GroupQuery(ids=tuple(ids), limit=len(ids))).items if ids else ()
    known = {group.id: group for group in (*newest, *older)}
    copies = [copy_of_group(group, alias) for group in known.values()]
    gone = [f"{one}@{alias}" for one in ids if one not in known]
    GroupCopy.objects.filter(pk__in=gone).delete()
    columns = ["name", "total", "finished_at"]
    for chunk in _chunks(copies):
        GroupCopy.objects.bulk_create(chunk, ignore_conflicts=True)
        GroupCopy.objects.bulk_update(chunk, columns)
    return len(copies)


def _take_workers(alias: str, client: Client) -> int:
    copies = [copy_of_worker(worker, alias) for worker in client.workers()]
    known = {row.pk: row for row in WorkerCopy.objects.filter(pk__in=[one.pk for one in copies])}
    return len(_write([one for one in copies if _is_worth_writing(one, known.get(one.pk))], "last_beat_at"))


def _is_worth_writing(worker: WorkerCopy, known: WorkerCopy | None) -> bool:
    if known is None or known.state != worker.state:
        return True
    return bool(worker.last_beat_at - known.last_beat_at >= _BEAT_EVERY)


# Expiry


def _expire(alias: str, now: datetime) -> int:
    """Delete what the round before has hidden, a batch at a time, and hide what has expired."""
    given = getattr(settings, "TASKCORE", {}).get("SNAPSHOT_EXPIRE", {})
    copies = TaskCopy.objects.filter(storage=alias)
    deleted = 0
    while keys := list(copies.filter(is_hidden=True).values_list("pk", flat=True)[:_BATCH]):
        _delete_tasks(keys)
        deleted += len(keys)
    for name, standard in _EXPIRE.items():
        age: timedelta | None = given.get(name, standard)
        if age is not None:
            copies.filter(_STATES[name], changed_at__lt=now - age).update(is_hidden=True)
    WorkerCopy.objects.filter(storage=alias, last_beat_at__lt=now - timedelta(days=1)).delete()
    return deleted


# After a change


def renew(alias: str, client: Client, rows: Sequence[Any]) -> None:
    """Bring copies up to date after their things were changed through the client; other rows are no copies."""
    if not rows or not isinstance(rows[0], Copy):
        return
    ids = tuple(row.plain_id for row in rows)
    if isinstance(rows[0], TaskCopy):
        _renew_tasks(alias, client, rows, 0, forget=True)
    elif isinstance(rows[0], ScheduleCopy):
        found = client.backend.schedules(ScheduleQuery(ids=ids, limit=len(ids))).items
        _write([copy_of_schedule(one, alias) for one in found], "revision")
        there = {one.id for one in found}
        ScheduleCopy.objects.filter(pk__in=[row.pk for row in rows if row.plain_id not in there]).delete()
    elif isinstance(rows[0], WorkerCopy):
        _take_workers(alias, client)
