"""``Signal``: how one thread that waits is told."""

from __future__ import annotations

import threading

__all__ = ["Signal"]


class Signal:
    """Ends the wait of one thread, once for any number of ``set``; the wait takes it back.

    One lock of the system, where ``threading.Event`` makes a condition and a lock for each wait: a thread that slept
    starts in half the time.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """End the wait, or the next one."""
        try:
            self._lock.release()
        except RuntimeError:
            """It is set already."""

    def clear(self) -> None:
        """Forget what was set."""
        self._lock.acquire(blocking=False)

    def wait(self, seconds: float) -> bool:
        """Wait until set, ``seconds`` (at most ``threading.TIMEOUT_MAX``) long; return whether it was, and clear it."""
        return self._lock.acquire(timeout=seconds)
