"""Fires the schedules that are due. There is no leader: any number of schedulers may tick over one store at once.

A tick reads what is due, asks the pure ``plan`` of ``_scheduling`` how each schedule moves on, and offers the step to
the store with ``fire``, which takes it only if nobody else has written the schedule since it was read. The ids of the
tasks follow from the slots, so even two steps that both got through would store each task once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from taskcore._scheduling import plan
from taskcore.errors import BackendError
from taskcore.protocol import Backend, Schedule, ScheduleQuery

__all__ = ["Scheduler"]

_log = logging.getLogger("taskcore.scheduler")

_SET_ASIDE = timedelta(minutes=1)
"""How long a schedule whose trigger raised an error is left alone, so that it does not hold up the others."""

_AHEAD = timedelta(days=366)
"""How far a tick looks for the next slot."""


class Scheduler:
    """Fires what is due in one store; called by a worker's maintenance thread, or by your own loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._set_aside: dict[str, datetime] = {}

    def tick(self) -> datetime | None:
        """Fire all that is due; return when the next slot is due by the store's clock, ``None`` if none is in sight.

        A schedule that raises an error is logged and set aside for a minute; the others fire. Raises ``BackendError``
        when the store cannot be used.
        """
        now = self._backend.now()
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > now}
        for schedule in self._due_by(now):
            if schedule.id in self._set_aside:
                continue
            try:
                self._fire(schedule, now)
            except BackendError:
                raise
            except Exception:
                self._set_aside[schedule.id] = now + _SET_ASIDE
                _log.exception(
                    "schedule %r could not be fired; set aside for %s",
                    schedule.name,
                    _SET_ASIDE,
                    extra={"schedule_id": schedule.id},
                )
        return self._next_slot(now)

    def _due_by(self, moment: datetime) -> Iterator[Schedule]:
        cursor = None
        while True:
            page = self._backend.schedules(ScheduleQuery(due_by=moment, cursor=cursor))
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def _next_slot(self, now: datetime) -> datetime | None:
        for schedule in self._due_by(now + _AHEAD):
            until = self._set_aside.get(schedule.id)
            if until is None:
                return schedule.next_slot
        return min(self._set_aside.values(), default=None)

    def _fire(self, schedule: Schedule, now: datetime) -> None:
        firing = plan(schedule, now, is_last_finished=self._is_last_finished(schedule))
        if firing.after is schedule:
            return
        done = self._backend.fire(schedule, firing.after, firing.specs)
        _log.log(
            logging.DEBUG if not done else logging.INFO,
            "schedule %r: %d enqueued, %d skipped%s",
            schedule.name,
            len(firing.specs),
            firing.skipped,
            "" if done else "; somebody else was first",
            extra={"schedule_id": schedule.id, "task_ids": [spec.id for spec in firing.specs]},
        )

    def _is_last_finished(self, schedule: Schedule) -> bool:
        if schedule.last_task_id is None:
            return True
        last = self._backend.get([schedule.last_task_id])[0]
        return last is None or last.state.is_finished
