"""``Settling``: what came of a task is decided, and put on its way to the store."""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import datetime
from random import Random

from taskcore._data import Item, Progress
from taskcore._policy import Decision, GivenBack, Outcome, Returned, decide, succeed
from taskcore._run import Surroundings, effective_retry
from taskcore._worker._entry import Entry
from taskcore._worker._hold import Held, Holdings
from taskcore._worker._pace import Pace

__all__ = ["Settling"]

_logger = logging.getLogger("taskcore.worker")
_LONG = 0.005
"""Seconds of run time from which on an outcome is sent at once."""
_FLUSH_AFTER = 0.01
"""Seconds that an outcome may wait for others to go with."""


class Settling:
    """Fills the outbox that ``Exchange`` empties. Each task that was claimed is posted once, whoever ends it."""

    def __init__(
        self, holdings: Holdings, pace: Pace, surroundings: Surroundings, random: Random, batch_size: int
    ) -> None:
        self._holdings = holdings
        self._pace = pace
        self._surroundings = surroundings
        self._random = random
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self.outbox: deque[Entry] = deque()

    @property
    def is_flush_due(self) -> bool:
        """Whether what is in the outbox should not wait for the buffer to be empty."""
        outbox = self.outbox
        try:
            last = outbox[-1]
            if last.posted - outbox[0].posted > _FLUSH_AFTER or len(outbox) >= self._batch_size:
                return True
        except IndexError:  # another thread has sent it
            return False
        return last.duration is not None and last.duration > _LONG

    def is_left_lying(self, now: float) -> bool:
        """Return whether there are outcomes, and no thread has been adding to them."""
        try:
            return now - self.outbox[-1].posted >= _LONG
        except IndexError:
            return False

    def post(self, held: Held, outcome: Outcome, duration: float | None = None) -> None:
        """Put the outcome of a task on its way to the store; ``duration`` in seconds, if it ran."""
        held.is_over = True
        self.outbox.append(Entry(held, self.decide(held, outcome), self._surroundings.monotonic(), duration))

    def decide(self, held: Held, outcome: Outcome) -> Decision:
        """Return what the store is to be told of the outcome of a task, with what its run has left."""
        run = held.run
        started_at: datetime | None = None
        progress: Progress | None = None
        items: tuple[Item, ...] = ()
        if run is not None:
            started_at = run.started_at
            if run.has_news:
                progress = None if run.latest_progress is run.sent_progress else run.latest_progress
                items = tuple(run.items)
        if isinstance(outcome, Returned):
            return succeed(held.task, outcome, started_at=started_at, progress=progress, items=items)
        return decide(
            held.task,
            outcome,
            retry=effective_retry(held.task, held.job),
            now=self._surroundings.clock.now(),
            random=self._random.random(),
            started_at=started_at,
            progress=progress,
            items=items,
        )

    def finish(self, held: Held, outcome: Outcome, duration: float | None = None) -> None:
        """Take the outcome of a run that has ended; that of an abandoned one was posted before.

        ``duration`` in seconds is for runs that were timed elsewhere.
        """
        run = held.run
        assert run is not None
        if duration is None:
            duration = self._surroundings.monotonic() - run.started
        self._pace.note(duration)
        self._holdings.end(held)
        if run.deadline is not None and not self._is_first(held):
            _logger.info(
                "Task %s (%s) ended %.3f s after it began; it had been given up before.",
                held.task.id,
                held.task.name,
                duration,
            )
            return
        self.post(held, outcome, duration)

    def _is_first(self, held: Held) -> bool:
        """Return True to the first of those who would post an outcome: the run itself, or who gives it up."""
        with self._lock:
            was_over, held.is_over = held.is_over, True
        return not was_over

    def finish_faulty(self, held: Held) -> None:
        """Give back a task that a fault of the worker's own code left behind: nobody else would ever free it."""
        if held.key in self._holdings.all and self._is_first(held):
            self._holdings.end(held)
            self.post(held, GivenBack("the worker had a fault of its own", has_begun=held.run is not None))

    def abandon(self, held: Held, outcome: Outcome) -> bool:
        """Settle a run that goes on and cannot be stopped; return whether it had no outcome yet."""
        run = held.run
        assert run is not None
        if not self._is_first(held):
            return False
        held.is_abandoned = True
        self.post(held, outcome, self._surroundings.monotonic() - run.started)
        run.lose()
        return True

    def give_back_buffered(self, why: str) -> int:
        """Release all that has not been started; return how many."""
        count = 0
        for held in self._holdings.take_buffered():
            self.post(held, GivenBack(why))
            count += 1
        return count
