"""Waiting for claimable tasks and for finishes: hints from this process at once, from others by doorbell or by polling.

A thread that waits notes what for, in memory at once and after a moment in the table ``waiter``, and then looks at the
store again: what is committed after that finds the note, what was committed before is seen. Who commits what somebody
waits for deletes the row, so it rings at most once, and the next wait notes again. A thread listens while others wait;
it also looks every now and then whether anybody has written (``PRAGMA data_version``), which is all there is where
nothing can ring.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from taskcore.errors import BackendError
from taskcore.protocol import SystemClock
from taskcore.records import Signal
from taskcore.records.columns import micros, span
from taskcore_backends.sqlite._committer import Committer
from taskcore_backends.sqlite._connections import Connections
from taskcore_backends.sqlite._doorbell import Doorbell
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["ANY_FINISH", "FINISH", "QUEUE", "Topic", "Waiting", "find_bells"]

Topic = tuple[int, str]
"""What is waited for: a kind, and a name."""

QUEUE, FINISH, ANY_FINISH = 0, 1, 2

_TOPICS_AT_MOST = 64
"""Who waits for more finishes than that is rung at any."""

_NOTE_KEPT = timedelta(days=1)
_NOW = timedelta(0)
_PATIENCE = timedelta(milliseconds=100)
_SAFETY_NET = 0.25
"""Seconds between two looks at the store's version while the doorbell works: for a ringer that died before it rang."""
_LISTENER_STAYS = 5.0
_UNNOTED = 0.001
"""Seconds that a wait lasts before it is worth a note: most ends are near, and made by threads of this process."""
_LONGEST_WAIT = 3600.0
"""Seconds after which a wait looks again in any case; the system cannot wait for ever in one go."""


class _Waiter:
    """One thread that waits, and what for."""

    __slots__ = ("ids", "is_noted", "is_told", "queue_names", "signal", "topics")

    def __init__(self, queue_names: Sequence[str], ids: Sequence[str]) -> None:
        self.signal = Signal()
        self.queue_names = frozenset(queue_names)
        self.ids = frozenset(ids)
        self.is_noted = False
        self.is_told = False
        """A thread of this process has done what it waits for: no need to look."""
        self.topics: set[Topic] = {(QUEUE, name) for name in queue_names}
        if len(self.ids) > _TOPICS_AT_MOST:
            self.topics.add((ANY_FINISH, ""))
        else:
            self.topics.update((FINISH, key) for key in ids)


class Waiting:
    """The threads of this process that wait on one backend."""

    def __init__(
        self, connections: Connections, committer: Committer, *, has_doorbell: bool, poll_interval: timedelta
    ) -> None:
        self._connections = connections
        self._committer = committer
        self._has_doorbell = has_doorbell
        self._poll = poll_interval.total_seconds()
        self._lock = threading.Lock()
        self._waiting: set[_Waiter] = set()
        self._wakes = 0
        self._seen = threading.local()
        self._bell: Doorbell | None = None
        self._noted: set[Topic] = set()
        self._rings = 0
        self._listener: threading.Thread | None = None
        self._stop = threading.Event()
        self.is_closed = False

    @property
    def address(self) -> str | None:
        """Where others ring this process; ``None`` as long as nobody has waited."""
        return None if self._bell is None else self._bell.address

    def tell(self, queue_names: Iterable[str], finished: Sequence[str]) -> None:
        """Wake who waits in this process for one of these queues, or for one of these to finish."""
        if not self._waiting:
            return
        names = set(queue_names)
        with self._lock:
            for waiter in self._waiting:
                if not names.isdisjoint(waiter.queue_names) or not waiter.ids.isdisjoint(finished):
                    waiter.is_told = True
                    waiter.signal.set()

    def wake(self) -> None:
        """End all waits. A thread that was just about to wait does not: it is told by its next wait."""
        with self._lock:
            self._wakes += 1
            for waiter in self._waiting:
                waiter.signal.set()

    def wait(
        self,
        look: Callable[[], timedelta | None],
        timeout: timedelta,
        *,
        queue_names: Sequence[str] = (),
        ids: Sequence[str] = (),
    ) -> bool:
        """Wait until ``look`` finds something; return whether it did within ``timeout``, and before a ``wake``.

        ``look`` returns when it wants to look again at the latest; zero: it has found something.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        waiter = _Waiter(queue_names, ids)
        with self._lock:
            wakes = self._wakes
            is_late = getattr(self._seen, "wakes", wakes) != wakes
            self._waiting.add(waiter)
        try:
            while not is_late:
                waiter.signal.clear()
                if waiter.is_told:
                    return True
                again = look()
                if (again is None or again > _NOW) and timeout > _NOW and not self._is_noted(waiter):
                    if waiter.signal.wait(min(_UNNOTED, timeout.total_seconds())):
                        is_late = self._wakes != wakes
                        continue
                    if self._note(waiter):
                        again = look()
                if again is not None and again <= _NOW:
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or self._wakes != wakes:
                    return False
                waiter.signal.wait(min(left, _LONGEST_WAIT, left if again is None else again.total_seconds()))
                is_late = self._wakes != wakes
                if not waiter.is_told and len(waiter.ids) > _TOPICS_AT_MOST:
                    time.sleep(0.005)  # a look at so many is dear: not at each finish of a busy store
            return False
        finally:
            with self._lock:
                self._waiting.discard(waiter)
                self._seen.wakes = self._wakes

    def close(self) -> None:
        """End all waits, and those that come."""
        with self._lock:
            self.is_closed = True
            listener, bell = self._listener, self._bell
        self.wake()
        self._stop.set()
        if bell is not None:
            with suppress(BackendError):
                self._committer.run(
                    lambda tx: tx.execute("DELETE FROM waiter WHERE address = ?", (bell.address,)), _PATIENCE
                )
            bell.ring()
        if listener is not None and listener is not threading.current_thread():
            listener.join(2.0)
        if bell is not None:
            bell.close()

    # Notes for other processes

    def _is_noted(self, waiter: _Waiter) -> bool:
        with self._lock:
            waiter.is_noted = self._bell is not None and self._listener is not None and waiter.topics <= self._noted
        return waiter.is_noted

    def _note(self, waiter: _Waiter) -> bool:
        """Have other processes ring when what is waited for happens; without success the store is polled.

        Return whether that is new, so that something may have happened since the store was looked at.
        """
        with self._lock:
            if self.is_closed:
                return False
            is_new = self._start_listener()
            bell, rings, missing = self._bell, self._rings, waiter.topics - self._noted
        if bell is None or not missing:
            waiter.is_noted = bell is not None
            return is_new
        until = micros(SystemClock().now() + _NOTE_KEPT)
        rows = [(kind, topic, bell.address, until) for kind, topic in missing]

        def note(tx: Transaction) -> None:
            tx.execute("DELETE FROM waiter WHERE until < ?", (until - span(_NOTE_KEPT),))
            tx.executemany("INSERT OR REPLACE INTO waiter (kind, topic, address, until) VALUES (?, ?, ?, ?)", rows)

        try:
            self._committer.run(note, _PATIENCE)
        except BackendError:
            waiter.is_noted = False
            return is_new
        waiter.is_noted = True
        with self._lock:
            if rings == self._rings:  # else the notes may be gone again; the event is set then
                self._noted |= missing
        return True

    def _start_listener(self) -> bool:
        """Have a thread listen; return whether that is new: it compares with the version that is read here."""
        if self._listener is not None:
            return False
        if self._has_doorbell and self._bell is None:
            with suppress(OSError):
                self._bell = Doorbell()
        version = self._version(None)
        self._listener = threading.Thread(
            target=self._listen, args=(version,), name="taskcore-sqlite-listener", daemon=True
        )
        self._listener.start()
        return True

    def _listen(self, version: object) -> None:
        """Wake all who wait when others ring or, looked at every now and then, have written."""
        last_used = time.monotonic()
        while True:
            with self._lock:
                if self._waiting:
                    last_used = time.monotonic()
                if self.is_closed or time.monotonic() - last_used > _LISTENER_STAYS:
                    self._listener = None
                    return
                is_noted = self._bell is not None and all(waiter.is_noted for waiter in self._waiting)
            interval = _SAFETY_NET if is_noted else self._poll
            is_rung = self._stop.wait(interval) if self._bell is None else self._bell.wait(interval)
            before, version = version, self._version(version)
            if is_rung or before != version:
                with self._lock:
                    if is_rung:
                        self._rings += 1
                        self._noted.clear()
                    for waiter in self._waiting:
                        waiter.signal.set()

    def _version(self, known: object) -> object:
        try:
            return self._connections.version()
        except (BackendError, sqlite3.Error):
            return known


def find_bells(tx: Transaction, own: str | None) -> list[str]:
    """Delete the notes of other processes that wait for what a transaction did; return where to ring."""
    if not (tx.due_queues or tx.finished):
        return []
    rows = tx.execute("SELECT kind, topic, address FROM waiter").fetchall()
    if not rows:
        return []
    finished = set(tx.finished)
    happened = [
        row
        for row in rows
        if row[2] != own
        and (
            (row[0] == QUEUE and row[1] in tx.due_queues)
            or (row[0] == FINISH and row[1] in finished)
            or (row[0] == ANY_FINISH and finished)
        )
    ]
    if happened:
        tx.executemany("DELETE FROM waiter WHERE kind = ? AND topic = ? AND address = ?", happened)
    return list(dict.fromkeys(row[2] for row in happened))
