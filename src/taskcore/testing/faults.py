"""Backends that misbehave as networks, servers and operators do: what a correct caller has to survive.

Each wraps any backend and is one itself, so they may be put into one another. Which calls are hit is drawn from a
generator with a seed of its own: the same calls in the same order are hit in the same way.

    backend = LosesReplies(MemoryBackend(), seed=1, rate=0.2)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from taskcore.errors import BackendUnavailable
from taskcore.protocol import Backend, Clock
from taskcore.testing._wrapper import WRITES, Wrapper

__all__ = ["DuplicatesCalls", "FailsSometimes", "LosesReplies", "RestoredToOlderCopy", "Slow"]

R = TypeVar("R")


class _Drawing(Wrapper):
    """A wrapper that hits some of its calls."""

    def __init__(self, inner: Backend, *, seed: int = 0, rate: float = 0.2) -> None:
        """Hit a share of ``rate`` (0 to 1) of the calls, as the generator of ``seed`` draws."""
        if not 0 <= rate <= 1:
            raise ValueError(f"The rate is a share from 0 to 1, not {rate!r}.")
        super().__init__(inner)
        self.hits = 0
        """How many calls were hit so far."""
        self._rate = rate
        self._random = Random(seed)
        self._lock = threading.Lock()

    def _draw(self) -> float | None:
        """Return a number from 0 to 1 when the next call is to be hit, else ``None``."""
        with self._lock:
            is_hit = self._random.random() < self._rate
            number = self._random.random()
            self.hits += is_hit
        return number if is_hit else None


class LosesReplies(_Drawing):
    """Makes every call, and now and then raises ``BackendUnavailable`` instead of giving the answer back."""

    def _call(self, name: str, call: Callable[[Backend], R]) -> R:
        answer = call(self.inner)
        if self._draw() is not None:
            raise BackendUnavailable(f"{name}: the store did it, but its reply was lost (as a test wanted).")
        return answer


class DuplicatesCalls(_Drawing):
    """Now and then makes a call that writes twice, as a network or a proxy may, and gives back either answer."""

    def _call(self, name: str, call: Callable[[Backend], R]) -> R:
        number = self._draw() if name in WRITES else None
        first = call(self.inner)
        if number is None:
            return first
        second = call(self.inner)
        return first if number < 0.5 else second


class FailsSometimes(_Drawing):
    """Now and then raises ``BackendUnavailable``, before the call is made or after it: the caller cannot know."""

    def _call(self, name: str, call: Callable[[Backend], R]) -> R:
        number = self._draw()
        if number is None:
            return call(self.inner)
        if number < 0.5:
            raise BackendUnavailable(f"{name}: the store could not be reached (as a test wanted).")
        call(self.inner)
        raise BackendUnavailable(f"{name}: the store was gone before it answered (as a test wanted).")


class Slow(_Drawing):
    """Now and then takes its time before a call, after it, or both."""

    def __init__(
        self,
        inner: Backend,
        *,
        seed: int = 0,
        rate: float = 0.2,
        delay: timedelta = timedelta(milliseconds=20),
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Wait up to ``delay`` of real time, by ``sleep`` (seconds), which a test may replace."""
        super().__init__(inner, seed=seed, rate=rate)
        self._delay = delay.total_seconds()
        self._sleep = sleep

    def _call(self, name: str, call: Callable[[Backend], R]) -> R:
        number = self._draw()
        if number is None:
            return call(self.inner)
        self._sleep(self._delay * number)
        answer = call(self.inner)
        self._sleep(self._delay * (1 - number))
        return answer


class _Replay:
    """A clock that shows the moments of the past while they are gone through again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.moment: datetime | None = None

    def now(self) -> datetime:
        return self._clock.now() if self.moment is None else self.moment

    def monotonic(self) -> timedelta:
        return self._clock.monotonic()


class RestoredToOlderCopy(Wrapper):
    """A store that an operator can put back to an older copy, while workers go on with what they know.

    It writes a journal of the calls that write. ``take_copy`` remembers where the journal is; ``restore`` makes a new
    store and goes through the journal up to there, each call at its own moment. So it works with every backend whose
    factory makes a fresh, empty store each time, and whose answers depend on nothing but its calls and its clock.
    """

    def __init__(self, make_backend: Callable[[Clock], Backend], clock: Clock) -> None:
        """Make the first store with ``make_backend``, which is called again at each ``restore``."""
        self._make_backend = make_backend
        self._replay = _Replay(clock)
        self._journal: list[tuple[datetime, Callable[[Backend], object]]] = []
        self._copied = 0
        self._lock = threading.RLock()
        super().__init__(make_backend(self._replay))

    def take_copy(self) -> None:
        """Remember the store as it is now; until it is called, the copy is an empty store."""
        with self._lock:
            self._copied = len(self._journal)

    def restore(self) -> None:
        """Put the store back to the copy; the older one is closed."""
        with self._lock:
            self.inner.close()
            self._journal = self._journal[: self._copied]
            self.inner = self._make_backend(self._replay)
            try:
                for moment, call in self._journal:
                    self._replay.moment = moment
                    call(self.inner)
            finally:
                self._replay.moment = None

    def _call(self, name: str, call: Callable[[Backend], R]) -> R:
        if name not in WRITES:
            return call(self.inner)
        with self._lock:
            moment = self._replay.now()
            answer = call(self.inner)
            self._journal.append((moment, call))
            return answer
