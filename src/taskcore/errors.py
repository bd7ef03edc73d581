"""Every exception that taskcore raises, in one tree under ``TaskcoreError``.

Three branches: what a caller asked for cannot be (``InvalidInput`` and below, also ``ValueError``), what a store could
not do (``BackendError`` and below), and what a finished task says when its result is asked for (``TaskFailed``,
``TaskCancelled``, ``ResultTimeout``). A message names the thing, what was wrong, and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskcore._failure import Failure

__all__ = [
    "BackendClosed",
    "BackendCorrupt",
    "BackendError",
    "BackendFull",
    "BackendReadOnly",
    "BackendUnavailable",
    "BackendVersionError",
    "EnqueueFailed",
    "InvalidArguments",
    "InvalidDefinition",
    "InvalidInput",
    "InvalidOption",
    "InvalidSchedule",
    "LeaseLost",
    "MissingParent",
    "NotEncodable",
    "PayloadTooLarge",
    "RefusedChange",
    "ResultTimeout",
    "ScheduleConflict",
    "TaskCancelled",
    "TaskFailed",
    "TaskNotFound",
    "TaskcoreError",
    "UndecodablePayload",
    "UniqueConflict",
    "UnsupportedCapability",
    "WorkerBroken",
]


class TaskcoreError(Exception):
    """The root: ``except TaskcoreError`` catches all that taskcore raises by itself."""


class InvalidInput(TaskcoreError, ValueError):
    """Something given by the caller cannot be accepted; nothing was stored."""


class InvalidOption(InvalidInput):
    """An option of ``@task``, ``.using()``, ``Worker`` or a backend is unknown or out of its range."""


class InvalidDefinition(InvalidInput):
    """A function cannot be a task as it is written, or not for this executor (a lambda for a process, say)."""


class InvalidArguments(InvalidInput, TypeError):
    """The arguments of a call do not fit the signature of the task's function."""


class InvalidSchedule(InvalidInput):
    """A trigger or a schedule can never fire, or is not well formed: an impossible cron expression, an unknown zone."""


class NotEncodable(InvalidInput):
    """A value cannot travel as JSON by the annotation it has; the message names the argument and the path inside it."""


class PayloadTooLarge(InvalidInput):
    """Encoded arguments, metadata or a result are over the limit of the client or worker, in bytes."""


class UndecodablePayload(TaskcoreError):
    """Stored arguments or a stored result do not decode by the annotations that the code has today."""


class TaskNotFound(TaskcoreError, LookupError):
    """The store holds no task (or group, or schedule) of this id: never stored, or already purged."""

    def __init__(self, message: str, *, task_id: str) -> None:
        super().__init__(message)
        self.task_id = task_id


class UniqueConflict(TaskcoreError):
    """``on_conflict="raise"`` and the unique key is held. ``task_id`` is the holder."""

    def __init__(self, message: str, *, unique_key: str, task_id: str) -> None:
        super().__init__(message)
        self.unique_key = unique_key
        self.task_id = task_id


class MissingParent(InvalidInput):
    """A task depends on a task or group that the store does not hold. ``parent_ids`` are those missing."""

    def __init__(self, message: str, *, parent_ids: Sequence[str]) -> None:
        super().__init__(message)
        self.parent_ids = tuple(parent_ids)


class EnqueueFailed(TaskcoreError):
    """A bulk enqueue stopped part of the way. ``accepted`` are the ids stored, in order; none of the others was.

    The cause (``__cause__``) says why it stopped.
    """

    def __init__(self, message: str, *, accepted: Sequence[str]) -> None:
        super().__init__(message)
        self.accepted = tuple(accepted)


class RefusedChange(TaskcoreError):
    """The state machine has no such transition from where the task is, or the version given is not the current one."""

    def __init__(self, message: str, *, task_id: str) -> None:
        super().__init__(message)
        self.task_id = task_id


class ScheduleConflict(TaskcoreError):
    """A schedule was edited by somebody else since it was read: read it again and repeat the edit."""


class LeaseLost(TaskcoreError):
    """Raised inside a task by ``ctx.check()`` when another worker may hold the task now: stop, nothing will be kept."""


class TaskFailed(TaskcoreError):
    """The task whose result was asked for has failed. ``failure`` tells type, message and traceback as data."""

    def __init__(self, message: str, *, task_id: str, failure: Failure | None) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.failure = failure


class TaskCancelled(TaskcoreError):
    """The task whose result was asked for was cancelled. ``reason``: user, expired, dependency, replaced or aborted."""

    def __init__(self, message: str, *, task_id: str, reason: str) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.reason = reason


class ResultTimeout(TaskcoreError, TimeoutError):
    """The result was not there in the time given; the task goes on."""


class BackendError(TaskcoreError):
    """The store could not do what it was asked to."""


class BackendUnavailable(BackendError):
    """The store cannot be reached, or did not answer in time: it may be back later, so a worker tries again.

    The outcome of the call is unknown; the same call repeated with the same ids and nonces is safe.
    """


class BackendFull(BackendUnavailable):
    """The store has no room left (disk full, memory limit): nothing was half-written. Free room, then repeat."""


class BackendReadOnly(BackendError):
    """The store can be read but not written: file or directory permissions, a read-only mount, a replica."""


class BackendCorrupt(BackendError):
    """What the store holds is not a taskcore store, or is damaged."""


class BackendVersionError(BackendError):
    """The store was written by a newer taskcore than this one: upgrade the library; nothing was changed."""


class BackendClosed(BackendError):
    """The backend was closed in this process; make a new one."""


class UnsupportedCapability(BackendError):
    """The backend does not have a capability that was asked for."""


class WorkerBroken(TaskcoreError):
    """A worker cannot go on through a fault that a restart of its threads would not heal: children do not come up."""
