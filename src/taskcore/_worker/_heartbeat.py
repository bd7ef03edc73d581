"""The heartbeat thread: renews leases, carries progress and items, and brings back cancels and lost leases.

It has a thread of its own, so that neither long tasks nor a slow settle keep it from renewing. Leases are renewed a
third of the way to their end, by this process's monotonic clock counted from before the request; one that could not
be renewed in time counts as lost. Between renewals a read, once a second, looks for cancels of tasks that run longer.
"""

from __future__ import annotations

import logging
import threading

from taskcore._data import Item, Progress
from taskcore._run import Load
from taskcore._transitions import Change, Verdict
from taskcore._vocabulary import Event, State
from taskcore._worker._core import Core
from taskcore._worker._hold import Held
from taskcore.errors import BackendClosed
from taskcore.protocol import Applied

__all__ = ["Heartbeat"]

_logger = logging.getLogger("taskcore.worker")
_CHUNK = 200
_CALLS_FOR_THE_REST = 100
"""How many calls of a beat take what did not fit into the first ones: as long as they take no longer than a beat."""
_LOOK_EVERY = 1.0
_LOOK_AFTER = 0.5
"""Seconds that a task must have run before the store is asked whether it is to be cancelled."""


class Heartbeat:
    """Beats until it is told to stop; stops by itself when the backend is closed."""

    def __init__(self, core: Core, name: str) -> None:
        self._core = core
        self._lease = core.settings.lease.total_seconds()
        self._every = min(_LOOK_EVERY, self._lease / 6)
        self._end = threading.Event()
        self._is_last_word = False
        self.thread = threading.Thread(target=self._live, name=f"{name}-heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def stop(self, *, linger: bool = False) -> None:
        """Stop at once; ``linger``: only when nothing is held any more."""
        self._is_last_word = linger
        self._end.set()

    def _live(self) -> None:
        while not self._end.wait(self._every) or (self._is_last_word and self._core.holdings.all):
            if self._is_last_word:
                threading.Event().wait(self._every)
            try:
                self.beat()
            except BackendClosed:
                return
            except Exception as error:
                _logger.warning("A heartbeat could not be sent (%s: %s).", type(error).__name__, error)
            self._lose_lapsed()

    def beat(self) -> None:
        """Renew what is due, send news, and look for cancels. Raises what the backend raises."""
        now = self._core.surroundings.monotonic()
        renewals: list[Held] = []
        looks: list[Held] = []
        for held in list(self._core.holdings.all.values()):
            run = held.run
            if held.deadline == float("-inf"):
                continue
            if now >= held.renew_at or (run is not None and run.has_news and not held.is_over):
                renewals.append(held)
            elif run is not None and not held.is_over and now - run.started >= _LOOK_AFTER:
                looks.append(held)
        rest: list[Held] = []
        for start in range(0, len(renewals), _CHUNK):
            rest += self._renew(renewals[start : start + _CHUNK])
        for start in range(0, len(looks), _CHUNK):
            self._look(looks[start : start + _CHUNK])
        for _ in range(_CALLS_FOR_THE_REST):
            if not rest or self._core.surroundings.monotonic() - now >= self._every:
                break
            rest = rest[_CHUNK:] + self._renew(rest[:_CHUNK])

    def _renew(self, chunk: list[Held]) -> list[Held]:
        """Renew leases and send news; return those that have more items than went into the call."""
        core = self._core
        asked = core.surroundings.monotonic()
        load = Load()
        news = [_news_of(held, load) for held in chunk]
        changes = [
            Change(
                task_id=held.task.id,
                event=Event.HEARTBEAT,
                fence=held.task.fence,
                extend=core.settings.lease,
                progress=progress,
                items=items,
            )
            for held, (progress, items) in zip(chunk, news, strict=True)
        ]
        reply = core.backend.apply(changes)
        rest: list[Held] = []
        for held, (progress, items), answer in zip(chunk, news, reply.applied, strict=True):
            if answer.verdict is Verdict.APPLIED:
                held.deadline = asked + self._lease
                held.renew_at = asked + self._lease / 3
                if held.run is not None:
                    if progress is not None:
                        held.run.sent_progress = progress
                    del held.run.items[: len(items)]
                    if held.run.items and not held.is_over:
                        rest.append(held)
                if answer.cancel_level is not None:
                    held.want_cancel(answer.cancel_level)
            else:
                self._note_lost(held, answer)
        return rest

    def _note_lost(self, held: Held, answer: Applied) -> None:
        """A fence that is no longer good: lost, unless the outcome has been stored in the meantime."""
        if held.key not in self._core.holdings.all or held.is_over:
            return
        held.lose()
        _logger.warning(
            "The lease of task %s (%s) is lost: %s",
            held.task.id,
            held.task.name,
            answer.why or answer.verdict.value,
            extra={"task_id": held.task.id, "task_name": held.task.name},
        )

    def _look(self, chunk: list[Held]) -> None:
        tasks = self._core.backend.get([held.task.id for held in chunk])
        for held, task in zip(chunk, tasks, strict=True):
            if task is None or task.state is not State.RUNNING or task.lease is None:
                held.renew_at = 0.0  # the next beat tells how it stands
            elif task.fence != held.task.fence:
                held.renew_at = 0.0
            elif task.cancel_level is not None:
                held.want_cancel(task.cancel_level)

    def _lose_lapsed(self) -> None:
        now = self._core.surroundings.monotonic()
        for held in list(self._core.holdings.all.values()):
            run = held.run
            if now >= held.deadline and run is not None and not run.is_lost and not held.is_over:
                held.lose()
                _logger.warning(
                    "The lease of task %s (%s) could not be renewed in time: it counts as lost.",
                    held.task.id,
                    held.task.name,
                    extra={"task_id": held.task.id, "task_name": held.task.name},
                )


def _news_of(held: Held, load: Load) -> tuple[Progress | None, tuple[Item, ...]]:
    """Return what the store has not been told of a run; what one that is over has left goes with its outcome."""
    run = held.run
    if run is None or held.is_over:
        return None, ()
    progress = None if run.latest_progress is run.sent_progress else run.latest_progress
    return progress, load.take(run.items)
