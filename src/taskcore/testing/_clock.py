"""``FakeClock``: time that moves only when a test moves it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

__all__ = ["FakeClock"]

_START = datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)
_ZERO = timedelta(0)


class FakeClock:
    """A ``Clock`` that stands still until it is told to move. Safe to share between threads."""

    __slots__ = ("_lock", "_monotonic", "_now")

    def __init__(self, start: datetime = _START) -> None:
        """Begin at ``start``, an aware datetime; raise ``ValueError`` for a naive one."""
        self._lock = threading.Lock()
        self._now = _in_utc(start)
        self._monotonic = _ZERO

    def now(self) -> datetime:
        """Return the wall time: aware, in UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> timedelta:
        """Return how far the clock was advanced since it was made; it never goes back."""
        with self._lock:
            return self._monotonic

    def advance(self, duration: timedelta) -> None:
        """Let ``duration`` pass, on the wall clock and the monotonic one; raise ``ValueError`` if it is negative."""
        if duration < _ZERO:
            raise ValueError(f"Time passes forwards; step({duration!r}) sets the wall clock back.")
        with self._lock:
            self._now += duration
            self._monotonic += duration

    def set(self, moment: datetime) -> None:
        """Let time pass until ``moment``; a moment in the past sets the wall clock back and no time passes."""
        wanted = _in_utc(moment)
        with self._lock:
            self._monotonic += max(wanted - self._now, _ZERO)
            self._now = wanted

    def step(self, correction: timedelta) -> None:
        """Correct the wall clock by ``correction``, forwards or back, as time servers do: no time passes."""
        with self._lock:
            self._now += correction

    def __repr__(self) -> str:
        return f"FakeClock({self.now().isoformat()})"


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"A clock shows aware datetimes; {moment!r} has no time zone.")
    return moment.astimezone(timezone.utc)
