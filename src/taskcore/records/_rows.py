"""What is stored besides tasks, schedules and items: rows of the store's own, never shown to users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from taskcore.protocol import Group, Order, State, WorkerInfo

__all__ = ["EdgeRow", "GroupRow", "KeyRow", "ParentRow", "QueueRow", "WorkerRow"]


@attrs.frozen(kw_only=True)
class QueueRow:
    """One queue: whether it is paused, and its tasks by state."""

    name: str
    is_paused: bool = False
    counts: Mapping[State, int] = attrs.field(factory=dict)
    scheduled: int = 0
    """READY tasks that stand in the index of what is not due yet."""


@attrs.frozen(kw_only=True)
class GroupRow:
    """A group as it is shown."""

    group: Group


@attrs.frozen(kw_only=True)
class EdgeRow:
    """A child that was enqueued to wait for a parent (a task or a group). It stays as long as the child."""

    parent_id: str
    child_id: str
    mark: int
    """AWAITED, HELD_BACK or DONE of ``_edges``."""


@attrs.frozen(kw_only=True)
class ParentRow:
    """There are edges from this task or group; ``owed_since``: it finished, and some were not looked at yet."""

    id: str
    owed_since: datetime | None = None


@attrs.frozen(kw_only=True)
class KeyRow:
    """Who holds a unique key; up to ``moment`` when it was taken until a moment."""

    key: str
    task_id: str
    moment: datetime | None = None


@attrs.frozen(kw_only=True)
class WorkerRow:
    """What a worker said of itself last, and what is wanted of it."""

    info: WorkerInfo
    order: Order = Order.RUN
