"""``RecordBackend``: the methods of the protocol, each one transaction over the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from taskcore.errors import BackendClosed
from taskcore.protocol import (
    Added,
    ApplyReply,
    Capability,
    Change,
    ClaimRequest,
    Group,
    GroupQuery,
    Item,
    Order,
    Page,
    PurgeRequest,
    Query,
    Schedule,
    ScheduleQuery,
    Stats,
    Task,
    TaskSpec,
    WorkerInfo,
)
from taskcore.records import _adding, _applying, _claiming, _finding, _purging, _schedules
from taskcore.records._checks import (
    check_changes,
    check_filter,
    check_group,
    check_ids,
    check_limit,
    check_spec,
    check_text,
)
from taskcore.records._engine import Engine
from taskcore.records._moving import key_holder
from taskcore.records._request_checks import (
    check_claim,
    check_group_query,
    check_order,
    check_purge,
    check_query,
    check_schedule,
    check_schedule_query,
    check_worker,
)
from taskcore.records._transaction import Transaction
from taskcore.records._waiting import Waiters, has_finished, look_for_tasks

__all__ = ["RecordBackend"]

R = TypeVar("R")


class RecordBackend:
    """A ``Backend`` over an ``Engine``.

    ``capabilities`` are those of the engine (``DURABLE``, ``CROSS_PROCESS``); what this class brings, in-process waits
    and claims that are fused with ``apply``, is added. ``poll`` is how often a wait looks at what others may have
    written; ``None`` when nobody else can write. ``on_close`` gives back what the engine holds open.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        url: str = "records:",
        capabilities: frozenset[Capability] = frozenset(),
        poll: timedelta | None = timedelta(milliseconds=20),
        on_close: Callable[[], object] | None = None,
    ) -> None:
        self._engine = engine
        self._url = url
        self._capabilities = capabilities | {Capability.WAIT, Capability.FUSED}
        self._poll = poll
        self._on_close = on_close
        self._waiters = Waiters()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the engine can do, and in-process waits and fused claims."""
        return self._capabilities

    @property
    def url(self) -> str:
        """How people and other processes name this store."""
        return self._url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url}>"

    def _write(self, work: Callable[[Transaction], R]) -> R:
        """Do a step that writes, and tell who waits for what it did."""
        self._check_open()
        with self._engine.transaction():
            tx = Transaction(self._engine)
            answer = work(tx)
            tx.commit()
        if tx.ready_queues or tx.finished:
            self._waiters.tell(tx.ready_queues, tx.finished)
        return answer

    def _read(self, work: Callable[[Transaction], R]) -> R:
        self._check_open()
        with self._engine.transaction():
            return work(Transaction(self._engine))

    def _check_open(self) -> None:
        if self._waiters.is_closed:
            raise BackendClosed(f"The backend {self._url} is closed: make a new one.")

    def now(self) -> datetime:
        """Return the engine's clock."""
        self._check_open()
        return self._engine.now()

    # Tasks

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        """As ``Backend.add`` says; raises ``InvalidInput`` too, for what no store should take."""
        for spec in specs:
            check_spec(spec)
        if group is not None:
            check_group(group)
        return self._write(lambda tx: _adding.add(tx, specs, group))

    def claim(self, request: ClaimRequest) -> list[Task]:
        """As ``Backend.claim`` says."""
        check_claim(request)
        return self._write(lambda tx: _claiming.claim(tx, request))

    def apply(self, changes: Sequence[Change], claim: ClaimRequest | None = None) -> ApplyReply:
        """As ``Backend.apply`` says; raises ``InvalidInput`` for what cannot be stored, and has then done nothing."""
        check_changes(changes)
        if claim is not None:
            check_claim(claim)

        def work(tx: Transaction) -> ApplyReply:
            applied = _applying.apply(tx, changes)
            return ApplyReply(applied, () if claim is None else tuple(_claiming.claim(tx, claim)))

        return self._write(work)

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        """As ``Backend.get`` says."""
        check_ids(task_ids, "get: an id")

        def work(tx: Transaction) -> list[Task | None]:
            tx.load("tasks", task_ids)
            return [tx.task(task_id) for task_id in task_ids]

        return self._read(work)

    def find(self, query: Query) -> Page[Task]:
        """As ``Backend.find`` says."""
        check_query(query)
        return self._read(lambda tx: _finding.find(tx, query))

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        """As ``Backend.children`` says."""
        check_limit(limit, "limit")
        check_ids((parent_id,), "children: the id")
        check_filter(cursor, "children: the cursor")
        return self._read(lambda tx: _finding.children(tx, parent_id, cursor, limit))

    def unique_holder(self, key: str) -> str | None:
        """As ``Backend.unique_holder`` says."""
        check_ids((key,), "unique_holder: the key")
        return self._read(lambda tx: key_holder(tx, key))

    def stats(self) -> Stats:
        """As ``Backend.stats`` says."""
        return self._read(_finding.stats)

    def groups(self, query: GroupQuery) -> Page[Group]:
        """As ``Backend.groups`` says."""
        check_group_query(query)
        return self._read(lambda tx: _finding.groups(tx, query))

    def pause(self, queue_name: str) -> None:
        """As ``Backend.pause`` says."""
        self._set_paused(queue_name, True)

    def resume(self, queue_name: str) -> None:
        """As ``Backend.resume`` says."""
        self._set_paused(queue_name, False)

    def _set_paused(self, queue_name: str, is_paused: bool) -> None:
        check_text(queue_name, "queue_name")

        def work(tx: Transaction) -> None:
            tx.queue(queue_name).is_paused = is_paused
            if not is_paused:
                tx.ready_queues.add(queue_name)

        self._write(work)

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        """As ``Backend.items`` says."""
        check_limit(limit, "limit")
        check_ids((task_id,), "items: the id")
        check_filter(cursor, "items: the cursor")
        return self._read(lambda tx: _finding.items(tx, task_id, cursor, limit))

    def purge(self, request: PurgeRequest) -> int:
        """As ``Backend.purge`` says."""
        check_purge(request)
        return self._write(lambda tx: _purging.purge(tx, request))

    # Schedules

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        """As ``Backend.put_schedule`` says; raises ``NotEncodable`` for a trigger that cannot be stored."""
        check_schedule(schedule)
        return self._write(lambda tx: _schedules.put_schedule(tx, schedule, expected_revision))

    def delete_schedule(self, schedule_id: str) -> bool:
        """As ``Backend.delete_schedule`` says."""
        check_ids((schedule_id,), "delete_schedule: the id")
        return self._write(lambda tx: _schedules.delete_schedule(tx, schedule_id))

    def schedules(self, query: ScheduleQuery) -> Page[Schedule]:
        """As ``Backend.schedules`` says."""
        check_schedule_query(query)
        return self._read(lambda tx: _schedules.schedules(tx, query))

    def fire(self, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
        """As ``Backend.fire`` says."""
        for spec in specs:
            check_spec(spec)
        if after is not None:
            check_schedule(after)
        return self._write(lambda tx: _schedules.fire(tx, before, after, specs))

    # Workers

    def beat(self, worker: WorkerInfo) -> Order:
        """As ``Backend.beat`` says."""
        check_worker(worker)
        return self._write(lambda tx: _schedules.beat(tx, worker))

    def order(self, worker_id: str, order: Order) -> bool:
        """As ``Backend.order`` says."""
        check_ids((worker_id,), "order: the worker's id")
        check_order(order)
        return self._write(lambda tx: _schedules.order(tx, worker_id, order))

    def workers(self) -> list[WorkerInfo]:
        """As ``Backend.workers`` says."""
        return self._read(_schedules.workers)

    # Waiting

    def wait(self, queue_names: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait`` says; it also ends when a delay, a lease or an expiry of any queue is over."""
        self._check_open()
        return self._waiters.wait(
            lambda: self._read(lambda tx: look_for_tasks(tx, queue_names, self._poll)),
            timeout,
            queue_names=queue_names,
        )

    def wait_finished(self, task_ids: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait_finished`` says."""
        self._check_open()
        check_ids(task_ids, "wait_finished: an id")

        def look() -> timedelta | None:
            return timedelta(0) if self._read(lambda tx: has_finished(tx, task_ids)) else self._poll

        return self._waiters.wait(look, timeout, ids=task_ids)

    def wake(self) -> None:
        """As ``Backend.wake`` says."""
        self._check_open()
        self._waiters.wake()

    def close(self) -> None:
        """As ``Backend.close`` says."""
        if not self._waiters.is_closed:
            self._waiters.close()
            if self._on_close is not None:
                self._on_close()
