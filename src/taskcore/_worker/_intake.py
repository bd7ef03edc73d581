"""``Intake``: how much is claimed, where what was claimed waits, and what may be started next.

The rules of suspects stand here (``Task.is_suspect``): a task that would be blamed for a crash is written down before
it runs (START), is never prefetched, and never runs beside buffered ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from taskcore._data import Task
from taskcore._policy import CancelObeyed, GivenBack, Overdue, UnknownName
from taskcore._run import Job, Run, Surroundings
from taskcore._worker._hold import Held, Holdings
from taskcore._worker._pace import Pace
from taskcore._worker._settings import Settings
from taskcore._worker._settling import Settling

__all__ = ["LOG_LINES_KEPT", "Intake"]

_STILL_RUNNING_DELAY = timedelta(seconds=5)
LOG_LINES_KEPT = 1000
"""How many captured log lines one run may leave."""


class Intake:
    """Between a claim and the beginning of a run. ``start`` has START written, and says whether the run may begin."""

    def __init__(
        self,
        holdings: Holdings,
        settling: Settling,
        pace: Pace,
        surroundings: Surroundings,
        jobs: Mapping[str, Job],
        settings: Settings,
        start: Callable[[Held], bool],
    ) -> None:
        self._holdings = holdings
        self._settling = settling
        self._pace = pace
        self._surroundings = surroundings
        self._jobs = jobs
        self._settings = settings
        self._start = start
        self._lock = threading.Lock()
        self.is_claiming = True
        """False while paused, and for good once it stops."""
        self.is_starting = True
        """False once the worker stops: what is buffered goes back instead."""
        self.is_isolated = False
        """A task that takes its process down takes no other with it: an executor with processes sets it."""

    def room(self) -> tuple[int, bool]:
        """Return how many tasks to claim now, and whether suspects may be among them.

        Suspects are taken one claim at a time and only into empty buffers, so that what a crash would hit is known;
        none while a task that crashed before runs in this very process, whose next crash would be blamed on both.
        """
        holdings = self._holdings
        if not self.is_claiming or holdings.suspects:
            return 0, False
        buffered, running = holdings.buffered, len(holdings.running)
        free = self._settings.concurrency - running - buffered
        if holdings.feared is not None:
            return free, False
        return free + self._pace.prefetch(), buffered == 0 and free > 0

    @property
    def has_idle_slots(self) -> bool:
        """Whether there is a slot for which nothing has been claimed yet."""
        holdings = self._holdings
        if not self.is_claiming or holdings.suspects:
            return False
        return len(holdings.running) + holdings.buffered < self._settings.concurrency

    def make(self, task: Task, deadline: float, renew_at: float, now: float) -> Held:
        """Return what the worker keeps of a claimed task."""
        return Held(task, self._jobs.get(task.spec.name), deadline=deadline, renew_at=renew_at, now=now)

    def receive(self, claimed: list[Held]) -> None:
        """Put what was claimed where it waits to be taken; what cannot run here goes back."""
        holdings = self._holdings
        for held in claimed:
            job = held.job
            if job is None:
                self._settling.post(held, UnknownName())
            elif held.task.spec.id in holdings.running:
                why = "an earlier run of it still goes on in this process"
                self._settling.post(held, GivenBack(why, _STILL_RUNNING_DELAY))
            elif held.is_suspect:
                holdings.suspects.append(held)
            elif job.is_async:
                holdings.coroutines.append(held)
            else:
                holdings.ready.append(held)

    def put_back(self, held: Held) -> None:
        """Have a task that was begun, but never handed to its function, taken again before all others."""
        self._holdings.end(held)
        held.run = None
        if held.is_suspect:
            self._holdings.suspects.appendleft(held)
        else:
            self._holdings.ready.appendleft(held)

    def take(self) -> Held | None:
        """Take the next plain task to run: a buffered one, else a suspect, for which START is written first."""
        if not self.is_starting:
            return None
        try:
            return self._holdings.ready.popleft()
        except IndexError:
            return self._take_suspect(is_async=False) if self._holdings.suspects else None

    def take_coroutine(self) -> Held | None:
        """Take the next async task to run; see ``take``."""
        if not self.is_starting:
            return None
        try:
            return self._holdings.coroutines.popleft()
        except IndexError:
            return self._take_suspect(is_async=True) if self._holdings.suspects else None

    def _take_suspect(self, *, is_async: bool) -> Held | None:
        """Take a suspect if it may run now, and have START written; ``None`` when not, or the store said no."""
        holdings = self._holdings
        with self._lock:
            held = self._next_suspect(is_async=is_async)
        if held is None:
            return None
        if self._is_startable(held, self._surroundings.monotonic()) and self._start(held):
            return held
        holdings.forget_fear(held)
        if not held.is_over:  # the store is away, or the lease was lost: the next look will tell
            holdings.suspects.appendleft(held)
        return None

    def _next_suspect(self, *, is_async: bool) -> Held | None:
        """Take a suspect out of its buffer, if nothing else is buffered.

        Where a crash takes the whole process, one task that crashed before runs at a time: the next crash then has
        one name.
        """
        holdings = self._holdings
        suspects = holdings.suspects
        if not suspects or holdings.buffered > len(suspects):
            return None
        held = suspects[0]
        if held.job is None or held.job.is_async is not is_async:
            return None
        if held.task.crashes and not self.is_isolated:
            if holdings.feared is not None:
                return None
            holdings.feared = held
        return suspects.popleft()

    def begin(self, held: Held) -> Run | None:
        """Make the run of a task that was taken; ``None`` when it may not start any more (that is settled then)."""
        now = self._surroundings.monotonic()
        if not self._is_startable(held, now):
            self._holdings.forget_fear(held)
            return None
        job = held.job
        assert job is not None  # what has none was never buffered
        run = Run(held.task, job, self._surroundings, started=now, started_at=held.store_time(now))
        if self._settings.capture_level is not None:
            run.logs_left = LOG_LINES_KEPT
        timeout = run.timeout
        if timeout is not None:
            run.deadline = now + timeout.total_seconds()
        held.run = run
        self._holdings.running[held.task.spec.id] = held
        return run

    def _is_startable(self, held: Held, now: float) -> bool:
        """Return whether it may start at ``now``; if not, it is settled."""
        if now >= held.deadline:  # perhaps nobody has taken it yet: then it goes back, and no crash is counted
            self._settling.post(held, GivenBack("its lease was over before it could start"))
            return False
        if held.cancel_level is not None:
            self._settling.post(held, CancelObeyed())
            return False
        expires_at = held.task.spec.expires_at
        if expires_at is not None and held.store_time(now) >= expires_at:
            self._settling.post(held, Overdue())
            return False
        return True
