"""``Executors``: where the tasks of one worker run: threads or child processes, and one event loop."""

from __future__ import annotations

from collections.abc import Callable

from taskcore._policy import Outcome
from taskcore._worker._children import ProcessPool
from taskcore._worker._core import Core
from taskcore._worker._listener import Listener
from taskcore._worker._loop import LoopThread
from taskcore._worker._processes import ChildPerformer
from taskcore._worker._settings import ExecutorKind
from taskcore._worker._threads import Performer, Runners, ThreadPerformer

_CHILDREN_END_WITHIN = 5.0
"""Seconds that idle children have to end, when the worker does."""

__all__ = ["Executors"]


class Executors:
    """Starts only what the worker's tasks need."""

    def __init__(
        self,
        core: Core,
        listener: Listener,
        *,
        turn: Callable[[], None],
        poke: Callable[[], None],
        fail: Callable[[str], None],
        name: str,
    ) -> None:
        self._core = core
        jobs = core.jobs.values()
        self._runners: Runners | None = None
        self._loop: LoopThread | None = None
        self._pool: ProcessPool | None = None
        self._children: list[ChildPerformer] = []
        if any(job.is_async for job in jobs):
            self._loop = LoopThread(core, poke, name)
        if any(not job.is_async for job in jobs):
            if core.settings.executor is ExecutorKind.PROCESSES:
                self._pool = ProcessPool(core, fail)
            self._runners = Runners(
                core,
                core.settings.concurrency,
                self._performer,
                turn=turn,
                listener=listener,
                fail=fail,
                name=name,
            )

    def _performer(self, _index: int) -> Performer:
        if self._pool is None:
            return ThreadPerformer(self._core)
        child = ChildPerformer(self._pool, self._core.settings.concurrency)
        self._children.append(child)
        return child

    def start(self) -> None:
        """Start threads, children and loop."""
        if self._runners is not None:
            self._runners.start()
        if self._loop is not None:
            self._loop.start()

    @property
    def idle(self) -> int:
        """How many threads wait for a plain task."""
        return 0 if self._runners is None else self._runners.idle

    def wake(self, count: int) -> int:
        """Have up to ``count`` idle threads look for plain tasks; return how many do."""
        return 0 if self._runners is None else self._runners.wake(count)

    def feed_loop(self) -> None:
        """Start the buffered async tasks."""
        if self._loop is not None:
            self._loop.feed()

    def kill(self, outcome: Outcome) -> None:
        """End what can be ended, with this outcome: children are killed, coroutines cancelled."""
        if self._loop is not None:
            self._loop.cancel_all(outcome)
        for child in self._children:
            child.kill(outcome)

    @property
    def has_killable(self) -> bool:
        """Whether something runs that ``kill`` has ended, and whose outcome will still come."""
        if self._loop is not None and self._loop.has_running:
            return True
        return any(child.is_busy for child in self._children)

    @property
    def memory(self) -> int:
        """The bytes of memory that child processes have."""
        return 0 if self._pool is None else self._pool.memory

    def close(self) -> None:
        """Let threads and loop end; does not wait for tasks that still run."""
        if self._runners is not None:
            self._runners.close()
            if self._pool is not None:
                self._runners.join(_CHILDREN_END_WITHIN)
        if self._loop is not None:
            self._loop.close()
