"""The English words that descriptions of triggers are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

__all__ = [
    "MONTH_NAMES",
    "WEEKDAY_NAMES",
    "clock_words",
    "join_words",
    "moment_words",
    "month_words",
    "ordinal",
    "run_words",
    "span_words",
    "weekday_words",
    "with_zone",
]

MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAY_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""From Sunday, as cron counts them."""

_SECOND = timedelta(seconds=1)
_SPANS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", _SECOND),
)


def ordinal(number: int) -> str:
    """Return ``1st``, ``2nd``, ``3rd``, ``4th`` and so on."""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def month_words(month: int) -> str:
    """Return the name of a month, 1 to 12."""
    return MONTH_NAMES[month - 1]


def weekday_words(day: datetime) -> str:
    """Return the name of the day's weekday."""
    return WEEKDAY_NAMES[day.isoweekday() % 7]


def clock_words(moment: datetime) -> str:
    """Return the time of day as ``09:00``; seconds only when there are any."""
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def moment_words(moment: datetime) -> str:
    """Return date and time as ``2027-03-28 01:00``; seconds only when there are any."""
    return f"{moment.date().isoformat()} {clock_words(moment)}"


def span_words(span: timedelta) -> str:
    """Return a duration of a second or more in its largest fitting unit: ``10 minutes``, ``hour``, ``24 hours``."""
    for name, unit in _SPANS:
        count, rest = divmod(span, unit)
        if count and not rest:
            if count == 1 and name == "day":  # elapsed time, which a day on the wall is not
                return "24 hours"
            return name if count == 1 else f"{count} {name}s"
    return f"{span / _SECOND:.6f}".rstrip("0") + " seconds"


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def run_words(numbers: Sequence[int], names: Sequence[str]) -> str:
    """Return sorted numbers by their names, three or more in a row as a range: ``Monday to Friday and Sunday``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words: list[str] = []
    for run in runs:
        named = [names[number] for number in run]
        words.extend(named if len(run) < 3 else [f"{named[0]} to {named[-1]}"])
    return join_words(words)


def with_zone(words: str, tz: str) -> str:
    """Return the words with the zone in brackets, when it is another than UTC."""
    return words if tz == "UTC" else f"{words} ({tz})"
