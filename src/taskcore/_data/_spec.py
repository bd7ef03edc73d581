"""What a task was asked for, with the key that it holds and how long it is kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from taskcore._frozen import made_quickly
from taskcore._retry import Retry
from taskcore._vocabulary import KeepPer, OnConflict, OnParentFailure, UniqueUntil

__all__ = ["Retention", "TaskSpec", "UniqueKey"]


@attrs.frozen(kw_only=True)
class UniqueKey:
    """A key that one task at a time holds, how long, and what a second one is answered."""

    key: str
    until: UniqueUntil = UniqueUntil.FINISHED
    moment: datetime | None = None
    on_conflict: OnConflict = OnConflict.RETURN_EXISTING


@attrs.frozen(kw_only=True)
class Retention:
    """How long a finished task is kept, by state; ``None`` keeps it until somebody purges it.

    ``keep_latest`` keeps only the newest n successful tasks of the same name or group, whatever their age; failed and
    cancelled ones go by their age alone. It belongs to a definition: workers that know the definition see to it.
    """

    successful: timedelta | None = None
    failed: timedelta | None = None
    cancelled: timedelta | None = None
    keep_latest: int | None = None
    keep_per: KeepPer = KeepPer.NAME


@made_quickly
@attrs.frozen(kw_only=True, weakref_slot=False)
class TaskSpec:
    """What was asked for. Written once; only RESCHEDULE, REPLACE, AMEND and REQUEUE put another in its place."""

    id: str
    """32 hex digits that sort by time of enqueueing (``_ids``)."""
    name: str
    """The name of the task definition that runs it."""
    enqueued_at: datetime
    """When the client made it, by the client's clock."""
    queue_name: str = "default"
    priority: int = 0
    """-100 to 100, higher first."""
    arguments_json: str = "{}"
    """``{"a": [positional…], "k": {"keyword": …}}``, each key left out when empty."""
    run_after: datetime | None = None
    """Not before this moment; ``None``: at once, as the store's clock says when it accepts the task."""
    expires_at: datetime | None = None
    """A task that has not started by then is cancelled instead."""
    timeout: timedelta | None = None
    """Hard limit of one run; ``None``: the definition's."""
    soft_timeout: timedelta | None = None
    """When a run is asked to stop by an exception; ``None``: the definition's."""
    max_attempts: int | None = 1
    """Runs that may end with an exception, the last one included; ``None``: no limit."""
    retry: Retry | None = None
    """Given with ``.using(retry=…)``; ``None``: the definition's. Its backoff is a ``Curve`` when it travels."""
    max_crashes: int = 3
    """Lost workers that are forgiven; 0: at most once."""
    unique: UniqueKey | None = None
    parents: tuple[str, ...] = ()
    """Ids of tasks and groups that must finish first."""
    on_parent_failure: OnParentFailure = OnParentFailure.CANCEL
    group_id: str | None = None
    group_index: int | None = None
    """The place among the members of the group, from 0: the order of the group's results."""
    schedule_id: str | None = None
    slot: datetime | None = None
    """The moment that the schedule meant, however late the task was enqueued."""
    retention: Retention | None = None
    label: str | None = None
    """A name for people, shown beside ``name``."""
    metadata_json: str | None = None
    """A JSON object of the user's own."""
