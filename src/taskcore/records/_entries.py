"""Which index entries each record has. Every range that is ever asked for is served by one of these indexes.

| index | parts | what stands in it |
|---|---|---|
| ``claims``, ``suspects`` | queue, -priority, run_after in ms, id | READY tasks that are due; apart, suspects |
| ``timers`` | moment, kind, key | what happens by itself: ``due``, ``lease``, ``expiry`` of tasks, ``key`` |
| ``states`` | state, id | every task |
| ``held`` | worker, nonce, id | RUNNING tasks |
| ``members``, ``slots_of``, ``keys_of`` | group, schedule or unique key, id | tasks that have one |
| ``finished`` | name, moment, id | finished tasks |
| ``purgeable`` | moment, id | finished tasks with a retention by age |
| ``children``, ``parents`` | parent, mark, child, key / child, mark, parent, key | edges |
| ``owed`` | moment, id | parents whose finish has not reached all children yet |
| ``items`` | task, epoch, sequence, key | items |
| ``groups``, ``group_names`` | id / name, id | groups |
| ``empty_groups`` | moment, id | groups without members: when they finished, or were made if they never had any |
| ``schedules``, ``slots`` | name, id / moment, id | schedules; those with a next slot |
| ``queues`` | name | queues |
| ``workers`` | moment of the last beat, id | workers |

Moments are whole microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from taskcore.protocol import Item, Schedule, State, Task
from taskcore.records._engine import Entry
from taskcore.records._rows import EdgeRow, GroupRow, KeyRow, ParentRow, QueueRow, WorkerRow

__all__ = ["AFTER", "ENTRIES", "due_parts", "micros", "task_entries"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

AFTER = "\0"
"""Behind a text, the least text that is greater: ``(name,)`` to ``(name + AFTER,)`` are the entries of a name."""

_FINISHED = {State.SUCCESSFUL: "SUCCESSFUL", State.FAILED: "FAILED", State.CANCELLED: "CANCELLED"}


def micros(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def due_parts(task: Task) -> tuple[int, str, str]:
    """Return where a READY task stands in ``timers`` as long as it is not due."""
    return (micros(task.run_after), "due", task.spec.id)


def task_entries(task: Task, now: int) -> tuple[Entry, ...]:
    """Return the entries of a task that is written at ``now`` (microseconds)."""
    spec, state = task.spec, task.state
    key = spec.id
    entries: tuple[Entry, ...]
    if state is State.READY:
        due = micros(task.run_after)
        if due > now:
            entries = (("timers", (due, "due", key)), ("states", ("READY", key)))
        else:
            index = "suspects" if spec.max_crashes == 0 or task.crashes else "claims"
            entries = (
                (index, (spec.queue_name, -spec.priority, due // 1000, key)),
                ("states", ("READY", key)),
            )
        if spec.expires_at is not None:
            entries = (*entries, ("timers", (micros(spec.expires_at), "expiry", key)))
    elif state is State.RUNNING and (lease := task.lease) is not None:
        entries = (
            ("timers", (micros(lease.expires_at), "lease", key)),
            ("held", (lease.worker_id, lease.nonce, key)),
            ("states", ("RUNNING", key)),
        )
    elif state is State.BLOCKED:
        entries = (("states", ("BLOCKED", key)),)
        if spec.expires_at is not None:
            entries = (*entries, ("timers", (micros(spec.expires_at), "expiry", key)))
    else:
        entries = (
            ("finished", (spec.name, micros(task.changed_at), key)),
            ("states", (_FINISHED[state], key)),
        )
        if spec.retention is not None and (purge_at := task.purge_at) is not None:
            entries = (*entries, ("purgeable", (micros(purge_at), key)))
    if spec.group_id is not None:
        entries = (*entries, ("members", (spec.group_id, key)))
    if spec.schedule_id is not None:
        entries = (*entries, ("slots_of", (spec.schedule_id, key)))
    if spec.unique is not None:
        entries = (*entries, ("keys_of", (spec.unique.key, key)))
    return entries


def _edge(row: EdgeRow, _now: int) -> tuple[Entry, ...]:
    key = f"{row.parent_id}/{row.child_id}"
    return (
        ("children", (row.parent_id, row.mark, row.child_id, key)),
        ("parents", (row.child_id, row.mark, row.parent_id, key)),
    )


def _parent(row: ParentRow, _now: int) -> tuple[Entry, ...]:
    return () if row.owed_since is None else (("owed", (micros(row.owed_since), row.id)),)


def _group(row: GroupRow, _now: int) -> tuple[Entry, ...]:
    group = row.group
    names: tuple[Entry, ...] = (("groups", (group.id,)), ("group_names", (group.name, group.id)))
    if group.counts or (group.total is None and group.purged):
        return names
    return (*names, ("empty_groups", (micros(group.finished_at or group.created_at), group.id)))


def _key(row: KeyRow, _now: int) -> tuple[Entry, ...]:
    return () if row.moment is None else (("timers", (micros(row.moment), "key", row.key)),)


def _queue(row: QueueRow, _now: int) -> tuple[Entry, ...]:
    return (("queues", (row.name,)),)


def _item(item: Item, _now: int) -> tuple[Entry, ...]:
    key = f"{item.task_id}/{item.epoch}/{item.sequence}"
    return (("items", (item.task_id, item.epoch, item.sequence, key)),)


def _schedule(schedule: Schedule, _now: int) -> tuple[Entry, ...]:
    names: Entry = ("schedules", (schedule.name, schedule.id))
    if schedule.next_slot is None:
        return (names,)
    return (names, ("slots", (micros(schedule.next_slot), schedule.id)))


def _worker(row: WorkerRow, _now: int) -> tuple[Entry, ...]:
    return (("workers", (micros(row.info.last_beat_at), row.info.id)),)


ENTRIES: dict[str, Callable[[Any, int], tuple[Entry, ...]]] = {
    "tasks": task_entries,
    "edges": _edge,
    "parents": _parent,
    "groups": _group,
    "keys": _key,
    "queues": _queue,
    "items": _item,
    "schedules": _schedule,
    "workers": _worker,
}
"""By table: the function that gives a value's entries."""
