"""The data of taskcore: what a task, its result, a group, a schedule and a worker are. Immutable; nothing here acts.

A ``Task`` is a ``TaskSpec`` (what was asked for) and the few fields that transitions change. Values of users travel as
JSON text (fields that end in ``_json``), made and read by ``_codec``; a store never looks inside them. Datetimes are
aware and in UTC, durations are timedeltas.
"""

from taskcore._data._schedule import Schedule, Trigger
from taskcore._data._spec import Retention, TaskSpec, UniqueKey
from taskcore._data._task import Attempt, Fence, Group, Item, Lease, Progress, Result, Settle, Task, later
from taskcore._data._worker import WorkerInfo
from taskcore._failure import Failure

__all__ = [
    "Attempt",
    "Failure",
    "Fence",
    "Group",
    "Item",
    "Lease",
    "Progress",
    "Result",
    "Retention",
    "Schedule",
    "Settle",
    "Task",
    "TaskSpec",
    "Trigger",
    "UniqueKey",
    "WorkerInfo",
    "later",
]
