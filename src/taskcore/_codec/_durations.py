"""Durations as JSON: seconds, exact to the microsecond."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

__all__ = ["read_duration", "write_duration"]

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


def write_duration(value: timedelta) -> int | float | str:
    """Return the seconds: as a number where that is exact to the microsecond, else (past 100 years) as its digits."""
    if not value.microseconds:
        return value // _SECOND
    seconds = value.total_seconds()
    try:
        if timedelta(seconds=seconds) == value:
            return seconds
    except OverflowError:
        pass
    return format(Decimal(value // _MICROSECOND).scaleb(-6), "f")


def read_duration(value: int | float | str) -> timedelta:
    """Return the timedelta that ``write_duration`` was given."""
    if isinstance(value, str):
        return timedelta(microseconds=int(Decimal(value).scaleb(6)))
    return timedelta(seconds=value)
