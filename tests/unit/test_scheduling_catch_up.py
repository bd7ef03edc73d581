"""What a schedule does with slots that have passed, that overlap, or that come when it has ended."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskcore._scheduling import GRACE, MAX_PASSED, plan
from taskcore._triggers import cron, daily, every, monthly, once
from taskcore._vocabulary import CatchUp, Overlap
from tests.unit.schedule_samples import DAY, HOUR, HOURLY, MINUTE, NOON, SECOND, after, hours, make, utc


def run_until_idle(schedule, now, **facts):
    """Step at one moment until nothing is due; return the last schedule and all slots and skips."""
    slots: list[datetime] = []
    skipped = 0
    while schedule.next_slot is not None and schedule.next_slot <= now:
        firing = plan(schedule, now, **facts)
        assert firing.slots or firing.skipped
        slots += firing.slots
        skipped += firing.skipped
        schedule = after(firing)
    return schedule, slots, skipped


class Minutely:
    """A trigger of a user's own."""

    def next_after(self, moment):
        return moment.replace(second=0, microsecond=0) + MINUTE


# Catching up: hourly slots since 12:00, and the scheduler is back at 17:00:30 or another moment.

CATCHING_UP = [
    ("nothing missed", {}, "13:00:30", ["13:00"], 0),
    ("at the edge of the grace", {}, "13:01:00", ["13:00"], 0),
    ("past the grace", {}, "13:01:01", [], 1),
    ("only the newest is in the grace", {}, "17:00:30", ["17:00"], 4),
    ("all past the grace", {}, "17:30:00", [], 5),
    ("the last", {"catch_up": CatchUp.LAST}, "17:30:00", ["17:00"], 4),
    ("the last, on time", {"catch_up": CatchUp.LAST}, "13:00:00", ["13:00"], 0),
    ("all", {"catch_up": CatchUp.ALL}, "17:30:00", ["13:00", "14:00", "15:00", "16:00", "17:00"], 0),
    ("the newest two", {"catch_up": CatchUp.ALL, "catch_up_limit": 2}, "17:30:00", ["16:00", "17:00"], 3),
    (
        "up to the end",
        {"catch_up": CatchUp.ALL, "ends_at": NOON + 3 * HOUR},
        "17:30:00",
        ["13:00", "14:00", "15:00"],
        0,
    ),
    ("the last before the end", {"catch_up": CatchUp.LAST, "ends_at": NOON + 3 * HOUR}, "17:30:00", ["15:00"], 2),
    ("past the grace and the end", {"ends_at": NOON + 3 * HOUR}, "17:30:00", [], 3),
    ("repeats left", {"catch_up": CatchUp.ALL, "repeats": 2}, "17:30:00", ["13:00", "14:00"], 0),
    ("skipped ones are no repeats", {"repeats": 1}, "17:00:30", ["17:00"], 4),
]


@pytest.mark.parity("DQ-27")
@pytest.mark.parametrize("trigger", [HOURLY, every(HOUR)], ids=["cron", "every"])
@pytest.mark.parametrize(
    ("options", "now", "expected", "skipped"), [row[1:] for row in CATCHING_UP], ids=[row[0] for row in CATCHING_UP]
)
def test_catching_up(trigger, options, now, expected, skipped):
    """Slots that have passed are enqueued or skipped as the schedule says; nothing is left due."""
    schedule = make(trigger, **options)
    firing = plan(schedule, utc(f"2026-05-04 {now}"))

    assert (expected, skipped) == (hours(firing.slots), firing.skipped)
    assert skipped == after(firing).skipped
    assert schedule.repeats - len(expected) == after(firing).repeats


def test_cursor_after_a_long_pause():
    """After slots were left out the cursor is the next slot of the same rhythm."""
    assert NOON + 6 * HOUR == after(plan(make(every(HOUR)), NOON + 5 * HOUR + 30 * MINUTE)).next_slot


def test_step_is_bounded():
    """A step enqueues at most 100 slots; the rest stays due, and nothing is lost or repeated."""
    schedule, now = make(every(MINUTE), catch_up=CatchUp.ALL, catch_up_limit=1000), NOON + 250 * MINUTE
    first = plan(schedule, now)

    assert (100, 0) == (len(first.slots), first.skipped)
    assert NOON + 101 * MINUTE == after(first).next_slot
    assert [NOON + minute * MINUTE for minute in range(1, 251)] == run_until_idle(schedule, now)[1]


@pytest.mark.parametrize("trigger", [cron("* * * * *"), Minutely()], ids=["cron", "own"])
@pytest.mark.parametrize(("catch_up", "expected"), [(CatchUp.NONE, 2), (CatchUp.LAST, 1), (CatchUp.ALL, 150)], ids=str)
def test_passing_over_is_bounded(trigger, catch_up, expected):
    """Many missed minutes are passed over in several steps of bounded work; in the end every one is accounted for."""
    missed = 2 * MAX_PASSED + 700
    schedule, now = make(trigger, catch_up=catch_up, catch_up_limit=150), NOON + missed * MINUTE
    first = plan(schedule, now)
    stepped, slots, skipped = run_until_idle(schedule, now)

    assert ((), MAX_PASSED) == (first.slots, first.skipped)
    assert [now - back * MINUTE for back in reversed(range(expected))] == slots
    assert missed - expected == skipped
    assert now + MINUTE == stepped.next_slot


@pytest.mark.parametrize(("catch_up", "expected"), [(CatchUp.NONE, 61), (CatchUp.LAST, 1), (CatchUp.ALL, 100)], ids=str)
def test_a_year_of_seconds(catch_up, expected):
    """A year of missed seconds is passed over in one step."""
    now = NOON + 365 * DAY
    firing = plan(make(every(SECOND), catch_up=catch_up), now)

    assert expected == len(firing.slots)
    assert now == firing.slots[-1]
    assert 365 * 86400 - expected == firing.skipped
    assert now + SECOND == after(firing).next_slot


def test_one_moment_runs_however_late():
    """A missed moment of ``once`` is made up for whatever ``catch_up`` says: no later slot stands for it."""
    for catch_up in CatchUp:
        assert (NOON + HOUR,) == plan(make(once(NOON + HOUR), catch_up=catch_up), NOON + DAY).slots


# Ends: repeats, ends_at, the last slot


@pytest.mark.parity("DQ-19")
def test_repeats_count_down_and_stop():
    """With two repeats there are two runs, and then no cursor."""
    stepped, slots, skipped = run_until_idle(make(repeats=2, catch_up=CatchUp.ALL), NOON + DAY)

    assert (["13:00", "14:00"], 0) == (hours(slots), skipped)
    assert (0, None, 2) == (stepped.repeats, stepped.next_slot, stepped.runs)


@pytest.mark.parity("DQ-20")
def test_endless_repeats_count_down_for_ever():
    """Below 0 repeats count the runs and never stop."""
    stepped = run_until_idle(make(catch_up=CatchUp.ALL), NOON + 5 * HOUR)[0]

    assert (-6, 5) == (stepped.repeats, stepped.runs)
    assert stepped.next_slot is not None


@pytest.mark.parity("DQ-23")
def test_no_repeats():
    """A schedule with 0 repeats can be made, and does nothing."""
    assert make(repeats=0).next_slot is None


@pytest.mark.parity("DQ-21")
@pytest.mark.parametrize("repeats", [-1, 1, 5])
def test_once_goes_to_zero(repeats):
    """After its one moment a schedule has no repeats left, whatever there were."""
    stepped = after(plan(make(once(NOON + HOUR), repeats=repeats), NOON + HOUR))

    assert (0, None, 1) == (stepped.repeats, stepped.next_slot, stepped.runs)


def test_end_takes_the_cursor_away():
    """After the last slot up to ``ends_at`` there is no cursor; repeats stay."""
    stepped = after(plan(make(ends_at=NOON + HOUR), NOON + HOUR))

    assert (None, -2) == (stepped.next_slot, stepped.repeats)


@pytest.mark.parity("DQ-21", "DJC-18")
def test_deleted_when_done():
    """A schedule that says so is to be deleted with its last run, and not before."""
    schedule = make(repeats=2, delete_when_done=True)
    first = plan(schedule, NOON + HOUR)
    second = plan(after(first), NOON + 2 * HOUR)

    assert second.after is None
    assert (NOON + 2 * HOUR,) == second.slots


def test_deleted_when_the_end_was_missed():
    """It is deleted too when its last slots were skipped."""
    firing = plan(make(ends_at=NOON + HOUR, delete_when_done=True), NOON + DAY)

    assert (None, (), 1) == (firing.after, firing.slots, firing.skipped)


# Overlap


def test_overlap_is_skipped():
    """While the last task is unfinished the slot is skipped: no run, no repeat, and the cursor goes on."""
    schedule = make(overlap=Overlap.SKIP, repeats=3)
    firing = plan(schedule, NOON + HOUR, is_last_finished=False)

    assert ((), 1) == (firing.slots, firing.skipped)
    assert (3, 0, NOON + 2 * HOUR) == (after(firing).repeats, after(firing).runs, after(firing).next_slot)
    assert (1, 2) == (after(firing).skipped, after(firing).revision)


def test_overlap_is_over():
    """When the last task has finished the slot runs."""
    assert (NOON + HOUR,) == plan(make(overlap=Overlap.SKIP), NOON + HOUR).slots


def test_slots_of_one_step_overlap_each_other():
    """Of several slots in one step the first runs, and the others come while it is unfinished."""
    firing = plan(make(overlap=Overlap.SKIP, catch_up=CatchUp.ALL), NOON + 5 * HOUR)

    assert (["13:00"], 4) == (hours(firing.slots), firing.skipped)
    assert NOON + 6 * HOUR == after(firing).next_slot


def test_overlap_is_allowed():
    """By default an unfinished task keeps nothing back."""
    assert (NOON + HOUR,) == plan(make(), NOON + HOUR, is_last_finished=False).slots


# What always holds

TRIGGERS = [
    every(7 * MINUTE),
    every(61 * SECOND),
    cron("*/20 * * * *"),
    cron("30 2 * * *", tz="Europe/Berlin"),
    cron("*/30 1-3 * * *", tz="Australia/Lord_Howe"),
    daily(tz="America/New_York"),
    monthly(),
    Minutely(),
]
STEPS = st.lists(st.timedeltas(timedelta(0), 6 * HOUR), min_size=1, max_size=15)


@given(st.sampled_from(TRIGGERS), STEPS, st.datetimes(datetime(2026, 3, 27), datetime(2026, 11, 2)))
def test_all_slots_are_enqueued_whatever_the_steps(trigger, steps, start):
    """Catching up on all, the slots enqueued are the trigger's, each once and in order, however a scheduler ticks."""
    created_at = start.replace(tzinfo=timezone.utc)
    schedule = make(trigger, created_at=created_at, catch_up=CatchUp.ALL, catch_up_limit=10_000)
    now, revisions = created_at, [schedule.revision]
    enqueued: list[datetime] = []
    ids: list[str] = []
    expected, slot = [], schedule.next_slot
    for step in steps:
        now += step
        firing = plan(schedule, now)
        while firing.after is not schedule:
            enqueued += firing.slots
            ids += [spec.id for spec in firing.specs]
            schedule = after(firing)
            revisions.append(schedule.revision)
            firing = plan(schedule, now)
    while slot is not None and slot <= now:
        expected.append(slot)
        slot = schedule.trigger.next_after(slot)

    assert expected == enqueued
    assert len(ids) == len(set(ids))
    assert list(range(1, len(revisions) + 1)) == revisions
    assert (len(expected), 0, slot) == (schedule.runs, schedule.skipped, schedule.next_slot)


@given(
    st.sampled_from([trigger for trigger in TRIGGERS if trigger != monthly()]),
    STEPS,
    st.sampled_from(list(CatchUp)),
    st.integers(1, 5),
    st.sampled_from(list(Overlap)),
    st.integers(-1, 4),
    st.booleans(),
)
def test_each_slot_is_enqueued_or_skipped_once(trigger, steps, catch_up, limit, overlap, repeats, is_last_finished):
    """Whatever the options, slots never repeat, and each that has passed was enqueued or skipped, until repeats end."""
    end = NOON + 40 * HOUR
    schedule = make(trigger, catch_up=catch_up, catch_up_limit=limit, overlap=overlap, repeats=repeats, ends_at=end)
    now, passed, slot = NOON, 0, schedule.next_slot
    enqueued: list[datetime] = []
    for step in steps:
        now += step
        firing = plan(schedule, now, is_last_finished=is_last_finished)
        assert all(slot <= now for slot in firing.slots)
        assert catch_up is not CatchUp.NONE or all(slot >= now - GRACE for slot in firing.slots)
        enqueued += firing.slots
        schedule = after(firing)
    while slot is not None and slot <= min(now, end):
        passed += 1
        slot = schedule.trigger.next_after(slot)

    assert sorted(set(enqueued)) == enqueued
    assert repeats < 0 or len(enqueued) <= repeats
    if schedule.repeats != 0 and (schedule.next_slot is None or schedule.next_slot > now):
        assert passed == schedule.runs + schedule.skipped
