"""What stands on the command line, read: durations, moments, states, sizes. Each raises ``ArgumentTypeError``."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta, timezone

from taskcore.protocol import State

__all__ = ["count", "duration", "moment", "queue_state", "size"]

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DIGITS = 9
_BYTES = {"K": 2**10, "M": 2**20, "G": 2**30}
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([KMG])")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def duration(text: str) -> timedelta:
    """Read `90s`, `5m`, `1h30m`, `7d`, `2w`, `250ms`."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ArgumentTypeError(f"{text!r} is no duration: write 90s, 5m, 1h30m, 7d or 2w.")
    try:
        return sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())
    except OverflowError:
        raise ArgumentTypeError(f"{text!r} is too long.") from None


def moment(text: str) -> datetime:
    """Read a moment in ISO 8601; one without a zone is in UTC, as all that is shown."""
    try:
        read = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no moment: write 2026-11-20T12:00 (in UTC) or with a zone.") from None
    return read.replace(tzinfo=timezone.utc) if read.tzinfo is None else read


def queue_state(text: str) -> State:
    """Read a state in whatever case."""
    try:
        return State(text.upper())
    except ValueError:
        known = ", ".join(state.value.lower() for state in State)
        raise ArgumentTypeError(f"{text!r} is no state: there are {known}.") from None


def count(text: str) -> int:
    """Read a whole number of 1 or more, which a machine can count to."""
    if not text.isdecimal() or len(text) > _DIGITS or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {'9' * _DIGITS}.")
    return int(text)


def size(text: str) -> int:
    """Read an amount of memory: `500M`, `1.5G`, in units of 1,024."""
    read = _SIZE.fullmatch(text.upper().removesuffix("B").removesuffix("I"))
    if read is None or not float(read[1]):
        raise ArgumentTypeError(f"{text!r} is no size: write 500M or 2G.")
    return int(float(read[1]) * _BYTES[read[2]])
