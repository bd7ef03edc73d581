"""``Engine``: one run of a worker: its parts, joined."""

from __future__ import annotations

import logging

from taskcore._worker._core import Core
from taskcore._worker._cycle import Cycle
from taskcore._worker._executors import Executors
from taskcore._worker._heartbeat import Heartbeat
from taskcore._worker._listener import Listener
from taskcore._worker._memory import CAN_TELL, resident_memory
from taskcore._worker._owing import Owing
from taskcore._worker._stopping import Stopping, WorkerExit
from taskcore._worker._upkeep import Upkeep
from taskcore.errors import WorkerBroken
from taskcore.protocol import Order, WorkerState

__all__ = ["Engine"]

_logger = logging.getLogger("taskcore.worker")
_TOLD_WITHIN = 5.0
"""Seconds that hooks and the log have for the last outcomes, before the run ends without them."""


class Engine:
    """Made for one run. ``stop`` may be called from any thread and from a signal handler."""

    def __init__(self, core: Core, *, is_burst: bool, name: str) -> None:
        self._core = core
        self._is_burst = is_burst
        self._is_paused = False
        self._fault: str | None = None
        self.listener = Listener(core, self._turn_of_taker, name)
        self.executors = Executors(
            core, self.listener, turn=self._turn_of_taker, poke=self.poke, fail=self.fail, name=name
        )
        self.stopping = Stopping(core, self.executors)
        self.cycle = Cycle(core, self.executors, self.stopping, self.listener, turn=self.turn, is_burst=is_burst)
        core.alarm = self.cycle.poke
        self.heartbeat = Heartbeat(core, name)
        self.owing = Owing(core.backend, core.settings.queue_names)
        self.upkeep = Upkeep(core, state=self._state, obey=self._obey, memory=self._memory, name=name)

    # From other threads

    def poke(self) -> None:
        """Have the cycle look now."""
        self.cycle.poke()

    def stop(self, times: int = 1) -> None:
        """Ask for a graceful stop; asked a second time, or ``times=2``: stop at once."""
        self.stopping.ask(times)
        self.poke()

    def fail(self, why: str) -> None:
        """Have the worker stop for a fault that ``run`` raises as ``WorkerBroken``."""
        if self._fault is None:
            self._fault = why
            self.stop()

    def turn(self) -> None:
        """Settle what is done, claim what there is room for, and hand it on."""
        self._core.exchange.run()
        self._hand_on(0)
        self.cycle.have_someone_listen()

    def _turn_of_taker(self) -> None:
        """Do the same in a thread that then takes one of the tasks."""
        self._core.exchange.run()
        self._hand_on(1)

    def _hand_on(self, awake: int) -> None:
        """Wake threads for the tasks that are ready; ``awake`` of those that will take one are so already."""
        core = self._core
        ready = len(core.holdings.ready) + len(core.holdings.suspects)
        if ready:
            wanted = core.pace.wakes(ready) - awake
            if wanted > 0:
                awake += self.executors.wake(wanted)
            if awake < ready or core.holdings.suspects or core.slots.is_shared:
                self.cycle.expect_tasks()
        if core.holdings.coroutines or core.holdings.suspects:
            self.executors.feed_loop()
        self.cycle.mind_listener()

    def _state(self) -> WorkerState:
        if self.stopping.has_begun:
            return WorkerState.STOPPING
        return WorkerState.PAUSED if self._is_paused else WorkerState.RUNNING

    def _memory(self) -> int | None:
        return resident_memory() + self.executors.memory if CAN_TELL else None

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
                self.cycle.look()
        except BaseException:
            self.stopping.leave()
            raise
        finally:
            self._shut()
        if self._fault is not None:
            raise WorkerBroken(self._fault)
        return self.stopping.verdict()

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
        while self._is_empty() and not self._core.exchange.is_away and not self.stopping.is_asked:
            if not self._expects_more():
                return True
            self.turn()
        return False

    def _expects_more(self) -> bool:
        try:
            return self.owing.expects_more()
        except Exception as error:  # drivers raise what they like, and the claim has just found nothing
            _logger.debug("The store could not be asked whether it has more (%s).", error)
            return False

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
        if not core.exchange.wait_for_reports(_TOLD_WITHIN):
            _logger.warning("A hook has not come back in %.0f s; the worker does not wait for it.", _TOLD_WITHIN)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        try:
            self.upkeep.last_beat()
        except Exception as error:
            _logger.debug("The last beat was not stored (%s).", error)
