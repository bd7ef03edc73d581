"""The data of taskcore: what a task, its result, a group, a schedule and a worker are. Immutable; nothing here acts.

A ``Task`` is a ``TaskSpec`` (what was asked for) and the few fields that transitions change. Values of users travel as
JSON text (fields that end in ``_json``), made and read by ``_codec``; a store never looks inside them. Datetimes are
aware and in UTC, durations are timedeltas.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Protocol

import attrs

from taskcore._failure import Failure
from taskcore._frozen import made_quickly
from taskcore._retry import Retry
from taskcore._vocabulary import (
    CancelLevel,
    CancelReason,
    CatchUp,
    Event,
    ItemKind,
    KeepPer,
    OnConflict,
    OnParentFailure,
    Overlap,
    State,
    UniqueUntil,
    WorkerState,
)

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

_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


def later(moment: datetime, span: timedelta) -> datetime:
    """Return ``moment + span``; what would lie beyond the year 9999 is the last moment there is."""
    try:
        return moment + span
    except OverflowError:
        return _LAST_MOMENT


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


@attrs.frozen
class Fence:
    """What a worker shows to prove that it holds a task: the count of claims, and the nonce of its own claim."""

    epoch: int
    nonce: str


@attrs.frozen(kw_only=True)
class Lease:
    """Who holds a RUNNING task, and until when nobody else may touch it."""

    nonce: str
    worker_id: str
    claimed_at: datetime
    expires_at: datetime
    is_started: bool = False
    """START was written: only for tasks that must not be blamed, or run twice, for a lost worker (``is_suspect``)."""


@attrs.frozen
class Settle:
    """How the last holder ended, so that a repeat is answered ALREADY. Forgotten at the next CLAIM."""

    epoch: int
    nonce: str
    event: Event


@attrs.frozen(kw_only=True)
class Progress:
    """How far a running task says it is."""

    current: float
    total: float | None = None
    message: str = ""
    counters: Mapping[str, float] = attrs.field(factory=dict)
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Attempt:
    """One run, or release, that did not end in success."""

    epoch: int
    event: Event
    """How it ended: FAIL, RETRY, RELEASE, ABORT, RECLAIM, ABANDON or LET_GO."""
    worker_id: str
    claimed_at: datetime
    started_at: datetime | None = None
    ended_at: datetime
    failure: Failure | None = None


@attrs.frozen(kw_only=True)
class Result:
    """What a finished run left behind."""

    value_json: str | None = None
    """The return value of a SUCCESSFUL task; ``None`` otherwise, or when it was not kept."""
    failure: Failure | None = None
    """Why a FAILED task failed."""
    worker_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime


@made_quickly
@attrs.frozen(kw_only=True, weakref_slot=False)
class Task:
    """One unit of work: its spec, and the fields that transitions change. Made and changed only by ``_machine``."""

    spec: TaskSpec
    state: State
    version: int = 1
    """Raised by one with every write: the compare-and-set token of operators, and the order of news."""
    run_after: datetime
    changed_at: datetime
    """When ``state`` last changed, by the store's clock."""
    epoch: int = 0
    """How often it was claimed; never goes down."""
    lease: Lease | None = None
    last_settle: Settle | None = None
    failures: int = 0
    """Runs that ended with an exception."""
    crashes: int = 0
    """Runs that ended with their worker lost."""
    releases: int = 0
    """Runs given back without costing a try: snoozes, shutdowns, unknown names."""
    cancel_level: CancelLevel | None = None
    """A cancel is wanted, and how hard."""
    reason: CancelReason | None = None
    """Why it is CANCELLED, or why a cancel is wanted."""
    progress: Progress | None = None
    attempts: tuple[Attempt, ...] = ()
    """The first and the last 20 that were unsuccessful, oldest first."""
    result: Result | None = None

    @property
    def id(self) -> str:
        """The id of the spec."""
        return self.spec.id

    @property
    def name(self) -> str:
        """The name of the definition that runs it."""
        return self.spec.name

    @property
    def queue_name(self) -> str:
        """The queue it waits in."""
        return self.spec.queue_name

    @property
    def priority(self) -> int:
        """-100 to 100, higher first."""
        return self.spec.priority

    @property
    def attempt(self) -> int:
        """The number of the current or next run as people count: 1 for the first."""
        return self.failures + self.crashes + 1

    @property
    def is_suspect(self) -> bool:
        """Whether a run must be written down (START) before it begins: at-most-once tasks, and those that crashed."""
        return self.spec.max_crashes == 0 or self.crashes > 0

    @property
    def fence(self) -> Fence:
        """The fence of the present holder; raises ``ValueError`` for a task that nobody holds."""
        if self.lease is None:
            raise ValueError(f"Task {self.spec.id} is {self.state.value}: nobody holds it, so it has no fence.")
        return Fence(self.epoch, self.lease.nonce)

    @property
    def purge_at(self) -> datetime | None:
        """When the task may be purged by its own retention; ``None``: not by itself."""
        retention = self.spec.retention
        if retention is None or not self.state.is_finished:
            return None
        age = {
            State.SUCCESSFUL: retention.successful,
            State.FAILED: retention.failed,
            State.CANCELLED: retention.cancelled,
        }[self.state]
        return None if age is None else later(self.changed_at, age)


@attrs.frozen(kw_only=True)
class Item:
    """A sub-result or captured log line of a task, append-only. One is known by (task_id, epoch, sequence)."""

    task_id: str
    epoch: int
    sequence: int
    """Counted from 0 by the run that made it, so that a repeated write stores it once."""
    kind: ItemKind = ItemKind.ITEM
    at: datetime
    dimensions: Mapping[str, str] = attrs.field(factory=dict)
    count: float | None = None
    data_json: str | None = None


@attrs.frozen(kw_only=True)
class Group:
    """Tasks that belong together: their number by state, and whether all have been stored."""

    id: str
    name: str
    created_at: datetime
    total: int | None = None
    """How many members it has in all; ``None`` until the last one is stored (until the group is sealed)."""
    counts: Mapping[State, int] = attrs.field(factory=dict)
    """Stored members by state; states without members are left out."""
    purged: int = 0
    """Members purged before it was sealed: they count for the total that seals it, and not for the one that is kept."""
    finished_at: datetime | None = None
    """When all had finished for the first time. What depends on the group was let go then, once."""

    @property
    def is_finished(self) -> bool:
        """Whether it is sealed and every member has finished."""
        return self.total is not None and self.total == sum(
            self.counts.get(state, 0) for state in State if state.is_finished
        )

    @property
    def is_successful(self) -> bool:
        """Whether it is sealed and every member is SUCCESSFUL."""
        return self.total is not None and self.total == self.counts.get(State.SUCCESSFUL, 0)


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


@attrs.frozen(kw_only=True)
class WorkerInfo:
    """What a worker says of itself with each beat."""

    id: str
    """Random for each run of a worker, never a host name."""
    hostname: str
    pid: int
    queue_names: tuple[str, ...]
    task_names: tuple[str, ...]
    concurrency: int
    executor: str
    state: WorkerState = WorkerState.RUNNING
    running: tuple[str, ...] = ()
    """Ids of the tasks it runs now."""
    started_at: datetime
    last_beat_at: datetime
    expires_at: datetime
    """When it counts as offline unless it beats again."""
    completed: int = 0
    memory: int | None = None
    """Bytes of physical memory that its process and its children have; ``None``: it has stopped, or its platform does
    not tell."""
    version: str = ""
