"""Child processes: each has a thread in the worker that feeds it, watches it, and tells what became of its tasks.

The parent moves JSON only. It kills a child whose task overran its hard timeout, lost its lease, or is to be killed,
and knows from shared memory which task a child had begun when it died: only that one is blamed, the others of its chunk
go back to the buffer.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from multiprocessing.connection import wait
from typing import Any

from taskcore._policy import GivenBack, Outcome
from taskcore._worker._children import Child, ProcessPool
from taskcore._worker._chunk import Chunk
from taskcore._worker._core import Core
from taskcore._worker._hold import Held
from taskcore._worker._wire import decode, encode

__all__ = ["ChildPerformer"]

_CHUNK_SECONDS = 0.01
"""How long a chunk should keep a child busy."""
_CHUNK_LARGEST = 50
_WITHDRAW_AFTER = 0.05
"""Seconds without a word from a child, after which what it has not begun is taken back."""
_WATCH_EVERY = 0.5


class ChildPerformer:
    """Runs tasks in a child process; renews the process when it ends."""

    def __init__(self, pool: ProcessPool, size: int) -> None:
        self._pool = pool
        self._core = pool.core
        self._size = size
        self._child: Child | None = None
        self._chunk = Chunk(pool.core)
        self._verdict: Outcome | None = None
        self._is_withdrawn = False
        self._heard_at = 0.0
        self._wake_out, self._wake_in = multiprocessing.Pipe(duplex=False)
        self._is_awake = False

    def open(self) -> None:
        """Start the child, so that it is ready when the first task comes."""
        self._child = self._pool.start_child()

    def kill(self, outcome: Outcome) -> None:
        """Kill the child; what it runs ends with ``outcome``. Called from other threads."""
        self._verdict = outcome
        self._wake()

    @property
    def is_busy(self) -> bool:
        """Whether the child holds tasks."""
        return len(self._chunk) > 0

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            with contextlib.suppress(OSError):
                self._wake_in.send_bytes(b"x")

    # In the thread of the runner

    def perform(self, held: Held) -> None:
        """Run a task, and short ones that are buffered behind it, in the child."""
        child = self._child or self._pool.start_child()
        self._child = child
        gathered = _gather(self._core, held, self._left(), self._size)
        orders = [order for one in gathered if (order := self._chunk.add(one, self._wake)) is not None]
        if not orders:
            return
        self._is_withdrawn = False
        self._heard_at = self._core.surroundings.monotonic()
        child.given += len(orders)
        try:
            child.pipe.send_bytes(encode(["run", orders]))
        except OSError:
            self._bury(child)
            return
        while len(self._chunk):
            self._listen(child)
        if self._child is child and self._is_worn(child):
            self._part_from(child)

    def _is_worn(self, child: Child) -> bool:
        """Tell whether a child has had its share of tasks, or has more memory than it may."""
        settings = self._core.settings
        tasks, memory = settings.max_tasks_per_child, settings.max_memory_per_child
        return (tasks is not None and child.given >= tasks) or (memory is not None and child.memory > memory)

    def _left(self) -> int:
        """Return how many tasks the child may still be given."""
        limit, child = self._core.settings.max_tasks_per_child, self._child
        return _CHUNK_LARGEST if limit is None or child is None else min(_CHUNK_LARGEST, limit - child.given)

    def _listen(self, child: Child) -> None:
        """Wait for what comes next: a message, a wish of another thread, the end of the child, or of a timeout."""
        happened = wait([child.pipe, self._wake_out, child.process.sentinel], self._patience())
        if self._wake_out in happened:
            self._is_awake = False
            self._wake_out.recv_bytes()
        is_dead = child.process.sentinel in happened or (not happened and not child.process.is_alive())
        try:
            while child.pipe.poll():
                self._take_in(child, decode(child.pipe.recv_bytes()))
        except (EOFError, OSError):
            is_dead = True
        if is_dead:
            self._bury(child)
        elif len(self._chunk):
            self._oversee(child)

    def _patience(self) -> float:
        now = self._core.surroundings.monotonic()
        patience = _WATCH_EVERY
        if len(self._chunk) > 1 and not self._is_withdrawn:
            patience = min(patience, self._heard_at + _WITHDRAW_AFTER - now)
        limit = self._chunk.patience(now)
        return max(0.0, patience if limit is None else min(patience, limit))

    def _take_in(self, child: Child, message: list[Any]) -> None:
        self._heard_at = now = self._core.surroundings.monotonic()
        kind, *rest = message
        if kind == "ready":
            self._pool.note_ready(child)
        elif kind == "done":
            self._chunk.take_done(rest[0], now)
        elif kind == "news":
            self._chunk.take_news(rest[0], rest[1])
        elif kind == "back":
            self._chunk.put_back(rest[0])
        elif kind == "broken":
            child.complaint = f": it cannot import the worker's tasks: {rest[0]}"

    def _oversee(self, child: Child) -> None:
        """Pass on cancels, see to timeouts and lost leases, take back what waits behind a long task."""
        now = self._core.surroundings.monotonic()
        verdict = self._verdict or self._chunk.verdict(child.started, now)
        if verdict is not None:
            self._end(child, verdict)
            return
        level = self._chunk.wish(child.started)
        if level is not None:
            self._say(child, ["cancel", child.started, level.value])
        if len(self._chunk) > 1 and not self._is_withdrawn and now - self._heard_at >= _WITHDRAW_AFTER:
            self._is_withdrawn = True
            self._say(child, ["withdraw"])

    def _say(self, child: Child, message: list[object]) -> None:
        with contextlib.suppress(OSError):  # a child that is dead is noticed where it is listened to
            child.pipe.send_bytes(encode(message))

    def _end(self, child: Child, outcome: Outcome) -> None:
        """Kill the child; the task that it runs ends with ``outcome``."""
        child.kill()
        self._bury(child, outcome)

    def _bury(self, child: Child, outcome: Outcome | None = None) -> None:
        """Settle what a dead child held: the task it was running gets ``outcome``, or is told that its process died."""
        words = child.last_words()
        with contextlib.suppress(EOFError, OSError):
            while child.pipe.poll():  # what it had said before
                self._take_in(child, decode(child.pipe.recv_bytes()))
        self._child = None
        self._pool.forget(child)
        started, ended = child.started, child.ended
        child.close()
        self._chunk.bury(started, ended, outcome, words)
        if outcome is None and not child.is_ready:
            self._pool.note_vain_start(child, words)

    def _part_from(self, child: Child) -> None:
        """Let a child end, and start another one."""
        self._pool.forget(child)
        child.close()
        self._child = self._pool.start_child()

    def close(self) -> None:
        """Let the child end: it is idle, unless this thread is at fault."""
        child, self._child = self._child, None
        if child is not None and len(self._chunk):
            self._end(child, GivenBack("the worker had a fault of its own", has_begun=True))
        elif child is not None:
            self._pool.forget(child)
            child.close()
        for end in (self._wake_in, self._wake_out):
            end.close()


def _gather(core: Core, held: Held, most: int, sharers: int) -> list[Held]:
    """Return the task, and as many short ones as fit into a chunk; what has a timeout goes alone.

    ``most`` bounds the chunk; ``sharers`` are the children that what is buffered has to last for.
    """
    gathered = [held]
    seconds = core.pace.seconds
    if seconds is None or seconds > _CHUNK_SECONDS or held.is_suspect or _has_limit(held):
        return gathered
    ready = core.holdings.ready
    share = min(most, int(_CHUNK_SECONDS / max(seconds, 1e-6)), len(ready) // sharers + 1)
    while len(gathered) < share:
        try:
            another = ready.popleft()
        except IndexError:
            break
        if _has_limit(another):
            ready.appendleft(another)
            break
        gathered.append(another)
    return gathered


def _has_limit(held: Held) -> bool:
    return held.task.spec.timeout is not None or (held.job is not None and held.job.timeout is not None)
