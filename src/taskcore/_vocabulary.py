"""The closed sets of words that the data of taskcore is made of: states, events, reasons, policies."""

from __future__ import annotations

from enum import Enum

__all__ = [
    "CancelLevel",
    "CancelReason",
    "CatchUp",
    "Event",
    "ItemKind",
    "KeepPer",
    "OnConflict",
    "OnParentFailure",
    "Overlap",
    "State",
    "UniqueUntil",
    "WorkerState",
]


class State(Enum):
    """Where a task is. These six are all that is ever stored; finer words are views (``phase``)."""

    BLOCKED = "BLOCKED"
    READY = "READY"
    RUNNING = "RUNNING"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_finished(self) -> bool:
        """Whether no worker will touch the task any more (an operator may requeue it)."""
        return self in _FINISHED


_FINISHED = frozenset({State.SUCCESSFUL, State.FAILED, State.CANCELLED})


class Event(Enum):
    """What can happen to a task: the first column of the transition table in ``_machine``."""

    CLAIM = "CLAIM"
    START = "START"
    HEARTBEAT = "HEARTBEAT"
    SUCCEED = "SUCCEED"
    FAIL = "FAIL"
    RETRY = "RETRY"
    RELEASE = "RELEASE"
    ABORT = "ABORT"
    RECLAIM = "RECLAIM"
    ABANDON = "ABANDON"
    LET_GO = "LET_GO"
    CANCEL = "CANCEL"
    EXPIRE = "EXPIRE"
    UNBLOCK = "UNBLOCK"
    RESCHEDULE = "RESCHEDULE"
    REPLACE = "REPLACE"
    AMEND = "AMEND"
    REQUEUE = "REQUEUE"


class CancelLevel(Enum):
    """How a running task is told to stop. Higher levels include the lower ones; values compare by rank."""

    ASK = 1
    """The task is told: ``ctx.check()`` raises, an async task is cancelled. It may finish anyway."""
    TERMINATE = 2
    """An executor with processes sends SIGTERM to the child."""
    KILL = 3
    """An executor with processes kills the child."""


class CancelReason(Enum):
    """Why a task is, or is to be, CANCELLED."""

    USER = "user"
    EXPIRED = "expired"
    DEPENDENCY = "dependency"
    REPLACED = "replaced"
    ABORTED = "aborted"


class OnParentFailure(Enum):
    """What becomes of a task when one it waits for ends FAILED or CANCELLED."""

    CANCEL = "cancel"
    RUN = "run"


class UniqueUntil(Enum):
    """How long a unique key is held by the task that took it."""

    STARTED = "started"
    """Up to the first CLAIM; a retry or requeue never takes it again."""
    FINISHED = "finished"
    """Up to SUCCESSFUL, FAILED or CANCELLED; a requeue takes it again."""
    MOMENT = "moment"
    """Up to ``UniqueKey.moment``, whether or not the task has finished: one in a window of time."""


class OnConflict(Enum):
    """What enqueueing does when its unique key is held by another task."""

    RETURN_EXISTING = "return_existing"
    RAISE = "raise"
    REPLACE = "replace"
    """A waiting holder becomes the new call, keeping its id; a RUNNING or finished one is returned as it is."""
    RESCHEDULE = "reschedule"
    """A waiting holder gets the new run_after, priority and queue; a RUNNING or finished one is returned as it is."""


class KeepPer(Enum):
    """What "the latest n" are counted by."""

    NAME = "name"
    GROUP = "group"


class CatchUp(Enum):
    """What a schedule does with slots that have passed while no scheduler ran."""

    NONE = "none"
    """Slots older than 60 seconds are skipped."""
    LAST = "last"
    """Only the newest of the passed slots runs."""
    ALL = "all"
    """The newest ``Schedule.catch_up_limit`` of the passed slots run."""


class Overlap(Enum):
    """What a schedule does when the task of its last slot is unfinished."""

    ALLOW = "allow"
    SKIP = "skip"


class WorkerState(Enum):
    """What a worker last said of itself."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ItemKind(Enum):
    """What an item of a task is: a sub-result of the user's, or a captured log line."""

    ITEM = "item"
    LOG = "log"
