"""``Pace``: how many tasks to hold ready, from how long tasks have been taking.

A claim costs a transaction or a round trip, so short tasks are claimed many at a time. Long ones must not be: what
waits in one worker's buffer could run in another.
"""

from __future__ import annotations

__all__ = ["Pace"]

_HORIZON = 0.05
"""Seconds of work to hold ready."""
_WEIGHT = 0.1
_SHORT = 0.002
"""Seconds of buffered work that one thread may have before it: less is not worth waking another."""


class Pace:
    """A moving mean of run times. Updated without a lock: a lost update only makes it a little less exact."""

    __slots__ = ("_batch_size", "_concurrency", "seconds")

    def __init__(self, concurrency: int, batch_size: int) -> None:
        self._concurrency = concurrency
        self._batch_size = batch_size
        self.seconds: float | None = None
        """How long a task takes; ``None`` until one has been seen."""

    def note(self, duration: float) -> None:
        """Take one run's duration, in seconds, into the mean."""
        before = self.seconds
        self.seconds = duration if before is None else before + _WEIGHT * (duration - before)

    def note_wait(self) -> None:
        """Take into account that buffered tasks had to wait: what runs now takes longer than the mean says."""
        self.seconds = max(1.0, self.seconds or 0.0)

    @property
    def is_short(self) -> bool:
        """Whether tasks are short enough to be settled many at a time."""
        return self.seconds is not None and self.seconds < _SHORT

    def prefetch(self) -> int:
        """Return how many tasks to hold beyond those that can start at once."""
        if self.seconds is None:
            return 0
        wanted = self._concurrency * _HORIZON / max(self.seconds, 1e-7)
        return int(min(wanted, self._batch_size))

    def wakes(self, buffered: int) -> int:
        """Return how many threads ``buffered`` tasks are worth waking for."""
        if self.seconds is None:
            return buffered
        return min(buffered, 1 + int(buffered * self.seconds / _SHORT))
