"""What a worker says of itself."""

from __future__ import annotations

from datetime import datetime

import attrs

from taskcore._vocabulary import WorkerState

__all__ = ["WorkerInfo"]


@attrs.frozen(kw_only=True)
class WorkerInfo:
    """What a worker says of itself with each beat."""

    id: str
    """Random for each run of a worker, never a host name."""
    hostname: str
    pid: int
    queue_names: tuple[str, ...]
    task_names: tuple[str, ...]
    concurrency: int
    executor: str
    state: WorkerState = WorkerState.RUNNING
    running: tuple[str, ...] = ()
    """Ids of the tasks it runs now, with short ones that a child process was handed behind another."""
    started_at: datetime
    last_beat_at: datetime
    expires_at: datetime
    """When it counts as offline unless it beats again."""
    completed: int = 0
    memory: int | None = None
    """Bytes of physical memory that its process and its children have; ``None``: it has stopped, or its platform does
    not tell."""
    version: str = ""

    @property
    def busy_slots(self) -> int:
        """How many of its ``concurrency`` slots are taken."""
        return min(len(self.running), self.concurrency)
