"""Child processes: each has a thread in the worker that feeds it, watches it, and tells what became of its tasks.

The parent moves JSON only. It kills a child whose task overran its hard timeout, lost its lease, or is to be killed,
and knows from shared memory which task a child had begun when it died: only that one is blamed, the others of its chunk
go back to the buffer.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext
from typing import Any

from taskcore._codec import dump_data
from taskcore._policy import CancelObeyed, GivenBack, Outcome, TimedOut, WorkerDied
from taskcore._run import Run
from taskcore._vocabulary import CancelLevel
from taskcore._worker._child import child_main
from taskcore._worker._core import Core
from taskcore._worker._hold import Held
from taskcore._worker._intake import LOG_LINES_KEPT
from taskcore._worker._wire import ENDED, STARTED, News, decode, encode, load_news, load_outcome

__all__ = ["ChildPerformer", "ProcessPool"]

_logger = logging.getLogger("taskcore.worker")
_CHUNK_SECONDS = 0.01
"""How long a chunk should keep a child busy."""
_CHUNK_LARGEST = 50
_WITHDRAW_AFTER = 0.05
"""Seconds without a word from a child, after which what it has not begun is taken back."""
_WATCH_EVERY = 0.5
_STARTS_IN_VAIN = 3
"""Children in a row that died before they were ready, after which the worker gives up."""
_END_WITHIN = 2.0


class ProcessPool:
    """What the children of one worker have in common."""

    def __init__(self, core: Core, fail: Callable[[str], None]) -> None:
        settings, surroundings = core.settings, core.surroundings
        core.intake.is_isolated = True
        self.core = core
        self.fail = fail
        self._context = multiprocessing.get_context("spawn")
        tasks = {name: job.definition.check_importable() for name, job in core.jobs.items() if not job.is_async}
        self._config = json.dumps({
            "tasks": tasks,
            "payload_limit": surroundings.payload_limit,
            "result_limit": surroundings.result_limit,
            "capture_level": settings.capture_level,
            "log_lines": 0 if settings.capture_level is None else LOG_LINES_KEPT,
        })  # fmt: skip
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self.starts_in_vain = 0

    def start_child(self) -> Child:
        """Start a process; it is killed when the interpreter ends."""
        child = Child(self._context, self._config)
        with self._lock:
            if not self._children:
                atexit.register(self._kill_all)
            self._children.add(child)
        return child

    def forget(self, child: Child) -> None:
        """Note that a child has ended."""
        with self._lock:
            self._children.discard(child)
            if not self._children:
                atexit.unregister(self._kill_all)

    def _kill_all(self) -> None:
        for child in list(self._children):
            child.kill()


class Child:
    """One process, its pipe, and the memory it shares with its parent."""

    def __init__(self, context: SpawnContext, config: str) -> None:
        self.pipe, theirs = context.Pipe()
        self._shared = context.RawArray("q", 2)
        self.process = context.Process(target=child_main, args=(theirs, self._shared, config), name="taskcore-child")
        self.process.start()
        theirs.close()
        self.is_ready = False
        self.given = 0
        """How many tasks it was given in its life."""

    @property
    def started(self) -> int:
        """The seq of the last task that it began."""
        return int(self._shared[STARTED])

    @property
    def ended(self) -> int:
        """The seq of the last task that it ended."""
        return int(self._shared[ENDED])

    def kill(self) -> None:
        """Kill the process (SIGKILL)."""
        with contextlib.suppress(OSError, ValueError):
            self.process.kill()

    def close(self) -> None:
        """Wait for the end of a process that was told to end; kill it if it does not."""
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(_END_WITHIN)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(_END_WITHIN)

    def last_words(self) -> str:
        """Say how the process ended."""
        self.process.join(1)
        code = self.process.exitcode
        if code is None:
            return f"Its process ({self.process.pid}) answers no more"
        if code < 0:
            return f"Its process ({self.process.pid}) was killed by signal {-code}"
        return f"Its process ({self.process.pid}) ended with exit code {code}"


class _Given:
    """A task in the hands of a child."""

    __slots__ = ("begun_at", "held", "run", "told")

    def __init__(self, held: Held, run: Run) -> None:
        self.held = held
        self.run = run
        self.begun_at: float | None = None
        self.told: CancelLevel | None = None


class ChildPerformer:
    """Runs tasks in a child process; renews the process when it ends."""

    def __init__(self, pool: ProcessPool, size: int) -> None:
        self._pool = pool
        self._core = pool.core
        self._size = size
        self._child: Child | None = None
        self._seq = 0
        self._given: dict[int, _Given] = {}
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
        return bool(self._given)

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
        orders = [order for one in self._gather(held) if (order := self._accept(one)) is not None]
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
        while self._given:
            self._listen(child)
        limit = self._core.settings.max_tasks_per_child
        if limit is not None and child.given >= limit and self._child is child:
            self._part_from(child)

    def _gather(self, held: Held) -> list[Held]:
        """Return the task, and as many short ones as fit into a chunk; what has a timeout goes alone."""
        core = self._core
        gathered = [held]
        seconds = core.pace.seconds
        if seconds is None or seconds > _CHUNK_SECONDS or held.task.is_suspect or _has_limit(held):
            return gathered
        ready = core.holdings.ready
        share = min(self._left(), int(_CHUNK_SECONDS / max(seconds, 1e-6)), len(ready) // self._size + 1)
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

    def _left(self) -> int:
        """Return how many tasks the child may still be given."""
        limit, child = self._core.settings.max_tasks_per_child, self._child
        return _CHUNK_LARGEST if limit is None or child is None else min(_CHUNK_LARGEST, limit - child.given)

    def _accept(self, held: Held) -> list[object] | None:
        core = self._core
        run = core.intake.begin(held)
        outputs = None if run is None else core.outputs(held)
        if run is None or outputs is None:
            return None
        self._seq += 1
        self._given[self._seq] = _Given(held, run)
        held.interrupt = self._wake
        return [self._seq, dump_data(held.task), dict(outputs)]

    def _listen(self, child: Child) -> None:
        """Wait for what comes next: a message, a wish of another thread, the end of the child, or of a timeout."""
        happened = wait([child.pipe, self._wake_out, child.process.sentinel], self._patience(child))
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
        elif self._given:
            self._oversee(child)

    def _patience(self, child: Child) -> float:
        now = self._core.surroundings.monotonic()
        patience = _WATCH_EVERY
        if len(self._given) > 1 and not self._is_withdrawn:
            patience = min(patience, self._heard_at + _WITHDRAW_AFTER - now)
        for given in self._given.values():
            if given.run.deadline is not None:
                patience = min(patience, 0.05 if given.begun_at is None else given.run.deadline - now)
        return max(0.0, patience)

    def _take_in(self, child: Child, message: list[Any]) -> None:
        self._heard_at = now = self._core.surroundings.monotonic()
        kind, *rest = message
        if kind == "ready":
            child.is_ready = True
            self._pool.starts_in_vain = 0
        elif kind == "done":
            for seq, outcome, duration, age, news in rest[0]:
                given = self._given.pop(seq, None)
                if given is None:
                    continue
                _note(given.run, load_news(news))
                begun = now - age - duration
                given.run.started_at = given.held.store_time(begun)
                self._core.settling.finish(given.held, load_outcome(outcome), duration)
        elif kind == "news" and rest[0] in self._given:
            _note(self._given[rest[0]].run, load_news(rest[1]))
        elif kind == "back":
            self._put_back([seq for seq in rest[0] if seq in self._given])
        elif kind == "broken":
            _logger.error("A child process cannot import the worker's tasks: %s", rest[0])

    def _put_back(self, seqs: list[int]) -> None:
        """Put what was not begun at the head of the buffer again."""
        for seq in reversed(seqs):
            self._core.intake.put_back(self._given.pop(seq).held)

    def _oversee(self, child: Child) -> None:
        """Pass on cancels, see to timeouts and lost leases, take back what waits behind a long task."""
        now = self._core.surroundings.monotonic()
        if self._verdict is not None:
            self._end(child, self._verdict)
            return
        running = self._given.get(child.started)
        if running is not None:
            if running.begun_at is None:
                running.begun_at = now
                if running.run.timeout is not None:
                    running.run.deadline = now + running.run.timeout.total_seconds()
            verdict = self._verdict_on(running, now)
            if verdict is not None:
                self._end(child, verdict)
                return
            self._pass_on_cancel(child, running)
        if len(self._given) > 1 and not self._is_withdrawn and now - self._heard_at >= _WITHDRAW_AFTER:
            self._is_withdrawn = True
            with contextlib.suppress(OSError):
                child.pipe.send_bytes(encode(["withdraw"]))

    def _verdict_on(self, running: _Given, now: float) -> Outcome | None:
        """Return the outcome for which the child is to be killed; ``None``: it is not."""
        run, level = running.run, running.held.cancel_level
        if run.is_lost:
            return GivenBack("its lease was lost")
        if level is CancelLevel.KILL:
            return CancelObeyed()
        if run.deadline is not None and run.timeout is not None and now >= run.deadline:
            return TimedOut(run.timeout, is_stopped=True)
        return None

    def _pass_on_cancel(self, child: Child, running: _Given) -> None:
        level = running.held.cancel_level
        if level is None or level is running.told:
            return
        running.told = level
        with contextlib.suppress(OSError):
            child.pipe.send_bytes(encode(["cancel", child.started, level.value]))

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
        unbegun = [seq for seq in self._given if seq > started]
        self._put_back(unbegun)
        for seq, given in list(self._given.items()):
            del self._given[seq]
            if seq <= ended:
                self._core.settling.finish(given.held, GivenBack("its process died before its outcome was sent"))
            else:
                self._core.settling.finish(given.held, outcome or WorkerDied(f"{words} while it ran."))
        if outcome is None and not child.is_ready:
            self._note_vain_start(words)

    def _note_vain_start(self, words: str) -> None:
        self._pool.starts_in_vain += 1
        _logger.error("A child process did not come up. %s.", words)
        if self._pool.starts_in_vain >= _STARTS_IN_VAIN:
            self._pool.fail(
                f"{self._pool.starts_in_vain} child processes in a row did not come up. {words}. A script that runs a "
                'worker with processes needs `if __name__ == "__main__":` around it.'
            )

    def _part_from(self, child: Child) -> None:
        """Let a child end, and start another one."""
        self._pool.forget(child)
        child.close()
        self._child = self._pool.start_child()

    def close(self) -> None:
        """Let the child end: it is idle, unless this thread is at fault."""
        child, self._child = self._child, None
        if child is not None and self._given:
            self._end(child, GivenBack("the worker had a fault of its own"))
        elif child is not None:
            self._pool.forget(child)
            child.close()
        for end in (self._wake_in, self._wake_out):
            end.close()


def _has_limit(held: Held) -> bool:
    return held.task.spec.timeout is not None or (held.job is not None and held.job.timeout is not None)


def _note(run: Run, news: News | None) -> None:
    """Add what a child told to the run that the heartbeats read."""
    if news is None:
        return
    if news.progress is not None:
        run.latest_progress = news.progress
    run.items.extend(news.items)
