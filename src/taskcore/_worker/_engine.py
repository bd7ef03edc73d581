"""``Engine``: one run of a worker: its threads, the cycle that watches over them, and how it stops."""

from __future__ import annotations

import logging
from queue import Empty, SimpleQueue

from taskcore._worker._core import Core
from taskcore._worker._executors import Executors
from taskcore._worker._heartbeat import Heartbeat
from taskcore._worker._listener import Listener
from taskcore._worker._stopping import Stopping, WorkerExit
from taskcore._worker._upkeep import Upkeep
from taskcore.errors import WorkerBroken
from taskcore.protocol import Order, WorkerState

__all__ = ["Engine"]

_logger = logging.getLogger("taskcore.worker")

_BUSY_PAUSE, _IDLE_PAUSE = 0.01, 0.5
_FLUSH_AFTER = 0.005
_WAITED_TOO_LONG = 1.0
"""Seconds that a task may lie in the buffer of a worker whose slots are all taken, before it goes back."""


class Engine:
    """Made for one run. ``stop`` may be called from any thread and from a signal handler."""

    def __init__(self, core: Core, *, is_burst: bool, name: str) -> None:
        self._core = core
        self._is_burst = is_burst
        self._pokes: SimpleQueue[None] = SimpleQueue()
        self._is_paused = False
        self._last_head: object = None
        self._is_dozing = False
        self._fault: str | None = None
        core.alarm = self.poke
        self.executors = Executors(core, turn=self.turn, poke=self.poke, fail=self.fail, name=name)
        self.stopping = Stopping(core, self.executors)
        self.listener = Listener(core, self.turn, name)
        self.heartbeat = Heartbeat(core, name)
        self.upkeep = Upkeep(core, state=self._state, obey=self._obey, name=name)

    # From other threads

    def poke(self) -> None:
        """Have the cycle look now."""
        self._pokes.put(None)

    def stop(self, times: int = 1) -> None:
        """Ask for a graceful stop; asked a second time, or ``times=2``: stop at once."""
        self.stopping.ask(times)
        self.poke()

    def fail(self, why: str) -> None:
        """Have the worker stop for a fault that ``run`` raises as ``WorkerBroken``."""
        self._fault = self._fault or why
        self.stop()

    def turn(self) -> None:
        """Settle what is done, claim what there is room for, and hand it on."""
        core = self._core
        core.exchange.run()
        self._hand_on()

    def _hand_on(self) -> None:
        core = self._core
        ready = len(core.holdings.ready) + len(core.holdings.suspects)
        if ready:
            self.executors.wake(core.pace.wakes(ready))
            if self._is_dozing:  # it has to watch what happens to the buffer
                self._is_dozing = False
                self.poke()
        if core.holdings.coroutines or core.holdings.suspects:
            self.executors.feed_loop()
        self._have_listened()

    def _have_listened(self) -> None:
        """Let the listener wait for hints while there are slots to fill and nothing left to claim for them."""
        core = self._core
        if core.exchange.is_exhausted and core.intake.has_idle_slots:
            self.listener.hungry.set()
        else:
            self.listener.hungry.clear()

    def _state(self) -> WorkerState:
        if self.stopping.has_begun:
            return WorkerState.STOPPING
        return WorkerState.PAUSED if self._is_paused else WorkerState.RUNNING

    def _obey(self, order: Order) -> None:
        if order is Order.STOP:
            if not self.stopping.is_asked:
                _logger.info("The worker was ordered to stop.")
                self.stop()
        elif not self.stopping.has_begun and (order is Order.PAUSE) is not self._is_paused:
            self._is_paused = order is Order.PAUSE
            self._core.intake.is_claiming = not self._is_paused
            self._core.exchange.is_exhausted = False
            _logger.info("The worker was ordered to %s.", "pause" if self._is_paused else "go on")
            self.poke()

    # The cycle, in the thread that called ``run``

    def run(self) -> WorkerExit:
        """Work until stopped, or in burst mode until nothing is left; return how it ended."""
        self.executors.start()
        for part in (self.heartbeat, self.upkeep, self.listener):
            part.start()
        try:
            self.turn()
            while not self._is_done():
                self._tend(is_poked=self._sleep())
        except BaseException:
            self.stopping.leave()
            raise
        finally:
            self._shut()
        if self._fault is not None:
            raise WorkerBroken(self._fault)
        return self.stopping.verdict()

    def _sleep(self) -> bool:
        """Wait until poked, or it is time to look; return whether it was poked."""
        pause = self._pause()
        self._is_dozing = pause > _BUSY_PAUSE
        try:
            self._pokes.get(timeout=pause)
            while not self._pokes.empty():
                self._pokes.get_nowait()
        except Empty:
            return False
        return True

    def _pause(self) -> float:
        """Return how long the cycle may sleep unless poked."""
        core = self._core
        if core.exchange.outbox or core.holdings.buffered or self.stopping.has_begun:
            return _BUSY_PAUSE
        pause = _IDLE_PAUSE if not self._is_burst else 0.05
        now = core.surroundings.monotonic()
        for held in list(core.holdings.running.values()):
            when = held.next_limit()
            if when is not None:
                pause = min(pause, max(0.0, when - now))
        return pause

    def _tend(self, *, is_poked: bool) -> None:
        core = self._core
        self.stopping.heed()
        self._mind_limits()
        now = core.surroundings.monotonic()
        if self._is_turn_due(now, is_poked=is_poked):
            self.turn()
        self._mind_buffer(now)
        self._have_listened()
        if core.holdings.suspects:  # START could not be written, or something else was buffered
            self.executors.wake(1)
        if core.holdings.coroutines or core.holdings.suspects:
            self.executors.feed_loop()

    def _is_turn_due(self, now: float, *, is_poked: bool) -> bool:
        core, exchange = self._core, self._core.exchange
        if now < exchange.retry_at:
            return False
        if exchange.has_unknown_claim:
            return True
        if exchange.outbox and (is_poked or now - exchange.outbox[0].posted >= _FLUSH_AFTER):
            return True
        return not core.holdings.buffered and core.is_worth_a_turn

    def _mind_buffer(self, now: float) -> None:
        """Wake more threads for what stays in the buffer, and give back what would wait long."""
        core = self._core
        head = core.holdings.head()
        if head is None:
            self._last_head = None
            return
        if self.stopping.has_begun:
            self.stopping.give_back()
            self.turn()
        elif head is self._last_head:
            if self.executors.idle and core.slots.has_free:
                self.executors.wake(core.holdings.buffered)
            elif now - head.received > _WAITED_TOO_LONG:
                core.pace.note_wait()
                core.settling.give_back_buffered("it would have waited for a slot of this worker")
                self.turn()
        self._last_head = head

    def _mind_limits(self) -> None:
        core = self._core
        now = core.surroundings.monotonic()
        lost = 0
        for held in list(core.holdings.running.values()):
            held.mind_limits(now)
            lost += held.is_abandoned
        self.stopping.retire_if_lost(lost)

    # The end

    def _is_done(self) -> bool:
        """Return whether the run is over: it was stopped and all is settled, or nothing is left in burst mode."""
        if self.stopping.has_begun:
            return self.stopping.is_over()
        return self._is_burst and self._is_empty() and self._is_store_empty()

    def _is_empty(self) -> bool:
        exchange = self._core.exchange
        return not self._core.holdings.all and exchange.is_exhausted and not exchange.has_unknown_claim

    def _is_store_empty(self) -> bool:
        """Claim once more, now that nothing runs: what the last tasks enqueued was perhaps not seen."""
        self.turn()
        return self._is_empty() and not self._core.exchange.is_away

    def _shut(self) -> None:
        """Stop all threads but those whose tasks still run."""
        core = self._core
        core.intake.is_claiming = False
        self.listener.stop()
        self.upkeep.stop()
        self.executors.close()
        if core.exchange.outbox:
            core.exchange.run()
        self.heartbeat.stop(linger=bool(core.holdings.all))
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        try:
            self.upkeep.last_beat()
        except Exception as error:
            _logger.debug("The last beat was not stored (%s).", error)
