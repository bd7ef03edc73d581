"""The triggers that count steps: one moment, elapsed intervals, and calendar steps on the clocks of a zone."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from taskcore._triggers import (
    anchored,
    bimonthly,
    biweekly,
    cron,
    daily,
    every,
    hourly,
    monthly,
    once,
    preview,
    quarterly,
    unless_same,
    weekly,
    yearly,
)
from taskcore.errors import InvalidSchedule

BERLIN = "Europe/Berlin"
ALL_STEPS = [hourly, daily, weekly, biweekly, monthly, bimonthly, quarterly, yearly]


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def wall(text):
    return datetime.fromisoformat(text)


def texts(slots):
    return [slot.strftime("%Y-%m-%d %H:%M") for slot in slots]


@pytest.mark.parity("DQ-24")
def test_once_fires_once():
    """Before its moment the moment is the next slot; from then on there is none."""
    trigger = once(utc("2026-06-01 12:00"))

    assert utc("2026-06-01 12:00") == trigger.next_after(utc("2026-06-01 11:59"))
    assert trigger.next_after(utc("2026-06-01 12:00")) is None


def test_once_is_kept_in_utc():
    """The same moment in two zones makes equal triggers."""
    there = datetime(2026, 6, 1, 14, tzinfo=ZoneInfo(BERLIN))

    assert once(utc("2026-06-01 12:00")) == once(there)
    assert once(there).at.tzinfo is timezone.utc


@pytest.mark.parametrize("at", [wall("2026-06-01"), "2026-06-01", None, 5])
def test_once_wants_an_aware_datetime(at):
    """A naive datetime, and what is none at all, is refused."""
    with pytest.raises(InvalidSchedule, match="at is"):
        once(at)


@pytest.mark.parity("DQ-24", "DJC-03")
def test_every_counts_from_its_anchor():
    """Slots are the anchor and whole steps after it; there is none before it."""
    trigger = every(timedelta(minutes=40), anchor=utc("2026-01-01 00:10"))

    assert ["2026-01-01 00:10", "2026-01-01 00:50", "2026-01-01 01:30"] == texts(trigger.preview(utc("2020-01-01"), 3))
    assert utc("2026-01-01 01:30") == trigger.next_after(utc("2026-01-01 00:50"))
    assert utc("2026-01-01 00:50") == trigger.next_after(utc("2026-01-01 00:49"))


@pytest.mark.parity("DQ-29")
def test_every_is_elapsed_time():
    """A change of clocks does not move it: 24 hours are 24 hours."""
    trigger = every(timedelta(hours=24), anchor=datetime(2026, 3, 28, 12, tzinfo=ZoneInfo(BERLIN)))

    assert ["2026-03-29 11:00", "2026-03-30 11:00"] == texts(trigger.preview(utc("2026-03-28 11:00"), 2))


def test_every_without_an_anchor():
    """Asked by itself it counts from 1900-01-01 00:00 UTC, so ten minutes are those of the clock."""
    assert utc("2026-01-01 00:10") == every(timedelta(minutes=10)).next_after(utc("2026-01-01 00:03"))


def test_anchor_is_filled_in_once():
    """An anchor that is missing becomes the moment given; one that is there stays."""
    trigger = anchored(every(timedelta(minutes=10)), utc("2026-01-01 00:03"))

    assert every(timedelta(minutes=10), anchor=utc("2026-01-01 00:03")) == trigger
    assert trigger == anchored(trigger, utc("2027-01-01"))


@pytest.mark.parametrize("trigger", [cron("0 3 * * *"), once(utc("2026-06-01"))])
def test_anchor_of_those_that_need_none(trigger):
    """Cron and single moments stay as they are."""
    assert trigger is anchored(trigger, utc("2026-01-01"))


def test_anchor_is_wall_time_for_calendar_steps():
    """A daily trigger without an anchor gets the time that the clocks of its zone show."""
    trigger = anchored(daily(tz=BERLIN), utc("2026-01-15 08:30"))

    assert daily(wall("2026-01-15 09:30"), tz=BERLIN) == trigger


@pytest.mark.parametrize("make", [lambda: every(timedelta(minutes=10)), lambda: daily(tz=BERLIN), hourly])
def test_asked_for_again(make):
    """A trigger without an anchor is the one that was anchored meanwhile, unless anything else differs."""
    old = anchored(make(), utc("2026-01-15 08:30"))

    assert old is unless_same(make(), old)
    for other in (every(timedelta(minutes=11)), weekly(tz=BERLIN), daily(), anchored(make(), utc("2027-01-01"))):
        assert other is unless_same(other, old)


def test_asked_for_again_without_an_anchor():
    """Triggers that need no anchor are compared as they are."""
    old = cron("0 3 * * *")

    assert old is unless_same(cron("0  3 * * *"), old)
    assert cron("0 4 * * *") == unless_same(cron("0 4 * * *"), old)


def test_anchor_must_be_aware():
    """A naive moment of creation is refused, also where it is not needed."""
    for trigger in (every(timedelta(minutes=1)), daily(), cron("* * * * *")):
        with pytest.raises(InvalidSchedule, match="no time zone"):
            anchored(trigger, wall("2026-01-01"))


@pytest.mark.parity("DJC-03")
@pytest.mark.parametrize(
    "step", [timedelta(0), timedelta(seconds=-1), timedelta(milliseconds=999), 10, None, "10", timedelta.min]
)
def test_every_refuses_steps_that_cannot_be(step):
    """Steps below a second, and what is no timedelta, are refused."""
    with pytest.raises(InvalidSchedule, match="every"):
        every(step)


def test_every_refuses_a_naive_anchor():
    """A naive anchor is refused."""
    with pytest.raises(InvalidSchedule, match="anchor"):
        every(timedelta(minutes=1), anchor=wall("2026-01-01"))


def test_every_ends_with_the_calendar():
    """A step past the last datetime has no slot; a step as large as a timedelta can be is no error."""
    assert every(timedelta.max, anchor=utc("2026-01-01")).next_after(utc("2026-01-01")) is None
    assert every(timedelta(days=1)).next_after(datetime.max.replace(tzinfo=timezone.utc)) is None


def test_every_counts_without_walking():
    """The number of slots between two moments is that of a walk: after the first, up to and with the second."""
    trigger = every(timedelta(seconds=7), anchor=utc("2026-01-01"))
    low, high = utc("2025-12-31 23:59"), utc("2026-01-01 00:07")

    assert 61 == trigger.count_between(low, high)
    assert 60 == trigger.count_between(utc("2026-01-01"), high)
    assert 0 == trigger.count_between(high, low)


STEPS = [
    (hourly, "2026-01-31 09:30", ["2026-01-31 09:30", "2026-01-31 10:30", "2026-01-31 11:30"]),
    (daily, "2026-02-27 09:30", ["2026-02-27 09:30", "2026-02-28 09:30", "2026-03-01 09:30"]),
    (weekly, "2026-02-27 09:30", ["2026-02-27 09:30", "2026-03-06 09:30", "2026-03-13 09:30"]),
    (biweekly, "2026-02-27 09:30", ["2026-02-27 09:30", "2026-03-13 09:30", "2026-03-27 09:30"]),
    (
        monthly,
        "2026-01-31 09:30",
        ["2026-01-31 09:30", "2026-02-28 09:30", "2026-03-31 09:30", "2026-04-30 09:30", "2026-05-31 09:30"],
    ),
    (monthly, "2028-01-30 09:30", ["2028-01-30 09:30", "2028-02-29 09:30", "2028-03-30 09:30"]),
    (bimonthly, "2025-12-31 09:30", ["2025-12-31 09:30", "2026-02-28 09:30", "2026-04-30 09:30", "2026-06-30 09:30"]),
    (quarterly, "2026-01-31 09:30", ["2026-01-31 09:30", "2026-04-30 09:30", "2026-07-31 09:30", "2026-10-31 09:30"]),
    (
        yearly,
        "2024-02-29 09:30",
        ["2024-02-29 09:30", "2025-02-28 09:30", "2026-02-28 09:30", "2027-02-28 09:30", "2028-02-29 09:30"],
    ),
    (yearly, "2096-02-29 09:30", ["2096-02-29 09:30", "2097-02-28 09:30", "2098-02-28 09:30"]),
]


@pytest.mark.parity("DQ-24", "DQ-29")
@pytest.mark.parametrize(("make", "anchor", "expected"), STEPS, ids=lambda value: getattr(value, "__name__", None))
def test_calendar_steps(make, anchor, expected):
    """Steps count from the anchor, so that the 31st stays the 31st, and is the last day of shorter months."""
    assert expected == texts(make(utc(anchor)).preview(utc("2000-01-01"), len(expected)))


@pytest.mark.parametrize("make", ALL_STEPS)
def test_calendar_step_from_the_middle(make):
    """Asked in the middle of its life, years after the anchor, a step gives what a walk from the anchor gives."""
    trigger = make(wall("2024-01-31 09:30"), tz=BERLIN)
    walked = trigger.preview(utc("2024-01-31 00:00"), 2_000)
    middle = len(walked) // 2

    assert walked[middle] == trigger.next_after(walked[middle] - timedelta(microseconds=1))
    assert walked[middle + 1] == trigger.next_after(walked[middle])


# Berlin leaves out 02:00 to 03:00 on 2026-03-29, a Sunday, and shows it twice on 2026-10-25, another Sunday.
CLOCK_CHANGES = [
    (daily, "2026-03-27 02:30", ["2026-03-27 01:30", "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"]),
    (daily, "2026-10-23 02:30", ["2026-10-23 00:30", "2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30"]),
    (daily, "2026-03-28 09:00", ["2026-03-28 08:00", "2026-03-29 07:00", "2026-03-30 07:00"]),
    (weekly, "2026-03-22 02:30", ["2026-03-22 01:30", "2026-03-29 01:00", "2026-04-05 00:30"]),
    (biweekly, "2026-10-11 02:30", ["2026-10-11 00:30", "2026-10-25 00:30", "2026-11-08 01:30"]),
    (monthly, "2026-02-28 02:30", ["2026-02-28 01:30", "2026-03-28 01:30", "2026-04-28 00:30"]),
    (monthly, "2026-01-29 02:30", ["2026-01-29 01:30", "2026-02-28 01:30", "2026-03-29 01:00", "2026-04-29 00:30"]),
    (hourly, "2026-03-29 00:30", ["2026-03-28 23:30", "2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30"]),
    (hourly, "2026-10-25 01:30", ["2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30"]),
]


@pytest.mark.parity("DQ-29")
@pytest.mark.parametrize(("make", "anchor", "expected"), CLOCK_CHANGES)
def test_calendar_steps_over_clock_changes(make, anchor, expected):
    """Days and longer keep the time on the wall: the end of a gap, the first pass of a fold. Hours are elapsed time."""
    trigger = make(wall(anchor), tz=BERLIN)

    assert expected == texts(trigger.preview(utc("2026-01-01"), len(expected)))


def test_daily_over_a_missing_day():
    """Apia left out 2011-12-30: its slot falls on the end of that, and together with the next midnight's."""
    noon, midnight = daily(wall("2011-12-28 12:00"), tz="Pacific/Apia"), daily(wall("2011-12-28"), tz="Pacific/Apia")

    assert ["2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"] == texts(noon.preview(utc("2011-12-29"), 3))
    assert ["2011-12-29 10:00", "2011-12-30 10:00", "2011-12-31 10:00"] == texts(midnight.preview(utc("2011-12-29"), 3))


def test_anchor_keeps_its_fraction():
    """Slots keep the anchor's second and microsecond, where clocks change too."""
    trigger = daily(wall("2026-03-28 02:30:15.000123"), tz=BERLIN)
    expected = [utc("2026-03-28 01:30:15.000123"), utc("2026-03-29 01:00"), utc("2026-03-30 00:30:15.000123")]

    assert expected == list(trigger.preview(utc("2026-01-01"), 3))


def test_aware_anchor_in_its_own_zone():
    """The zone of an anchor made with ZoneInfo is the schedule's; a fixed offset is none, so UTC is."""
    in_berlin = datetime(2026, 3, 28, 9, tzinfo=ZoneInfo(BERLIN))
    fixed = datetime(2026, 3, 28, 9, tzinfo=timezone(timedelta(hours=1)))

    assert daily(wall("2026-03-28 09:00"), tz=BERLIN) == daily(in_berlin)
    assert daily(wall("2026-03-28 08:00"), tz="UTC") == daily(fixed)
    assert daily(wall("2026-03-28 09:00"), tz=BERLIN) == daily(fixed, tz=BERLIN)


@pytest.mark.parity("DQ-24")
def test_hourly_is_every_hour():
    """Hourly is elapsed time: the same value as every hour from that moment."""
    assert every(timedelta(hours=1), anchor=utc("2026-01-15 08:20")) == hourly(wall("2026-01-15 09:20"), tz=BERLIN)
    assert every(timedelta(hours=1)) == hourly()


def test_hourly_in_a_second_pass():
    """An aware anchor in the second pass of a fold is that very moment."""
    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo(BERLIN))

    assert utc("2026-10-25 01:30") == hourly(second).next_after(utc("2026-10-25 00:45"))


@pytest.mark.parametrize("make", ALL_STEPS)
def test_naive_anchor_needs_a_zone(make):
    """A naive anchor means nothing without a zone."""
    with pytest.raises(InvalidSchedule, match="anchor is 2026-01-01T00:00:00, which has no time zone"):
        make(wall("2026-01-01"))


@pytest.mark.parametrize("make", ALL_STEPS)
def test_zone_must_exist(make):
    """A zone that does not exist is refused, with an anchor and without."""
    for anchor in (None, wall("2026-01-01"), utc("2026-01-01")):
        with pytest.raises(InvalidSchedule, match="time zone 'Mars/Base'"):
            make(anchor, tz="Mars/Base")


@pytest.mark.parametrize("make", ALL_STEPS)
@pytest.mark.parametrize("anchor", ["2026-01-01", 5, timedelta(1)])
def test_anchor_must_be_a_datetime(make, anchor):
    """What is no datetime is refused, with and without a zone."""
    for tz in (None, "UTC"):
        with pytest.raises(InvalidSchedule, match="anchor"):
            make(anchor, tz=tz)


@pytest.mark.parametrize("make", ALL_STEPS)
def test_ends_of_the_calendar(make):
    """The first and the last moments of all are no error: None, or the first slot."""
    trigger = make(utc("9998-12-31"), tz="Pacific/Kiritimati")

    assert utc("9998-12-31") == trigger.next_after(datetime.min.replace(tzinfo=timezone.utc))
    assert trigger.next_after(datetime.max.replace(tzinfo=timezone.utc)) is None


@pytest.mark.parametrize("make", ALL_STEPS[1:])
def test_anchor_that_the_zone_cannot_show(make):
    """An anchor in the last hours of year 9999 is refused where clocks already show year 10000."""
    with pytest.raises(InvalidSchedule, match="too far off"):
        make(datetime.max.replace(tzinfo=timezone.utc), tz="Pacific/Kiritimati")


def test_without_an_anchor_days_begin_at_midnight():
    """Asked by itself a calendar step counts from Monday 1900-01-01 00:00 on the wall."""
    after = utc("2026-05-15 12:00")

    assert utc("2026-05-15 22:00") == daily(tz=BERLIN).next_after(after)
    assert utc("2026-05-18") == weekly().next_after(after)
    assert utc("2026-06-01") == monthly().next_after(after)
    assert utc("2026-07-01") == quarterly().next_after(after)
    assert utc("2027-01-01") == yearly().next_after(after)


DESCRIPTIONS = [
    (once(utc("2027-03-28 01:00")), "once at 2027-03-28 01:00 (UTC)"),
    (every(timedelta(seconds=1)), "every second"),
    (every(timedelta(seconds=90)), "every 90 seconds"),
    (every(timedelta(seconds=1.5)), "every 1.5 seconds"),
    (every(timedelta(minutes=10)), "every 10 minutes"),
    (every(timedelta(minutes=90)), "every 90 minutes"),
    (every(timedelta(hours=1)), "every hour"),
    (every(timedelta(days=1)), "every 24 hours"),
    (every(timedelta(days=3)), "every 3 days"),
    (hourly(), "every hour"),
    (daily(wall("2026-01-31 03:00"), tz=BERLIN), "every day at 03:00 (Europe/Berlin)"),
    (daily(wall("2026-01-31 03:00:30"), tz="UTC"), "every day at 03:00:30"),
    (weekly(utc("2026-01-31 09:00")), "every Saturday at 09:00"),
    (biweekly(utc("2026-02-01 09:00")), "every second Sunday at 09:00"),
    (monthly(utc("2026-01-31 09:00")), "on the 31st of every month at 09:00"),
    (bimonthly(utc("2026-01-02 09:00")), "on the 2nd of every second month from January at 09:00"),
    (quarterly(utc("2026-02-13 09:00")), "on the 13th of every third month from February at 09:00"),
    (yearly(utc("2024-02-29 09:00")), "every year on 29 February at 09:00"),
    (daily(tz=BERLIN), "every day (Europe/Berlin)"),
    (weekly(), "every week"),
    (biweekly(), "every second week"),
    (monthly(), "every month"),
    (bimonthly(), "every second month"),
    (quarterly(), "every third month"),
    (yearly(), "every year"),
]


@pytest.mark.parity("DJC-03", "DJC-18")
@pytest.mark.parametrize(("trigger", "expected"), DESCRIPTIONS, ids=[row[1] for row in DESCRIPTIONS])
def test_described_in_words(trigger, expected):
    """Each trigger says in plain words when it fires."""
    assert expected == trigger.describe()


def test_preview_stops_at_the_end():
    """A preview gives what there is."""
    assert () == preview(once(utc("2026-01-01")), utc("2026-01-01"), 5)
    assert (utc("2026-01-01"),) == preview(once(utc("2026-01-01")), utc("2025-01-01"), 5)
    assert () == preview(every(timedelta(seconds=1)), utc("2025-01-01"), 0)


@pytest.mark.parametrize("count", [-1, 10_001, 1.5, None, True])
def test_preview_is_bounded(count):
    """A count below 0, above 10,000, or no number at all is refused."""
    with pytest.raises(InvalidSchedule, match="count is"):
        preview(every(timedelta(seconds=1)), utc("2026-01-01"), count)


def test_preview_of_a_naive_moment():
    """A naive moment is refused, also when nothing is asked for."""
    with pytest.raises(InvalidSchedule, match="after is"):
        preview(once(utc("2026-01-01")), wall("2025-01-01"), 0)


def test_preview_of_a_trigger_of_the_users_own():
    """A preview needs nothing but ``next_after``."""

    class NewYear:
        def next_after(self, moment):
            return datetime(moment.year + 1, 1, 1, tzinfo=timezone.utc)

    trigger = NewYear()

    assert ["2027-01-01 00:00", "2028-01-01 00:00"] == texts(preview(trigger, utc("2026-05-05"), 2))
    assert trigger is anchored(trigger, utc("2026-01-01"))


def test_triggers_are_frozen():
    """Nothing about a trigger can be changed after it was made."""
    with pytest.raises(AttributeError):
        every(timedelta(seconds=1)).step = timedelta(0)  # type: ignore[misc]
