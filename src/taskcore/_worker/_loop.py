"""Async tasks: how one is supervised on a loop, the loop thread of a worker, and the private loop of ``drain``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

from taskcore._control import SoftTimeout
from taskcore._policy import GivenBack, Outcome, TimedOut
from taskcore._run import Run, execute_async
from taskcore._worker._core import Core
from taskcore._worker._hold import Held

__all__ = ["LoopThread", "PrivateLoop", "close_loop", "supervise"]

T = TypeVar("T")

_logger = logging.getLogger("taskcore.worker")
_OBEY_WITHIN = 1.0
"""Seconds that a coroutine has to end after it was cancelled for its hard timeout."""


class _Driven:
    """Awaits a coroutine so that a cancellation by the soft timeout arrives in it as ``SoftTimeout``.

    asyncio can only raise ``CancelledError`` in a task; here it is exchanged on its way in, so the function may catch
    the timeout and still finish.
    """

    def __init__(self, inner: Coroutine[Any, Any, Outcome]) -> None:
        self._inner = inner
        self.is_soft = False

    def __await__(self) -> Generator[Any, Any, Outcome]:
        inner, error, value = self._inner, None, None
        while True:
            try:
                waited = inner.send(value) if error is None else inner.throw(error)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                return outcome
            try:
                value, error = (yield waited), None
            except asyncio.CancelledError as cancelled:
                error = self._exchanged(cancelled)
            except BaseException as raised:
                error = raised

    def _exchanged(self, cancelled: asyncio.CancelledError) -> BaseException:
        if not self.is_soft:
            return cancelled
        self.is_soft = False
        task = asyncio.current_task()
        if sys.version_info >= (3, 11) and task is not None:
            task.uncancel()
        return SoftTimeout("It has run for its soft timeout.")


async def supervise(run: Run, outputs: Mapping[str, str]) -> Outcome:
    """Run one async task on the running loop, with its timeouts; a hard one cancels it."""
    soft = run.soft_timeout
    if soft is None and run.deadline is None:
        return await execute_async(run, outputs)
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    driven = _Driven(execute_async(run, outputs))

    def end_softly() -> None:
        driven.is_soft = True
        task.cancel()

    def end_hard(timeout: timedelta) -> None:
        driven.is_soft = False
        run.interruption = TimedOut(timeout, is_stopped=True)
        task.cancel()

    timers = []
    if soft is not None:
        timers.append(loop.call_later(soft.total_seconds(), end_softly))
    timeout = run.timeout
    if timeout is not None:
        timers.append(loop.call_later(timeout.total_seconds(), end_hard, timeout))
    try:
        return await driven
    finally:
        for timer in timers:
            timer.cancel()


class LoopThread:
    """The event loop of a worker, in a thread of its own. Coroutines that block it hold up each other, nothing else."""

    def __init__(self, core: Core, poke: Callable[[], None], name: str) -> None:
        self._core = core
        self._poke = poke
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[Held, asyncio.Task[None] | None] = {}
        """What runs; ``None``: on its way to the loop."""
        self._last_outcome: Outcome | None = None
        self._is_closing = False
        self.thread = threading.Thread(target=self._live, name=f"{name}-loop", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            while not self._is_closing:  # a task may stop the loop, or leave something on it that raises SystemExit
                try:
                    self._loop.run_forever()
                except BaseException:
                    _logger.exception("Something that a task left on the worker's event loop ended it; it goes on.")
        finally:
            close_loop(self._loop)

    @property
    def has_running(self) -> bool:
        """Whether coroutines run."""
        return bool(self._tasks)

    def feed(self) -> None:
        """Begin buffered async tasks while there are free slots. Called from any thread but the loop's."""
        core = self._core
        while len(core.holdings.running) < core.settings.concurrency and core.slots.take():
            held = core.intake.take_coroutine()
            run = None if held is None else core.intake.begin(held)
            outputs = None if held is None or run is None else core.outputs(held)
            if held is not None and run is not None and outputs is not None:
                self._tasks[held] = None
                self._loop.call_soon_threadsafe(self._launch, held, run, outputs)
                continue
            core.slots.give_back()
            if held is None:
                return

    def _launch(self, held: Held, run: Run, outputs: Mapping[str, str]) -> None:
        if self._last_outcome is not None:
            self._end(held, GivenBack("the worker was stopped"))
            return
        task = self._loop.create_task(self._perform(held, run, outputs), name=f"taskcore-{held.task.spec.id}")
        self._tasks[held] = task

        def interrupt() -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(task.cancel)

        held.interrupt = interrupt
        if run.deadline is not None:
            held.overrun = lambda: self._overrun(held, run)
            self._core.alarm()
        if run.interruption is not None:  # it came before there was anything to interrupt
            task.cancel()

    def _overrun(self, held: Held, run: Run) -> None:
        """At the deadline the loop cancels the coroutine; give up one that ignores it, or a loop that is blocked."""
        timeout = run.timeout
        assert timeout is not None

        def give_up() -> None:
            if self._core.settling.abandon(held, TimedOut(timeout, is_stopped=False)):
                self._poke()

        timer = threading.Timer(_OBEY_WITHIN, give_up)
        timer.daemon = True
        timer.start()

    async def _perform(self, held: Held, run: Run, outputs: Mapping[str, str]) -> None:
        try:
            outcome = await supervise(run, outputs)
        except asyncio.CancelledError:  # before it could begin
            outcome = run.interruption or GivenBack("the worker was stopped")
        self._end(held, outcome)

    def _end(self, held: Held, outcome: Outcome) -> None:
        self._core.settling.finish(held, outcome)
        self._tasks.pop(held, None)
        self._core.slots.give_back()
        self._poke()

    def cancel_all(self, outcome: Outcome) -> None:
        """Cancel what runs; each ends with ``outcome`` unless its function makes another of it."""
        self._last_outcome = outcome
        for held, task in list(self._tasks.items()):
            if task is not None and held.run is not None:
                held.run.interruption = outcome
                self._loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Stop the loop when what runs on it has ended."""
        if self._loop.is_closed():
            return
        self._is_closing = True
        if self._tasks:
            self._loop.call_soon_threadsafe(self._stop_later)
        else:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _stop_later(self) -> None:
        left = [task for task in self._tasks.values() if task is not None]
        waited = asyncio.gather(*left, return_exceptions=True)
        waited.add_done_callback(lambda _done: self._loop.stop())


class PrivateLoop:
    """An event loop for ``drain``: made when the first async task comes, closed with it.

    Called inside a running loop (an async test), it works in a thread of its own, since loops do not nest.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its value."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        loop = self._loop
        return _outside_of_loops(lambda: _run_to_the_end(loop, coroutine))

    def close(self) -> None:
        """Close the loop, cancelling what tasks left behind on it."""
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        _outside_of_loops(lambda: close_loop(loop))


def _run_to_the_end(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also when it stops the loop on its way."""
    task = loop.create_task(coroutine)
    while True:
        try:
            return loop.run_until_complete(task)
        except RuntimeError:
            if task.done():
                return task.result()


def _outside_of_loops(work: Callable[[], T]) -> T:
    """Do ``work`` here, or in a thread when a loop runs in this one."""
    is_inside = True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        is_inside = False  # the work is not done here, or whatever it raises would be told with this error
    if not is_inside:
        return work()
    with ThreadPoolExecutor(1, "taskcore-drain") as pool:
        return pool.submit(work).result()


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on a loop that runs no more, let it end, and close it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(RuntimeError):
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
