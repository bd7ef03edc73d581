"""``SQLiteBackend``: the methods of the protocol, each one operation of the session of this process."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NoReturn, TypeVar
from urllib.parse import quote

from taskcore.errors import BackendClosed, InvalidInput, InvalidOption, UnsupportedCapability
from taskcore.protocol import (
    Added,
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
    SystemClock,
    Task,
    TaskSpec,
    WorkerInfo,
)
from taskcore.records import (
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
from taskcore.records.columns import micros
from taskcore_backends.sqlite import (
    _adding,
    _applying,
    _claiming,
    _finding,
    _looking,
    _purging,
    _schedules,
    _statistics,
)
from taskcore_backends.sqlite._connections import Reader
from taskcore_backends.sqlite._session import Sessions, Settings
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["SQLiteBackend"]

R = TypeVar("R")

_CAPABILITIES = frozenset({Capability.WAIT, Capability.CROSS_PROCESS, Capability.DURABLE, Capability.FUSED})

_OLDEST_SQLITE = (3, 35, 0)


class SQLiteBackend:
    """Tasks in one SQLite file, shared by the threads of this process and by other processes of this machine.

    ``path`` is made when it is not there; its directory has to be, on a local disk. ``synchronous``: "NORMAL" loses no
    commit by a crash of any process, and may lose the last ones by a power cut; "FULL" loses none, at a sync a commit.
    ``busy_timeout`` is how long a call waits for other processes' writes before it raises ``BackendUnavailable``.
    ``doorbell``: have other processes end waits of this one by datagrams; without it, and where none arrive, the file
    is looked at every ``poll_interval``.

    Raises ``InvalidInput`` for a path that cannot be, and what ``BackendError`` covers when the file is not a store,
    is newer than this taskcore, or cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        busy_timeout: timedelta = timedelta(seconds=30),
        poll_interval: timedelta = timedelta(milliseconds=15),
        doorbell: bool = True,
    ) -> None:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise UnsupportedCapability(
                f"This Python has SQLite {sqlite3.sqlite_version}; 3.35 or later is needed (UPDATE … RETURNING)."
            )
        self._path = _checked_path(path)
        self._synchronous = _checked_synchronous(synchronous)
        self._clock = clock or SystemClock()
        self._sessions = Sessions(
            Settings(
                path=self._path,
                now=self._clock.now,
                synchronous=self._synchronous,
                busy_timeout=_checked_duration(busy_timeout, "busy_timeout"),
                poll_interval=_checked_duration(poll_interval, "poll_interval"),
                has_doorbell=doorbell,
            )
        )
        # At the latest when nobody has the backend any more, or the process ends, what it holds open is given back.
        weakref.finalize(self, self._sessions.close)
        try:
            self._read(lambda reader: None)
        except BaseException:
            self._sessions.close()
            raise

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All but taking part in a caller's own transaction."""
        return _CAPABILITIES

    @property
    def url(self) -> str:
        """``sqlite:///`` and the absolute path; what ``from_url`` takes."""
        query = "" if self._synchronous == "NORMAL" else f"?synchronous={self._synchronous}"
        return f"sqlite:///{quote(self._path.as_posix())}{query}"

    def __repr__(self) -> str:
        return f"<SQLiteBackend {self.url}>"

    def _write(self, work: Callable[[Transaction], R]) -> R:
        if self._sessions.is_closed:
            self._refuse()
        return self._sessions.current().committer.run(work)

    def _read(self, work: Callable[[Reader], R]) -> R:
        if self._sessions.is_closed:
            self._refuse()
        with self._sessions.current().connections.reading() as reader:
            return work(reader)

    def _ask(self, question: Callable[[Reader], R]) -> R:
        """Answer a question of one statement: what waits does so again and again, and others wait for this thread."""
        if self._sessions.is_closed:
            self._refuse()
        return self._sessions.current().connections.ask(question)

    def _refuse(self) -> NoReturn:
        raise BackendClosed(f"The backend {self.url} is closed: make a new one.")

    def now(self) -> datetime:
        """Return the clock's moment: the host's own unless another clock was given."""
        if self._sessions.is_closed:
            self._refuse()
        return self._clock.now()

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
            return ApplyReply(tuple(applied), () if claim is None else tuple(_claiming.claim(tx, claim)))

        return self._write(work)

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        """As ``Backend.get`` says."""
        check_ids(task_ids, "get: an id")
        return self._ask(lambda reader: _finding.get(reader, task_ids))

    def find(self, query: Query) -> Page[Task]:
        """As ``Backend.find`` says."""
        check_query(query)
        return self._read(lambda reader: _finding.find(reader, query))

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        """As ``Backend.children`` says."""
        check_limit(limit, "limit")
        check_ids((parent_id,), "children: the id")
        check_filter(cursor, "children: the cursor")
        return self._read(lambda reader: _finding.children(reader, parent_id, cursor, limit))

    def unique_holder(self, key: str) -> str | None:
        """As ``Backend.unique_holder`` says."""
        check_ids((key,), "unique_holder: the key")
        return self._read(lambda reader: _finding.unique_holder(reader, key, micros(self._clock.now())))

    def stats(self) -> Stats:
        """As ``Backend.stats`` says."""
        return self._read(lambda reader: _statistics.stats(reader, self._clock.now()))

    def groups(self, query: GroupQuery) -> Page[Group]:
        """As ``Backend.groups`` says."""
        check_group_query(query)
        return self._read(lambda reader: _finding.groups(reader, query))

    def pause(self, queue_name: str) -> None:
        """As ``Backend.pause`` says."""
        check_text(queue_name, "queue_name")
        self._write(lambda tx: tx.execute("INSERT OR IGNORE INTO paused (queue) VALUES (?)", (queue_name,)).close())

    def resume(self, queue_name: str) -> None:
        """As ``Backend.resume`` says."""
        check_text(queue_name, "queue_name")

        def work(tx: Transaction) -> None:
            tx.execute("DELETE FROM paused WHERE queue = ?", (queue_name,))
            tx.due_queues.add(queue_name)

        self._write(work)

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        """As ``Backend.items`` says."""
        check_limit(limit, "limit")
        check_ids((task_id,), "items: the id")
        check_filter(cursor, "items: the cursor")
        return self._read(lambda reader: _finding.items(reader, task_id, cursor, limit))

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
        return self._read(lambda reader: _schedules.schedules(reader, query))

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
        return self._write(lambda tx: _schedules.beat(tx, worker, document))

    def order(self, worker_id: str, order: Order) -> bool:
        """As ``Backend.order`` says."""
        check_ids((worker_id,), "order: the worker's id")
        check_order(order)
        return self._write(lambda tx: _schedules.order(tx, worker_id, order))

    def workers(self) -> list[WorkerInfo]:
        """As ``Backend.workers`` says."""
        return self._read(lambda reader: _schedules.workers(reader, micros(self._clock.now())))

    # Waiting

    def wait(self, queue_names: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait`` says; it also ends when a delay, a lease or an expiry of any queue is over."""

        def look() -> timedelta | None:
            return self._read(lambda reader: _looking.look_for_tasks(reader, queue_names, micros(self._clock.now())))

        return self._wait(look, timeout, queue_names=queue_names)

    def wait_finished(self, task_ids: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait_finished`` says."""
        check_ids(task_ids, "wait_finished: an id")

        def look() -> timedelta | None:
            return timedelta(0) if self._ask(lambda reader: _looking.has_finished(reader, task_ids)) else None

        return self._wait(look, timeout, ids=task_ids)

    def _wait(
        self,
        look: Callable[[], timedelta | None],
        timeout: timedelta,
        *,
        queue_names: Sequence[str] = (),
        ids: Sequence[str] = (),
    ) -> bool:
        if self._sessions.is_closed:
            self._refuse()
        try:
            return self._sessions.current().waiting.wait(look, timeout, queue_names=queue_names, ids=ids)
        except BackendClosed:  # closed while it waited: that ends the wait, the next call is refused
            return False

    def wake(self) -> None:
        """As ``Backend.wake`` says."""
        if self._sessions.is_closed:
            self._refuse()
        self._sessions.current().waiting.wake()

    def close(self) -> None:
        """As ``Backend.close`` says."""
        self._sessions.close()


def _checked_path(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if not isinstance(text, str) or not text or text == ":memory:" or "\0" in text:
        raise InvalidInput(f"The path of a SQLite store is that of a file, not {path!r}. MemoryBackend needs none.")
    return Path(text).absolute()


def _checked_synchronous(value: str) -> str:
    if value not in ("NORMAL", "FULL"):
        raise InvalidOption(f"synchronous is 'NORMAL' or 'FULL', not {value!r}.")
    return value


def _checked_duration(value: timedelta, name: str) -> timedelta:
    if not isinstance(value, timedelta) or value <= timedelta(0):
        raise InvalidOption(f"{name} is a timedelta above zero, not {value!r}.")
    return value


def _schedule_document(schedule: Schedule) -> str:
    check_schedule(schedule)
    return dump_data(schedule)
