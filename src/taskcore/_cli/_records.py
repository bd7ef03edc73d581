"""Tasks, schedules, workers and queues as JSON objects, for scripts: fields are added to these, never renamed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from taskcore._cli._pace import Pace
from taskcore.protocol import (
    Attempt,
    Failure,
    Group,
    Item,
    Progress,
    QueueStats,
    Schedule,
    State,
    Stats,
    Task,
    WorkerInfo,
    phase,
)

__all__ = [
    "attempt_record",
    "group_record",
    "item_record",
    "queue_record",
    "schedule_record",
    "stats_record",
    "task_record",
    "trigger_words",
    "worker_record",
]

Record = dict[str, object]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _value(text: str | None) -> object:
    """Return stored JSON as what it says; text that is none stays text."""
    if text is None:
        return None
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def task_record(task: Task, now: datetime) -> Record:
    """Return a task with its arguments and its result."""
    spec, lease, result = task.spec, task.lease, task.result
    arguments = _value(spec.arguments_json)
    call: Mapping[str, object] = arguments if isinstance(arguments, dict) else {}
    return {
        "id": task.id,
        "name": task.name,
        "label": spec.label,
        "state": task.state.value,
        "phase": phase(task, now).value,
        "reason": None if task.reason is None else task.reason.value,
        "queue_name": task.queue_name,
        "priority": task.priority,
        "args": call.get("a", []),
        "kwargs": call.get("k", {}),
        "metadata": _value(spec.metadata_json),
        "enqueued_at": _moment(spec.enqueued_at),
        "run_after": _moment(task.run_after),
        "expires_at": _moment(spec.expires_at),
        "changed_at": _moment(task.changed_at),
        "attempt": task.attempt,
        "max_attempts": spec.max_attempts,
        "failures": task.failures,
        "crashes": task.crashes,
        "releases": task.releases,
        "version": task.version,
        "unique_key": None if spec.unique is None else spec.unique.key,
        "parents": list(spec.parents),
        "group_id": spec.group_id,
        "schedule_id": spec.schedule_id,
        "slot": _moment(spec.slot),
        "worker_id": lease.worker_id if lease else (result.worker_id if result else None),
        "lease_expires_at": None if lease is None else _moment(lease.expires_at),
        "cancel_level": None if task.cancel_level is None else task.cancel_level.name.lower(),
        "progress": None if task.progress is None else _progress(task.progress),
        "started_at": None if result is None else _moment(result.started_at),
        "finished_at": None if result is None else _moment(result.finished_at),
        "result": None if result is None else _value(result.value_json),
        "failure": None if result is None or result.failure is None else _failure(result.failure),
    }


def _progress(progress: Progress) -> Record:
    return {
        "current": progress.current,
        "total": progress.total,
        "message": progress.message,
        "counters": dict(progress.counters),
    }


def _failure(failure: Failure) -> Record:
    return {
        "exception_type": failure.exception_type,
        "message": failure.message,
        "traceback": failure.traceback,
        "cause": None if failure.cause is None else _failure(failure.cause),
    }


def attempt_record(attempt: Attempt) -> Record:
    """Return one unsuccessful run."""
    return {
        "epoch": attempt.epoch,
        "event": attempt.event.value,
        "worker_id": attempt.worker_id,
        "claimed_at": _moment(attempt.claimed_at),
        "started_at": _moment(attempt.started_at),
        "ended_at": _moment(attempt.ended_at),
        "failure": None if attempt.failure is None else _failure(attempt.failure),
    }


def item_record(item: Item) -> Record:
    """Return one sub-result or log line."""
    return {
        "task_id": item.task_id,
        "epoch": item.epoch,
        "sequence": item.sequence,
        "kind": item.kind.value,
        "at": _moment(item.at),
        "dimensions": dict(item.dimensions),
        "count": item.count,
        "data": _value(item.data_json),
    }


def queue_record(queue: QueueStats) -> Record:
    """Return one queue with its counts by state, all states named."""
    return {
        "name": queue.name,
        **{state.value: queue.counts.get(state, 0) for state in State},
        "scheduled": queue.scheduled,
        "oldest_due_at": _moment(queue.oldest_due_at),
        "is_paused": queue.is_paused,
    }


def worker_record(worker: WorkerInfo, now: datetime) -> Record:
    """Return what a worker says of itself, and whether it still does."""
    return {
        "id": worker.id,
        "state": worker.state.value,
        "is_live": worker.expires_at > now,
        "hostname": worker.hostname,
        "pid": worker.pid,
        "queue_names": list(worker.queue_names),
        "task_names": list(worker.task_names),
        "executor": worker.executor,
        "concurrency": worker.concurrency,
        "running": list(worker.running),
        "completed": worker.completed,
        "memory": worker.memory,
        "started_at": _moment(worker.started_at),
        "last_beat_at": _moment(worker.last_beat_at),
        "version": worker.version,
    }


def stats_record(stats: Stats, workers: list[WorkerInfo], url: str, pace: Pace) -> Record:
    """Return the whole store in numbers."""
    return {
        "now": _moment(stats.now),
        "url": url,
        "queues": [queue_record(queue) for queue in stats.queues],
        "workers": [worker_record(worker, stats.now) for worker in workers],
        "schedules": stats.schedules,
        "groups": stats.groups,
        "slots": pace.slots,
        "busy": pace.busy,
        "completed": pace.completed,
        "completed_per_second": pace.per_second,
        "mean_duration": _seconds(pace.mean_duration),
        "mean_of": pace.successes,
    }


def trigger_words(schedule: Schedule) -> str:
    """Return when a schedule fires, in words where its trigger has them."""
    describe: Callable[[], str] | None = getattr(schedule.trigger, "describe", None)
    return repr(schedule.trigger) if describe is None else describe()


def schedule_record(schedule: Schedule) -> Record:
    """Return a schedule with its counters."""
    return {
        "id": schedule.id,
        "name": schedule.name,
        "description": schedule.description,
        "trigger": trigger_words(schedule),
        "task_name": schedule.spec.name,
        "queue_name": schedule.spec.queue_name,
        "enabled": schedule.enabled,
        "next_slot": _moment(schedule.next_slot),
        "starts_at": _moment(schedule.starts_at),
        "ends_at": _moment(schedule.ends_at),
        "repeats": schedule.repeats,
        "catch_up": schedule.catch_up.value,
        "overlap": schedule.overlap.value,
        "jitter": _seconds(schedule.jitter),
        "expires_after": _seconds(schedule.expires_after),
        "runs": schedule.runs,
        "skipped": schedule.skipped,
        "last_slot": _moment(schedule.last_slot),
        "last_run_at": _moment(schedule.last_run_at),
        "last_task_id": schedule.last_task_id,
        "revision": schedule.revision,
    }


def group_record(group: Group) -> Record:
    """Return a group with its counts by state, all states named."""
    return {
        "id": group.id,
        "name": group.name,
        "created_at": _moment(group.created_at),
        "total": group.total,
        **{state.value: group.counts.get(state, 0) for state in State},
        "is_finished": group.is_finished,
        "finished_at": _moment(group.finished_at),
    }
