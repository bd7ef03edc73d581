"""Moments and durations as whole microseconds, as stores with columns of numbers keep them: exact, and quick."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

__all__ = ["EPOCH", "duration", "micros", "moment", "optional_duration", "optional_micros", "optional_moment", "span"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(value: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    delta = value - EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment(value: int) -> datetime:
    """Return the moment of microseconds since 1970, in UTC."""
    seconds, rest = divmod(value, 1_000_000)
    return EPOCH + timedelta(0, seconds, rest)


def span(value: timedelta) -> int:
    """Return a duration in microseconds."""
    return (value.days * 86400 + value.seconds) * 1_000_000 + value.microseconds


def duration(value: int) -> timedelta:
    """Return the duration of microseconds."""
    return timedelta(microseconds=value)


def optional_micros(value: datetime | None) -> int | None:
    """Return ``micros``, or ``None`` for ``None``."""
    return None if value is None else micros(value)


def optional_moment(value: int | None) -> datetime | None:
    """Return ``moment``, or ``None`` for ``None``."""
    return None if value is None else moment(value)


def optional_duration(value: timedelta | None) -> int | None:
    """Return ``span``, or ``None`` for ``None``."""
    return None if value is None else span(value)
