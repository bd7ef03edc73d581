"""Waiting for claimable tasks and for finishes: one connection of this process blocks for all threads that wait.

A queue that got something to claim has a *marker*, ``m:<queue>``, which one of those who wait pops; whoever claims, and
leaves work behind, puts it back: one task wakes one process, and a thousand wake one after the other. Who waits for a
task or group has its address noted in ``watched``, and is told by an entry of its inbox, ``in:<address>``, once. The
listener blocks on the markers of all queues that are waited for and on the inbox, five seconds at most; a connection
that says nothing for longer is deaf, and replaced. In any case a waiting thread looks at the store itself every five
seconds: what was lost with a connection or a process is found then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import redis.exceptions

from taskcore.errors import BackendError
from taskcore.records import Signal
from taskcore_backends.redis._connections import take
from taskcore_backends.redis._link import Link

__all__ = ["Waiting"]

_BLOCK: Final = 5
"""Seconds that a read blocks at most, and after which a thread looks at the store in any case."""

_GRACE: Final = 2.0
"""Seconds after the end of a blocking read until the connection counts as deaf."""

_FAREWELL: Final = 4.0
"""Seconds for which ``close`` waits for a server to let the listener go."""

_TOPICS_AT_MOST: Final = 64
"""Who waits for more finishes than that is told of any."""

_LOOKED_AT: Final = 250
"""At how many tasks one script looks."""

_PAUSE_AT_MOST: Final = 1.0
"""Seconds between two attempts to reach a server that is away."""

_DUE: Final = "0"
"""The marker of a queue that has something to claim; the one for what becomes due later is "1"."""

_NOW: Final = timedelta(0)


class _Waiter:
    """One thread that waits, and what for."""

    __slots__ = ("ids", "is_noted", "is_sure", "is_told", "queue_names", "signal", "topics")

    def __init__(self, queue_names: Iterable[str], ids: Iterable[str]) -> None:
        self.signal = Signal()
        self.queue_names = frozenset(queue_names)
        self.ids = frozenset(ids)
        self.topics: frozenset[str] = self.ids if len(self.ids) <= _TOPICS_AT_MOST else frozenset({""})
        self.is_noted = False
        self.is_told = False
        self.is_sure = False


class Waiting:
    """The threads of this process that wait on one backend."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._address = uuid4().hex
        self._inbox = f"{link.prefix}in:{self._address}"
        self._lock = threading.Lock()
        self._waiting: set[_Waiter] = set()
        self._wakes = 0
        self._seen = threading.local()
        self._listener: threading.Thread | None = None
        self._listening: frozenset[str] = frozenset()
        self._closing = threading.Event()

    # What the backend calls

    def wait_for_tasks(self, queue_names: Sequence[str], timeout: timedelta) -> bool:
        """Wait until there may be something to claim; return whether there may."""

        def look(_waiter: _Waiter) -> timedelta | None:
            left = int(self._link.read("look", *queue_names))
            return None if left < 0 else timedelta(microseconds=left)

        return self._wait(_Waiter(queue_names, ()), look, timeout)

    def wait_for_finish(self, ids: Sequence[str], timeout: timedelta) -> bool:
        """Wait until one of these tasks or groups may have finished; return whether one may have."""

        def look(waiter: _Waiter) -> timedelta | None:
            topics = waiter.topics if timeout > _NOW else ()
            wanted = list(waiter.ids)
            for first in range(0, len(wanted), _LOOKED_AT):  # the first one notes who waits
                some = wanted[first : first + _LOOKED_AT]
                if self._link.read("watch", self._address, len(topics), *topics, *some):
                    return _NOW
                waiter.is_noted = waiter.is_noted or bool(topics)
                topics = ()
            return None

        if not ids:
            return self._wait(_Waiter((), ()), lambda _waiter: None, timeout)
        return self._wait(_Waiter((), ids), look, timeout)

    def wake(self) -> None:
        """End all waits. A thread that was just about to wait does not: it is told by its next wait."""
        with self._lock:
            self._wakes += 1
            for waiter in self._waiting:
                waiter.signal.set()

    def close(self) -> None:
        """End all waits, and those that come."""
        with self._lock:
            self._closing.set()
            listener = self._listener
        self.wake()
        if listener is None:
            return
        farewell = threading.Thread(target=self._end_listener, args=(listener,), daemon=True)
        try:
            farewell.start()
        except RuntimeError:  # the interpreter ends, and starts no threads any more
            self._end_listener(listener)
        else:
            farewell.join(_FAREWELL)

    def _end_listener(self, listener: threading.Thread) -> None:
        """Have the listener end, and drop its inbox; a server that hangs may take its time."""
        self._nudge()
        if listener is not threading.current_thread():
            listener.join(2.0)
        with suppress(BackendError):
            self._link.execute("DEL", self._inbox)

    @property
    def is_closed(self) -> bool:
        """Whether no wait lasts any more."""
        return self._closing.is_set()

    # A thread that waits

    def _wait(self, waiter: _Waiter, look: Callable[[_Waiter], timedelta | None], timeout: timedelta) -> bool:
        """Wait until ``look`` finds something; return whether it did within ``timeout``, and before a ``wake``.

        ``look`` returns when it wants to look again at the latest; zero: it has found something.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        with self._lock:
            wakes = self._wakes
            is_late = getattr(self._seen, "wakes", wakes) != wakes
            self._waiting.add(waiter)
        try:
            while not is_late and not self.is_closed:
                waiter.signal.clear()
                waiter.is_told = False
                again = look(waiter)
                if again is not None and again <= _NOW:
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or self._wakes != wakes:
                    return False
                self._listen_for(waiter)
                waiter.signal.wait(min(left, _BLOCK, _BLOCK if again is None else again.total_seconds()))
                if waiter.is_sure and self._wakes == wakes:
                    return True
                is_late = self._wakes != wakes
                if len(waiter.ids) > _TOPICS_AT_MOST:
                    time.sleep(0.005)  # a look at so many is dear: not at each finish of a busy store
            return False
        finally:
            self._leave(waiter)

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiting.discard(waiter)
            self._seen.wakes = self._wakes
            others: set[str] = set().union(*(other.topics for other in self._waiting))
        left = waiter.topics - others
        if waiter.is_noted and left:
            with suppress(BackendError):
                self._link.read("unwatch", self._address, *left)

    def _listen_for(self, waiter: _Waiter) -> None:
        """See to it that the listener blocks on what this thread waits for."""
        with self._lock:
            if self.is_closed:
                return
            if self._listener is None:
                self._listener = threading.Thread(target=self._listen, name="taskcore-redis-listener", daemon=True)
                self._listener.start()
                return
            is_heard = waiter.queue_names <= self._listening
        if not is_heard:
            self._nudge()

    def _nudge(self) -> None:
        with suppress(BackendError):
            self._link.read("nudge", self._address)

    # The listener

    def _listen(self) -> None:
        """Wake threads when what they wait for happens, until nobody waits any more."""
        pause = 0.0
        while not self._has_ended():
            try:
                self._listen_on_a_connection()
                pause = 0.0
            except (redis.exceptions.RedisError, OSError, BackendError):
                # Whoever waits looks for itself, and is told that the store is away.
                pause = min(_PAUSE_AT_MOST, 2 * pause or 0.05)
                self._closing.wait(pause)
                with suppress(BackendError):
                    self._link.forget_node()
            with self._lock:
                self._listening = frozenset()
                for waiter in self._waiting:
                    waiter.signal.set()

    def _has_ended(self) -> bool:
        with self._lock:
            if self._waiting and not self.is_closed:
                return False
            self._listener = None
            self._listening = frozenset()
            return True

    def _listen_on_a_connection(self) -> None:
        pool: Any = self._link.node().connection_pool
        connection = take(pool)
        try:
            while True:
                with self._lock:
                    if self.is_closed or not self._waiting:
                        return
                    # Who was told is about to look, and may leave: another marker is for somebody else.
                    waiting = [waiter for waiter in self._waiting if not waiter.is_told]
                    names = sorted({name for waiter in waiting for name in waiter.queue_names})
                    self._listening = frozenset(names)
                keys = [f"{self._link.prefix}m:{name}" for name in names]
                self._tell(_pop(connection, [self._inbox, *keys]))
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)

    def _tell(self, popped: tuple[str, str] | None) -> None:
        """Wake those who wait for what was popped."""
        if popped is None:
            return
        key, member = popped
        name = key.removeprefix(f"{self._link.prefix}m:")
        is_finish = key == self._inbox
        is_wanted = is_finish
        with self._lock:
            for waiter in self._waiting:
                if member in waiter.topics if is_finish else name in waiter.queue_names:
                    waiter.is_told = is_wanted = True
                    waiter.is_sure = member in waiter.ids if is_finish else member == _DUE
                    waiter.signal.set()
        if not is_wanted:  # who waited for this queue has just left: it is for another process
            self._link.read("give_back", name)


def _pop(connection: Any, keys: Sequence[str]) -> tuple[str, str] | None:  # noqa: ANN401
    """Pop the first entry of one of these ZSETs, waiting for it; ``None`` when there was none in time."""
    connection.send_command("BZPOPMIN", *keys, _BLOCK)
    if not connection.can_read(timeout=_BLOCK + _GRACE):
        raise redis.exceptions.ConnectionError("a blocking read was not answered in time")
    reply: Any = connection.read_response()
    if not reply:
        return None
    return reply[0].decode(), reply[1].decode()
