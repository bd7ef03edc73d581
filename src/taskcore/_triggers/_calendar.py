"""Calendar steps: hours, days, weeks, months and years from an anchor.

Days and longer are wall time in a zone: what falls into a gap fires at the first instant after it, what falls into a
fold on its first pass. Months count from the anchor, so the 31st stays the 31st, and is the last day in shorter months.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

import attrs
from typing_extensions import assert_never

from taskcore._triggers._base import BuiltInTrigger, JSONValue
from taskcore._triggers._interval import DEFAULT_ANCHOR, Every
from taskcore._triggers._wall import as_utc, find_zone, first_instant, wall_at
from taskcore._triggers._words import clock_words, month_words, ordinal, weekday_words, with_zone
from taskcore.errors import InvalidSchedule

__all__ = [
    "CalendarStep",
    "Step",
    "bimonthly",
    "biweekly",
    "daily",
    "hourly",
    "monthly",
    "quarterly",
    "weekly",
    "yearly",
]


class Step(Enum):
    """The steps that are wall time."""

    DAILY = "daily"
    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    MONTHLY = "monthly"
    BIMONTHLY = "bimonthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


_DAYS = {Step.DAILY: 1, Step.WEEKLY: 7, Step.BIWEEKLY: 14}
_MONTHS = {Step.MONTHLY: 1, Step.BIMONTHLY: 2, Step.QUARTERLY: 3, Step.YEARLY: 12}


def _check_anchor(_instance: object, _attribute: object, anchor: datetime | None) -> None:
    if anchor is not None and (not isinstance(anchor, datetime) or anchor.tzinfo is not None):
        raise InvalidSchedule(
            f"anchor is {anchor!r}: a calendar step keeps the wall time of its zone, a naive datetime."
        )


def _check_zone(_instance: object, _attribute: object, name: str) -> None:
    find_zone(name)


@attrs.frozen(kw_only=True)
class CalendarStep(BuiltInTrigger):
    """The wall time ``anchor`` in the zone ``tz``, and then each ``step``. Made by ``daily`` … ``yearly``."""

    step: Step
    anchor: datetime | None = attrs.field(default=None, validator=_check_anchor)
    tz: str = attrs.field(default="UTC", validator=_check_zone)

    def anchored(self, moment: datetime) -> CalendarStep:
        """Return the trigger with ``moment`` as its zone shows it for anchor, when it was given none; else itself."""
        instant = as_utc(moment, "moment")
        return self if self.anchor is not None else attrs.evolve(self, anchor=wall_at(instant, find_zone(self.tz)))

    def with_anchor_of(self, other: object) -> CalendarStep:
        """Return the trigger with the anchor of another calendar step, when it was given none; else itself."""
        return (
            attrs.evolve(self, anchor=other.anchor) if self.anchor is None and isinstance(other, CalendarStep) else self
        )

    def describe(self) -> str:
        """Say when: ``on the 31st of every month at 09:00 (Europe/Berlin)``."""
        return with_zone(
            _unanchored_words(self.step) if self.anchor is None else _words(self.step, self.anchor), self.tz
        )

    def to_data(self) -> dict[str, JSONValue]:
        """Return it as plain data for JSON."""
        anchor = None if self.anchor is None else self.anchor.isoformat()
        return {"kind": "calendar", "step": self.step.value, "anchor": anchor, "tz": self.tz}

    def _next_after(self, moment: datetime) -> datetime | None:
        zone = find_zone(self.tz)
        anchor = self.anchor or DEFAULT_ANCHOR.replace(tzinfo=None)
        # No wall time up to the one shown now first comes later than now, so no step before this one does.
        index = max(0, _steps_between(self.step, anchor, wall_at(moment, zone)))
        while True:
            slot = _slot(self.step, anchor, index, zone)
            if slot > moment:
                return slot
            index += 1


def _steps_between(step: Step, anchor: datetime, wall: datetime) -> int:
    if step in _DAYS:
        return (wall - anchor) // timedelta(days=_DAYS[step])
    return ((wall.year - anchor.year) * 12 + wall.month - anchor.month) // _MONTHS[step]


def _slot(step: Step, anchor: datetime, index: int, zone: ZoneInfo) -> datetime:
    """Return the instant of the slot ``index`` steps after the anchor; raise OverflowError past year 9999."""
    if step in _DAYS:
        return first_instant(anchor + timedelta(days=_DAYS[step] * index), zone)
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + _MONTHS[step] * index, 12)
    if year > 9999:
        raise OverflowError
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return first_instant(anchor.replace(year=year, month=month + 1, day=day), zone)


def _words(step: Step, anchor: datetime) -> str:
    time = clock_words(anchor)
    if step is Step.DAILY:
        return f"every day at {time}"
    if step is Step.WEEKLY:
        return f"every {weekday_words(anchor)} at {time}"
    if step is Step.BIWEEKLY:
        return f"every second {weekday_words(anchor)} at {time}"
    if step is Step.MONTHLY:
        return f"on the {ordinal(anchor.day)} of every month at {time}"
    if step is Step.BIMONTHLY:
        return f"on the {ordinal(anchor.day)} of every second month from {month_words(anchor.month)} at {time}"
    if step is Step.QUARTERLY:
        return f"on the {ordinal(anchor.day)} of every third month from {month_words(anchor.month)} at {time}"
    if step is Step.YEARLY:
        return f"every year on {anchor.day} {month_words(anchor.month)} at {time}"
    assert_never(step)


def _unanchored_words(step: Step) -> str:
    if step is Step.DAILY:
        return "every day"
    if step is Step.WEEKLY:
        return "every week"
    if step is Step.BIWEEKLY:
        return "every second week"
    if step is Step.MONTHLY:
        return "every month"
    if step is Step.BIMONTHLY:
        return "every second month"
    if step is Step.QUARTERLY:
        return "every third month"
    if step is Step.YEARLY:
        return "every year"
    assert_never(step)


def _calendar_step(step: Step, anchor: datetime | None, tz: str | None) -> CalendarStep:
    zone = find_zone(_zone_name(anchor, tz))
    return CalendarStep(step=step, anchor=None if anchor is None else _anchor_wall(anchor, tz, zone), tz=zone.key)


def _anchor_wall(anchor: datetime, tz: str | None, zone: ZoneInfo) -> datetime:
    if _is_wall(anchor, tz):
        return anchor
    try:
        return wall_at(as_utc(anchor, "anchor"), zone)
    except OverflowError as error:
        raise InvalidSchedule(
            f"anchor is {anchor.isoformat()}, which {zone.key} cannot show: it is too far off."
        ) from error


def _is_wall(anchor: datetime, tz: str | None) -> bool:
    """Tell whether the anchor is wall time: naive, with a zone named beside it."""
    return tz is not None and isinstance(anchor, datetime) and anchor.tzinfo is None


def _zone_name(anchor: datetime | None, tz: str | None) -> str:
    if tz is not None:
        return tz
    zone = anchor.tzinfo if isinstance(anchor, datetime) else None
    return zone.key if isinstance(zone, ZoneInfo) and zone.key else "UTC"


def hourly(anchor: datetime | None = None, *, tz: str | None = None) -> Every:
    """Fire at the anchor and each hour after it: elapsed time, so each hour of a day of 23 or 25 hours once.

    ``anchor`` and ``tz`` as for ``daily``; the zone only says what a naive anchor means.
    """
    zone = find_zone(_zone_name(anchor, tz))
    if anchor is not None and _is_wall(anchor, tz):
        anchor = first_instant(anchor, zone)
    return Every(step=timedelta(hours=1), anchor=anchor)


def daily(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire at the anchor and each day after it, at the same time on the clocks of a zone.

    Args:
        anchor: The first slot: an aware datetime, or a naive one that is wall time in ``tz``. There is no slot before
            it. A schedule made without one counts from its creation; a trigger that is asked by itself counts from
            1900-01-01 00:00 on the wall until then.
        tz: IANA name of the zone. Without it, that of the anchor when it has one (``ZoneInfo``), else UTC.

    Raises InvalidSchedule for a naive anchor without ``tz``, and for a zone that does not exist.
    """
    return _calendar_step(Step.DAILY, anchor, tz)


def weekly(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire each week, on the anchor's weekday and at its time; ``anchor`` and ``tz`` as for ``daily``."""
    return _calendar_step(Step.WEEKLY, anchor, tz)


def biweekly(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire every second week, on the anchor's weekday and at its time; ``anchor`` and ``tz`` as for ``daily``."""
    return _calendar_step(Step.BIWEEKLY, anchor, tz)


def monthly(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire each month on the anchor's day, or the last of a shorter month; ``anchor`` and ``tz`` as for ``daily``."""
    return _calendar_step(Step.MONTHLY, anchor, tz)


def bimonthly(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire every second month; days, ``anchor`` and ``tz`` as for ``monthly``."""
    return _calendar_step(Step.BIMONTHLY, anchor, tz)


def quarterly(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire every third month; days, ``anchor`` and ``tz`` as for ``monthly``."""
    return _calendar_step(Step.QUARTERLY, anchor, tz)


def yearly(anchor: datetime | None = None, *, tz: str | None = None) -> CalendarStep:
    """Fire each year on the anchor's date (29 February: the 28th in common years); arguments as for ``daily``."""
    return _calendar_step(Step.YEARLY, anchor, tz)
