"""``RedisBackend``: the methods of the protocol, each one script or a few."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from taskcore.errors import BackendClosed, BackendVersionError, InvalidOption
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
from taskcore_backends.redis import _adding, _finding, _purging, _schedules, _statistics
from taskcore_backends.redis._changes import applied_of, pack_change, pack_claim
from taskcore_backends.redis._layout import ADD_VERDICTS
from taskcore_backends.redis._link import Link, Replicas, connect
from taskcore_backends.redis._records import load_claimed
from taskcore_backends.redis._urls import Client, check_namespace, public_url, url_of
from taskcore_backends.redis._waiting import Waiting
from taskcore_backends.redis._words import refusal

__all__ = ["RedisBackend"]

_CAPABILITIES = frozenset({Capability.WAIT, Capability.CROSS_PROCESS, Capability.DURABLE, Capability.FUSED})

_OLDEST_SERVER = (6, 2)

_ADDED = {number: verdict for verdict, number in ADD_VERDICTS.items()}


class RedisBackend:
    """Tasks in one namespace of a Redis or Valkey server, or of a cluster.

    ``url``: ``redis://``, ``rediss://`` or ``unix://`` as redis-py takes it. ``client``: one of redis-py's
    (``Redis``, ``RedisCluster``, what a ``Sentinel`` gives) instead, which must not decode responses; it stays open
    when the backend is closed. ``namespace``: all keys begin with it in braces, so they lie in one slot of a cluster;
    several namespaces share a server, and spread over a cluster. ``wait_replicas``: a number, and how long: a write
    returns when so many replicas have it, and raises ``BackendUnavailable`` when they do not in time. ``clock`` is for
    tests: without it the server's own is used.

    Raises ``BackendUnavailable`` when the server does not answer, ``BackendVersionError`` when it, or the layout of
    what is stored, is too old or too new; warns when the server may evict keys.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Client | None = None,
        namespace: str = "taskcore",
        wait_replicas: tuple[int, timedelta] | None = None,
        clock: Clock | None = None,
    ) -> None:
        namespace = check_namespace(namespace)
        replicas = _checked_replicas(wait_replicas)
        is_own = client is None
        if client is None:
            client = connect("redis://localhost:6379/0" if url is None else url)
            shown = public_url("redis://localhost:6379/0" if url is None else url, namespace)
        elif url is not None:
            raise InvalidOption("RedisBackend takes a url or a client, not both.")
        else:
            shown = public_url(url_of(client), namespace)
        self._link = Link(client, url=shown, namespace=namespace, clock=clock, replicas=replicas, is_own=is_own)
        self._sessions = _Session(self._link)
        # At the latest when nobody has the backend any more, or the process ends, what it holds open is given back.
        weakref.finalize(self, self._sessions.close)
        _watch_forks(weakref.ref(self._sessions))
        try:
            self._greet()
        except BaseException:
            self._sessions.close()
            raise

    def _greet(self) -> None:
        """Look at the server, and at the layout of what is stored."""
        info = self._link.info()
        version = str(info.get("redis_version", "99"))
        if _numbers(version) < _OLDEST_SERVER:
            raise BackendVersionError(f"{self.url} is Redis {version}; 6.2 or later, or Valkey, is needed.")
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            warnings.warn(
                f"{self.url} has maxmemory-policy {policy}: when memory is short it deletes keys, and tasks are lost. "
                "Set maxmemory-policy noeviction.",
                RuntimeWarning,
                stacklevel=4,
            )
        self._link.read("holder", "")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All but taking part in a caller's own transaction."""
        return _CAPABILITIES

    @property
    def url(self) -> str:
        """What ``from_url`` takes, without user and password; of a Sentinel's client a name that opens nothing."""
        return self._link.url

    def __repr__(self) -> str:
        return f"<RedisBackend {self.url}>"

    @property
    def _open_link(self) -> Link:
        if self._sessions.is_closed:
            self._refuse()
        return self._link

    def _refuse(self) -> NoReturn:
        raise BackendClosed(f"The backend {self.url} is closed: make a new one.")

    def now(self) -> datetime:
        """Return the server's clock, or the injected one."""
        return self._open_link.now()

    # Tasks

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        """As ``Backend.add`` says; raises ``InvalidInput`` too, for what no store should take."""
        for spec in specs:
            check_spec(spec)
        if group is not None:
            check_group(group)
        return _adding.add(self._open_link, specs, group)

    def claim(self, request: ClaimRequest) -> list[Task]:
        """As ``Backend.claim`` says."""
        check_claim(request)
        _applied, claimed, now = self._open_link.write("apply", pack_claim(request))
        return load_claimed(claimed, request, now)

    def apply(self, changes: Sequence[Change], claim: ClaimRequest | None = None) -> ApplyReply:
        """As ``Backend.apply`` says; raises ``InvalidInput`` for what cannot be stored, and has then done nothing."""
        check_changes(changes)
        request = b""
        if claim is not None:
            check_claim(claim)
            request = pack_claim(claim)
        answer = self._open_link.write("apply", request, *map(pack_change, changes))
        if answer[0] == b"!":
            raise refusal(answer[1], answer[2:])
        applied, claimed, now = answer
        answers = [applied_of(change, answer) for change, answer in zip(changes, applied, strict=True)]
        return ApplyReply(tuple(answers), () if claim is None else tuple(load_claimed(claimed, claim, now)))

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        """As ``Backend.get`` says."""
        check_ids(task_ids, "get: an id")
        return _finding.get(self._open_link, task_ids)

    def find(self, query: Query) -> Page[Task]:
        """As ``Backend.find`` says."""
        check_query(query)
        return _finding.find(self._open_link, query)

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        """As ``Backend.children`` says."""
        check_limit(limit, "limit")
        check_ids((parent_id,), "children: the id")
        check_filter(cursor, "children: the cursor")
        return _finding.children(self._open_link, parent_id, cursor, limit)

    def unique_holder(self, key: str) -> str | None:
        """As ``Backend.unique_holder`` says."""
        check_ids((key,), "unique_holder: the key")
        found: bytes | None = self._open_link.read("holder", key)
        return None if found is None else found.decode()

    def stats(self) -> Stats:
        """As ``Backend.stats`` says."""
        return _statistics.stats(self._open_link)

    def groups(self, query: GroupQuery) -> Page[Group]:
        """As ``Backend.groups`` says."""
        check_group_query(query)
        return _finding.groups(self._open_link, query)

    def pause(self, queue_name: str) -> None:
        """As ``Backend.pause`` says."""
        check_text(queue_name, "queue_name")
        self._open_link.write("pause", queue_name, "1")

    def resume(self, queue_name: str) -> None:
        """As ``Backend.resume`` says."""
        check_text(queue_name, "queue_name")
        self._open_link.write("pause", queue_name, "0")

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        """As ``Backend.items`` says."""
        check_limit(limit, "limit")
        check_ids((task_id,), "items: the id")
        check_filter(cursor, "items: the cursor")
        return _finding.items(self._open_link, task_id, cursor, limit)

    def purge(self, request: PurgeRequest) -> int:
        """As ``Backend.purge`` says."""
        check_purge(request)
        return _purging.purge(self._open_link, request)

    # Schedules

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        """As ``Backend.put_schedule`` says; raises ``NotEncodable`` for a trigger that cannot be stored."""
        document = _schedule_document(schedule)
        return _schedules.put_schedule(self._open_link, schedule, document, expected_revision)

    def delete_schedule(self, schedule_id: str) -> bool:
        """As ``Backend.delete_schedule`` says."""
        check_ids((schedule_id,), "delete_schedule: the id")
        return bool(self._open_link.write("delete_schedule", schedule_id))

    def schedules(self, query: ScheduleQuery) -> Page[Schedule]:
        """As ``Backend.schedules`` says."""
        check_schedule_query(query)
        return _schedules.schedules(self._open_link, query)

    def fire(self, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
        """As ``Backend.fire`` says."""
        for spec in specs:
            check_spec(spec)
        document = "" if after is None else _schedule_document(after)
        return _schedules.fire(self._open_link, before, after, document, specs)

    # Workers

    def beat(self, worker: WorkerInfo) -> Order:
        """As ``Backend.beat`` says."""
        check_worker(worker)
        return _schedules.beat(self._open_link, worker, dump_data(worker))

    def order(self, worker_id: str, order: Order) -> bool:
        """As ``Backend.order`` says."""
        check_ids((worker_id,), "order: the worker's id")
        check_order(order)
        return _schedules.order(self._open_link, worker_id, order)

    def workers(self) -> list[WorkerInfo]:
        """As ``Backend.workers`` says."""
        return _schedules.workers(self._open_link)

    # Waiting

    def wait(self, queue_names: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait`` says; it also ends when a delay, a lease or an expiry of any queue is over."""
        if self._sessions.is_closed:
            self._refuse()
        return self._sessions.waiting.wait_for_tasks(queue_names, timeout)

    def wait_finished(self, task_ids: Sequence[str], timeout: timedelta) -> bool:
        """As ``Backend.wait_finished`` says."""
        if self._sessions.is_closed:
            self._refuse()
        check_ids(task_ids, "wait_finished: an id")
        return self._sessions.waiting.wait_for_finish(task_ids, timeout)

    def wake(self) -> None:
        """As ``Backend.wake`` says."""
        if self._sessions.is_closed:
            self._refuse()
        self._sessions.waiting.wake()

    def close(self) -> None:
        """As ``Backend.close`` says."""
        self._sessions.close()


class _Session:
    """What one process holds open."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.Lock()
        self.waiting = Waiting(link)
        self.is_closed = False

    def renew(self) -> None:
        """Begin anew in a process that was forked: no thread of the other is here. Connections see to themselves."""
        self._lock = threading.Lock()
        self.waiting = Waiting(self._link)

    def close(self) -> None:
        """End all waits and give back what is held open."""
        with self._lock:
            if self.is_closed:
                return
            self.is_closed = True
        self.waiting.close()
        self._link.close()


def _watch_forks(session: weakref.ref[_Session]) -> None:
    def in_child() -> None:
        found = session()
        if found is not None and not found.is_closed:
            found.renew()

    os.register_at_fork(after_in_child=in_child)


def _checked_replicas(value: tuple[int, timedelta] | None) -> Replicas | None:
    match value:
        case None:
            return None
        case (int(number), timedelta() as timeout) if number >= 1 and timeout > timedelta(0) and number is not True:
            return Replicas(number, timeout)
        case _:
            raise InvalidOption(f"wait_replicas is a number of replicas and a timedelta above zero, not {value!r}.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _schedule_document(schedule: Schedule) -> str:
    check_schedule(schedule)
    return dump_data(schedule)
