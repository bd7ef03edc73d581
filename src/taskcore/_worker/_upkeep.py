"""The upkeep thread: says that the worker lives and hears its orders, fires schedules, purges what is past keeping."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from taskcore._data import Retention
from taskcore._scheduler import Scheduler
from taskcore._version import __version__
from taskcore._worker._core import Core
from taskcore._worker._settings import Settings
from taskcore.errors import BackendClosed
from taskcore.protocol import ClaimRequest, Order, PurgeRequest, State, WorkerInfo, WorkerState

__all__ = ["Upkeep"]

_logger = logging.getLogger("taskcore.worker")
_TICK = 1.0
"""Seconds between looks for new schedules and orders."""
_PURGE_EVERY = 60.0
_PURGE_BATCHES = 20
_HOUSEKEEPING_AFTER = 5.0
"""Seconds without a claim (all slots are taken, or it is paused) after which a claim of nothing keeps house."""
_COUNTED = frozenset({State.SUCCESSFUL})
"""What ``Retention.keep_latest`` counts and deletes: a failure is there until it is old, or somebody has seen to it."""
_LAST_WORD_WITHIN = 5.0
"""Seconds that a beat on its way may take before the last one goes past it."""
_LATE_AFTER = 3
"""Beats missed after which others call the worker offline."""


class Upkeep:
    """Works until told to stop; each part that fails is logged, and tried again."""

    def __init__(
        self,
        core: Core,
        *,
        state: Callable[[], WorkerState],
        obey: Callable[[Order], None],
        memory: Callable[[], int | None],
        name: str,
    ) -> None:
        self._core = core
        self._state = state
        self._obey = obey
        self._memory = memory
        self._scheduler = Scheduler(core.backend)
        self._beat_every = max(1.0, min(10.0, core.settings.lease.total_seconds() / 3))
        self._end = threading.Event()
        self._beating = threading.Lock()
        self._started_at: datetime | None = None
        self.thread = threading.Thread(target=self._live, name=f"{name}-upkeep", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def stop(self) -> None:
        """Stop at once; the last beat is sent by ``beat``."""
        self._end.set()

    def _live(self) -> None:
        monotonic = self._core.surroundings.monotonic
        beat_at = purge_at = 0.0
        pause = 0.0
        while not self._end.wait(pause):
            now = monotonic()
            if now >= beat_at:
                self._do(self.beat, "beat")
                beat_at = now + self._beat_every
            pause = self._do(self._tick, "tick of the schedules") or _TICK
            if now - self._core.exchange.claimed_at >= _HOUSEKEEPING_AFTER:
                self._do(self._keep_house, "housekeeping")
            if now >= purge_at:
                self._do(self._purge, "purge")
                purge_at = now + _PURGE_EVERY

    def _do(self, part: Callable[[], float | None], what: str) -> float | None:
        try:
            return part()
        except BackendClosed:
            self._end.set()
        except Exception as error:
            _logger.warning("The worker's %s failed (%s: %s).", what, type(error).__name__, error)
        return None

    def beat(self) -> float | None:
        """Say how the worker is, and obey what it is told. Raises what the backend raises."""
        with self._beating:
            if self._end.is_set():  # the last one has been sent, or is about to be
                return None
            order = self._core.backend.beat(self._info(self._state()))
        self._obey(order)
        return None

    def last_beat(self) -> None:
        """Say that the worker has stopped, after what the thread may just be saying. Raises what the backend raises."""
        is_free = self._beating.acquire(timeout=_LAST_WORD_WITHIN)
        try:
            self._core.backend.beat(self._info(WorkerState.STOPPED))
        finally:
            if is_free:
                self._beating.release()

    def _info(self, state: WorkerState) -> WorkerInfo:
        """Return what the worker says of itself now."""
        core = self._core
        now = core.backend.now()
        settings: Settings = core.settings
        return WorkerInfo(
            id=core.worker_id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queue_names=settings.queue_names,
            task_names=tuple(sorted(core.jobs)),
            concurrency=settings.concurrency,
            executor=settings.executor.value,
            state=state,
            running=tuple(core.holdings.running),
            started_at=self._moment_of_start(),
            last_beat_at=now,
            expires_at=now + timedelta(seconds=_LATE_AFTER * self._beat_every),
            completed=core.reporter.completed,
            memory=None if state is WorkerState.STOPPED else self._memory(),
            version=__version__,
        )

    def _moment_of_start(self) -> datetime:
        if self._started_at is None:
            self._started_at = self._core.backend.now()
        return self._started_at

    def _tick(self) -> float | None:
        if self._state() is not WorkerState.RUNNING:
            return None
        due = self._scheduler.tick()
        if due is None:
            return None
        wait = (due - self._core.backend.now()).total_seconds()
        return min(max(wait, 0.001), _TICK)

    def _keep_house(self) -> float | None:
        """See to lapsed leases, expiries and propagation though there is no room for more tasks here."""
        core = self._core
        request = ClaimRequest(
            worker_id=core.worker_id,
            nonce="housekeeping",
            queue_names=core.settings.queue_names,
            limit=0,
            lease=core.settings.lease,
        )
        core.backend.claim(request)
        core.exchange.claimed_at = core.surroundings.monotonic()
        return None

    def _purge(self) -> float | None:
        """Delete what its own retention lets go, and the successes beyond the latest n of a definition."""
        self._purge_by(PurgeRequest(is_due=True))
        for name, retention in self._kept_latest():
            self._purge_by(
                PurgeRequest(name=name, states=_COUNTED, keep_latest=retention.keep_latest, keep_per=retention.keep_per)
            )
        return None

    def _kept_latest(self) -> list[tuple[str, Retention]]:
        options = [(name, job.definition.options.retention) for name, job in self._core.jobs.items()]
        return [
            (name, retention)
            for name, retention in options
            if isinstance(retention, Retention) and retention.keep_latest is not None
        ]

    def _purge_by(self, request: PurgeRequest) -> None:
        for _ in range(_PURGE_BATCHES):
            if self._end.is_set() or self._core.backend.purge(request) == 0:
                return
