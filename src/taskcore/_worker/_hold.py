"""``Held``: one claimed task in the hands of this worker. ``Holdings``: all of them, and where each one is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import attrs

from taskcore._data import Task
from taskcore._run import Job, Run
from taskcore._vocabulary import CancelLevel

__all__ = ["Held", "Holdings"]


class Held:
    """One claim of one task, from the claim to the answer of the store to its outcome.

    Its place (buffered, running, on its way to the store) is told by which collections of ``Holdings`` it is in.
    """

    __slots__ = (
        "cancel_level",
        "deadline",
        "interrupt",
        "is_abandoned",
        "is_over",
        "is_suspect",
        "job",
        "key",
        "overrun",
        "received",
        "renew_at",
        "run",
        "soften",
        "task",
    )

    def __init__(self, task: Task, job: Job | None, *, deadline: float, renew_at: float, now: float) -> None:
        self.task = task
        self.job = job
        self.key = (task.spec.id, task.epoch)
        self.is_suspect = task.is_suspect
        self.deadline = deadline
        """When the lease is over, by this process's monotonic clock, counted from before the request was sent."""
        self.renew_at = renew_at
        self.received = now
        self.run: Run | None = None
        self.cancel_level = task.cancel_level
        self.interrupt: Callable[[], None] | None = None
        """Has the executor look at the run: a cancel is wanted, or its lease is lost. Called from any thread."""
        self.soften: Callable[[], None] | None = None
        """Raises ``SoftTimeout`` in the run; called once, at the soft timeout."""
        self.overrun: Callable[[], None] | None = None
        """Ends the run, or gives it up, at its hard timeout."""
        self.is_over = False
        """Its outcome was posted: no second one may be."""
        self.is_abandoned = False
        """Its outcome was posted while its function still runs."""

    def lose(self) -> None:
        """Note that another worker may hold the task now, and tell the run."""
        self.deadline = float("-inf")
        if self.run is not None:
            self.run.lose()
        if self.interrupt is not None:
            self.interrupt()

    def want_cancel(self, level: CancelLevel) -> None:
        """Note that a cancel is wanted, and tell the run."""
        if self.cancel_level is not None and self.cancel_level.value >= level.value:
            return
        self.cancel_level = level
        if self.run is not None:
            self.run.want_cancel(level)
        if self.interrupt is not None:
            self.interrupt()

    def store_time(self, now: float) -> datetime:
        """Return the store's clock at ``now``, reckoned from the claim by this process's monotonic clock."""
        lease = self.task.lease
        assert lease is not None  # it was claimed
        since = now - self.received
        return lease.claimed_at + timedelta(0, 0, int(since * 1e6)) if since > 0.0 else lease.claimed_at

    def next_limit(self) -> float | None:
        """Return when the next timeout of the run is due; ``None``: none is."""
        run = self.run
        if run is None or self.is_abandoned:
            return None
        soft = run.soft_timeout
        if soft is not None and self.soften is not None:
            return run.started + soft.total_seconds()
        return run.deadline if self.overrun is not None else None

    def mind_limits(self, now: float) -> None:
        """Act on the timeouts that have passed."""
        when = self.next_limit()
        if when is None or now < when:
            return
        if self.soften is not None and self.run is not None and self.run.soft_timeout is not None:
            soften, self.soften = self.soften, None
            soften()
            self.mind_limits(now)
        elif self.overrun is not None:
            overrun, self.overrun = self.overrun, None
            overrun()

    def mark_started(self) -> None:
        """Note that the store knows that it was started (START)."""
        if self.task.lease is not None:
            self.task = attrs.evolve(self.task, lease=attrs.evolve(self.task.lease, is_started=True))


class Holdings:
    """All that this worker holds. Single steps of dict and deque are atomic, so it needs no lock."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, int], Held] = {}
        """From the claim until the store has answered to the outcome: what heartbeats renew."""
        self.ready: deque[Held] = deque()
        """Buffered plain tasks, in the order of the claim."""
        self.suspects: deque[Held] = deque()
        """Buffered tasks that need START before they run; taken when nothing else is buffered."""
        self.coroutines: deque[Held] = deque()
        """Buffered async tasks."""
        self.feared: Held | None = None
        """The task that runs, or is about to, though it has crashed before: nothing else is put beside it."""
        self.running: dict[str, Held] = {}
        """Those whose function runs now, by id, abandoned ones too: each takes a slot."""

    @property
    def buffered(self) -> int:
        """How many wait in this worker to be started."""
        return len(self.ready) + len(self.suspects) + len(self.coroutines)

    def head(self) -> Held | None:
        """Return one of those that are next; ``None`` when nothing is buffered."""
        for buffer in (self.ready, self.coroutines, self.suspects):
            try:
                return buffer[0]
            except IndexError:
                continue
        return None

    def drop(self, held: Held) -> None:
        """Forget a claim: the store has answered, or it is lost."""
        self.all.pop(held.key, None)

    def end(self, held: Held) -> None:
        """Note that a run goes on no more, or never began."""
        running, task_id = self.running, held.task.spec.id
        if running.get(task_id) is held:
            del running[task_id]
        if self.feared is held:
            self.feared = None

    def forget_fear(self, held: Held) -> None:
        """Note that a feared task does not run."""
        if self.feared is held:
            self.feared = None

    def take_buffered(self) -> Iterable[Held]:
        """Take all that has not been started out of the buffers."""
        for buffer in (self.ready, self.suspects, self.coroutines):
            while buffer:
                try:
                    yield buffer.popleft()
                except IndexError:  # another thread was quicker
                    break
