"""``Snapshot``: the whole store in numbers, as ``status`` shows it once or live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from taskcore._cli._pace import LOOKED_AT, Pace, pace_of, pace_words
from taskcore._client import Client
from taskcore._client._words import counted, duration_words, moment_words, size_words
from taskcore.protocol import QueueStats, Schedule, ScheduleQuery, State, Stats, Task, WorkerInfo, WorkerState

__all__ = ["QUEUE_HEADERS", "WORKER_HEADERS", "Snapshot", "queue_row", "take", "worker_row", "worker_word"]

QUEUE_HEADERS = (
    "QUEUE",
    "READY",
    "SCHEDULED",
    "BLOCKED",
    "RUNNING",
    "SUCCESSFUL",
    "FAILED",
    "CANCELLED",
    "OLDEST DUE",
    "PAUSED",
)
WORKER_HEADERS = ("WORKER", "STATE", "HOST", "PID", "QUEUES", "RUNNING", "DONE", "MEMORY", "LAST BEAT")


@attrs.frozen
class Snapshot:
    """What is shown at one moment."""

    stats: Stats
    workers: list[WorkerInfo]
    next_schedule: Schedule | None
    url: str
    newest: Sequence[Task]
    """The newest successes."""

    @property
    def pace(self) -> Pace:
        """How much is done, and how long it takes."""
        return pace_of(self.workers, self.newest, self.stats.now)

    @property
    def heading(self) -> str:
        """What is said before the tables."""
        return f"{moment_words(self.stats.now)}  {self.url}"

    @property
    def ending(self) -> Sequence[str]:
        """What is said after the tables."""
        stats = self.stats
        following = ""
        if self.next_schedule is not None and self.next_schedule.next_slot is not None:
            wait = self.next_schedule.next_slot - stats.now
            following = f"; next: {self.next_schedule.name} in {duration_words(wait)}"
            if wait.total_seconds() <= 0:
                following = f"; due: {self.next_schedule.name}"
        kept = f"{counted(stats.schedules, 'schedule')}{following}; {counted(stats.groups, 'group')}"
        return [line for line in (pace_words(self.pace), kept) if line]

    @property
    def queue_rows(self) -> list[tuple[object, ...]]:
        """One row for each queue."""
        return [queue_row(queue, self.stats.now) for queue in self.stats.queues]

    @property
    def worker_rows(self) -> list[tuple[object, ...]]:
        """One row for each worker that is there, and each that was lost."""
        return [worker_row(worker, self.stats.now) for worker in self.workers if _is_shown(worker)]


def take(client: Client) -> Snapshot:
    """Ask the store."""
    stats = client.stats()
    due = client.backend.schedules(ScheduleQuery(due_by=datetime.max.replace(tzinfo=stats.now.tzinfo), limit=1))
    newest = client.find(states=[State.SUCCESSFUL], limit=LOOKED_AT)
    return Snapshot(stats, client.workers(), next(iter(due.items), None), client.backend.url, newest.items)


def queue_row(queue: QueueStats, now: datetime) -> tuple[object, ...]:
    """Return what stands under ``QUEUE_HEADERS``."""
    counts = {state: queue.counts.get(state, 0) for state in State}
    return (
        queue.name,
        counts[State.READY] - queue.scheduled,
        queue.scheduled,
        *(counts[state] for state in State if state is not State.READY),
        None if queue.oldest_due_at is None else duration_words(now - queue.oldest_due_at),
        "yes" if queue.is_paused else None,
    )


def _is_shown(worker: WorkerInfo) -> bool:
    return worker.state is not WorkerState.STOPPED


def worker_word(worker: WorkerInfo, now: datetime) -> str:
    """Return what the worker said last, or that it is lost: it says nothing any more, and did not say that it stops."""
    is_expected = worker.state is not WorkerState.STOPPED
    return "lost" if is_expected and worker.expires_at <= now else worker.state.value


def worker_row(worker: WorkerInfo, now: datetime) -> tuple[object, ...]:
    """Return what stands under ``WORKER_HEADERS``."""
    return (
        worker.id,
        worker_word(worker, now),
        worker.hostname,
        str(worker.pid),
        ",".join(worker.queue_names),
        f"{worker.busy_slots}/{worker.concurrency}",
        worker.completed,
        None if worker.memory is None else size_words(worker.memory),
        f"{duration_words(now - worker.last_beat_at)} ago",
    )
