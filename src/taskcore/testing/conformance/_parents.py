"""What the checks of dependencies say all the time: a parent, and how tasks ended."""

from __future__ import annotations

from taskcore.protocol import CancelReason, State
from taskcore.testing.conformance._trial import Trial

__all__ = ["BLOCKED", "DEPENDENCY", "READY", "add_parent", "fates"]

DEPENDENCY = (State.CANCELLED, CancelReason.DEPENDENCY)
READY = (State.READY, None)
BLOCKED = (State.BLOCKED, None)


def add_parent(trial: Trial) -> str:
    """Add a task in a queue of its own, so that it can be taken whatever else is ready."""
    return trial.add(queue_name=f"parent {trial.number()}", max_attempts=3)


def fates(trial: Trial, *task_ids: str) -> list[tuple[State, CancelReason | None]]:
    return [(task.state, task.reason) for task in (trial.get(task_id) for task_id in task_ids)]
