"""The one place that reads the wall clock. Everything else is handed a ``Clock``, or the moment itself."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where a backend, client or worker gets its time from. ``taskcore.testing.FakeClock`` is the one for tests."""

    def now(self) -> datetime:
        """Return the wall time: aware, in UTC."""
        ...

    def monotonic(self) -> timedelta:
        """Return the time since a fixed, arbitrary moment; it never goes back. For deadlines inside one process."""
        ...


class SystemClock:
    """The clock of this machine."""

    __slots__ = ()

    def now(self) -> datetime:
        """Return the wall time of this machine: aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> timedelta:
        """Return the monotonic time of this machine since an arbitrary moment."""
        return timedelta(seconds=time.monotonic())
