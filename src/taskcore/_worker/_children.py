"""Child processes: how one is started, what it shares with its parent, and how it ends."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.context import SpawnContext

from taskcore._worker._child import child_main
from taskcore._worker._core import Core
from taskcore._worker._intake import LOG_LINES_KEPT
from taskcore._worker._wire import ENDED, MEMORY, STARTED

__all__ = ["Child", "ProcessPool"]

_logger = logging.getLogger("taskcore.worker")
_STARTS_IN_VAIN = 3
"""Children in a row that died before they were ready, after which the worker gives up."""
_END_WITHIN = 2.0


class ProcessPool:
    """What the children of one worker have in common."""

    def __init__(self, core: Core, fail: Callable[[str], None]) -> None:
        settings, surroundings = core.settings, core.surroundings
        core.intake.is_isolated = True
        self.core = core
        self._fail = fail
        self._context = multiprocessing.get_context("spawn")
        tasks = {name: job.definition.check_importable() for name, job in core.jobs.items() if not job.is_async}
        self._config = json.dumps({
            "tasks": tasks,
            "payload_limit": surroundings.payload_limit,
            "result_limit": surroundings.result_limit,
            "capture_level": settings.capture_level,
            "log_lines": 0 if settings.capture_level is None else LOG_LINES_KEPT,
            "is_memory_bounded": settings.max_memory_per_child is not None,
        })  # fmt: skip
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._starts_in_vain = 0

    def start_child(self) -> Child:
        """Start a process; it is killed when the interpreter ends."""
        child = Child(self._context, self._config)
        with self._lock:
            if not self._children:
                atexit.register(self._kill_all)
            self._children.add(child)
        return child

    @property
    def memory(self) -> int:
        """The bytes of memory that the children have together."""
        with self._lock:
            return sum(child.memory for child in self._children)

    def forget(self, child: Child) -> None:
        """Note that a child has ended."""
        with self._lock:
            self._children.discard(child)
            if not self._children:
                atexit.unregister(self._kill_all)

    def note_ready(self, child: Child) -> None:
        """Note that a child has imported its tasks."""
        child.is_ready = True
        self._starts_in_vain = 0

    def note_vain_start(self, child: Child, words: str) -> None:
        """Note that a child has died before it was ready; after some in a row the worker gives up."""
        words += child.complaint
        self._starts_in_vain += 1
        _logger.error("A child process did not come up. %s.", words)
        if self._starts_in_vain >= _STARTS_IN_VAIN:
            self._fail(
                f"{self._starts_in_vain} child processes in a row did not come up. {words}. A script that runs a "
                'worker with processes needs `if __name__ == "__main__":` around it.'
            )

    def _kill_all(self) -> None:
        for child in list(self._children):
            child.kill()


class Child:
    """One process, its pipe, and the memory it shares with its parent."""

    def __init__(self, context: SpawnContext, config: str) -> None:
        self.pipe, theirs = context.Pipe()
        self._shared = context.RawArray("q", 3)
        self.process = context.Process(target=child_main, args=(theirs, self._shared, config), name="taskcore-child")
        self.process.start()
        theirs.close()
        self.is_ready = False
        self.complaint = ""
        """Why it cannot work, as it said."""
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

    @property
    def memory(self) -> int:
        """The bytes of memory that it has, as it told last; 0 if it does not tell."""
        return int(self._shared[MEMORY])

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
