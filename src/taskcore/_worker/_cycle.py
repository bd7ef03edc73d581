"""``Cycle``: what the thread that called ``run`` does, again and again: it looks after what nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

from taskcore._worker._core import Core
from taskcore._worker._executors import Executors
from taskcore._worker._hold import Held
from taskcore._worker._listener import Listener
from taskcore._worker._stopping import Stopping

__all__ = ["Cycle"]

_BUSY_PAUSE, _IDLE_PAUSE, _BURST_PAUSE = 0.01, 0.5, 0.05
_WAITED_TOO_LONG = 1.0
"""Seconds that a task may lie in the buffer of a worker whose slots are all taken, before it goes back."""


class Cycle:
    """Timeouts, outcomes and buffered tasks that are left lying, threads to be woken, stops to be heeded."""

    def __init__(
        self,
        core: Core,
        executors: Executors,
        stopping: Stopping,
        listener: Listener,
        *,
        turn: Callable[[], None],
        is_burst: bool,
    ) -> None:
        self._core = core
        self._executors = executors
        self._stopping = stopping
        self._listener = listener
        self._turn = turn
        self._longest_pause = _BURST_PAUSE if is_burst else _IDLE_PAUSE
        self._pokes: SimpleQueue[bool] = SimpleQueue()
        """Whether what is in the outbox should be sent."""
        self._is_dozing = False
        self._last_head: Held | None = None

    def poke(self) -> None:
        """Have the cycle look now. Takes no lock: signal handlers call it."""
        self._pokes.put(True)

    def expect_tasks(self) -> None:
        """Have the cycle watch what becomes of tasks that were put into the buffer."""
        if self._is_dozing:
            self._is_dozing = False
            self._pokes.put(False)

    def look(self) -> None:
        """Wait until there is something to look after, and do it."""
        is_urged = self._sleep()
        core = self._core
        self._stopping.heed()
        self._mind_limits()
        now = core.surroundings.monotonic()
        if self._is_turn_due(now, is_urged=is_urged):
            self._turn()
        self._mind_buffer(now)
        self.mind_listener()
        self.have_someone_listen()
        if core.holdings.suspects:  # START could not be written, or something else was buffered
            self._executors.wake(1)
        if core.holdings.coroutines or core.holdings.suspects:
            self._executors.feed_loop()

    def _sleep(self) -> bool:
        """Wait until poked, or it is time to look; return whether what is in the outbox should be sent."""
        pause = self._pause()
        self._is_dozing = pause > _BUSY_PAUSE
        is_urged = False
        try:
            is_urged = self._pokes.get(timeout=pause)
            while not self._pokes.empty():
                is_urged |= self._pokes.get_nowait()
        except Empty:
            pass
        return is_urged

    def _pause(self) -> float:
        """Return how long the cycle may sleep unless poked."""
        core = self._core
        if core.exchange.outbox or core.holdings.buffered or self._stopping.has_begun:
            return _BUSY_PAUSE
        pause = self._longest_pause
        now = core.surroundings.monotonic()
        for held in list(core.holdings.running.values()):
            when = held.next_limit()
            if when is not None:
                pause = min(pause, max(0.0, when - now))
        return pause

    def _is_turn_due(self, now: float, *, is_urged: bool) -> bool:
        """Return whether nobody else will ask the store in time.

        A thread that runs short tasks sends their outcomes itself, and while it does no second one waits for its turn:
        two that take turns only get into each other's way.
        """
        core, exchange = self._core, self._core.exchange
        if now < exchange.retry_at:
            return False
        if is_urged and exchange.outbox:
            return True
        if exchange.is_busy:
            return False
        if exchange.has_unknown_claim or core.settling.is_left_lying(now):
            return True
        return not core.holdings.buffered and core.is_worth_a_turn

    def _mind_buffer(self, now: float) -> None:
        """Wake more threads for what stays in the buffer, and give back what would wait long."""
        core = self._core
        head = core.holdings.head()
        if head is None:
            self._last_head = None
            return
        if self._stopping.has_begun:
            self._stopping.give_back()
            self._turn()
        elif head is self._last_head:
            if self._executors.idle and core.slots.has_free:
                self._executors.wake(core.holdings.buffered)
            elif now - head.received > _WAITED_TOO_LONG:
                core.pace.note_wait()
                core.settling.give_back_buffered("it would have waited for a slot of this worker")
                self._turn()
        self._last_head = head

    def _mind_limits(self) -> None:
        core = self._core
        now = core.surroundings.monotonic()
        lost = 0
        for held in list(core.holdings.running.values()):
            held.mind_limits(now)
            lost += held.is_abandoned
        self._stopping.retire_if_lost(lost)

    def mind_listener(self) -> None:
        """Let the listener wait for hints while there are slots to fill and nothing left to claim for them."""
        core = self._core
        if core.exchange.is_exhausted and core.intake.has_idle_slots:
            self._listener.hungry.set()
        else:
            self._listener.sate()

    def have_someone_listen(self) -> None:
        """Wake a thread for that, if none has found out by itself."""
        if self._listener.is_wanted:
            self._executors.wake(1)
