"""``Core``: what the threads of one worker share, and the rules of taking, beginning and finishing a task.

No threads live here. ``drain`` steps a core in the calling thread; ``run`` puts executors, heartbeats and upkeep
around it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random

from taskcore._data import Task
from taskcore._policy import (
    CancelObeyed,
    Evidence,
    GivenBack,
    Outcome,
    Overdue,
    UnknownName,
    decide,
)
from taskcore._run import Job, Run, Surroundings, effective_retry
from taskcore._worker._exchange import Claims, Entry, Exchange
from taskcore._worker._hold import Held, Holdings
from taskcore._worker._outputs import NO_OUTPUTS, needs_outputs, outputs_for
from taskcore._worker._pace import Pace
from taskcore._worker._report import Reporter
from taskcore._worker._settings import Settings
from taskcore.protocol import Backend

__all__ = ["Core"]

_logger = logging.getLogger("taskcore.worker")
_STILL_RUNNING_DELAY = timedelta(seconds=5)
_UNREAD_DELAY = timedelta(seconds=1)
_NO_EVIDENCE = Evidence()
_LONG = 0.005
"""Seconds of run time from which on an outcome is sent at once."""
_FLUSH_AFTER = 0.01
"""Seconds that an outcome may wait for others to go with."""
LOG_LINES_KEPT = 1000
"""How many captured log lines one run may leave."""


class Core:
    """One worker's claimed tasks, and what may be done with them."""

    def __init__(
        self,
        backend: Backend,
        surroundings: Surroundings,
        jobs: Mapping[str, Job],
        settings: Settings,
        worker_id: str,
    ) -> None:
        self.backend = backend
        self.surroundings = surroundings
        self.jobs = jobs
        self.settings = settings
        self.worker_id = worker_id
        self.holdings = Holdings()
        self.pace = Pace(settings.concurrency, settings.batch_size)
        self.reporter = Reporter(worker_id, settings.hooks)
        self.random = Random()
        self.is_claiming = True
        """False while paused, and for good once it stops."""
        self.is_isolated = False
        """A task that takes its process down takes no other with it: an executor with processes sets it."""
        self.alarm: Callable[[], None] = lambda: None
        """Has whoever minds the timeouts look: a run with one has begun."""
        kinds = {job.is_async for job in jobs.values()}
        self._slots: list[None] | None = [None] * settings.concurrency if len(kinds) > 1 else None
        self._take_lock = threading.Lock()
        self._finish_lock = threading.Lock()
        self._feared: Held | None = None
        claims = Claims(
            worker_id=worker_id,
            queue_names=settings.queue_names,
            lease=settings.lease,
            batch_size=settings.batch_size,
        )
        self.exchange = Exchange(
            backend,
            claims,
            self.holdings,
            monotonic=surroundings.monotonic,
            random=self.random,
            room=self.room,
            receive=self._receive,
            report=self.reporter.report,
            make=self._make,
        )

    # Claiming

    def room(self) -> tuple[int, bool]:
        """Return how many tasks to claim now, and whether suspects may be among them.

        Suspects are taken one claim at a time and only into empty buffers, so that what a crash would hit is known;
        none while a task that crashed before runs in this very process, whose next crash would be blamed on both.
        """
        holdings = self.holdings
        if not self.is_claiming or holdings.suspects:
            return 0, False
        buffered, running = holdings.buffered, len(holdings.running)
        free = self.settings.concurrency - running - buffered
        prefetch = 0 if self._feared is not None else self.pace.prefetch()
        return free + prefetch, buffered == 0 and free > 0 and self._feared is None

    @property
    def has_idle_slots(self) -> bool:
        """Whether any task that comes could start at once."""
        return (
            self.is_claiming and not self.holdings.buffered and len(self.holdings.running) < self.settings.concurrency
        )

    @property
    def is_worth_a_turn(self) -> bool:
        """Whether the store should be asked now: there is something to settle, or room and perhaps more to claim."""
        exchange = self.exchange
        if self.surroundings.monotonic() < exchange.retry_at:
            return False
        return bool(exchange.outbox) or (not exchange.is_exhausted and self.room()[0] > 0)

    @property
    def is_flush_due(self) -> bool:
        """Whether what is in the outbox should not wait for the buffer to be empty."""
        outbox = self.exchange.outbox
        try:
            first, last = outbox[0], outbox[-1]
        except IndexError:
            return False
        if len(outbox) >= self.settings.batch_size or last.posted - first.posted > _FLUSH_AFTER:
            return True
        return last.duration is not None and last.duration > _LONG

    def _make(self, task: Task, deadline: float, renew_at: float, now: float) -> Held:
        return Held(task, self.jobs.get(task.spec.name), deadline=deadline, renew_at=renew_at, now=now)

    def _receive(self, claimed: list[Held]) -> None:
        holdings = self.holdings
        for held in claimed:
            job = held.job
            if job is None:
                self.post(held, UnknownName())
            elif held.task.spec.id in holdings.running:
                self.post(held, GivenBack("an earlier run of it still goes on in this process", _STILL_RUNNING_DELAY))
            elif held.task.is_suspect:
                holdings.suspects.append(held)
            elif job.is_async:
                holdings.coroutines.append(held)
            else:
                holdings.ready.append(held)

    # Taking

    def take_slot(self) -> bool:
        """Take one of the worker's slots; return False when all are taken.

        Only a worker of plain and of async tasks counts them here: else there are as many threads as slots, or the
        loop minds the number of its coroutines.
        """
        if self._slots is None:
            return True
        try:
            self._slots.pop()
        except IndexError:
            return False
        return True

    def free_slot(self) -> None:
        """Give back a slot."""
        if self._slots is not None:
            self._slots.append(None)

    @property
    def has_slot(self) -> bool:
        """Whether ``take_slot`` would succeed."""
        return self._slots is None or bool(self._slots)

    def take(self) -> Held | None:
        """Take the next plain task to run: a buffered one, else a suspect, for which START is written first."""
        try:
            return self.holdings.ready.popleft()
        except IndexError:
            return self.take_suspect(is_async=False) if self.holdings.suspects else None

    def take_coroutine(self) -> Held | None:
        """Take the next async task to run; see ``take``."""
        try:
            return self.holdings.coroutines.popleft()
        except IndexError:
            return self.take_suspect(is_async=True) if self.holdings.suspects else None

    def take_suspect(self, *, is_async: bool) -> Held | None:
        """Take a suspect if it may run now, and have START written; ``None`` when not, or the store said no.

        Where a crash takes the whole process, one task that crashed before runs at a time: the next crash then has
        one name.
        """
        suspects = self.holdings.suspects
        with self._take_lock:
            if not suspects or self.holdings.buffered > len(suspects):
                return None
            held = suspects[0]
            if held.job is None or held.job.is_async is not is_async:
                return None
            if held.task.crashes and not self.is_isolated:
                if self._feared is not None:
                    return None
                self._feared = held
            suspects.popleft()
        if self._is_startable(held) and self.exchange.run(start=held):
            return held
        self._forget_fear(held)
        if held.key in self.holdings.all and self.surroundings.monotonic() < held.deadline:
            suspects.appendleft(held)  # the store is away
        else:
            self.holdings.drop(held)
        return None

    def _forget_fear(self, held: Held) -> None:
        if self._feared is held:
            self._feared = None

    # Beginning

    def begin(self, held: Held) -> Run | None:
        """Make the run of a task that was taken; ``None`` when it may not start any more (that is settled then)."""
        if not self._is_startable(held):
            self._forget_fear(held)
            return None
        job = held.job
        assert job is not None
        surroundings = self.surroundings
        now = surroundings.monotonic()
        run = Run(held.task, job, surroundings, started=now, started_at=self.store_now(held, now))
        if self.settings.capture_level is not None:
            run.logs_left = LOG_LINES_KEPT
        timeout = held.task.spec.timeout or job.timeout
        if timeout is not None:
            run.deadline = now + timeout.total_seconds()
        held.run = run
        self.holdings.running[held.task.spec.id] = held
        return run

    def _is_startable(self, held: Held) -> bool:
        """Return whether it may start; if not, it is settled or forgotten."""
        now = self.surroundings.monotonic()
        if now >= held.deadline:
            self.holdings.drop(held)
            _logger.warning(
                "Task %s (%s) was not started: its lease was over.", held.task.id, held.task.name,
                extra={"task_id": held.task.id, "task_name": held.task.name},
            )  # fmt: skip
            return False
        if held.cancel_level is not None:
            self.post(held, CancelObeyed())
            return False
        expires_at = held.task.spec.expires_at
        if expires_at is not None and self.store_now(held, now) >= expires_at:
            self.post(held, Overdue())
            return False
        return True

    def store_now(self, held: Held, now: float) -> datetime:
        """Return the store's clock, reckoned from the claim by this process's monotonic clock."""
        lease = held.task.lease
        assert lease is not None  # it was claimed
        return lease.claimed_at + timedelta(seconds=max(0.0, now - held.received))

    def outputs(self, held: Held) -> Mapping[str, str] | None:
        """Return the values of the parents it refers to; ``None`` when the store cannot tell (it goes back then)."""
        if not needs_outputs(held.task):
            return NO_OUTPUTS
        try:
            return outputs_for(self.backend, held.task)
        except Exception as error:  # drivers raise what they like
            _logger.warning("The outputs for task %s cannot be read: %s", held.task.id, error)
            self.unbegin(held)
            self.post(held, GivenBack("the values it waits for cannot be read now", _UNREAD_DELAY))
            return None

    # Finishing

    def finish(self, held: Held, outcome: Outcome, duration: float | None = None) -> None:
        """Take the outcome of a run that has ended; that of an abandoned one was settled before.

        ``duration`` in seconds is for runs that were timed elsewhere.
        """
        run = held.run
        assert run is not None
        if duration is None:
            duration = self.surroundings.monotonic() - run.started
        self.pace.note(duration)
        running = self.holdings.running
        if running.get(held.task.spec.id) is held:
            del running[held.task.spec.id]
        self._forget_fear(held)
        if run.deadline is not None:
            with self._finish_lock:
                is_over, held.is_over = held.is_over, True
            if is_over:
                _logger.info("Task %s (%s) ended %.3f s after it began; it had been given up before.",
                             held.task.id, held.task.name, duration)  # fmt: skip
                return
        self.post(held, outcome, duration)

    def finish_faulty(self, held: Held) -> None:
        """Give back a task that a fault of the worker's own code left behind: nobody else would ever free it."""
        if held.key in self.holdings.all and not held.is_over:
            held.is_over = True
            if self.holdings.running.get(held.task.spec.id) is held:
                del self.holdings.running[held.task.spec.id]
            self._forget_fear(held)
            self.post(held, GivenBack("the worker had a fault of its own"))

    def abandon(self, held: Held, outcome: Outcome) -> bool:
        """Settle a run that goes on and cannot be stopped; return whether it had no outcome yet."""
        with self._finish_lock:
            if held.is_over:
                return False
            held.is_over = held.is_abandoned = True
        run = held.run
        assert run is not None
        self.post(held, outcome, self.surroundings.monotonic() - run.started)
        run.lose()
        return True

    def unbegin(self, held: Held) -> None:
        """Undo ``begin``: the run was never handed to its function, and goes back to be taken again."""
        if self.holdings.running.get(held.task.spec.id) is held:
            del self.holdings.running[held.task.spec.id]
        self._forget_fear(held)
        held.run = None

    def post(self, held: Held, outcome: Outcome, duration: float | None = None) -> None:
        """Put the outcome of a task on its way to the store."""
        run = held.run
        if run is None:
            evidence = _NO_EVIDENCE
        else:
            progress = None if run.latest_progress is run.sent_progress else run.latest_progress
            evidence = Evidence(run.started_at, progress, tuple(run.items) if run.items else ())
        decision = decide(
            held.task,
            outcome,
            retry=effective_retry(held.task, held.job),
            now=self.surroundings.clock.now(),
            random=self.random.random(),
            evidence=evidence,
        )
        self.exchange.outbox.append(Entry(held, outcome, decision, self.surroundings.monotonic(), duration))

    def give_back_buffered(self, why: str) -> int:
        """Release all that has not been started; return how many."""
        count = 0
        for held in self.holdings.take_buffered():
            self.post(held, GivenBack(why))
            count += 1
        return count
