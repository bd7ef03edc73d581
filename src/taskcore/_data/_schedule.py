"""A call that is enqueued again and again, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import attrs

from taskcore._data._spec import TaskSpec
from taskcore._vocabulary import CatchUp, Overlap

__all__ = ["Schedule", "Trigger"]


class Trigger(Protocol):
    """When a schedule fires: ``cron``, ``every``, ``once``, calendar steps, or a user's own (not stored, then)."""

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first slot strictly after ``moment``; ``None`` when there is none."""
        ...


@attrs.frozen(kw_only=True)
class Schedule:
    """A call that is enqueued again and again. Stepped by the pure functions of ``_scheduling``; stored by ``fire``."""

    id: str
    name: str
    """Unique among schedules; kept as written."""
    trigger: Trigger
    spec: TaskSpec
    """The template of each task: its id, enqueued_at, run_after, schedule_id and slot are set when it fires."""
    enabled: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    repeats: int = -1
    """Runs left: counts down to 0 and stops; below 0 it runs for ever and still counts down."""
    catch_up: CatchUp = CatchUp.NONE
    catch_up_limit: int = 100
    overlap: Overlap = Overlap.ALLOW
    jitter: timedelta = timedelta(0)
    """Each slot is moved later by a part of this that depends only on the schedule and the slot."""
    expires_after: timedelta | None = None
    """Each task expires this long after its slot."""
    slot_argument: str | None = None
    """The keyword argument that is given the slot, as an ISO 8601 text."""
    delete_when_done: bool = False
    """Delete the schedule once it has no slot or no repeats left."""
    description: str = ""
    next_slot: datetime | None = None
    """The cursor: the next slot to enqueue; ``None``: none is left, or it is not enabled."""
    revision: int = 1
    """Raised by every write, fires too: compared before a write."""
    generation: int = 1
    """Raised by every edit: part of the ids of its tasks."""
    created_at: datetime
    updated_at: datetime
    runs: int = 0
    skipped: int = 0
    last_slot: datetime | None = None
    last_run_at: datetime | None = None
    last_task_id: str | None = None
