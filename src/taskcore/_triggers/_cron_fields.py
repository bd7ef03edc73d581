"""What the five fields of a cron expression allow, and the search for it in plain wall time. No zone is known here."""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import attrs

__all__ = ["CronFields"]

_DAY = timedelta(days=1)
_YEARS_OF_ALL_KINDS = range(2001, 2029)
"""28 years without a leap year left out hold every month on every weekday, and the leap ones too."""


@attrs.frozen(kw_only=True)
class CronFields:
    """What the fields of one expression allow. Days of the week count from Sunday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    days: frozenset[int]
    has_last_day: bool
    nearest_weekdays: frozenset[int]
    weekdays: frozenset[int]
    nth_weekdays: frozenset[tuple[int, int]]
    last_weekdays: frozenset[int]
    is_any_day: bool
    """The day-of-month field begins with ``*`` or is ``?``."""
    is_any_weekday: bool
    """The day-of-week field begins with ``*`` or is ``?``."""
    is_wildcard: bool
    """The minute or the hour field begins with ``*``: real time is followed when clocks change."""

    def matches(self, wall: datetime) -> bool:
        """Tell whether ``wall`` is a slot, to the microsecond."""
        return (
            wall.second == 0
            and wall.microsecond == 0
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and self.matches_day(wall.date())
        )

    def matches_day(self, day: date) -> bool:
        """Tell whether there are slots on ``day``.

        As in cron: when both day fields are restricted (begin with no ``*``), either is enough; else both must agree.
        """
        if day.month not in self.months:
            return False
        if self.is_any_day and self.is_any_weekday and len(self.days) == 31 and len(self.weekdays) == 7:
            return True
        by_date, by_weekday = self._matches_date(day), self._matches_weekday(day)
        if self.is_any_day or self.is_any_weekday:
            return by_date and by_weekday
        return by_date or by_weekday

    def next_wall(self, wall: datetime) -> datetime | None:
        """Return the first matching wall time after ``wall``; ``None`` when there is none up to year 9999."""
        if self.matches_day(wall.date()):
            if wall.hour in self.hours and wall.minute < self.minutes[-1]:
                minute = self.minutes[bisect_right(self.minutes, wall.minute)]
                return wall.replace(minute=minute, second=0, microsecond=0)
            if wall.hour < self.hours[-1]:
                hour = self.hours[bisect_right(self.hours, wall.hour)]
                return wall.replace(hour=hour, minute=self.minutes[0], second=0, microsecond=0)
        day = self._next_day(wall.date())
        return None if day is None else datetime(day.year, day.month, day.day, self.hours[0], self.minutes[0])  # noqa: DTZ001

    def is_possible(self) -> bool:
        """Tell whether any day of the calendar matches."""
        return any(True for year in _YEARS_OF_ALL_KINDS for _ in self._days_of(year))

    def _days_of(self, year: int) -> Iterator[date]:
        for month in sorted(self.months):
            for number in range(1, monthrange(year, month)[1] + 1):
                day = date(year, month, number)
                if self.matches_day(day):
                    yield day

    def _next_day(self, day: date) -> date | None:
        if day == date.max:
            return None
        day += _DAY
        if self.matches_day(day):
            return day
        while day.month in self.months:
            if self.matches_day(day):
                return day
            if day == date.max:
                return None
            day += _DAY
        # Months that cannot match are never walked, so the rarest (29 February on one weekday) costs 40 short months.
        for year in range(day.year, 10_000):
            for found in self._days_of(year):
                if found >= day:
                    return found
        return None

    def _matches_date(self, day: date) -> bool:
        if day.day in self.days:
            return True
        if not self.has_last_day and not self.nearest_weekdays:
            return False
        last = monthrange(day.year, day.month)[1]
        if self.has_last_day and day.day == last:
            return True
        return any(day.day == _nearest_weekday(day, number, last) for number in self.nearest_weekdays)

    def _matches_weekday(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        if weekday in self.weekdays or (weekday, (day.day + 6) // 7) in self.nth_weekdays:
            return True
        return weekday in self.last_weekdays and day.day + 7 > monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, number: int, last: int) -> int:
    """Return the Monday to Friday nearest to the ``number``-th in the month of ``day``, as a day of that month."""
    number = min(number, last)
    weekday = day.replace(day=number).isoweekday()
    if weekday == 6:
        return number - 1 if number > 1 else number + 2
    if weekday == 7:
        return number + 1 if number < last else number - 2
    return number
