"""The listener thread: waits for the store's hint that there is something to claim, while the worker has room."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from taskcore._worker._core import Core
from taskcore.errors import BackendClosed
from taskcore.protocol import Capability

__all__ = ["Listener"]

_logger = logging.getLogger("taskcore.worker")
_VAIN_HINTS = 50
"""Hints in a row that led to nothing, before the next one is not followed at once."""
_LONGEST_REST = 0.05
"""Seconds between hints that lead to nothing: as many claims drain what a finish owes to thousands of dependents."""
_ASIDE = 0.0001
"""Seconds off after a claim: a thread that was woken for a task needs the interpreter before this one does."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


class Listener:
    """Waits in the store while ``hungry`` is set; then has the worker claim. Hints are hints: it also polls."""

    def __init__(self, core: Core, turn: Callable[[], None], name: str) -> None:
        self._core = core
        self._turn = turn
        self._end = threading.Event()
        self._can_wait = Capability.WAIT in core.backend.capabilities
        self._failures = 0
        self._vain = 0
        self.hungry = threading.Event()
        """There is room, and the last claim left nothing behind."""
        self.thread = threading.Thread(target=self._live, name=f"{name}-listener", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def stop(self) -> None:
        """Stop, and end a wait in the store."""
        self._end.set()
        self.hungry.set()
        with contextlib.suppress(Exception):  # a store that is gone keeps nobody waiting
            self._core.backend.wake()

    def sate(self) -> None:
        """Let it wait no more in the store until ``hungry`` is set again."""
        self.hungry.clear()
        if self._end.is_set():  # ``stop`` was first: what it set was cleared just now
            self.hungry.set()

    def _live(self) -> None:
        while True:
            self.hungry.wait()
            if self._end.is_set():
                return
            try:
                self._wait(self._core.settings.poll_interval)
            except BackendClosed as error:
                self._core.exchange.closed = error
                self._core.alarm()
                return
            except Exception as error:
                self._pause(error)
                continue
            self._failures = 0
            if self._end.is_set():
                return
            self._turn()
            self._rest_after_nothing()

    def _wait(self, timeout: timedelta) -> None:
        if self._can_wait:
            self._core.backend.wait(self._core.settings.queue_names, timeout)
        else:
            self._end.wait(timeout.total_seconds())

    def _rest_after_nothing(self) -> None:
        """Wait a little when hints keep coming and there is still nothing to claim: never spin."""
        if not self._core.exchange.is_empty_handed:
            self._vain = 0
            time.sleep(_ASIDE)
            return
        self._vain += 1
        if self._vain > _VAIN_HINTS:
            self._end.wait(min(_LONGEST_REST, 0.001 * 2.0 ** min(self._vain - _VAIN_HINTS, 10)))

    def _pause(self, error: Exception) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        if self._failures == 1:
            _logger.warning("Waiting for tasks failed (%s: %s).", type(error).__name__, error)
        self._end.wait(pause * (0.5 + 0.5 * self._core.random.random()))
