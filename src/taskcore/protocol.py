"""The ``Backend`` protocol: what a store must do. With it all that the author of a backend needs, from one place.

Everything is synchronous, works on batches, is safe to call from many threads at once, and is atomic for each task.
Four calls write tasks: ``add``, ``claim``, ``apply`` and ``fire``; each writes only states that ``accept`` or ``step``
gives. A first backend is quickest made as an engine of five methods under ``taskcore.records.RecordBackend``; whether
any backend is right is told by ``taskcore.testing.conformance``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Generic, Protocol, TypeVar

import attrs

from taskcore._data import (
    Attempt,
    Failure,
    Fence,
    Group,
    Item,
    Lease,
    Progress,
    Result,
    Retention,
    Schedule,
    Settle,
    Task,
    TaskSpec,
    Trigger,
    UniqueKey,
    WorkerInfo,
)
from taskcore._ids import first_id_at
from taskcore._machine import Phase, accept, lapse_event, phase, replacement, step
from taskcore._retry import Retry
from taskcore._transitions import TRANSITIONS, Change, Guard, Refused, Transition, Verdict
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
from taskcore.clock import Clock, SystemClock

__all__ = [
    "PROPAGATION_LIMIT",
    "SCAN_LIMIT",
    "TRANSITIONS",
    "AddVerdict",
    "Added",
    "Applied",
    "ApplyReply",
    "Attempt",
    "Backend",
    "CancelLevel",
    "CancelReason",
    "Capability",
    "CatchUp",
    "Change",
    "ClaimRequest",
    "Clock",
    "Event",
    "Failure",
    "Fence",
    "Group",
    "GroupQuery",
    "Guard",
    "Item",
    "ItemKind",
    "KeepPer",
    "Lease",
    "OnConflict",
    "OnParentFailure",
    "Order",
    "Overlap",
    "Page",
    "Phase",
    "Progress",
    "PurgeRequest",
    "Query",
    "QueueStats",
    "Refused",
    "Result",
    "Retention",
    "Retry",
    "Schedule",
    "ScheduleQuery",
    "Settle",
    "State",
    "Stats",
    "SystemClock",
    "Task",
    "TaskSpec",
    "Transition",
    "Trigger",
    "UniqueKey",
    "UniqueUntil",
    "Verdict",
    "WorkerInfo",
    "WorkerState",
    "accept",
    "first_id_at",
    "lapse_event",
    "phase",
    "replacement",
    "step",
]

PROPAGATION_LIMIT = 100
"""How many dependents a finish moves in its own step; the rest is owed to later claims, as many at a time."""

SCAN_LIMIT = 10_000
"""How many tasks a query looks at when no index serves its filters; then a short page with a cursor is returned."""


class Capability(Enum):
    """What a backend can do beyond the protocol. Checked when something that needs it is set up, not at night."""

    WAIT = "wait"
    """``wait`` and ``wait_finished`` really wait: other threads' writes end them at once."""
    CROSS_PROCESS = "cross_process"
    """Other processes can open the same store."""
    DURABLE = "durable"
    """What was accepted is there after a restart."""
    FUSED = "fused"
    """``apply`` with a claim costs one round trip or one transaction."""
    TRANSACTIONS = "transactions"
    """``add`` can take part in the caller's own database transaction."""


class AddVerdict(Enum):
    """What became of one spec given to ``add``."""

    ADDED = "added"
    ALREADY = "already"
    """A task of this id is there: the same call was made before."""
    EXISTING = "existing"
    """The unique key is held; ``Added.task_id`` is the holder, nothing was stored."""
    REPLACED = "replaced"
    """The waiting holder of the unique key is now this call; ``Added.task_id`` is its id."""
    RESCHEDULED = "rescheduled"
    """The waiting holder of the unique key has the new run_after, priority and queue."""


@attrs.frozen
class Added:
    """The answer of ``add`` for one spec: the verdict, and the id of the task that stands for it now."""

    verdict: AddVerdict
    task_id: str


@attrs.frozen(kw_only=True)
class ClaimRequest:
    """A worker asks for up to ``limit`` tasks.

    ``nonce`` is new for each request and becomes part of the fences; the same request repeated after a lost reply
    first returns what that nonce still holds.
    """

    worker_id: str
    nonce: str
    queue_names: tuple[str, ...]
    limit: int
    lease: timedelta
    """How long the tasks are held unless heartbeats extend it."""
    allow_suspects: bool = True
    """False: leave tasks that need START (``Task.is_suspect``) alone, for a worker that has others buffered."""


@attrs.frozen
class Applied:
    """The answer of ``apply`` for one change: what became of it, and how the task stands now."""

    task_id: str
    verdict: Verdict
    state: State | None = None
    """``None`` only with MISSING."""
    version: int = 0
    cancel_level: CancelLevel | None = None
    """The cancel that is wanted, for the holder to obey."""
    why: str = ""
    """For people, with STALE and REFUSED."""


@attrs.frozen
class ApplyReply:
    """The answer of ``apply``: one ``Applied`` for each change, in order, and what the fused claim returned."""

    applied: tuple[Applied, ...]
    claimed: tuple[Task, ...] = ()


@attrs.frozen(kw_only=True)
class Query:
    """Which tasks ``find`` returns, newest id first: every filter that is given must match.

    The set is closed so that every backend can serve it; ids sort by time, so the range of time is a range of ids.
    """

    states: frozenset[State] = frozenset()
    """Empty: any state."""
    queue_name: str | None = None
    name: str | None = None
    group_id: str | None = None
    schedule_id: str | None = None
    unique_key: str | None = None
    """Tasks enqueued with this key, holders or not."""
    worker_id: str | None = None
    """Tasks RUNNING on this worker."""
    enqueued_from: datetime | None = None
    enqueued_until: datetime | None = None
    """Exclusive."""
    is_oldest_first: bool = False
    cursor: str | None = None
    """``Page.cursor`` of the page before."""
    limit: int = 100


@attrs.frozen(kw_only=True)
class GroupQuery:
    """Which groups ``groups`` returns, newest id first, or just those of ``ids``."""

    ids: tuple[str, ...] = ()
    name: str | None = None
    cursor: str | None = None
    limit: int = 100


@attrs.frozen(kw_only=True)
class ScheduleQuery:
    """Which schedules ``schedules`` returns, by name; with ``due_by`` those to fire by then, earliest slot first."""

    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    due_by: datetime | None = None
    cursor: str | None = None
    limit: int = 100


T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class Page(Generic[T_co]):
    """Some of what was asked for. ``cursor`` goes into the next query; ``None``: this was the last page.

    A page can be short, even empty, and still have a cursor: the scan stopped at its limit.
    """

    items: tuple[T_co, ...]
    cursor: str | None = None


@attrs.frozen(kw_only=True)
class QueueStats:
    """One queue in numbers."""

    name: str
    counts: Mapping[State, int]
    """Tasks by state; states without tasks are left out."""
    scheduled: int = 0
    """READY tasks that are not due yet."""
    oldest_due_at: datetime | None = None
    """``run_after`` of the READY task that has been due longest."""
    is_paused: bool = False


@attrs.frozen(kw_only=True)
class Stats:
    """The whole store in numbers, by the store's clock."""

    queues: tuple[QueueStats, ...]
    schedules: int = 0
    groups: int = 0
    now: datetime


@attrs.frozen(kw_only=True)
class PurgeRequest:
    """Which finished tasks ``purge`` deletes, with their items: all filters that are given must match.

    With nothing given but ``is_due``, it deletes what the tasks' own ``Retention`` ages say. A task that an
    unfinished one depends on stays in any case. At most ``limit`` are deleted in one call: repeat until it returns 0.
    """

    states: frozenset[State] = frozenset({State.SUCCESSFUL, State.FAILED, State.CANCELLED})
    is_due: bool = False
    """Only tasks whose ``purge_at`` has passed."""
    finished_before: datetime | None = None
    ids: tuple[str, ...] = ()
    queue_name: str | None = None
    name: str | None = None
    group_id: str | None = None
    keep_latest: int | None = None
    """Keep the newest n (by finish) of each name or group, as ``keep_per`` says, and delete the older ones."""
    keep_per: KeepPer = KeepPer.NAME
    limit: int = 1000


class Order(Enum):
    """What an operator wants of a worker, answered to its beat until it changes."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


class Backend(Protocol):
    """A store of tasks. See the module for the rules; DESIGN section 4 for the reasons.

    Besides what each method says, all of them raise ``BackendUnavailable`` when the store cannot be reached (the
    outcome is then unknown, and the same call may be repeated), ``BackendFull``, ``BackendReadOnly``,
    ``BackendCorrupt`` or ``BackendClosed``.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this backend can do beyond the protocol."""
        ...

    @property
    def url(self) -> str:
        """How people and other processes name this store (``backend_from_url`` opens it); secrets left out."""
        ...

    def now(self) -> datetime:
        """Return the store's clock: aware, in UTC. Leases and relative delays are measured by it."""
        ...

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        """Store new tasks, all in one atomic step; return one answer for each, in order.

        ``group`` is stored first when it is given (its ``counts`` are the store's own business); given again with a
        ``total`` it seals the group, after these specs. A spec's parents are looked up: unfinished ones make it
        BLOCKED, a failed one cancels it or not as the spec says. A key that is held is answered as the spec's
        ``on_conflict`` says; several specs of one call may meet each other so.

        Raises ``UniqueConflict`` (on_conflict RAISE) and ``MissingParent`` (also for a group_id that is not stored),
        and has then stored nothing.
        """
        ...

    def claim(self, request: ClaimRequest) -> list[Task]:
        """Do bounded housekeeping for all queues, then move READY tasks to RUNNING and return them in claim order.

        Only due and not overdue tasks of queues that are not paused; highest priority first, then ``run_after`` cut
        to the millisecond, then id; over all the queues asked for, whatever their order. Housekeeping: leases that
        are over (``lapse_event``), tasks that are overdue, tasks that have become due, propagation that is owed; of
        paused queues and of queues that nobody asks for, too.
        """
        ...

    def apply(self, changes: Sequence[Change], claim: ClaimRequest | None = None) -> ApplyReply:
        """Make each change that the machine allows, compare-and-set, then claim as ``claim`` would.

        One change that is refused does not hold up the others. A finish also gives the unique key back, counts for
        its group, and lets go up to ``PROPAGATION_LIMIT`` dependents; the rest is owed. ``REQUEUE`` takes a
        FINISHED-scoped key again, and is REFUSED when another task holds it, or when a parent has failed (unless
        the change's spec, if given, no longer has it). ``Change.waits`` is the store's to fill in.
        """
        ...

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        """Return the tasks of these ids, in order; ``None`` for one that is not there."""
        ...

    def find(self, query: Query) -> Page[Task]:
        """Return the tasks that match, newest first, a page at a time."""
        ...

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        """Return the unfinished tasks that wait or waited for this task or group, by id."""
        ...

    def unique_holder(self, key: str) -> str | None:
        """Return the id of the task that holds this unique key now; ``None`` when it is free."""
        ...

    def stats(self) -> Stats:
        """Return the counts by queue and state; queues without tasks only when they are paused."""
        ...

    def groups(self, query: GroupQuery) -> Page[Group]:
        """Return groups with their counts: those of ``query.ids`` that are there, or a page of all, newest first."""
        ...

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        """Store a schedule if the stored one has ``expected_revision`` (``None``: if its name is not taken).

        Return whether it was stored. Names are unique.
        """
        ...

    def delete_schedule(self, schedule_id: str) -> bool:
        """Delete a schedule; return whether it was there. Its tasks stay."""
        ...

    def schedules(self, query: ScheduleQuery) -> Page[Schedule]:
        """Return the schedules that match."""
        ...

    def fire(self, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
        """Put ``after`` in the place of ``before`` (``None``: delete it) and add the specs, in one atomic step.

        Done only if the stored schedule still has the revision of ``before``; return whether it was. The specs are
        added as ``add`` does, but a unique conflict is never raised: the holder stands for the task.
        """
        ...

    def beat(self, worker: WorkerInfo) -> Order:
        """Store what a worker says of itself; return what an operator wants of it (RUN unless somebody ordered)."""
        ...

    def order(self, worker_id: str, order: Order) -> bool:
        """Have the next beats of a worker answered so; return whether the worker is known."""
        ...

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that have beaten in the last day, the newest beat first, stopped and lost ones too."""
        ...

    def pause(self, queue_name: str) -> None:
        """Let no task of this queue be claimed until ``resume``. What runs goes on."""
        ...

    def resume(self, queue_name: str) -> None:
        """Undo ``pause``; waiting workers are woken."""
        ...

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        """Return the items of a task in the order of (epoch, sequence), a page at a time."""
        ...

    def purge(self, request: PurgeRequest) -> int:
        """Delete finished tasks; return how many. Groups without any member left go with their last one."""
        ...

    def wait(self, queue_names: Sequence[str], timeout: timedelta) -> bool:
        """Wait until a task of these queues may be claimable, at most ``timeout``; return whether there was a hint.

        Only a hint: a caller claims again in any case, at its own bounded interval.
        """
        ...

    def wait_finished(self, task_ids: Sequence[str], timeout: timedelta) -> bool:
        """Wait until one of these tasks or groups may have finished, at most ``timeout``; return whether one may have.

        Returns at once when one of them is finished (or gone) already.
        """
        ...

    def wake(self) -> None:
        """End all waits of this backend object in this process at once."""
        ...

    def close(self) -> None:
        """End all waits and give back what is held open; a second time does nothing.

        Every later call of another method raises ``BackendClosed``.
        """
        ...
