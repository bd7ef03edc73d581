"""``Listener``: one thread of the worker waits for the store's hint that there is something to claim.

It is a thread that would be idle: told of a task, it claims it and runs it, with no second thread to be woken in
between, while another idle one takes its place ("leader and followers"). A worker without such threads, since all of
its tasks are async, has one for this alone.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable

from taskcore._signal import Signal
from taskcore._worker._core import Core
from taskcore._worker._hold import Held
from taskcore.errors import BackendClosed
from taskcore.protocol import Capability

__all__ = ["Listener"]

_logger = logging.getLogger("taskcore.worker")
_VAIN_HINTS = 50
"""Hints in a row that led to nothing, before the next one is not followed at once."""
_LONGEST_REST = 0.05
"""Seconds between hints that lead to nothing: as many claims drain what a finish owes to thousands of dependents."""
_ASIDE = 0.0001
"""Seconds off after a claim for others: a thread that was woken for a task needs the interpreter before this one."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_ENDS_WITHIN = 1.0
"""Seconds in which a wait in the store is ended."""


class Listener:
    """Waits in the store while ``hungry`` is set; then has the worker claim. Hints are hints: it also polls."""

    def __init__(self, core: Core, turn: Callable[[], None], name: str) -> None:
        self._core = core
        self._turn = turn
        self._end = threading.Event()
        self._seat = threading.Lock()
        """Whoever has it listens."""
        self._can_wait = Capability.WAIT in core.backend.capabilities
        self._failures = 0
        self._vain = 0
        self._is_interrupted = False
        self._interrupted = Signal()
        self.is_waiting = False
        """Whether a thread is in a wait that ``interrupt`` ends."""
        self.hungry = threading.Event()
        """There is room, and the last claim left nothing behind."""
        self.thread: threading.Thread | None = None
        """The thread that does nothing else, where no other could."""
        if all(job.is_async for job in core.jobs.values()):
            self.thread = threading.Thread(target=self._live, name=f"{name}-listener", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is one."""
        if self.thread is not None:
            self.thread.start()

    def stop(self) -> None:
        """Stop, and end a wait in the store."""
        self._end.set()
        self.hungry.set()
        until = time.monotonic() + _ENDS_WITHIN
        while time.monotonic() < until:  # again, since a thread may have been just about to wait
            self.interrupt()
            if self._seat.acquire(timeout=0.02):
                self._seat.release()
                return

    def sate(self) -> None:
        """Let nobody wait in the store until ``hungry`` is set again."""
        self.hungry.clear()
        if self._end.is_set():  # ``stop`` was first: what it set was cleared just now
            self.hungry.set()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody should listen, and nobody does."""
        return self.hungry.is_set() and not (self._seat.locked() or self._is_over)

    @property
    def _is_over(self) -> bool:
        return self._end.is_set() or self._core.exchange.closed is not None

    def interrupt(self) -> None:
        """Have the thread that listens come back: there is something else for it to do."""
        self._is_interrupted = True
        self._interrupted.set()
        with contextlib.suppress(Exception):  # a store that is gone keeps nobody waiting
            self._core.backend.wake()

    def listen(self, take: Callable[[], Held | None]) -> Held | None:
        """Wait for hints and claim, until ``take`` gets a task, and return that.

        ``None``: another thread listens, or nobody is to any more, or ``interrupt`` was called.
        """
        if not self._seat.acquire(blocking=False):
            return None
        try:
            self._is_interrupted = False
            self._interrupted.clear()
            while self.hungry.is_set() and not self._is_over:
                is_told = self._wait()
                if self._is_interrupted:
                    return None
                if not is_told:
                    continue
                self._turn()
                held = take()
                if held is not None:
                    self._vain = 0
                    return held
                self._rest_after_nothing()
            return None
        finally:
            self._seat.release()

    def _live(self) -> None:
        while not self._is_over:
            self.hungry.wait()
            self.listen(lambda: None)

    def _wait(self) -> bool:
        """Wait for a hint, or the time to look without one; return False when the store failed."""
        timeout = self._core.settings.poll_interval
        self.is_waiting = True
        try:
            if self._can_wait:
                self._core.backend.wait(self._core.settings.queue_names, timeout)
            else:
                self._interrupted.wait(timeout.total_seconds())
        except BackendClosed as error:
            self._core.exchange.closed = error
            self._core.alarm()
            return False
        except Exception as error:
            self._pause(error)
            return False
        finally:
            self.is_waiting = False
        self._failures = 0
        return not self._end.is_set()

    def _rest_after_nothing(self) -> None:
        """Let others begin what was claimed for them. When hints keep coming and nothing is claimed: never spin."""
        if not self._core.exchange.is_empty_handed:
            self._vain = 0
            time.sleep(_ASIDE)
            return
        self._vain += 1
        if self._vain > _VAIN_HINTS:
            self._interrupted.wait(min(_LONGEST_REST, 0.001 * 2.0 ** min(self._vain - _VAIN_HINTS, 10)))

    def _pause(self, error: Exception) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        if self._failures == 1:
            _logger.warning("Waiting for tasks failed (%s: %s).", type(error).__name__, error)
        self._interrupted.wait(pause * (0.5 + 0.5 * self._core.random.random()))
