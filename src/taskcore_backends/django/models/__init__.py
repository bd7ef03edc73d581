"""The tables, to read: what writes them is ``DjangoBackend``, in SQL of its own; nothing is ever saved by a model.

A task is one narrow row, ``Task``; texts that are long stand in ``Payload``, runs that ended badly in ``Attempt``. Keys
from table to table are not enforced by the database: the backend writes both ends in one transaction, and a check of
each would be another lock.

Every index serves the same statements on MySQL and MariaDB, which leave conditions out: there it leads with what the
condition says (``StateIndex``), or is just longer. Which statement each one is for stands beside it.
"""

from __future__ import annotations

from taskcore_backends.django.models._beside import Attempt, Item, Payload
from taskcore_backends.django.models._bonds import Dependency, Group, OwedPropagation, UniqueHolder
from taskcore_backends.django.models._running import PausedQueue, Queue, Schedule, Tally, Waiter, Worker
from taskcore_backends.django.models._tasks import FailedTask, SuccessfulTask, Task, TaskCode

__all__ = [
    "Attempt",
    "Dependency",
    "FailedTask",
    "Group",
    "Item",
    "OwedPropagation",
    "PausedQueue",
    "Payload",
    "Queue",
    "Schedule",
    "SuccessfulTask",
    "Tally",
    "Task",
    "TaskCode",
    "UniqueHolder",
    "Waiter",
    "Worker",
]
