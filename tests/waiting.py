"""How tests wait for what others do, with a bound: for a condition, or for an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from taskcore.errors import BackendUnavailable

T = TypeVar("T")


def eventually(holds: Callable[[], T], seconds: float = 30, *, every: float = 0.01) -> T:
    """Ask again until the answer is true, and return it; fail when none has been within so many seconds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, f"after {seconds} s it is still {found!r}"
        time.sleep(every)
    return found


def surely(call: Callable[[], T], seconds: float = 30, *, beyond: type[Exception] = BackendUnavailable) -> T:
    """Repeat a call, as every caller does, until it is answered; raise what it raises when it is not in time."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except beyond:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
