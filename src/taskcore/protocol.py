"""The ``Backend`` protocol: what a store must do. With it all that the author of a backend needs, from one place.

Everything is synchronous, works on batches, is safe to call from many threads at once, and is atomic for each task.
Four calls write tasks: ``add``, ``claim``, ``apply`` and ``fire``; each writes only states that ``accept`` or ``step``
gives. A first backend is quickest made as an engine of five methods under ``taskcore.records.RecordBackend``; whether
any backend is right is told by ``taskcore.testing.conformance``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

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
from taskcore._requests import (
    EMPTY_GROUPS_KEPT,
    ID_LIMIT,
    NAME_LIMIT,
    NONCES_KNOWN,
    PROPAGATION_LIMIT,
    SCAN_LIMIT,
    Added,
    AddVerdict,
    Applied,
    ApplyReply,
    Capability,
    ClaimRequest,
    GroupQuery,
    Order,
    Page,
    PurgeRequest,
    Query,
    QueueStats,
    ScheduleQuery,
    Stats,
)
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
    "EMPTY_GROUPS_KEPT",
    "ID_LIMIT",
    "NAME_LIMIT",
    "NONCES_KNOWN",
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
    "ScheduleStore",
    "Settle",
    "State",
    "Stats",
    "SystemClock",
    "Task",
    "TaskSpec",
    "TaskStore",
    "TransactionalStore",
    "Transition",
    "Trigger",
    "UniqueKey",
    "UniqueUntil",
    "Verdict",
    "Waiting",
    "WorkerInfo",
    "WorkerRegistry",
    "WorkerState",
    "accept",
    "first_id_at",
    "lapse_event",
    "phase",
    "replacement",
    "step",
]


class TaskStore(Protocol):
    """Tasks, groups and their items: the heart of a backend."""

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        """Store new tasks, all in one atomic step; return one answer for each, in order.

        ``group`` is stored first when it is given (its ``counts`` are the store's own business); given again with a
        ``total`` it seals the group, after these specs. A spec's parents are looked up: unfinished ones make it
        BLOCKED, a failed one cancels it or not as the spec says. A key that is held is answered as the spec's
        ``on_conflict`` says; several specs of one call may meet each other so.

        Raises ``UniqueConflict`` (on_conflict RAISE), ``MissingParent`` (also for a group_id that is not stored), and
        ``InvalidInput`` for a member whose parent waits for its group, and has then stored nothing.
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
        its group, and lets dependents go: all finishes of one call together up to ``PROPAGATION_LIMIT``, the rest is
        owed; the claim moves as many of what is owed. ``REQUEUE`` keeps the spec, takes a FINISHED-scoped key again,
        and is REFUSED when another task holds it, or when a parent that the task minds has failed. It and ``REPLACE``
        are REFUSED when a parent waits for the task, or for its group (``taskcore.records.closes_circle``).
        ``Change.waits`` is the store's to fill in. CLAIM is none of these: only ``claim`` makes it,
        and a change that asks for it raises ``InvalidInput``.
        """
        ...

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        """Return the tasks of these ids, in order; ``None`` for one that is not there."""
        ...

    def find(self, query: Query) -> Page[Task]:
        """Return the tasks that match, newest first, a page at a time."""
        ...

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        """Return the tasks that were enqueued to wait for this task or group, finished ones too, by id."""
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
        """Delete finished tasks; return how many.

        Sealed groups without any member left go with their last one, others later (``takes_empty_groups``).
        """
        ...


class ScheduleStore(Protocol):
    """Schedules, compared by revision before every write."""

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        """Store a schedule if the stored one has ``expected_revision`` (``None``: if its name is not taken).

        Return whether it was stored. Names are unique.
        """
        ...

    def delete_schedule(self, schedule_id: str) -> bool:
        """Delete a schedule; return whether it was there. Its tasks stay."""
        ...

    def schedules(self, query: ScheduleQuery) -> Page[Schedule]:
        """Return the schedules that match, by name; with ``due_by`` those due, by slot, equal slots by id.

        Names and ids compare by code points, whatever the store's own rules of sorting are.
        """
        ...

    def fire(self, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
        """Put ``after`` in the place of ``before`` (``None``: delete it) and add the specs, in one atomic step.

        Done only if the stored schedule still has the revision of ``before``; return whether it was. The specs are
        added as ``add`` does, but a unique conflict is never raised: the holder stands for the task.
        """
        ...


class WorkerRegistry(Protocol):
    """Who works on this store, and what operators want of them."""

    def beat(self, worker: WorkerInfo) -> Order:
        """Store what a worker says of itself; return what an operator wants of it (RUN unless somebody ordered)."""
        ...

    def order(self, worker_id: str, order: Order) -> bool:
        """Have the next beats of a worker answered so; return whether the worker is known."""
        ...

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that have beaten in the last day, the newest beat first, stopped and lost ones too."""
        ...


class Waiting(Protocol):
    """Hints that something has happened. The truth is always in the store, and is asked for at bounded intervals."""

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


class TransactionalStore(Protocol):
    """What a backend with ``Capability.TRANSACTIONS`` has besides."""

    def settle_in_transaction(self, work: Callable[[], Change | None]) -> Applied | None:
        """Call ``work`` in a transaction of the calling thread, and make the change that it returns in the same one.

        Committed only if the change is APPLIED (or ALREADY): any other answer is returned after a rollback of all that
        ``work`` wrote to the database. So is ``None``, when ``work`` returns no change. What ``work`` raises, and what
        the database has against its writes, is raised after the rollback; ``BackendUnavailable`` when it is not known
        whether the transaction was committed. ``work`` is called once.
        """
        ...


class Backend(TaskStore, ScheduleStore, WorkerRegistry, Waiting, Protocol):
    """A store of tasks. See the module for the rules; ``docs/design.md`` for the reasons.

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

    def close(self) -> None:
        """End all waits and give back what is held open; a second time does nothing.

        Every later call of another method raises ``BackendClosed``.
        """
        ...
