"""The plain-data form of triggers: what is written can be read, and what cannot be is refused by name."""

import json
from datetime import datetime, timedelta, timezone

import pytest

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
from taskcore.errors import InvalidSchedule

MOMENT = datetime(2026, 1, 31, 9, 30, 15, 123456, tzinfo=timezone.utc)

TRIGGERS = [
    once(MOMENT),
    every(timedelta(minutes=10)),
    every(timedelta(seconds=1, microseconds=1), anchor=MOMENT),
    every(timedelta.max, anchor=MOMENT),
    cron("0 3 * * *", tz="Europe/Berlin"),
    cron("@daily"),
    cron("*/5 9-17 * jan,mar L5"),
    hourly(MOMENT),
    *(make(MOMENT, tz=tz) for make in (daily, weekly, biweekly) for tz in ("UTC", "Pacific/Chatham")),
    *(make(MOMENT) for make in (monthly, bimonthly, quarterly, yearly)),
    yearly(),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
def test_there_and_back(trigger):
    """A trigger survives JSON: it comes back as an equal value."""
    assert trigger == trigger_from_data(json.loads(json.dumps(trigger.to_data())))


# What was written by earlier versions must be read for ever.
GOLDEN = [
    ({"kind": "once", "at": "2026-01-31T09:30:15.123456+00:00"}, once(MOMENT)),
    ({"kind": "every", "step_us": 600000000, "anchor": None}, every(timedelta(minutes=10))),
    (
        {"kind": "every", "step_us": 1000001, "anchor": "2026-01-31T09:30:15.123456+00:00"},
        every(timedelta(seconds=1, microseconds=1), anchor=MOMENT),
    ),
    (
        {"kind": "calendar", "step": "monthly", "anchor": "2026-01-31T10:30:15.123456", "tz": "Europe/Berlin"},
        monthly(MOMENT, tz="Europe/Berlin"),
    ),
    ({"kind": "cron", "expression": "0 3 * * *", "tz": "Europe/Berlin"}, cron("0 3 * * *", tz="Europe/Berlin")),
]


@pytest.mark.parametrize(("data", "trigger"), GOLDEN, ids=[str(row[0]) for row in GOLDEN])
def test_form_is_fixed(data, trigger):
    """The stored form of each kind is exactly this."""
    assert data == trigger.to_data()
    assert trigger == trigger_from_data(data)


def test_other_keys_are_left_alone():
    """What a later version wrote beside is no error, and what has a default may be missing."""
    assert cron("0 3 * * *") == trigger_from_data({"kind": "cron", "expression": "0 3 * * *", "colour": "red"})
    assert every(timedelta(seconds=1)) == trigger_from_data({"kind": "every", "step_us": 1_000_000})
    assert daily() == trigger_from_data({"kind": "calendar", "step": "daily"})


REFUSED = [
    ({}, "has no kind"),
    ({"kind": "solar"}, "unknown kind 'solar'"),
    ({"kind": None}, "unknown kind None"),
    ({"kind": ["cron"]}, "unknown kind"),
    ([], "is no mapping"),
    (None, "is no mapping"),
    ("cron", "is no mapping"),
    ({"kind": "once"}, "at is None"),
    ({"kind": "once", "at": "yesterday"}, "at is 'yesterday'"),
    ({"kind": "once", "at": 5}, "at is 5"),
    ({"kind": "once", "at": "2026-01-31T09:30:00"}, "no time zone"),
    ({"kind": "every"}, "step_us is None"),
    ({"kind": "every", "step_us": 1.5}, "step_us is 1.5"),
    ({"kind": "every", "step_us": True}, "step_us is True"),
    ({"kind": "every", "step_us": 0}, "too short"),
    ({"kind": "every", "step_us": 10**30}, "step_us is 1000"),
    ({"kind": "every", "step_us": 10**9, "anchor": "2026-01-31T09:30:00"}, "no time zone"),
    ({"kind": "every", "step_us": 10**9, "anchor": 7}, "anchor is 7"),
    ({"kind": "calendar", "step": "fortnightly"}, "step is 'fortnightly'"),
    ({"kind": "calendar", "step": ["daily"]}, "step is ['daily']"),
    ({"kind": "calendar"}, "step is None"),
    ({"kind": "calendar", "step": "daily", "anchor": "2026-01-31T09:30:00+00:00"}, "a naive datetime"),
    ({"kind": "calendar", "step": "daily", "tz": "Mars/Base"}, "'Mars/Base'"),
    ({"kind": "calendar", "step": "daily", "tz": 5}, "tz is 5"),
    ({"kind": "cron"}, "expression is None"),
    ({"kind": "cron", "expression": 5}, "expression is 5"),
    ({"kind": "cron", "expression": "0 0 31 2 *"}, "can never fire"),
    ({"kind": "cron", "expression": "0 0 * * *", "tz": "../etc/passwd"}, "'../etc/passwd'"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_what_cannot_be_is_refused(data, words):
    """Data that is no trigger is refused, and the error names what is wrong with it."""
    with pytest.raises(InvalidSchedule) as caught:
        trigger_from_data(data)

    assert words in str(caught.value)
