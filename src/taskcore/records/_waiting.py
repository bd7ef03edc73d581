"""Hints: threads that wait for claimable tasks, or for finishes, are told by the threads of this backend that write.

A waiter is registered before the store is looked at, so nothing that happens in between is missed. What other
processes write is seen by looking again at intervals.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from time import monotonic

from taskcore._signal import Signal
from taskcore.errors import BackendClosed
from taskcore.protocol import Group
from taskcore.records._rows import GroupRow
from taskcore.records._transaction import Transaction

__all__ = ["Waiters", "has_finished", "look_for_tasks"]


_LONGEST_WAIT = 3600.0
"""Seconds after which a wait looks again in any case; the system cannot wait for ever in one go."""


class _Waiter:
    """One thread that waits, and what for."""

    __slots__ = ("ids", "queue_names", "signal")

    def __init__(self, queue_names: frozenset[str], ids: frozenset[str]) -> None:
        self.signal = Signal()
        self.queue_names = queue_names
        self.ids = ids


class Waiters:
    """The threads that wait on one backend object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[_Waiter] = set()
        self._wakes = 0
        self._seen = threading.local()
        self.is_closed = False

    def tell(self, queue_names: Iterable[str], finished: Sequence[str]) -> None:
        """Wake who waits for one of these queues, or for one of these tasks and groups to finish."""
        if not self._waiting:
            return
        names = set(queue_names)
        with self._lock:
            for waiter in self._waiting:
                if not names.isdisjoint(waiter.queue_names) or not waiter.ids.isdisjoint(finished):
                    waiter.signal.set()

    def wake(self) -> None:
        """End all waits. A thread that was just about to wait does not: it is told by its next wait."""
        with self._lock:
            self._wakes += 1
            for waiter in self._waiting:
                waiter.signal.set()

    def close(self) -> None:
        """End all waits, and those that come."""
        self.is_closed = True
        self.wake()

    def wait(
        self,
        look: Callable[[], timedelta | None],
        timeout: timedelta,
        *,
        queue_names: Iterable[str] = (),
        ids: Iterable[str] = (),
    ) -> bool:
        """Wait until ``look`` finds something; return whether it did within ``timeout``, and before a ``wake``.

        ``look`` returns when it wants to look again at the latest; zero: it has found something. It raises
        ``BackendClosed`` when the backend was closed meanwhile, which ends the wait as ``wake`` does.
        """
        deadline = monotonic() + timeout.total_seconds()
        waiter = _Waiter(frozenset(queue_names), frozenset(ids))
        with self._lock:
            wakes = self._wakes
            is_late = getattr(self._seen, "wakes", wakes) != wakes
            self._waiting.add(waiter)
        try:
            while not is_late:
                waiter.signal.clear()
                try:
                    again = look()
                except BackendClosed:
                    return False
                if again is not None and again <= timedelta(0):
                    return True
                left = deadline - monotonic()
                if left <= 0 or self._wakes != wakes:
                    return False
                waiter.signal.wait(min(left, _LONGEST_WAIT, left if again is None else again.total_seconds()))
                is_late = self._wakes != wakes
            return False
        finally:
            with self._lock:
                self._waiting.discard(waiter)
                self._seen.wakes = self._wakes


_NOW = timedelta(0)


def look_for_tasks(tx: Transaction, queue_names: Sequence[str], poll: timedelta | None) -> timedelta | None:
    """Return zero when a task of these queues may be claimable, else how long that can be taken for granted."""
    for name in queue_names:
        queue = tx.queue(name)
        if not queue.is_paused and queue.claimable > 0:
            return _NOW
    if tx.range("owed", (), None, 1):
        return _NOW
    timers = tx.range("timers", (), None, 1)
    if not timers:
        return poll
    until = timedelta(microseconds=max(0, int(timers[0][0]) - tx.now_us))
    return until if poll is None else min(poll, until)


def has_finished(tx: Transaction, ids: Sequence[str]) -> bool:
    """Return whether one of these tasks and groups has finished, or is not there."""
    tx.load("tasks", ids)
    for key in ids:
        task = tx.task(key)
        if task is not None:
            if task.state.is_finished:
                return True
            continue
        row: GroupRow | None = tx.get("groups", key)
        group: Group | None = None if row is None else row.group
        if group is None or group.is_finished:
            return True
    return False
