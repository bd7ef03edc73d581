"""``Guard``: raising an exception in a thread while it runs a task's function, and at no other time."""

from __future__ import annotations

import ctypes
import sys
import threading

from taskcore._control import CancelRequested, SoftTimeout

__all__ = ["Guard"]

_PYTHON = tuple(sys.version_info[:2])
_STEPS = 3


def _would_stop_others() -> bool:
    """Return whether an exception on its way to a thread stops all others until that one has raised it.

    CPython 3.11 does so where they are traced, by a debugger or by coverage: each looks for what is pending before it
    enters a function, and looks again for as long as anything is.
    """
    return _PYTHON == (3, 11) and sys.gettrace() is not None


class Guard:
    """Made in the thread that is guarded. Any other may interrupt it, until it closes the guard itself."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._was_used = False
        self.is_open = True

    def interrupt(self, exception: type[BaseException], *, is_needed: bool = True) -> None:
        """Have ``exception`` raised at the thread's next step in Python; code that waits in C is not reached.

        Unless it ``is_needed`` it is left out where other threads would have to wait for that step.
        """
        if (not is_needed and _would_stop_others()) or not self._lock.acquire(timeout=1):
            return
        try:
            if self.is_open:
                self._was_used = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(exception))
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let nothing be raised any more; what was not raised yet is raised now, and dropped here or goes on up.

        Taking it back instead would leave CPython 3.11 looking for it for ever.
        """
        with self._lock:
            self.is_open = False
        if self._was_used:
            try:
                for _ in range(_STEPS):
                    pass
            except (SoftTimeout, CancelRequested):
                """It was on its way."""
