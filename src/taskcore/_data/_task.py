"""How a task stands, and what its runs have left: all that transitions change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import attrs

from taskcore._data._spec import TaskSpec
from taskcore._failure import Failure
from taskcore._frozen import made_quickly
from taskcore._vocabulary import CancelLevel, CancelReason, Event, ItemKind, State

__all__ = ["Attempt", "Fence", "Group", "Item", "Lease", "Progress", "Result", "Settle", "Task", "later"]


_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


def later(moment: datetime, span: timedelta) -> datetime:
    """Return ``moment + span``; what would lie beyond the year 9999 is the last moment there is."""
    try:
        return moment + span
    except OverflowError:
        return _LAST_MOMENT


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
