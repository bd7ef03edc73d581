"""The threads that run plain tasks, and those that look after the child processes which do.

Threads take tasks from one shared buffer, so no task waits behind another while a thread is idle. A thread whose buffer
is empty settles and claims by itself: while tasks are short one thread does all the work, without a single hand-over.
One of those that have nothing to do listens for the store's hints; the others sleep until they get a token.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from taskcore._control import CancelRequested, SoftTimeout
from taskcore._policy import Outcome, TimedOut
from taskcore._run import Run, execute, outcome_of_exception
from taskcore._worker._core import Core
from taskcore._worker._guard import Guard
from taskcore._worker._hold import Held
from taskcore._worker._listener import Listener

__all__ = ["Performer", "Runners", "ThreadPerformer"]

_logger = logging.getLogger("taskcore.worker")


class Performer(Protocol):
    """What one thread runs tasks with: the thread itself, or a child process of its own."""

    def open(self) -> None:
        """Get ready; called in the thread."""
        ...

    def perform(self, held: Held) -> None:
        """Run a task that was taken (and others with it, if it likes), and finish them with the core."""
        ...

    def close(self) -> None:
        """Give back what it holds; called in the thread."""
        ...


class Runners:
    """A fixed number of threads.

    ``turn`` is how each of them has the worker settle and claim, to take one of the tasks itself; ``fail`` how one
    whose own code is at fault (never a task's) has the worker stop.
    """

    def __init__(
        self,
        core: Core,
        size: int,
        make: Callable[[int], Performer],
        *,
        turn: Callable[[], None],
        listener: Listener,
        fail: Callable[[str], None],
        name: str,
    ) -> None:
        self._core = core
        self._make = make
        self._turn = turn
        self._listener = listener
        self._fail = fail
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self._idle: set[int] = set()
        self._is_closing = False
        self.threads = [
            threading.Thread(target=self._live, args=(index,), name=f"{name}-{index}", daemon=True)
            for index in range(size)
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self.threads:
            thread.start()

    @property
    def idle(self) -> int:
        """How many threads wait for something to do."""
        return len(self._idle) + self._listener.is_waiting

    def wake(self, count: int) -> int:
        """Wake up to ``count`` idle threads; return how many are awake or on their way.

        When these are too few, the one that listens is called back as well.
        """
        awake = min(count, len(self._idle))
        for _ in range(awake - self._tokens.qsize()):
            self._tokens.put(None)
        if awake < count and self._listener.is_waiting:
            self._listener.interrupt()
        return awake

    def close(self) -> None:
        """Let each thread end after the task it runs; does not wait for them."""
        self._is_closing = True
        for _ in self.threads:
            self._tokens.put(None)

    def join(self, seconds: float) -> None:
        """Wait until all threads have ended, ``seconds`` at most."""
        until = time.monotonic() + seconds
        for thread in self.threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    def _live(self, index: int) -> None:
        performer = self._make(index)
        try:
            performer.open()
            while not self._is_closing:
                self._step(index, performer)
        except BaseException as error:  # SystemExit, too: it would end the thread and nobody would know
            _logger.exception("A thread of the worker ended by a fault of its own.")
            self._fail(f"A thread of the worker ended by a fault of its own ({type(error).__name__}: {error}).")
        finally:
            performer.close()
            if self._core.exchange.outbox:
                self._turn()

    def _step(self, index: int, performer: Performer) -> None:
        core = self._core
        held = self._take()
        if held is None:
            if core.is_worth_a_turn:
                self._turn()
                held = self._take()
            if held is None:
                held = self._rest(index)
                if held is None:
                    return
        if self._listener.is_wanted:
            self.wake(1)
        if held.is_suspect:
            core.alarm()  # others could not be claimed before it was taken
        try:
            performer.perform(held)
        except BaseException:
            core.settling.finish_faulty(held)
            raise
        finally:
            core.slots.give_back()
        exchange = core.exchange
        if exchange.outbox and (not core.holdings.ready or core.settling.is_flush_due):
            self._turn()

    def _take(self) -> Held | None:
        core = self._core
        if not core.slots.take():
            return None
        held = core.intake.take()
        if held is None:
            core.slots.give_back()
        return held

    def _rest(self, index: int) -> Held | None:
        """Listen, unless another thread does, and return what came of it; else wait for a token."""
        if self._listener.is_wanted and not self._is_closing:
            return self._listener.listen(self._take)
        core = self._core
        self._idle.add(index)
        try:  # unless something came between the last look and being counted as idle
            can_take = core.holdings.ready and core.slots.has_free and core.intake.is_starting
            if not (self._is_closing or can_take or self._listener.is_wanted):
                self._tokens.get()
        finally:
            self._idle.discard(index)
        return None


class ThreadPerformer:
    """Runs tasks in the calling thread.

    A thread cannot be killed. At the soft timeout ``SoftTimeout`` is raised in it, which takes effect at its next step
    in Python, not while it waits in C (``time.sleep``, a query). At the hard timeout the task is settled FAIL and the
    thread is given up; ``CancelRequested`` is raised in it, so that it may come back.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def open(self) -> None:
        """Nothing to do."""

    def perform(self, held: Held) -> None:
        """Run one task."""
        core = self._core
        run = core.intake.begin(held)
        if run is None:
            return
        outputs = core.outputs(held)
        if outputs is None:
            return
        is_watched = run.deadline is not None or run.soft_timeout is not None
        if not (is_watched or run.job.is_atomic):
            core.settling.finish(held, execute(run, outputs))
            return
        perform: Callable[[], Outcome] = partial(execute, run, outputs)
        if is_watched:
            perform = partial(self._perform_watched, held, run, outputs)
        core.settling.finish(held, core.perform(held, run, perform))

    def _perform_watched(self, held: Held, run: Run, outputs: Mapping[str, str]) -> Outcome:
        guard = Guard()
        timeout = run.timeout

        def overrun() -> None:
            if timeout is not None and self._core.settling.abandon(held, TimedOut(timeout, is_stopped=False)):
                guard.interrupt(CancelRequested, is_needed=False)

        held.soften = partial(guard.interrupt, SoftTimeout)
        held.overrun = overrun
        self._core.alarm()
        outcome: Outcome | None = None
        while outcome is None or guard.is_open:
            try:
                outcome = outcome or execute(run, outputs)
                guard.close()
            except (SoftTimeout, CancelRequested) as error:  # it came between the function's end and the closing
                outcome = outcome or outcome_of_exception(run, error)
        return outcome

    def close(self) -> None:
        """Nothing to do."""
