"""A schedule for checks to store: with a trigger that every backend can keep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from taskcore._triggers import every
from taskcore.protocol import Schedule
from taskcore.testing.conformance._trial import Trial

__all__ = ["fired", "schedule"]

HOUR = timedelta(hours=1)


def schedule(trial: Trial, **options: object) -> Schedule:
    """Return an hourly schedule, first due in an hour; the options are the fields of ``Schedule``."""
    now = trial.clock.now()
    number = trial.number()
    whole: dict[str, Any] = {
        "id": f"{number:032x}",
        "name": f"schedule {number}",
        "trigger": every(HOUR, anchor=now),
        "spec": trial.spec(name="scheduled"),
        "next_slot": now + HOUR,
        "created_at": now,
        "updated_at": now,
        **options,
    }
    return Schedule(**whole)


def fired(trial: Trial, before: Schedule) -> Schedule:
    """Return the schedule as it is after one fire."""
    slot = before.next_slot
    return attrs.evolve(
        before,
        revision=before.revision + 1,
        next_slot=None if slot is None else slot + HOUR,
        last_slot=slot,
        last_run_at=trial.clock.now(),
        runs=before.runs + 1,
    )
