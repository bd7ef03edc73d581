"""Signals: SIGTERM and SIGINT (CTRL_BREAK on Windows) stop the worker, while it runs in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping_on_signals"]

_NAMES = ("SIGTERM", "SIGINT", "SIGBREAK")


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at each signal that asks for an end, and put back the old handlers afterwards.

    ``stop`` is called between two steps of the main thread, so it may take no lock. In other threads this does
    nothing: Python hears signals only in the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
