"""Waiting for claimable tasks and for finishes: hints from this process at once, from others by NOTIFY or by polling.

A thread that waits looks at the store, and again when somebody has told it to, and in any case after a while: soon
where nobody can tell it from outside, later where a listener does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from taskcore_backends.django._forks import watch_forks

__all__ = ["Listening", "Waiter", "Waiting"]

_NOW = timedelta(0)
_FIRST_LOOK = 0.005
"""Seconds after which a thread that nobody can tell looks again for the first time; then twice that, and so on."""
_MANY = 64


class Waiter:
    """One thread that waits, and what for."""

    __slots__ = ("event", "ids", "is_told", "queue_names")

    def __init__(self, queue_names: Sequence[str], ids: Sequence[str]) -> None:
        self.event = threading.Event()
        self.queue_names = frozenset(queue_names)
        self.ids = frozenset(ids)
        self.is_told = False
        """What it waits for has happened: no need to look."""


class Listening(Protocol):
    """What hears other processes."""

    def listen_for(self, waiter: Waiter) -> float:
        """See to it that others are heard; return after how many seconds to look again in any case."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...

    def begin_anew(self) -> None:
        """In a process that was forked: nobody listens yet."""
        ...


class Waiting:
    """The threads of this process that wait on one backend."""

    def __init__(self, poll_interval: timedelta) -> None:
        self.poll = poll_interval.total_seconds()
        """Seconds between two looks of a thread that nobody can tell."""
        self._lock = threading.Lock()
        self._waiting: set[Waiter] = set()
        self._wakes = 0
        self._seen = threading.local()
        self.listening: Listening | None = None
        watch_forks(self)

    def begin_anew(self) -> None:
        """In a process that was forked: the threads that waited are not here, nor is the one that listened."""
        self._lock = threading.Lock()
        self._waiting = set()
        if self.listening is not None:
            self.listening.begin_anew()

    def waiters(self) -> list[Waiter]:
        """Return who waits now."""
        with self._lock:
            return list(self._waiting)

    def tell(self, queue_names: Iterable[str], finished: Sequence[str]) -> None:
        """Wake who waits in this process for one of these queues, or for one of these to finish."""
        if not self._waiting:
            return
        names = set(queue_names)
        for waiter in self.waiters():
            if not names.isdisjoint(waiter.queue_names) or not waiter.ids.isdisjoint(finished):
                waiter.is_told = True
                waiter.event.set()

    def look_again(self) -> None:
        """Have all who wait look at the store: something may have happened."""
        for waiter in self.waiters():
            waiter.event.set()

    def wake(self) -> None:
        """End all waits. A thread that was just about to wait does not: it is told by its next wait."""
        with self._lock:
            self._wakes += 1
            for waiter in self._waiting:
                waiter.event.set()

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
        waiter = Waiter(queue_names, ids)
        pause = _FIRST_LOOK
        with self._lock:
            wakes = self._wakes
            is_late = getattr(self._seen, "wakes", wakes) != wakes
            self._waiting.add(waiter)
        try:
            while not is_late:
                waiter.event.clear()
                if waiter.is_told:
                    return True
                again = look()
                if again is not None and again <= _NOW:
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or self._wakes != wakes:
                    return False
                if self.listening is None:
                    longest, pause = pause, min(2 * pause, self.poll)
                else:
                    longest = self.listening.listen_for(waiter)
                waiter.event.wait(min(left, longest, left if again is None else again.total_seconds()))
                is_late = self._wakes != wakes
                if not waiter.is_told and len(waiter.ids) > _MANY:
                    time.sleep(0.005)  # a look at so many is dear: not at each finish of a busy store
            return False
        finally:
            with self._lock:
                self._waiting.discard(waiter)
                self._seen.wakes = self._wakes

    def close(self) -> None:
        """End all waits, and stop listening."""
        self.wake()
        if self.listening is not None:
            self.listening.close()
