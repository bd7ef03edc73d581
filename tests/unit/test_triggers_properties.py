"""What holds for every trigger, whatever it is made of and whenever it is asked."""

import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from croniter import croniter
from hypothesis import assume, given
from hypothesis import strategies as st

from taskcore._triggers import (
    bimonthly,
    biweekly,
    cron,
    daily,
    every,
    hourly,
    monthly,
    once,
    quarterly,
    trigger_from_data,
    weekly,
    yearly,
)
from taskcore.errors import InvalidSchedule, TaskcoreError

MICROSECOND = timedelta(microseconds=1)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
]
FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


def naive(first, last):
    return st.datetimes(min_value=datetime(first, 1, 1), max_value=datetime(last, 12, 31))


def moments(first=1995, last=2040):
    return st.one_of(naive(first, last), st.sampled_from(NEAR_CHANGES)).map(
        lambda moment: moment.replace(tzinfo=timezone.utc)
    )


NEAR_CHANGES = [
    datetime(2026, month, day, hour, minute)
    for month, day in ((3, 8), (3, 28), (3, 29), (4, 4), (10, 24), (10, 25), (11, 1))
    for hour in (0, 1, 2, 3, 6, 15, 22)
    for minute in (0, 30, 59)
]


@st.composite
def items(draw, low, high, *, with_star=True):
    """Draw one item of a field that croniter and cron read alike."""
    first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    step = draw(st.integers(1, high - low + 1))
    shapes = [f"{first}", f"{first}", f"{first}-{last}" if first < last else f"{first}"]
    shapes.append(f"{first}-{last}/{step}" if first < last else f"{first}")
    if with_star:
        shapes += ["*", f"*/{step}"]
    return draw(st.sampled_from(shapes))


@st.composite
def expressions(draw):
    """Draw an expression that croniter reads as cron does: no day field begins with a star and says more."""
    fields = []
    for low, high in FIELDS:
        is_day = (low, high) in {(1, 31), (0, 6)}
        chosen = draw(st.lists(items(low, high, with_star=not is_day), min_size=1, max_size=3))
        fields.append(
            "*" if any(item == "*" for item in chosen) or (is_day and draw(st.booleans())) else ",".join(chosen)
        )
    return " ".join(fields)


def possible(make):
    try:
        return make()
    except InvalidSchedule as error:
        assume("can never fire" not in str(error))
        raise


@st.composite
def triggers(draw):
    """Draw any trigger that can be made."""
    anchor = draw(st.none() | moments(1990, 2030))
    tz = draw(st.sampled_from(ZONES))
    steps = [hourly, daily, weekly, biweekly, monthly, bimonthly, quarterly, yearly]
    kind = draw(st.sampled_from(["once", "every", "cron", "cron", "steps"]))
    if kind == "once":
        return once(draw(moments()))
    if kind == "every":
        seconds = st.timedeltas(timedelta(seconds=1), timedelta(days=400))
        return every(draw(seconds), anchor=anchor)
    if kind == "cron":
        expression = draw(expressions())
        return possible(lambda: cron(expression, tz=tz))
    return draw(st.sampled_from(steps))(anchor, tz=tz)


@given(triggers(), moments())
def test_slots_strictly_increase(trigger, moment):
    """Each slot lies after the moment asked about, and each next one after the last."""
    slots = trigger.preview(moment, 6)

    assert all(earlier < later for earlier, later in zip((moment, *slots), slots, strict=False))
    assert all(slot.tzinfo is timezone.utc for slot in slots)


@given(triggers(), moments(), st.floats(0, 1))
def test_no_slot_lies_between(trigger, moment, part):
    """From anywhere between a moment and its next slot, that slot is still the next one."""
    slot = trigger.next_after(moment)
    assume(slot is not None)
    between = min(moment + (slot - moment) * part, slot - MICROSECOND)

    assert slot == trigger.next_after(max(between, moment))
    assert slot == trigger.next_after(slot - MICROSECOND)


@given(triggers(), moments())
def test_preview_is_the_walk(trigger, moment):
    """A preview gives what asking again and again gives."""
    walked, slot = [], moment
    for _ in range(4):
        slot = None if slot is None else trigger.next_after(slot)
        walked.append(slot)

    assert [slot for slot in walked if slot is not None] == list(trigger.preview(moment, 4))


@given(triggers())
def test_plain_data_and_back(trigger):
    """Every trigger survives its stored form, and is equal and described alike afterwards."""
    read = trigger_from_data(json.loads(json.dumps(trigger.to_data())))

    assert trigger == read
    assert hash(trigger) == hash(read)
    assert trigger.describe() == read.describe()


@given(triggers(), moments(), st.sampled_from(ZONES))
def test_zone_of_the_question_does_not_matter(trigger, moment, zone):
    """The same moment in another zone gives the same answer."""
    assert trigger.next_after(moment) == trigger.next_after(moment.astimezone(ZoneInfo(zone)))


@given(expressions(), naive(1995, 2040))
def test_fields_are_read_as_croniter_reads_them(expression, start):
    """In UTC, where nothing ever changes, the slots are croniter's."""
    trigger = possible(lambda: cron(expression))
    other = croniter(expression, start)
    expected = [other.get_next(datetime).replace(tzinfo=timezone.utc) for _ in range(4)]

    assert expected == list(trigger.preview(start.replace(tzinfo=timezone.utc), 4))


@given(st.text(max_size=40) | st.text(alphabet="0123456789*/-,#LlWw? @\tfrisunjan", max_size=40))
def test_any_text_is_read_or_refused(text):
    """Whatever the text, a cron is made or refused with an error of taskcore; nothing else comes out."""
    try:
        trigger = cron(text)
    except TaskcoreError:
        return

    assert trigger.next_after(datetime(2026, 1, 1, tzinfo=timezone.utc)) is not None


@given(st.text(max_size=80))
def test_any_zone_name_is_read_or_refused(name):
    """Whatever the name, a zone is found or refused with an error of taskcore."""
    try:
        trigger = cron("* * * * *", tz=name)
    except InvalidSchedule:
        return

    assert name == trigger.tz
