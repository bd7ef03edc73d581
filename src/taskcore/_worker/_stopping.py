"""``Stopping``: how a run of a worker comes to its end, stage by stage."""

from __future__ import annotations

import logging
from enum import Enum

from taskcore._policy import GivenBack
from taskcore._worker._core import Core
from taskcore._worker._executors import Executors

__all__ = ["Stopping", "WorkerExit"]

_logger = logging.getLogger("taskcore.worker")
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
    """Nothing is claimed; what runs has the grace to end."""
    LEAVING = "leaving"
    """What can be killed is killed; only last words to the store are waited for."""


class Stopping:
    """Asked by signals, orders and faults; heeded by the cycle, which calls all but ``ask``."""

    def __init__(self, core: Core, executors: Executors) -> None:
        self._core = core
        self._executors = executors
        self._stage = _Stage.RUNNING
        self._ends = float("inf")
        self._asked = 0
        self._is_retired = False

    def ask(self, times: int = 1) -> None:
        """Ask for a graceful stop; a second time: at once. Takes no lock: signal handlers call it."""
        self._asked += times

    @property
    def is_asked(self) -> bool:
        """Whether a stop has been asked for."""
        return self._asked > 0

    @property
    def has_begun(self) -> bool:
        """Whether the worker is stopping."""
        return self._stage is not _Stage.RUNNING

    def heed(self) -> None:
        """Go on to the next stage, if it is time."""
        core = self._core
        now = core.surroundings.monotonic()
        if core.exchange.closed is not None and self._stage is not _Stage.LEAVING:
            self.leave()
        if self._asked and self._stage is _Stage.RUNNING:
            self._stage = _Stage.STOPPING
            self._ends = now + core.settings.grace.total_seconds()
            core.intake.is_claiming = core.intake.is_starting = False
            given = self.give_back()
            _logger.info(
                "The worker stops: %d unstarted tasks go back, %d running ones have %s.",
                given,
                len(core.holdings.running),
                core.settings.grace,
            )
            core.exchange.run()
        if self._stage is _Stage.STOPPING and (self._asked > 1 or now >= self._ends):
            self.leave()

    def give_back(self) -> int:
        """Release what has not been started; return how many."""
        return self._core.settling.give_back_buffered("the worker is stopping")

    def leave(self) -> None:
        """Give up what still runs: kill children, cancel coroutines; threads are left to themselves."""
        core = self._core
        self._stage = _Stage.LEAVING
        self._ends = core.surroundings.monotonic() + _LEAVE_WITHIN
        core.intake.is_claiming = core.intake.is_starting = False
        self.give_back()
        running = len(core.holdings.running)
        if running:
            _logger.warning("The worker leaves %d tasks that still run.", running)
        self._executors.kill(GivenBack("the worker was stopped", has_begun=True))
        core.exchange.run()

    def retire_if_lost(self, lost: int) -> None:
        """Ask for a stop when half of the slots are lost to runs that nobody can end."""
        slots = self._core.settings.concurrency
        if not lost or lost * 2 < slots or self._asked:
            return
        _logger.error(
            "The worker retires: %d of its %d slots are lost to tasks that overran their timeout.", lost, slots
        )
        self._is_retired = True
        self.ask()

    def is_over(self) -> bool:
        """Return whether nothing is left to wait for, now that the worker is stopping."""
        core = self._core
        if self._stage is _Stage.STOPPING:
            return not core.holdings.all and not core.exchange.has_unknown_claim
        if core.exchange.closed is not None or core.surroundings.monotonic() >= self._ends:
            return True
        return not (core.exchange.outbox or core.holdings.buffered or self._executors.has_killable)

    def verdict(self) -> WorkerExit:
        """Return how the run has ended."""
        core = self._core
        if core.exchange.closed is not None:
            return WorkerExit.CLOSED
        if self._is_retired:
            return WorkerExit.RETIRED
        return WorkerExit.UNFINISHED if core.holdings.all else WorkerExit.FINISHED
