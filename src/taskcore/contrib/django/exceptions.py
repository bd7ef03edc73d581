"""What stands in ``TaskResult.errors`` where no exception of the task itself was; each can be imported by its path."""

from __future__ import annotations

__all__ = ["TaskCancelled", "TaskExpired", "TaskTimeout", "UnsupportedReturnValue", "WorkerLost"]


class UnsupportedReturnValue(TypeError):
    """The task returned what JSON has no form for. Never tried again: it would return the same.

    In ``errors`` it is the ``TypeError`` that Django says it is.
    """


class TaskTimeout(TimeoutError):
    """The task ran longer than its timeout, and was ended."""


class WorkerLost(Exception):
    """The worker that ran the task was lost, and nobody may run it again."""


class TaskCancelled(Exception):
    """The task was cancelled: by an operator, by itself, or because one that it depends on did not succeed."""


class TaskExpired(TaskCancelled):
    """The task had not started by the moment after which it was not to be run any more."""
