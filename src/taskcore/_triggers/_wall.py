"""Wall-clock time in a zone, and the instants it stands for. The only place that knows what a gap and a fold are.

A *gap* is wall time that a zone jumps over (clocks go forward, an offset changes, a date line is crossed); a *fold* is
wall time that a zone shows twice. Instants are aware datetimes in UTC, wall times are naive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taskcore.errors import InvalidSchedule

__all__ = ["EARLIEST", "STRIDE", "as_utc", "find_zone", "first_instant", "next_change", "offset_at", "wall_at"]

EARLIEST = datetime(1, 1, 3, tzinfo=timezone.utc)
"""No slot lies before this: every zone can show it."""
_LATEST = datetime.max.replace(tzinfo=timezone.utc)

STRIDE = timedelta(hours=48)
"""Longer than any two offsets of one zone lie apart, and shorter than the time between any two changes of one zone.

In the tz database up to 2026c the first is 24 hours (a date line), the second 95 (Africa/Freetown in 1939). So two
moments at most this far apart have at most one change between them, and it shows as a difference of their offsets.
"""

_SECOND = timedelta(seconds=1)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_MACHINE_BOUND = ("localtime", "posixrules", "right/", "posix/")
"""Names that mean something else on the next machine, or count leap seconds."""


def as_utc(moment: datetime, name: str) -> datetime:
    """Return ``moment`` in UTC; raise InvalidSchedule, which calls it ``name``, unless it is an aware datetime."""
    if not isinstance(moment, datetime):
        raise InvalidSchedule(f"{name} is {moment!r}, which is no datetime: give an aware datetime.")
    if moment.tzinfo is timezone.utc:
        return moment
    if moment.utcoffset() is None:
        raise InvalidSchedule(
            f"{name} is {moment.isoformat()}, which has no time zone: give an aware datetime, "
            "such as datetime(2027, 1, 31, 9, tzinfo=timezone.utc)."
        )
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        return _LATEST if moment.year > 5000 else EARLIEST


def find_zone(name: str) -> ZoneInfo:
    """Return the zone of this IANA name; raise InvalidSchedule for one that this machine does not know."""
    if not isinstance(name, str):
        raise InvalidSchedule(f"time zone {name!r} is no text: give an IANA name such as 'Europe/Berlin'.")
    shown = repr(name if len(name) <= 64 else f"{name[:61]}...")
    if len(name) > 64 or _ZONE_NAME.fullmatch(name) is None or name.startswith(_MACHINE_BOUND):
        raise InvalidSchedule(f"time zone {shown} is no name of a zone: give an IANA name such as 'Europe/Berlin'.")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(
            f"time zone {shown} does not exist on this machine: check its spelling (IANA names, such as "
            "'Europe/Berlin'), or install the tzdata package where the system has no time zones."
        ) from error


def wall_at(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks in ``zone`` show at ``moment``."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def offset_at(moment: datetime, zone: ZoneInfo) -> timedelta:
    """Return how far clocks in ``zone`` are ahead of UTC at ``moment``."""
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which clocks in ``zone`` first show ``wall``; in a gap, the first instant after the gap.

    It never goes back when ``wall`` goes on: that is what lets callers walk wall times in order.
    """
    local = wall.replace(tzinfo=zone)
    early = local.utcoffset() or timedelta(0)
    late = local.replace(fold=1).utcoffset() or timedelta(0)
    if early >= late:
        return (wall - early).replace(tzinfo=timezone.utc)
    before = (wall - late).replace(tzinfo=timezone.utc)
    return _bisect(before, late - early, lambda moment: wall_at(moment, zone) > wall)


def next_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the instant in ``(after, until]`` at which the offset of ``zone`` changes; ``None`` when there is none.

    The two are at most one ``STRIDE`` apart.
    """
    offset = offset_at(after, zone)
    if offset_at(until, zone) == offset:
        return None
    return _bisect(after, until - after, lambda moment: offset_at(moment, zone) != offset)


def _bisect(low: datetime, span: timedelta, is_past: Callable[[datetime], bool]) -> datetime:
    """Return the first whole second of ``(low, low + span]`` past a change; offsets change at whole seconds."""
    start = low.replace(microsecond=0)
    not_past, past = 0, -(-(low + span - start) // _SECOND)
    while past - not_past > 1:
        middle = (not_past + past) // 2
        if is_past(start + middle * _SECOND):
            past = middle
        else:
            not_past = middle
    return start + past * _SECOND
