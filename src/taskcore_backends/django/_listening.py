"""Hints from process to process on PostgreSQL: who waits says so in a table, and who writes notifies if somebody does.

A thread of a process that waits holds one more connection, listens there, and keeps a row for each topic: a queue, or
finishes. Who has committed something looks for such rows, after the commit, and notifies at most once: so a busy store,
in which nobody waits, never notifies, and NOTIFY's lock on all commits is not taken. Whoever waits looks at the store
once more after its row is there, and in any case every second: a lost hint costs that second.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import attrs
from django.db import connections

from taskcore.errors import BackendError
from taskcore_backends.django._dialects import POSTGRES
from taskcore_backends.django._postgres import UNSYNCED
from taskcore_backends.django._session import Session
from taskcore_backends.django._transaction import Transaction
from taskcore_backends.django._waiting import Waiter, Waiting

__all__ = ["Hints", "Listener", "Notifier", "can_listen"]

_CHANNEL: Final = "taskcore"
_ANY_FINISH: Final = "f"
_SAFETY_NET = 1.0
"""Seconds after which a thread that is listened for looks all the same."""
_UNHEARD = 0.02
"""Seconds for which nobody is taken to wait for a topic after nobody did."""
_LOOK_ONCE_MORE = 0.06
"""Seconds after a row was written when those who wait look again: somebody may have looked for it just before."""
_ROW_KEPT = 60_000_000
_RENEW_AFTER = 20.0
_LINGER = 1.0
"""Seconds for which a topic is kept that nobody waits for any more."""
_STAYS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_IDS_AT_MOST = 150
_CHARACTERS_AT_MOST = 6000
_KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}

_NOTIFY = f"""
    SELECT pg_notify('{_CHANNEL}', %s), {UNSYNCED}
    WHERE EXISTS (SELECT 1 FROM taskcore_waiter WHERE topic = ANY (%s) AND until > {POSTGRES.now})
"""

_NOTE = f"""
    INSERT INTO taskcore_waiter (listener, topic, until)
    SELECT %s, topic, {POSTGRES.now} + {_ROW_KEPT} FROM unnest(%s::text[]) AS wanted(topic)
    ON CONFLICT (topic, listener) DO UPDATE SET until = excluded.until
"""


def can_listen(alias: str) -> bool:
    """Return whether a database can be listened to: PostgreSQL, with a driver of the third generation."""
    connection: Any = connections[alias]
    return bool(connection.vendor == "postgresql" and connection.Database.__name__ == "psycopg")


class Notifier:
    """Tells other processes what was committed, if one of them waits for it."""

    def __init__(self) -> None:
        self._unheard: dict[str, float] = {}

    def notify(self, session: Session, queue_names: Iterable[str], finished: Sequence[str]) -> None:
        """Notify, at most once. A failure is no matter: it was a hint."""
        topics = [f"q{name}" for name in queue_names]
        if finished:
            topics.append(_ANY_FINISH)
        now = time.monotonic()
        if all(self._unheard.get(topic, 0) > now for topic in topics):
            return
        payload = json.dumps({"q": list(queue_names), "f": list(finished) if len(finished) <= _IDS_AT_MOST else True})
        if len(payload) > _CHARACTERS_AT_MOST:
            payload = '{"q": true, "f": true}'
        with suppress(BackendError):
            is_heard = bool(session.read(lambda store: store.rows(_NOTIFY, (payload, topics))))
            if not is_heard:
                if len(self._unheard) > 1000:
                    self._unheard.clear()
                self._unheard.update(dict.fromkeys(topics, time.monotonic() + _UNHEARD))


@attrs.frozen
class Hints:
    """What a commit is told to: the threads of this process, and others where that can be."""

    waiting: Waiting
    notifier: Notifier | None

    def give(self, session: Session, tx: Transaction) -> None:
        """Give the hints of a transaction that was committed."""
        if tx.due_queues or tx.finished:
            self.waiting.tell(tx.due_queues, tx.finished)
            if self.notifier is not None and not session.is_closed:
                self.notifier.notify(session, tx.due_queues, tx.finished)


class Listener:
    """A thread that hears other processes, for as long as threads of this one wait."""

    def __init__(self, alias: str, waiting: Waiting) -> None:
        self._alias = alias
        self._waiting = waiting
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._is_closed = False
        self.begin_anew()

    def begin_anew(self) -> None:
        """Begin, or begin again in a process that was forked, under a name of its own: no thread listens yet."""
        self._name = uuid4().hex
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}
        """By topic: when a thread last waited for it."""
        self._noted: frozenset[str] = frozenset()
        self._thread: threading.Thread | None = None
        bell, self._bell = self._bell, None
        for end in bell or ():
            end.close()

    def listen_for(self, waiter: Waiter) -> float:
        """Keep rows for what a thread waits for; return after how many seconds it is to look in any case."""
        topics = _topics_of(waiter)
        now = time.monotonic()
        with self._lock:
            self._wanted.update(dict.fromkeys(topics, now))
            if topics <= self._noted:
                return _SAFETY_NET
            if not self._is_closed:
                if self._thread is None:
                    self._bell = socket.socketpair()
                    for end in self._bell:
                        end.setblocking(False)
                    self._thread = threading.Thread(target=self._run, name="taskcore-django-listener", daemon=True)
                    self._thread.start()
                self._ring()
        return self._waiting.poll

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._is_closed = True
            self._ring()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)

    def _ring(self) -> None:
        if self._bell is not None:
            with suppress(OSError):
                self._bell[1].send(b"!")

    # In the thread

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._has_ended():
            try:
                self._listen()
                pause = _FIRST_PAUSE
            except Exception:  # whatever a driver raises: the threads that wait poll until it works again
                self._noted = frozenset()
                self._sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)

    def _has_ended(self) -> bool:
        """Return whether there is nothing to do for this thread any more; it is forgotten then."""
        with self._lock:
            if not self._is_closed and self._is_wanted(time.monotonic()):
                return False
            self._noted = frozenset()
            self._thread = None
            bell, self._bell = self._bell, None
        for end in bell or ():
            end.close()
        return True

    def _is_wanted(self, now: float) -> bool:
        return any(now - at < _STAYS for at in self._wanted.values()) or bool(self._waiting.waiters())

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_closed and time.monotonic() < deadline:
            time.sleep(0.05)

    def _listen(self) -> None:
        """Listen until nobody waits any more, or the connection fails."""
        heard: deque[str] = deque()
        connection = _connect(self._alias)
        try:
            connection.add_notify_handler(lambda notice: heard.append(notice.payload))
            connection.execute(f"LISTEN {_CHANNEL}")
            renewed = once_more = 0.0
            while not self._is_closed and self._is_wanted(time.monotonic()):
                now = time.monotonic()
                topics = self._topics(now)
                if topics - self._noted or (topics and now - renewed > _RENEW_AFTER):
                    connection.execute(_NOTE, (self._name, sorted(topics)))
                    self._noted, renewed, once_more = self._noted | topics, now, now + _LOOK_ONCE_MORE
                    self._waiting.look_again()
                elif self._noted - topics:
                    gone = sorted(self._noted - topics)
                    self._noted = topics
                    self._forget(connection, gone)
                self._hear(connection, heard, _LOOK_ONCE_MORE if once_more else _SAFETY_NET / 2)
                if once_more and time.monotonic() >= once_more:
                    once_more = 0.0
                    self._waiting.look_again()
            self._forget(connection, sorted(self._noted))
        finally:
            self._noted = frozenset()
            connection.close()

    def _topics(self, now: float) -> frozenset[str]:
        """Return what is waited for, or was a moment ago."""
        with self._lock:
            for waiter in self._waiting.waiters():
                self._wanted.update(dict.fromkeys(_topics_of(waiter), now))
            topics = frozenset(topic for topic, at in self._wanted.items() if now - at < _LINGER)
            self._wanted = {topic: at for topic, at in self._wanted.items() if now - at < _STAYS}
        return topics

    def _forget(self, connection: Any, topics: list[str]) -> None:  # noqa: ANN401 - of the driver
        sql = "DELETE FROM taskcore_waiter WHERE listener = %s AND topic = ANY (%s)"
        connection.execute(sql, (self._name, topics))

    def _hear(self, connection: Any, heard: deque[str], timeout: float) -> None:  # noqa: ANN401
        """Wait until somebody notifies or rings, and tell those who wait."""
        assert self._bell is not None
        bell = self._bell[0]
        if not heard:
            with selectors.DefaultSelector() as selector:
                selector.register(connection.fileno(), selectors.EVENT_READ)
                selector.register(bell, selectors.EVENT_READ)
                selector.select(timeout)
            with suppress(BlockingIOError):
                bell.recv(4096)
            connection.pgconn.consume_input()
            while (notice := connection.pgconn.notifies()) is not None:
                heard.append(notice.extra.decode())
        while heard:
            self._tell(heard.popleft())

    def _tell(self, payload: str) -> None:
        try:
            what = json.loads(payload)
            queues, finished = what["q"], what["f"]
        except (ValueError, KeyError, TypeError):  # not ours
            return
        if queues is True or finished is True:
            self._waiting.look_again()
        self._waiting.tell(() if queues is True else queues, () if finished is True else finished)


def _topics_of(waiter: Waiter) -> set[str]:
    return {f"q{name}" for name in waiter.queue_names} | ({_ANY_FINISH} if waiter.ids else set())


def _connect(alias: str) -> Any:  # noqa: ANN401
    """Return a connection of the driver's own, made as Django makes its."""
    wrapper: Any = connections[alias]
    own = {"cursor_factory", "context", "prepare_threshold", "pool"}
    options = {name: value for name, value in wrapper.get_connection_params().items() if name not in own}
    return wrapper.Database.connect(**{**_KEEPALIVES, **options}, autocommit=True)
