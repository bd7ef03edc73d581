"""``Engine``: one run of a worker: its threads, the cycle that watches over them, and how it stops."""

from __future__ import annotations

import logging
from enum import Enum
from queue import Empty, SimpleQueue

from taskcore._policy import GivenBack
from taskcore._worker._core import Core
from taskcore._worker._executors import Executors
from taskcore._worker._heartbeat import Heartbeat
from taskcore._worker._listener import Listener
from taskcore._worker._upkeep import Upkeep
from taskcore.errors import WorkerBroken
from taskcore.protocol import Order, WorkerState

__all__ = ["Engine", "WorkerExit"]

_logger = logging.getLogger("taskcore.worker")

_BUSY_PAUSE, _IDLE_PAUSE = 0.01, 0.5
_FLUSH_AFTER = 0.005
_WAITED_TOO_LONG = 1.0
"""Seconds that a task may lie in the buffer of a worker whose slots are all taken, before it goes back."""
_LEAVE_WITHIN = 5.0
"""Seconds for the last words to the store, once running tasks have been given up."""


class WorkerExit(Enum):
    """How a run of a worker ended. ``code`` is for ``sys.exit``."""

    FINISHED = "finished"
    """Stopped, or nothing left in burst mode; whatever it had begun is settled."""
    UNFINISHED = "unfinished"
    """Stopped while tasks ran that did not end within the grace: their leases lapse, unless they still end."""
    RETIRED = "retired"
    """Half of its threads were lost to tasks that overran their timeout: start the process anew."""
    CLOSED = "closed"
    """Its backend was closed under it."""

    @property
    def code(self) -> int:
        """0 when nothing is wrong, else what tells a supervisor to look or to start again; as the command line ends."""
        return {"finished": 0, "unfinished": 5, "retired": 75, "closed": 3}[self.value]


class _Stage(Enum):
    RUNNING = "running"
    STOPPING = "stopping"
    LEAVING = "leaving"


class Engine:
    """Made for one run. ``stop`` may be called from any thread and from a signal handler."""

    def __init__(self, core: Core, *, is_burst: bool, name: str) -> None:
        self._core = core
        self._is_burst = is_burst
        self._pokes: SimpleQueue[None] = SimpleQueue()
        self._stops = 0
        self._stage = _Stage.RUNNING
        self._stage_ends = float("inf")
        self._is_paused = False
        self._is_retired = False
        self._last_head: object = None
        self._is_dozing = False
        self._fault: str | None = None
        core.alarm = self.poke
        self.executors = Executors(core, turn=self.turn, poke=self.poke, fail=self.fail, name=name)
        self.listener = Listener(core, self.turn, name)
        self.heartbeat = Heartbeat(core, name)
        self.upkeep = Upkeep(core, state=self._state, obey=self._obey, name=name)

    # From other threads

    def poke(self) -> None:
        """Have the cycle look now."""
        self._pokes.put(None)

    def stop(self, times: int = 1) -> None:
        """Ask for a graceful stop; asked a second time, or ``times=2``: stop at once."""
        self._stops += times
        self._pokes.put(None)

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
        if core.exchange.is_exhausted and core.intake.has_idle_slots:
            self.listener.hungry.set()
        else:
            self.listener.hungry.clear()

    def _state(self) -> WorkerState:
        if self._stage is not _Stage.RUNNING:
            return WorkerState.STOPPING
        return WorkerState.PAUSED if self._is_paused else WorkerState.RUNNING

    def _obey(self, order: Order) -> None:
        if order is Order.STOP:
            if not self._stops:
                _logger.info("The worker was ordered to stop.")
                self.stop()
        elif self._stage is _Stage.RUNNING and (order is Order.PAUSE) is not self._is_paused:
            self._is_paused = order is Order.PAUSE
            self._core.intake.is_claiming = not self._is_paused
            self._core.exchange.is_exhausted = False
            _logger.info("The worker was ordered to %s.", "pause" if self._is_paused else "go on")
            self.poke()

    # The cycle, in the thread that called ``run``

    def run(self) -> WorkerExit:
        """Work until stopped, or in burst mode until nothing is left; return how it ended."""
        core = self._core
        self.executors.start()
        for part in (self.heartbeat, self.upkeep, self.listener):
            part.start()
        try:
            self.turn()
            while not self._is_done():
                self._tend(is_poked=self._sleep())
        except BaseException:
            self._leave()
            raise
        finally:
            self._shut()
        if self._fault is not None:
            raise WorkerBroken(self._fault)
        if core.exchange.closed is not None:
            return WorkerExit.CLOSED
        if core.holdings.running or core.exchange.outbox:
            return WorkerExit.RETIRED if self._is_retired else WorkerExit.UNFINISHED
        return WorkerExit.RETIRED if self._is_retired else WorkerExit.FINISHED

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
        if core.exchange.outbox or core.holdings.buffered or self._stage is not _Stage.RUNNING:
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
        self._heed_stops()
        self._mind_limits()
        now = core.surroundings.monotonic()
        if self._is_turn_due(now, is_poked=is_poked):
            self.turn()
        self._mind_buffer(now)
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
        if self._stage is not _Stage.RUNNING:
            core.settling.give_back_buffered("the worker is stopping")
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
        if lost * 2 >= core.settings.concurrency and lost and not self._stops:
            _logger.error(
                "The worker retires: %d of its %d slots are lost to tasks that overran their timeout.",
                lost,
                core.settings.concurrency,
            )
            self._is_retired = True
            self.stop()

    # Stopping

    def _heed_stops(self) -> None:
        core = self._core
        now = core.surroundings.monotonic()
        if core.exchange.closed is not None and self._stage is not _Stage.LEAVING:
            self._leave()
        if self._stops and self._stage is _Stage.RUNNING:
            self._stage = _Stage.STOPPING
            self._stage_ends = now + core.settings.grace.total_seconds()
            core.intake.is_claiming = False
            given = core.settling.give_back_buffered("the worker is stopping")
            _logger.info(
                "The worker stops: %d unstarted tasks go back, %d running ones have %s.",
                given,
                len(core.holdings.running),
                core.settings.grace,
            )
            self.turn()
        if self._stage is _Stage.STOPPING and (self._stops > 1 or now >= self._stage_ends):
            self._leave()

    def _leave(self) -> None:
        """Give up what still runs: kill children, cancel coroutines; threads are left to themselves."""
        core = self._core
        self._stage = _Stage.LEAVING
        self._stage_ends = core.surroundings.monotonic() + _LEAVE_WITHIN
        core.intake.is_claiming = False
        core.settling.give_back_buffered("the worker is stopping")
        running = len(core.holdings.running)
        if running:
            _logger.warning("The worker leaves %d tasks that still run.", running)
        self.executors.kill(GivenBack("the worker was stopped"))
        self.turn()

    def _is_done(self) -> bool:
        core = self._core
        holdings, exchange = core.holdings, core.exchange
        if self._stage is _Stage.LEAVING:
            is_over = core.surroundings.monotonic() >= self._stage_ends or exchange.closed is not None
            return is_over or not (exchange.outbox or self.executors.has_killable)
        is_empty = not (holdings.running or holdings.buffered or exchange.outbox or exchange.has_unknown_claim)
        if self._stage is _Stage.STOPPING:
            return is_empty
        return self._is_burst and is_empty and exchange.is_exhausted and self._is_store_empty()

    def _is_store_empty(self) -> bool:
        """Claim once more, now that nothing runs: what the last tasks enqueued was perhaps not seen."""
        self.turn()
        core = self._core
        return not core.holdings.all and core.exchange.is_exhausted and not core.exchange.is_away

    def _shut(self) -> None:
        """Stop all threads but those whose tasks still run."""
        core = self._core
        core.intake.is_claiming = False
        self.listener.stop()
        self.upkeep.stop()
        self.executors.close()
        self.heartbeat.stop(linger=bool(core.holdings.running))
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        try:
            self.upkeep.last_beat()
        except Exception as error:
            _logger.debug("The last beat was not stored (%s).", error)
