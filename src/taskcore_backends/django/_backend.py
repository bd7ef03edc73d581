"""``DjangoBackend``: the methods of the protocol, each one operation on the database."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction

from taskcore.errors import BackendClosed
from taskcore.protocol import (
    Added,
    Applied,
    ApplyReply,
    Capability,
    Change,
    ClaimRequest,
    Clock,
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
    Verdict,
    WorkerInfo,
)
from taskcore.records import (
    ServerClock,
    check_changes,
    check_claim,
    check_filter,
    check_group,
    check_group_query,
    check_ids,
    check_limit,
    check_order,
    check_purge,
    check_query,
    check_schedule,
    check_schedule_query,
    check_spec,
    check_text,
    check_worker,
    dump_data,
)
from taskcore_backends.django import (
    _adding,
    _applying,
    _claiming,
    _finding,
    _looking,
    _postgres,
    _purging,
    _schedules,
    _statistics,
)
from taskcore_backends.django._housekeeping import compact_tally
from taskcore_backends.django._listening import Hints, Listener, Notifier, can_listen
from taskcore_backends.django._opening import chosen_alias, chosen_interval, clock_of
from taskcore_backends.django._session import Session
from taskcore_backends.django._transaction import Statements, Transaction
from taskcore_backends.django._waiting import Waiting

__all__ = ["DjangoBackend"]

R = TypeVar("R")

_CAPABILITIES = frozenset(
    {Capability.WAIT, Capability.CROSS_PROCESS, Capability.DURABLE, Capability.FUSED, Capability.TRANSACTIONS}
)

_IN_ERROR = 3
"""libpq's number for a transaction that has failed."""


class DjangoBackend:
    """Tasks in a database of a Django site: PostgreSQL, MySQL, MariaDB or SQLite.

    ``using`` is an alias of ``DATABASES``; without it the site's routers are asked where the tables are written. Inside
    ``transaction.atomic`` what a call writes is part of the caller's transaction: it commits and rolls back with it.
    Leases go by the database's clock, or by ``clock`` if one is given (SQLite: the host's). ``poll_interval`` is how
    often a waiting thread looks where it cannot be told (15 ms on SQLite, else 50 ms); ``listen``: on PostgreSQL have
    it told by NOTIFY, over one more connection in each process that waits.

    Raises ``InvalidOption`` for an alias that the site has not, or whose connections do not commit by themselves.
    """

    def __init__(
        self,
        using: str | None = None,
        *,
        clock: Clock | None = None,
        poll_interval: timedelta | None = None,
        listen: bool = True,
    ) -> None:
        alias = chosen_alias(using)
        self._waiting = Waiting(chosen_interval(alias, poll_interval))
        hints = Hints(self._waiting, Notifier() if listen and can_listen(alias) else None)
        given = clock_of(alias, clock)
        session = Session(alias, None if given is None else given.now, after_commit=hints.give)
        self._session = session
        self._clock = given or ServerClock(lambda: session.read(lambda store: store.moment))
        if hints.notifier is not None:
            self._waiting.listening = Listener(alias, self._waiting)
        weakref.finalize(self, _release, self._session, self._waiting)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All there are."""
        return _CAPABILITIES

    @property
    def alias(self) -> str:
        """Which of the site's ``DATABASES`` it is."""
        return self._session.alias

    @property
    def url(self) -> str:
        """``django:`` and the alias; what ``from_url`` takes."""
        return f"django:{self.alias}"

    def __repr__(self) -> str:
        return f"<DjangoBackend {self.url}>"

    def _write(self, work: Callable[[Transaction], R]) -> R:
        return self._session.write(work)

    def _read(self, work: Callable[[Statements], R]) -> R:
        return self._session.read(work)

    def now(self) -> datetime:
        """Return the database's clock, as it was asked for a second ago at most, or that which was given."""
        self._session.check_open()
        return self._clock.now()

    # Tasks

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        """As ``Backend.add`` says; raises ``InvalidInput`` too, for what no store should take."""
        for spec in specs:
            check_spec(spec)
        if group is not None:
            check_group(group)
        if group is None and self._session.is_postgres and _postgres.are_plain(specs):
            return self._session.alone(lambda tx: _postgres.add_plain(tx, specs))
        return self._write(lambda tx: _adding.add(tx, specs, group))

    def claim(self, request: ClaimRequest) -> list[Task]:
        """As ``Backend.claim`` says."""
        check_claim(request)
        return list(self._apply((), request).claimed)

    def apply(self, changes: Sequence[Change], claim: ClaimRequest | None = None) -> ApplyReply:
        """As ``Backend.apply`` says; raises ``InvalidInput`` for what cannot be stored, and has then done nothing."""
        check_changes(changes)
        if claim is not None:
            check_claim(claim)

        return self._apply(changes, claim)

    def _apply(self, changes: Sequence[Change], claim: ClaimRequest | None) -> ApplyReply:
        """Apply and claim: what is common by one statement where that can be, the rest in a transaction."""
        is_claiming = claim is not None and claim.limit > 0 and bool(claim.queue_names)
        answer = _postgres.Answer({}, None)
        if self._session.is_postgres and (changes or is_claiming) and _postgres.can_settle(changes):
            answer = self._session.alone(
                lambda tx: _postgres.settle_and_claim(tx, changes, claim if is_claiming else None)
            )
        left = [change for change in changes if change.task_id not in answer.settled]
        others: list[Applied] = []
        claimed = answer.claimed
        if left or (claim is not None and claimed is None):
            others, claimed = self._write(lambda tx: _apply_and_claim(tx, left, claim if claimed is None else None))
        slow = iter(others)
        replies = tuple([_postgres.applied(change, answer) or next(slow) for change in changes])
        return ApplyReply(replies, tuple(claimed or ()))

    def settle_in_transaction(self, work: Callable[[], Change | None]) -> Applied | None:
        """As ``TransactionalStore.settle_in_transaction`` says; inside a caller's transaction, up to a savepoint."""

        def settle(roll_back: Callable[[], None]) -> Applied | None:
            change = work()
            if change is None:
                roll_back()
                return None
            _check_usable(self.alias)
            (applied,) = self.apply((change,)).applied
            if applied.verdict not in (Verdict.APPLIED, Verdict.ALREADY):
                roll_back()
            return applied

        return self._session.atomically(settle)

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        """As ``Backend.get`` says."""
        check_ids(task_ids, "get: an id")
        return self._read(lambda store: _finding.get(store, task_ids))

    def find(self, query: Query) -> Page[Task]:
        """As ``Backend.find`` says."""
        check_query(query)
        return self._session.read_in_order(lambda store: _finding.find(store, query))

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        """As ``Backend.children`` says."""
        check_limit(limit, "limit")
        check_ids((parent_id,), "children: the id")
        check_filter(cursor, "children: the cursor")
        return self._read(lambda store: _finding.children(store, parent_id, cursor, limit))

    def unique_holder(self, key: str) -> str | None:
        """As ``Backend.unique_holder`` says."""
        check_ids((key,), "unique_holder: the key")
        return self._read(lambda store: _finding.unique_holder(store, key))

    def stats(self) -> Stats:
        """As ``Backend.stats`` says."""
        return self._read(_statistics.stats)

    def groups(self, query: GroupQuery) -> Page[Group]:
        """As ``Backend.groups`` says."""
        check_group_query(query)
        return self._read(lambda store: _finding.groups(store, query))

    def pause(self, queue_name: str) -> None:
        """As ``Backend.pause`` says."""
        check_text(queue_name, "queue_name")
        self._write(lambda tx: tx.run(tx.dialect.insert_new("taskcore_paused", "queue_name"), (queue_name,)))

    def resume(self, queue_name: str) -> None:
        """As ``Backend.resume`` says."""
        check_text(queue_name, "queue_name")

        def work(tx: Transaction) -> None:
            tx.run("DELETE FROM taskcore_paused WHERE queue_name = %s", (queue_name,))
            tx.due_queues.add(queue_name)

        self._write(work)

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        """As ``Backend.items`` says."""
        check_limit(limit, "limit")
        check_ids((task_id,), "items: the id")
        check_filter(cursor, "items: the cursor")
        return self._read(lambda store: _finding.items(store, task_id, cursor, limit))

    def purge(self, request: PurgeRequest) -> int:
        """As ``Backend.purge`` says."""
        check_purge(request)
        return self._write(lambda tx: _purging.purge(tx, request))

    # Schedules

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        """As ``Backend.put_schedule`` says; raises ``NotEncodable`` for a trigger that cannot be stored."""
        document = _schedule_document(schedule)
        return self._write(lambda tx: _schedules.put_schedule(tx, schedule, document, expected_revision))

    def delete_schedule(self, schedule_id: str) -> bool:
        """As ``Backend.delete_schedule`` says."""
        check_ids((schedule_id,), "delete_schedule: the id")
        return self._write(lambda tx: _schedules.delete_schedule(tx, schedule_id))

    def schedules(self, query: ScheduleQuery) -> Page[Schedule]:
        """As ``Backend.schedules`` says."""
        check_schedule_query(query)
        return self._read(lambda store: _schedules.schedules(store, query))

    def fire(self, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
        """As ``Backend.fire`` says."""
        for spec in specs:
            check_spec(spec)
        document = "" if after is None else _schedule_document(after)
        return self._write(lambda tx: _schedules.fire(tx, before, after, document, specs))

    # Workers

    def beat(self, worker: WorkerInfo) -> Order:
        """As ``Backend.beat`` says."""
        check_worker(worker)
        document = dump_data(worker)
        answer = self._write(lambda tx: _schedules.beat(tx, worker, document))
        self._write(compact_tally)
        return answer

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

        def look() -> timedelta | None:
            return self._read(lambda store: _looking.look_for_tasks(store, queue_names))

        return self._wait(look, timeout, queue_names=queue_names)

    def wait_finished(self, task_ids: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait_finished`` says."""
        check_ids(task_ids, "wait_finished: an id")

        def look() -> timedelta | None:
            is_over = bool(task_ids) and self._read(lambda store: _looking.has_finished(store, task_ids))
            return timedelta(0) if is_over else None

        return self._wait(look, timeout, ids=task_ids)

    def _wait(
        self,
        look: Callable[[], timedelta | None],
        timeout: timedelta,
        *,
        queue_names: Sequence[str] = (),
        ids: Sequence[str] = (),
    ) -> bool:
        self._session.check_open()
        try:
            return self._waiting.wait(look, timeout, queue_names=queue_names, ids=ids)
        except BackendClosed:  # closed while it waited: that ends the wait, the next call is refused
            return False

    def wake(self) -> None:
        """As ``Backend.wake`` says."""
        self._session.check_open()
        self._waiting.wake()

    def close(self) -> None:
        """As ``Backend.close`` says; connections of requests, and of transactions that are open, are left alone."""
        _release(self._session, self._waiting)


def _release(session: Session, waiting: Waiting) -> None:
    if not session.is_closed:
        session.is_closed = True
        waiting.close()
        session.connections.close()


def _apply_and_claim(
    tx: Transaction, changes: Sequence[Change], claim: ClaimRequest | None
) -> tuple[list[Applied], list[Task]]:
    applied = _applying.apply(tx, changes)
    return applied, [] if claim is None else _claiming.claim(tx, claim)


def _check_usable(alias: str) -> None:
    """Raise when a database error was swallowed in the open transaction: what was written before it is lost."""
    connection: Any = transaction.get_connection(alias)
    status = getattr(getattr(connection.connection, "info", None), "transaction_status", None)
    if connection.needs_rollback or status == _IN_ERROR:
        raise transaction.TransactionManagementError(
            "A database error was caught inside the transaction of an atomic task, so nothing of it can be committed: "
            "catch such errors around a transaction.atomic() block of their own."
        )


def _schedule_document(schedule: Schedule) -> str:
    check_schedule(schedule)
    return dump_data(schedule)
