"""What a finished task is worth to who waits for it: its value, or the exception that says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskcore._client._words import REASONS
from taskcore._codec import decode_result
from taskcore.errors import TaskCancelled, TaskFailed, UndecodablePayload
from taskcore.protocol import State, Task

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["value_of"]


def value_of(task: Task, definition: TaskDefinition[..., object] | None) -> object:
    """Return the value of a finished task, decoded by the definition's return annotation, or else as plain JSON.

    Raises TaskFailed, TaskCancelled, and UndecodablePayload when the value was not kept or does not fit.
    """
    if task.state is State.FAILED:
        raise _failed(task)
    if task.state is State.CANCELLED:
        reason = task.reason
        why = "it was cancelled" if reason is None else REASONS[reason]
        raise TaskCancelled(
            f"Task {task.name} {task.id} was cancelled: {why}.",
            task_id=task.id,
            reason="" if reason is None else reason.value,
        )
    if task.result is None or task.result.value_json is None:
        raise UndecodablePayload(f"Task {task.name} {task.id} succeeded, but its value was not kept.")
    return decode_result(definition, task.result.value_json)


def _failed(task: Task) -> TaskFailed:
    failure = None if task.result is None else task.result.failure
    runs = f"in run {task.failures + task.crashes}" if task.failures + task.crashes > 1 else "in its first run"
    why = "" if failure is None else f": {failure.exception_type}: {failure.message}"
    return TaskFailed(f"Task {task.name} {task.id} failed {runs}{why}", task_id=task.id, failure=failure)
