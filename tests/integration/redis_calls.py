"""Short words for what the tests of Redis ask of a store: to add, to claim, to finish, to note a worker."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from taskcore.protocol import Change, ClaimRequest, Event, Task, TaskSpec, WorkerInfo, WorkerState

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
LEASE = timedelta(seconds=30)


def spec(number: int, **options: object) -> TaskSpec:
    """Return a task; its id is the number."""
    return TaskSpec(**{"id": f"{number:032x}", "name": "task", "enqueued_at": NOW, **options})


def request(nonce: str, limit: int = 10, lease: timedelta = LEASE) -> ClaimRequest:
    """Return a claim of the worker ``w``."""
    return ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=limit, lease=lease)


def succeed(task: Task) -> Change:
    """Return the success of a claimed task."""
    return Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1")


def worker_info(worker_id: str, beat_at: datetime) -> WorkerInfo:
    """Return a running worker, last heard of at a moment."""
    return WorkerInfo(
        id=worker_id,
        hostname="h",
        pid=1,
        queue_names=("default",),
        task_names=(),
        concurrency=1,
        executor="threads",
        state=WorkerState.RUNNING,
        started_at=NOW,
        last_beat_at=beat_at,
        expires_at=NOW,
    )
