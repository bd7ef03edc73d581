"""How tests wait for what others do: for a condition, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(holds: Callable[[], T], seconds: float = 30, *, every: float = 0.01) -> T:
    """Ask again until the answer is true, and return it; fail when none has been within so many seconds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, f"after {seconds} s it is still {found!r}"
        time.sleep(every)
    return found
