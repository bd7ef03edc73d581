"""``Core``: what the threads of one worker share.

No threads live here. ``drain`` steps a core in the calling thread; ``run`` puts executors, heartbeats and upkeep
around it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import cast

from taskcore._policy import GivenBack, Outcome
from taskcore._run import Job, Run, Surroundings
from taskcore._worker._atomic import perform_atomically
from taskcore._worker._exchange import Claims, Exchange
from taskcore._worker._hold import Held, Holdings
from taskcore._worker._intake import Intake
from taskcore._worker._outputs import NO_OUTPUTS, needs_outputs, outputs_for
from taskcore._worker._pace import Pace
from taskcore._worker._report import Reporter
from taskcore._worker._settings import Settings
from taskcore._worker._settling import Settling
from taskcore._worker._slots import Slots
from taskcore.protocol import Backend, TransactionalStore

__all__ = ["Core"]

_logger = logging.getLogger("taskcore.worker")
_UNREAD_DELAY = timedelta(seconds=1)


class Core:
    """The parts of one worker that know each other, joined."""

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
        self.random = Random()
        self.holdings = Holdings()
        self.pace = Pace(settings.concurrency, settings.batch_size)
        self.slots = Slots(settings.concurrency, is_shared=len({job.is_async for job in jobs.values()}) > 1)
        self.reporter = Reporter(worker_id, settings.hooks)
        self.alarm: Callable[[], None] = lambda: None
        """Has whoever minds the timeouts look: a run with one has begun."""
        self.settling = Settling(self.holdings, self.pace, surroundings, self.random, settings.batch_size)
        self.intake = Intake(
            self.holdings,
            self.settling,
            self.pace,
            surroundings,
            jobs,
            settings,
            lambda held: self.exchange.run(start=held),
        )
        self.exchange = Exchange(
            backend,
            Claims(
                worker_id=worker_id,
                queue_names=settings.queue_names,
                lease=settings.lease,
                batch_size=settings.batch_size,
            ),
            self.holdings,
            self.settling.outbox,
            monotonic=surroundings.monotonic,
            random=self.random,
            room=self.intake.room,
            receive=self.intake.receive,
            reporter=self.reporter,
            make=self.intake.make,
        )

    @property
    def is_worth_a_turn(self) -> bool:
        """Whether the store should be asked now: there is something to settle, or room and perhaps more to claim."""
        exchange = self.exchange
        if self.surroundings.monotonic() < exchange.retry_at:
            return False
        return bool(exchange.outbox) or (not exchange.is_exhausted and self.intake.room()[0] > 0)

    def perform(self, held: Held, run: Run, perform: Callable[[], Outcome]) -> Outcome:
        """Run a plain function: in a transaction of the store's, if its definition is atomic."""
        if not run.job.is_atomic:
            return perform()
        return perform_atomically(cast("TransactionalStore", self.backend), self.settling, held, run, perform)

    def outputs(self, held: Held) -> Mapping[str, str] | None:
        """Return the values of the parents that a begun task refers to.

        ``None`` when the store cannot tell: the task goes back then.
        """
        if not needs_outputs(held.task):
            return NO_OUTPUTS
        try:
            return outputs_for(self.backend, held.task)
        except Exception as error:  # drivers raise what they like
            _logger.warning("The outputs for task %s cannot be read: %s", held.task.id, error)
            self.holdings.end(held)
            self.settling.post(held, GivenBack("the values it waits for cannot be read now", _UNREAD_DELAY))
            return None
