"""The child process of a worker: runs what its parent sends, one task at a time, in its main thread.

A second thread reads the pipe. When the pipe closes, the parent is gone, and the child ends at once, in the middle of
a task if need be: its lease will lapse, and somebody else will run it. SIGINT is left to the parent. SIGTERM ends
nothing by itself (a service manager sends it to the whole group): it is how a cancel of level TERMINATE reaches a
function that waits, and is ignored otherwise.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, MutableSequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from taskcore._codec import load_data
from taskcore._control import CancelRequested, SoftTimeout
from taskcore._data import Task
from taskcore._definition import import_definition
from taskcore._ids import IdSource
from taskcore._policy import Outcome
from taskcore._run import Job, Run, Surroundings, execute, outcome_of_exception
from taskcore._vocabulary import CancelLevel
from taskcore._worker._capture import capturing
from taskcore._worker._memory import CAN_TELL, resident_memory
from taskcore._worker._wire import ENDED, MEMORY, STARTED, News, decode, dump_news, dump_outcome, encode
from taskcore.clock import SystemClock

__all__ = ["child_main"]

_FLUSH_AFTER = 0.002
"""Seconds that an outcome may wait for others to be sent with."""
_NEWS_EVERY = 0.3


def child_main(pipe: Connection, shared: MutableSequence[int], config: str) -> None:
    """Run tasks until the parent closes the pipe. The target of the process that ``_processes`` starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    settings = json.loads(config)
    try:
        jobs = {name: Job.of(import_definition(reference)) for name, reference in settings["tasks"].items()}
    except BaseException as error:
        pipe.send_bytes(encode(["broken", f"{type(error).__name__}: {error}"]))
        return
    level = settings["capture_level"]
    if level is not None:
        logging.getLogger().setLevel(level)  # nobody else has set up logging in this process
    with capturing(level):
        _Child(pipe, shared, jobs, settings).live()


class _Child:
    """What the threads of the child share."""

    def __init__(
        self, pipe: Connection, shared: MutableSequence[int], jobs: Mapping[str, Job], settings: Mapping[str, Any]
    ) -> None:
        self._pipe = pipe
        self._shared = shared
        self._jobs = jobs
        self._log_lines = int(settings["log_lines"])
        self._is_bounded = bool(settings["is_memory_bounded"])
        self._surroundings = Surroundings(
            clock=SystemClock(),
            monotonic=time.monotonic,
            ids=IdSource(),
            payload_limit=settings["payload_limit"],
            result_limit=settings["result_limit"],
        )
        self._todo: deque[list[Any]] = deque()
        self._wake = threading.Semaphore(0)
        self._send_lock = threading.Lock()
        self._done: list[list[object]] = []
        self._ended: list[float] = []
        self._run: Run | None = None
        self._seq = 0
        self._is_open = False
        self._main = threading.get_ident()
        self._sent_items = 0

    def live(self) -> None:
        """Run what comes, until the process ends."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, self._on_alarm)
        threading.Thread(target=self._read, name="taskcore-pipe", daemon=True).start()
        threading.Thread(target=self._tell, name="taskcore-news", daemon=True).start()
        self._send(["ready"])
        while True:
            try:
                order = self._todo.popleft()
            except IndexError:
                self._flush()
                self._wake.acquire()
                continue
            self._perform(order)

    # Main thread

    def _perform(self, order: list[Any]) -> None:
        seq, text, outputs = order
        task = load_data(Task, text)
        started = time.monotonic()
        lease = task.lease
        assert lease is not None  # it was claimed
        run = Run(task, self._jobs[task.spec.name], self._surroundings, started=started, started_at=lease.claimed_at)
        run.logs_left = self._log_lines
        timeout = run.timeout
        if timeout is not None:
            run.deadline = started + timeout.total_seconds()
        self._seq, self._sent_items = seq, 0
        self._run = run
        self._shared[STARTED] = seq
        outcome = execute(run, outputs) if run.soft_timeout is None else self._perform_watched(run, outputs)
        if self._is_bounded:
            self._shared[MEMORY] = resident_memory()
        self._shared[ENDED] = seq
        with self._send_lock:
            self._run = None
            news = self._take_news(run)
        now = time.monotonic()
        self._done.append([seq, dump_outcome(outcome), now - started, 0.0, dump_news(news)])
        self._ended.append(now)
        if now - self._ended[0] > _FLUSH_AFTER or now - started > _FLUSH_AFTER:
            self._flush()

    def _perform_watched(self, run: Run, outputs: Mapping[str, str]) -> Outcome:
        """Run with a soft timeout: by an alarm where there is one, so that a wait in C is interrupted, too."""
        soft = run.soft_timeout
        assert soft is not None
        outcome: Outcome | None = None
        timer: threading.Timer | None = None
        self._is_open = True
        try:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, max(soft.total_seconds(), 1e-6))
            else:
                timer = threading.Timer(soft.total_seconds(), self._raise_in_main, (SoftTimeout,))
                timer.daemon = True
                timer.start()
            outcome = execute(run, outputs)
            self._is_open = False
        except SoftTimeout as error:  # it came between the function's end and the closing
            self._is_open = False
            outcome = outcome or outcome_of_exception(run, error)
        finally:
            if timer is not None:
                timer.cancel()
            else:
                signal.setitimer(signal.ITIMER_REAL, 0)
        return outcome

    def _raise_in_main(self, error: type[BaseException]) -> None:
        if self._is_open:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._main), ctypes.py_object(error))

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_open:
            self._is_open = False
            raise SoftTimeout("It has run for its soft timeout.")

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        run = self._run
        level = None if run is None else run.cancel_level_wanted
        if level is not None and level.value >= CancelLevel.TERMINATE.value and self._shared[ENDED] != self._seq:
            raise CancelRequested("The task is terminated.")

    def _flush(self) -> None:
        """Send the outcomes that are waiting; each says how long ago it ended."""
        if not self._done:
            return
        now = time.monotonic()
        for entry, ended in zip(self._done, self._ended, strict=True):
            entry[3] = now - ended
        self._send(["done", self._done])
        self._done, self._ended = [], []

    # Other threads

    def _read(self) -> None:
        """Take in what the parent sends; end the process when the pipe closes."""
        try:
            while True:
                kind, *rest = decode(self._pipe.recv_bytes())
                if kind == "run":
                    self._todo.extend(rest[0])
                    self._wake.release()
                elif kind == "withdraw":
                    self._withdraw()
                elif kind == "cancel":
                    self._cancel(rest[0], CancelLevel(rest[1]))
        except (EOFError, OSError):
            pass
        finally:
            _flush_standard_streams()
            os._exit(0)

    def _withdraw(self) -> None:
        back = []
        while self._todo:
            try:
                back.append(self._todo.pop()[0])
            except IndexError:
                break
        self._send(["back", back[::-1]])

    def _cancel(self, seq: int, level: CancelLevel) -> None:
        run = self._run
        if run is None or seq != self._seq:
            return
        run.want_cancel(level)
        if level.value < CancelLevel.TERMINATE.value:
            return
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._main, signal.SIGTERM)
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._main), ctypes.py_object(CancelRequested))

    def _tell(self) -> None:
        """Send progress and items of a long run as they come, and tell the memory that the process has.

        Notice a parent whose pipe somebody else keeps open.
        """
        parent = os.getppid()
        while True:
            if CAN_TELL:
                self._shared[MEMORY] = resident_memory()
            time.sleep(_NEWS_EVERY)
            if os.getppid() != parent:
                os._exit(0)
            with self._send_lock:
                run, seq = self._run, self._seq
                news = None if run is None else self._take_news(run)
            if news is not None:
                self._send(["news", seq, dump_news(news)])

    def _take_news(self, run: Run) -> News | None:
        if not run.has_news:
            return None
        progress = None if run.latest_progress is run.sent_progress else run.latest_progress
        run.sent_progress = run.latest_progress
        items = tuple(run.items)
        del run.items[: len(items)]
        return News(progress, items)

    def _send(self, message: list[object]) -> None:
        try:
            data = encode(message)
            with self._send_lock:
                self._pipe.send_bytes(data)
        except OSError:
            os._exit(0)


def _flush_standard_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
