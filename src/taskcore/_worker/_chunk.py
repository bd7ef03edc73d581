"""``Chunk``: the tasks that a child process was given, as its parent sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskcore._codec import dump_data
from taskcore._policy import CancelObeyed, GivenBack, Outcome, TimedOut, WorkerDied
from taskcore._run import Run
from taskcore._vocabulary import CancelLevel
from taskcore._worker._core import Core
from taskcore._worker._hold import Held
from taskcore._worker._wire import News, load_news, load_outcome

__all__ = ["Chunk"]

_LOOK_FOR_START = 0.05
"""Seconds between looks whether a task with a timeout has been begun by its child."""


class _Given:
    """A task in the hands of a child."""

    __slots__ = ("begun_at", "held", "run", "told")

    def __init__(self, held: Held, run: Run) -> None:
        self.held = held
        self.run = run
        self.begun_at: float | None = None
        self.told: CancelLevel | None = None


class Chunk:
    """Known by ``seq``, which counts the tasks given to one performer's children; a child begins them in order."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._seq = 0
        self._given: dict[int, _Given] = {}

    def __len__(self) -> int:
        return len(self._given)

    def add(self, held: Held, interrupt: Callable[[], None]) -> list[object] | None:
        """Begin a task and return the order for the child; ``None`` when it may not be started (that is settled)."""
        core = self._core
        run = core.intake.begin(held)
        outputs = None if run is None else core.outputs(held)
        if run is None or outputs is None:
            return None
        self._seq += 1
        self._given[self._seq] = _Given(held, run)
        held.interrupt = interrupt
        return [self._seq, dump_data(held.task), dict(outputs)]

    def take_done(self, entries: list[Any], now: float) -> None:
        """Finish tasks by what the child says of them."""
        for seq, outcome, duration, age, news in entries:
            given = self._given.get(seq)
            if given is None:
                continue
            _note(given.run, load_news(news))
            given.run.started_at = given.held.store_time(now - age - duration)
            self._core.settling.finish(given.held, load_outcome(outcome), duration)
            del self._given[seq]

    def take_news(self, seq: int, news: list[Any]) -> None:
        """Take in progress and items of a task that runs."""
        given = self._given.get(seq)
        if given is not None:
            _note(given.run, load_news(news))

    def put_back(self, seqs: list[int]) -> None:
        """Put what was not begun at the head of the buffer again."""
        for seq in reversed(seqs):
            given = self._given.pop(seq, None)
            if given is not None:
                self._core.intake.put_back(given.held)

    def bury(self, started: int, ended: int, outcome: Outcome | None, words: str) -> None:
        """Settle what a dead child held: what it was running gets ``outcome``, or is told that its process died.

        What it had ended without being able to say so runs again, unless it may run only once. The last one it began
        counts as running even then: nothing came between that and the death of the process.
        """
        self.put_back([seq for seq in self._given if seq > started])
        for seq, given in list(self._given.items()):
            made = outcome or WorkerDied(f"{words} while it ran.")
            if seq <= ended and seq < started:
                made = GivenBack("its process died before its outcome was sent", has_begun=True)
            self._core.settling.finish(given.held, made)
            del self._given[seq]

    def verdict(self, started: int, now: float) -> Outcome | None:
        """Return the outcome for which the child is to be killed; ``None``: it is not."""
        running = self._given.get(started)
        if running is None:
            return None
        run = running.run
        if running.begun_at is None:
            running.begun_at = run.started = now
            run.started_at = running.held.store_time(now)
            if run.timeout is not None:
                run.deadline = now + run.timeout.total_seconds()
        if run.is_lost:
            return GivenBack("its lease was lost", has_begun=True)
        if running.held.cancel_level is CancelLevel.KILL:
            return CancelObeyed()
        if run.deadline is not None and run.timeout is not None and now >= run.deadline:
            return TimedOut(run.timeout, is_stopped=True)
        return None

    def wish(self, started: int) -> CancelLevel | None:
        """Return the cancel that the child has not been told of yet."""
        running = self._given.get(started)
        if running is None or running.held.cancel_level is running.told:
            return None
        running.told = running.held.cancel_level
        return running.told

    def patience(self, now: float) -> float | None:
        """Return in how many seconds a timeout wants to be looked at; ``None``: there is none."""
        waits = [
            _LOOK_FOR_START if given.begun_at is None else given.run.deadline - now
            for given in self._given.values()
            if given.run.deadline is not None
        ]
        return min(waits, default=None)


def _note(run: Run, news: News | None) -> None:
    """Add what a child told to the run that the heartbeats read."""
    if news is None:
        return
    if news.progress is not None:
        run.latest_progress = news.progress
    run.items.extend(news.items)
