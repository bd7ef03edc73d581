"""Cron triggers around every change of clocks of 2024 to 2027, in all zones, against a walk over every minute.

The oracle knows no arithmetic: it looks at what clocks show, minute after minute, and applies the rule as it is
written. Zones with the same changes in these years are tested once.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

import attrs
import pytest

from taskcore._triggers import cron

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FROM, UNTIL = datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2028, 1, 1, tzinfo=timezone.utc)
SHARES = 12


@attrs.frozen
class Case:
    """An expression, and what it means, spelled out by hand so that the oracle needs no parser."""

    expression: str
    minutes: Collection[int]
    hours: Collection[int]
    is_wildcard: bool
    is_on: Callable[[datetime], bool] = lambda day: True

    def matches(self, wall):
        return wall.minute in self.minutes and wall.hour in self.hours and self.is_on(wall)


ALL_HOURS, ALL_MINUTES = range(24), range(60)
CASES = [
    Case("0 0 * * *", [0], [0], False),
    Case("30 0 * * *", [30], [0], False),
    Case("30 1 * * *", [30], [1], False),
    Case("0 2 * * *", [0], [2], False),
    Case("15,45 1,2,3 * * *", [15, 45], [1, 2, 3], False),
    Case("59 23 * * *", [59], [23], False),
    Case("30 2 * * 0", [30], [2], False, lambda day: day.isoweekday() == 7),
    Case("45 23 * * 6", [45], [23], False, lambda day: day.isoweekday() == 6),
    Case("20 1,2 L * *", [20], [1, 2], False, lambda day: (day + DAY).day == 1),
    Case("5-55/25 0-23 * * *", [5, 30, 55], ALL_HOURS, False),
    Case("30 * * * *", [30], ALL_HOURS, True),
    Case("*/15 * * * *", [0, 15, 30, 45], ALL_HOURS, True),
    Case("*/30 2 * * *", [0, 30], [2], True),
    Case("*/20 0,23 * * *", [0, 20, 40], [0, 23], True),
    Case("10 */6 * * *", [10], [0, 6, 12, 18], True),
    Case("*/12 1-3 * * 0,7", [0, 12, 24, 36, 48], [1, 2, 3], True, lambda day: day.isoweekday() == 7),
]
EVERY_MINUTE = [
    Case("* * * * *", ALL_MINUTES, ALL_HOURS, True),
    Case("0-59 0-23 * * *", ALL_MINUTES, ALL_HOURS, False),
]
DATE_LINES = [
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=timezone.utc)),
    ("Pacific/Fakaofo", datetime(2011, 12, 30, 11, tzinfo=timezone.utc)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=timezone.utc)),
    ("Pacific/Kwajalein", datetime(1969, 9, 30, 13, tzinfo=timezone.utc)),
    ("Pacific/Kiritimati", datetime(1994, 12, 31, 10, tzinfo=timezone.utc)),
    ("America/Caracas", datetime(2016, 5, 1, 7, tzinfo=timezone.utc)),
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=timezone.utc)),
]
"""Where a zone crossed the date line, in both directions, or moved its offset for good by half an hour."""


def offset(zone, moment):
    return moment.astimezone(zone).utcoffset()


def changes_of(zone):
    """Return the minutes at which the offset of the zone changes, found by looking at each day, hour and minute."""
    found, day = [], FROM
    while day < UNTIL:
        if offset(zone, day) != offset(zone, day + DAY):
            moment = day
            for step in (HOUR, MINUTE):
                while offset(zone, moment) == offset(zone, moment + step):
                    moment += step
            found.append((moment + MINUTE, offset(zone, moment), offset(zone, moment + MINUTE)))
        day += DAY
    return tuple(found)


@cache
def zones_with_changes():
    """Return the zones that have changes, and of each kind of changes the first zone with them."""
    every, kinds = [], dict[tuple, str]()
    for name in sorted(available_timezones()):
        changes = changes_of(ZoneInfo(name))
        if changes and not name.startswith(("right/", "posix/", "posixrules", "localtime")):
            every.append(name)
            kinds.setdefault(changes, name)
    return every, kinds


@lru_cache(maxsize=4)
def shown(zone, low, high):
    """Return each minute of ``[low, high)`` with what the clocks show, in order."""
    return [
        (moment, moment.astimezone(zone).replace(tzinfo=None, fold=0))
        for moment in (low + i * MINUTE for i in range((high - low) // MINUTE))
    ]


def slots_by_walking(case, minutes):
    """Return the slots among ``minutes`` after the first: the rule, applied to the letter."""
    if case.is_wildcard:
        return [moment for moment, wall in minutes[1:] if case.matches(wall)]
    slots, past = [], minutes[0][1]  # past: the latest that the clocks have shown
    for moment, wall in minutes[1:]:
        passed = past + MINUTE
        fires = False
        while passed <= wall:  # more than one of them where a gap is passed, none in a second pass
            fires = fires or case.matches(passed)
            passed += MINUTE
        if fires:
            slots.append(moment)
        past = max(past, wall)
    return slots


def slots_by_asking(case, zone_name, low, high):
    """Return what the trigger says for ``(low, high)``, slot after slot."""
    trigger, slots = cron(case.expression, tz=zone_name), []
    slot = trigger.next_after(low)
    while slot is not None and slot < high:
        slots.append(slot)
        slot = trigger.next_after(slot)
    return slots


def disagreements(cases, zone_name, change, reach):
    """Return where the two differ within ``reach`` of a change."""
    low, high = change - reach, change + reach
    minutes = shown(ZoneInfo(zone_name), low, high)
    found = []
    for case in cases:
        expected, actual = slots_by_walking(case, minutes), slots_by_asking(case, zone_name, low, high)
        if expected != actual:
            found.append((zone_name, case.expression, sorted(set(expected) ^ set(actual))[:5]))
    return found


def test_database_has_the_changes():
    """The test means something: about 200 zones have changes in these years, of more than 20 kinds."""
    every, kinds = zones_with_changes()

    assert len(every) > 150
    assert len(kinds) > 20


@pytest.mark.parametrize("share", range(SHARES))
def test_slots_within_two_days_of_each_change(share):
    """Around each change of clocks the slots are those that a walk over all minutes finds, neither more nor fewer."""
    found = []
    for changes, zone_name in list(zones_with_changes()[1].items())[share::SHARES]:
        for change, _before, _after in changes:
            found += disagreements(CASES, zone_name, change, 2 * DAY)

    assert [] == found


@pytest.mark.parametrize("share", range(SHARES))
def test_every_minute_near_each_change(share):
    """Each single minute near a change fires as the rule says, with and without a wildcard."""
    found = []
    for changes, zone_name in list(zones_with_changes()[1].items())[share::SHARES]:
        for change, _before, _after in changes[:4]:
            found += disagreements(EVERY_MINUTE, zone_name, change, 3 * HOUR)

    assert [] == found


def one_day_case(day):
    """Return a wildcard that matches on this day of the year only."""
    return Case(f"*/30 * {day.day} {day.month} *", [0, 30], ALL_HOURS, True, lambda wall: day == wall.date())


@pytest.mark.parametrize("share", range(SHARES))
def test_one_day_of_the_year_asked_from_far(share):
    """A wildcard on the very day of a change, and its eve, is found from months before, over other changes."""
    found = []
    for changes, zone_name in list(zones_with_changes()[1].items())[share::SHARES]:
        for change, _before, _after in changes:
            minutes = shown(ZoneInfo(zone_name), change - 2 * DAY, change + 2 * DAY)
            for day in {wall.date() for _moment, wall in minutes[2000:-2000]}:
                case = one_day_case(day)
                trigger, expected = cron(case.expression, tz=zone_name), slots_by_walking(case, minutes)[0]
                answers = {trigger.next_after(change - ahead) for ahead in (3 * DAY, 100 * DAY, 300 * DAY)}
                if {expected} != answers:
                    found.append((zone_name, case.expression, answers, expected))

    assert [] == found


@pytest.mark.parametrize(("zone_name", "change"), DATE_LINES)
def test_date_lines(zone_name, change):
    """Whole days left out or shown twice, and changes of the offset for good, follow the same rule."""
    assert offset(ZoneInfo(zone_name), change - MINUTE) != offset(ZoneInfo(zone_name), change)
    assert [] == disagreements(CASES + EVERY_MINUTE, zone_name, change, 2 * DAY)


@pytest.mark.parametrize("change", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("zone_name", ["Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll", "Asia/Beirut"])
def test_any_moment_can_be_asked_about(zone_name, change):
    """Asked from any moment near a change, on the minute or between, the answer is the first slot after it."""
    zone = ZoneInfo(zone_name)
    at = changes_of(zone)[change][0]
    minutes = shown(zone, at - 2 * DAY, at + 33 * DAY)
    found = []
    for case in [*CASES, *EVERY_MINUTE]:
        trigger, slots = cron(case.expression, tz=zone_name), slots_by_walking(case, minutes)
        moments = [at - 150 * MINUTE + third * timedelta(seconds=20.000001) for third in range(3 * 60 * 5)]
        for moment in moments:
            expected = slots[bisect_right(slots, moment)]
            if expected != trigger.next_after(moment):
                found.append((case.expression, moment, expected))

    assert [] == found
