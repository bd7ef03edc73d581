"""Schedules of django-celery-beat.

What Celery does and cron does not is refused rather than changed: with a day of the month and a day of the week Celery
wants both to match, cron either. Sun times have no counterpart here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.apps import apps

from taskcore._client import ScheduleOptions
from taskcore._triggers import cron, every, once
from taskcore.contrib.django._moments import store_moment
from taskcore.contrib.django.importing._found import FoundSchedule
from taskcore.errors import InvalidSchedule
from taskcore.protocol import CatchUp, Trigger

__all__ = ["read_schedules"]

_NOT_TAKEN = ("exchange", "routing_key")


def read_schedules(now: datetime) -> Iterator[FoundSchedule]:
    """Yield the periodic tasks by name, those that are switched off too."""
    rows: Any = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for row in rows.select_related("interval", "crontab", "solar", "clocked").order_by("name"):
        if row.task == "celery.backend_cleanup":
            continue  # taskcore's workers purge by themselves
        try:
            trigger, problem = _trigger(row, now), None
            args, kwargs = json.loads(row.args or "[]"), json.loads(row.kwargs or "{}")
        except (InvalidSchedule, ValueError) as error:
            trigger, problem, args, kwargs = None, str(error), [], {}
        yield FoundSchedule(
            name=row.name,
            task_name=row.task,
            args=args,
            kwargs=kwargs,
            trigger=trigger,
            options=_options(row),
            queue_name=row.queue or None,
            priority=None if row.priority is None else min(row.priority, 100),
            problem=problem,
            notes=tuple(_notes(row)),
            retire=partial(_retire, row),
        )


def _trigger(row: Any, now: datetime) -> Trigger:
    if row.interval is not None:
        step = timedelta(**{row.interval.period: row.interval.every})
        return every(step, anchor=store_moment(row.last_run_at) if row.last_run_at else now)
    if row.crontab is not None:
        return _cron(row.crontab)
    if row.clocked is not None:
        return once(max(store_moment(row.clocked.clocked_time), now + timedelta(seconds=1)))
    if row.solar is not None:
        raise InvalidSchedule(f"it follows the sun ({row.solar.event}), which taskcore has no trigger for")
    raise InvalidSchedule("it has no schedule")


def _cron(row: Any) -> Trigger:
    fields = [
        str(field).replace(" ", "")
        for field in (row.minute, row.hour, row.day_of_month, row.month_of_year, row.day_of_week)
    ]
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        raise InvalidSchedule(
            f"{' '.join(fields)} names days of the month and of the week: Celery wants both to match, cron either; "
            "make it one of them"
        )
    return cron(" ".join(fields), tz=str(row.timezone))


def _options(row: Any) -> ScheduleOptions:
    options: ScheduleOptions = {
        "enabled": row.enabled,
        "description": row.description or "",
        "catch_up": CatchUp.LAST,  # as beat does with what it has missed
    }
    if row.one_off:
        options["repeats"] = 1
    if row.start_time is not None:
        options["starts_at"] = store_moment(row.start_time)
    if row.expires is not None:
        options["ends_at"] = store_moment(row.expires)
    if row.expire_seconds is not None:
        options["expires_after"] = timedelta(seconds=row.expire_seconds)
    return options


def _notes(row: Any) -> Iterator[str]:
    for name in _NOT_TAKEN:
        if getattr(row, name):
            yield f"{name} {getattr(row, name)!r} is left out"
    if (row.headers or "{}") != "{}":
        yield "headers are left out"
    if row.clocked is not None and row.total_run_count:
        yield "it has run already"


def _retire(row: Any) -> None:
    row.enabled = False
    row.save()
