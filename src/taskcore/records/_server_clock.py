"""``ServerClock``: the clock of a server, which need not be asked for every moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

__all__ = ["ServerClock"]

_KEPT = 1.0
"""Seconds for which an answer is gone on from."""

_JUMP = 0.1
"""Seconds by which this machine's two clocks may differ on how long ago that was."""


class ServerClock:
    """The clock of a server as it was asked for a second ago at most, gone on from there by the monotonic clock.

    ``ask`` is a round trip. An answer is taken to be from the middle of it, so a moment is wrong by half a round trip
    at most; a step of the server's clock is noticed within a second. When this machine was suspended, or its clock was
    set, the server is asked at once.
    """

    def __init__(
        self,
        ask: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._wall = wall
        self._known: tuple[datetime, float, float] | None = None

    def now(self) -> datetime:
        """Return the server's moment; raises what ``ask`` raises."""
        known = self._known
        if known is not None:
            answer, at, wall_at = known
            passed = self._monotonic() - at
            if passed < _KEPT and abs(self._wall() - wall_at - passed) < _JUMP:
                return answer + timedelta(seconds=passed)
        before = self._monotonic()
        answer = self._ask()
        middle = (before + self._monotonic()) / 2
        self._known = (answer, middle, self._wall() - (self._monotonic() - middle))
        return answer + timedelta(seconds=self._monotonic() - middle)
