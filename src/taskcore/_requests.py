"""What is asked of a backend and what it answers: requests, queries, pages, verdicts and counts. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Generic, TypeVar

import attrs

from taskcore._data import Task
from taskcore._frozen import made_quickly
from taskcore._transitions import Verdict
from taskcore._vocabulary import CancelLevel, KeepPer, State

__all__ = [
    "EMPTY_GROUPS_KEPT",
    "ID_LIMIT",
    "NAME_LIMIT",
    "NONCES_KNOWN",
    "PROPAGATION_LIMIT",
    "SCAN_LIMIT",
    "AddVerdict",
    "Added",
    "Applied",
    "ApplyReply",
    "Capability",
    "ClaimRequest",
    "GroupQuery",
    "Order",
    "Page",
    "PurgeRequest",
    "Query",
    "QueueStats",
    "ScheduleQuery",
    "Stats",
]

ID_LIMIT = 64
"""The most characters of an id, and of a nonce."""

NAME_LIMIT = 255
"""The most characters of a name (of a task, a queue, a group, a schedule), a unique key, a label, a worker's id."""

PROPAGATION_LIMIT = 100
"""How many dependents the finishes of one step move in it; the rest is owed to later claims, as many at a time."""

SCAN_LIMIT = 10_000
"""How many tasks a query looks at when no index serves its filters; then a short page with a cursor is returned."""


EMPTY_GROUPS_KEPT = timedelta(days=1)
"""How long a group that has no member stays: from when it finished, or was made if it never had one."""

NONCES_KNOWN = 16
"""How many claims of one worker can be repeated, at least: the latest ones that returned tasks."""


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
    """``add`` takes part in the caller's own database transaction; there is ``settle_in_transaction``."""


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
    first returns what that nonce still holds. A store knows at least the latest ``NONCES_KNOWN`` nonces that got tasks,
    for each worker; an older one may be answered as if it were new.
    """

    worker_id: str
    nonce: str
    queue_names: tuple[str, ...]
    limit: int
    lease: timedelta
    """How long the tasks are held unless heartbeats extend it."""
    allow_suspects: bool = True
    """False: leave tasks that need START (``Task.is_suspect``) alone, for a worker that has others buffered."""


@made_quickly
@attrs.frozen(weakref_slot=False)
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
    """Which schedules ``schedules`` returns, by name; with ``due_by`` those to fire by then, by slot and id."""

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
    With ``is_due`` alone, groups without members go too, when they are old enough (``takes_empty_groups``).
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

    @property
    def takes_empty_groups(self) -> bool:
        """Whether up to ``limit`` groups go with it that have had no member for ``EMPTY_GROUPS_KEPT``.

        Sealed ones count from their finish, open ones that never had a member from when they were made; others stay
        open, and so does one that an unfinished task waits for. They are not in the number that ``purge`` returns.
        """
        return self == PurgeRequest(is_due=True, limit=self.limit)


class Order(Enum):
    """What an operator wants of a worker, answered to its beat until it changes."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
