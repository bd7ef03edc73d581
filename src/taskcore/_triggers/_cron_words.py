"""Cron fields in plain English, for people who look at a schedule."""

from __future__ import annotations

from collections.abc import Sequence

from taskcore._triggers._cron_fields import CronFields
from taskcore._triggers._words import MONTH_NAMES, WEEKDAY_NAMES, join_words, ordinal, run_words

__all__ = ["cron_words"]

_ALL_HOURS = tuple(range(24))
_ALL_MINUTES = tuple(range(60))
_MOST_TIMES = 6
"""As many times of day as are listed one by one."""
_NTH_NAMES = ("first", "second", "third", "fourth", "fifth")


def cron_words(fields: CronFields) -> str:
    """Say when the fields match: ``every day at 03:00``, ``every 10 minutes, Monday to Friday``."""
    days = _day_words(fields)
    if len(fields.minutes) * len(fields.hours) <= _MOST_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour in fields.hours for minute in fields.minutes]
        return f"{days or 'every day'} at {join_words(times)}"
    return _time_words(fields) + (f", {days}" if days else "")


def _time_words(fields: CronFields) -> str:
    minutes, hours = fields.minutes, fields.hours
    step = _even_step(minutes, 60)
    hour_step = _even_step(hours, 24)
    within = "" if hours == _ALL_HOURS else f" from {_hour_spans(hours)}"
    if minutes == _ALL_MINUTES:
        return f"every minute{within}"
    if step is not None:
        return f"every {step} minutes{within}"
    if len(minutes) == 1:
        at = "" if minutes == (0,) else f" at minute {minutes[0]}"
        if hours == _ALL_HOURS:
            return f"every hour{at}"
        if hour_step is not None:
            return f"every {hour_step} hours{at}"
        return f"every hour{at}{within}"
    return f"every hour at minutes {run_words(minutes, [str(minute) for minute in _ALL_MINUTES])}{within}"


def _even_step(values: Sequence[int], size: int) -> int | None:
    """Return the step when the values begin at 0 and go round the clock by equal steps of 2 or more."""
    if len(values) < 2 or values[0] != 0 or size % len(values):
        return None
    step = size // len(values)
    return step if step > 1 and tuple(values) == tuple(range(0, size, step)) else None


def _hour_spans(hours: Sequence[int]) -> str:
    """Return the hours as spans of the clock: ``09:00 to 17:59``."""
    spans: list[list[int]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour - 1:
            spans[-1][1] = hour
        else:
            spans.append([hour, hour])
    return join_words([f"{first:02}:00 to {last:02}:59" for first, last in spans])


def _day_words(fields: CronFields) -> str:
    """Say on which days; nothing when on all."""
    months = "" if len(fields.months) == 12 else run_words(sorted(fields.months), ["", *MONTH_NAMES])
    dates, weekdays = _date_words(fields, months), _weekday_words(fields, months)
    if dates and weekdays:
        if fields.is_any_day or fields.is_any_weekday:
            return f"{dates} if that is {_weekday_list(fields)}"
        return f"{dates} or {weekdays}"
    if dates or weekdays:
        return dates or weekdays
    return f"every day in {months}" if months else ""


def _date_words(fields: CronFields, months: str) -> str:
    if len(fields.days) == 31:
        return ""
    words = [f"the {run_words(sorted(fields.days), [ordinal(day) for day in range(32)])}"] if fields.days else []
    words.extend(f"the weekday nearest to the {ordinal(day)}" for day in sorted(fields.nearest_weekdays))
    if fields.has_last_day:
        words.append("the last day")
    return f"on {join_words(words)} of {months or 'every month'}"


def _weekday_words(fields: CronFields, months: str) -> str:
    if len(fields.weekdays) == 7:
        return ""
    of_month = f"of {months or 'every month'}"
    if fields.weekdays:
        # Monday first, as weeks are read; cron counts from Sunday.
        return f"every {_weekday_list(fields)}" + (f" in {months}" if months else "")
    return f"on {_weekday_list(fields)} {of_month}"


def _weekday_list(fields: CronFields) -> str:
    if fields.weekdays:
        names = ["", *WEEKDAY_NAMES[1:], WEEKDAY_NAMES[0]]
        return run_words(sorted(day or 7 for day in fields.weekdays), names)
    nth = [f"the {_NTH_NAMES[nth - 1]} {WEEKDAY_NAMES[day]}" for day, nth in sorted(fields.nth_weekdays)]
    return join_words(nth + [f"the last {WEEKDAY_NAMES[day]}" for day in sorted(fields.last_weekdays)])
