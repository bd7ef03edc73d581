"""Schedules to step, and short words for moments."""

from datetime import datetime, timedelta, timezone

from taskcore._data import Schedule, TaskSpec
from taskcore._scheduling import prepared
from taskcore._triggers import cron

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)
HOURLY = cron("0 * * * *")


def utc(text):
    """Return a moment in UTC from a text without a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def hours(slots):
    """Return hours and minutes of slots."""
    return [slot.strftime("%H:%M") for slot in slots]


def make(trigger=HOURLY, created_at=NOON, **options):
    """Return a new schedule, as it is stored."""
    spec = TaskSpec(id="", name="report", enqueued_at=created_at)
    schedule = Schedule(
        id="s1", name="nightly", trigger=trigger, spec=spec, created_at=created_at, updated_at=created_at, **options
    )
    return prepared(schedule)


def after(firing):
    """Return the schedule that a firing leaves; there has to be one."""
    assert firing.after is not None
    return firing.after
