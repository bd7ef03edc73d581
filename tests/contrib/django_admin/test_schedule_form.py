"""Schedules are made and edited by a form: only the fields of the chosen trigger, in words, with the next five runs."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.admin.models import LogEntry
from django.utils.translation import override

from taskcore import cron, daily, every, monthly
from taskcore.contrib.django.admin._schedule_form import KINDS, TRIGGER_FIELDS
from taskcore.contrib.django.admin._schedule_words import slot_words, trigger_words
from taskcore.protocol import CatchUp, Overlap
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import text_of


def data_of(**changes):
    """What the form posts."""
    data = {
        "name": "nightly",
        "enabled": "on",
        "description": "",
        "task_name": jobs.add.name,
        "positional": "[1]",
        "keywords": "",
        "queue_name": "",
        "priority": "",
        "kind": "cron",
        "expression": "0 3 * * *",
        "every_count": "10",
        "every_unit": "minutes",
        "anchor": "",
        "at": "",
        "tz": "Europe/Berlin",
        "starts_at": "",
        "ends_at": "",
        "repeats": "-1",
        "catch_up": "none",
        "catch_up_limit": "100",
        "overlap": "allow",
        "jitter": "0",
        "expires_after": "",
        "slot_argument": "",
    }
    return {**data, **changes}


@pytest.mark.parity("DQ-11", "DQ-24", "DQ-25", "DJC-04", "DJC-06")
def test_schedule_is_made(site, admin):
    """The form makes a schedule through the client, logs it, and shows it."""
    response = admin.post(
        site.url("schedule", "add"),
        data_of(
            keywords='{"b": 5}', priority="3", repeats="24", catch_up="all", overlap="skip", expires_after="0:10:00"
        ),
    )
    made = site.client.get_schedule("nightly")
    assert (302, cron("0 3 * * *", tz="Europe/Berlin"), {"a": [1], "k": {"b": 5}}, 3, 24, 1) == (
        response.status_code,
        made.trigger,
        json.loads(made.spec.arguments_json),
        made.spec.priority,
        made.repeats,
        LogEntry.objects.count(),
    )
    assert (CatchUp.ALL, Overlap.SKIP, timedelta(minutes=10)) == (made.catch_up, made.overlap, made.expires_after)
    assert made.id in text_of(admin.get(site.url("schedule"))).replace("_40default", "")


@pytest.mark.parity("DQ-24", "DJC-03")
@pytest.mark.parametrize("kind", [kind for kind, _words in KINDS])
def test_each_kind_of_trigger_can_be_made_and_edited(database, admin, kind):
    """Each kind of trigger comes back from the store as the form had it."""
    data = data_of(kind=kind, anchor="2030-01-31T09:30", at="2030-01-31T09:30", expression="*/5 8-17 * * 1-5")
    response = admin.post(database.url("schedule", "add"), data)
    assert 302 == response.status_code
    made = database.client.get_schedule("nightly")
    text = text_of(admin.get(database.url("schedule", "change", made.id)))
    again = admin.post(database.url("schedule", "change", made.id), {**data, "name": ""})
    assert (f'<option value="{kind}" selected>', 302, 1) == (
        f'<option value="{kind}" selected>' if f'<option value="{kind}" selected>' in text else text,
        again.status_code,
        database.client.get_schedule("nightly").revision,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expression": "0 0 31 2 *"}, "31"),
        ({"expression": "nonsense"}, "nonsense"),
        ({"expression": ""}, "This field is required."),
        ({"kind": "once", "at": "2020-01-01T00:00"}, "would never run"),
        ({"kind": "every", "every_count": ""}, "This field is required."),
        ({"positional": "["}, "Unable to parse JSON"),
        ({"positional": '["text"]'}, "does not decode"),
        ({"positional": "[1, 2, 3]"}, "fits the function no more"),
        ({"starts_at": "2031-01-01T00:00", "ends_at": "2030-01-01T00:00"}, "is after ends_at"),
        ({"slot_argument": "no name"}, "slot_argument"),
        ({"task_name": "os.system"}, "is not one of the available choices"),
    ],
)
@pytest.mark.parity("DQ-26", "DJC-16")
def test_impossible_schedules_are_refused(database, admin, changes, words):
    """What could never run, or does not fit, is said in the form; nothing is stored."""
    text = text_of(admin.post(database.url("schedule", "add"), data_of(**changes)))
    assert (True, []) == (words in text, list(database.client.schedules()))


@pytest.mark.parity("DQ-26")
def test_name_of_another_schedule_is_refused(site, admin):
    """A name that is taken is refused, and the schedule that has it stays as it is."""
    site.client.schedule("nightly", daily(), jobs.add.bind(1))
    text = text_of(admin.post(site.url("schedule", "add"), data_of()))
    assert (True, 1) == (
        "There is a schedule of this name already." in text,
        site.client.get_schedule("nightly").revision,
    )


@pytest.mark.parity("DQ-11")
def test_edit_changes_what_was_changed_and_keeps_the_rest(site, admin):
    """An edit gives the client only what was changed: what the form does not show, and the count of repeats, stay."""
    call = jobs.add.using(label="mine", metadata={"x": 1}, queue_name="mail").bind(1)
    site.client.schedule("nightly", cron("0 3 * * *", tz="Europe/Berlin"), call, repeats=10)
    site.client.run_now("nightly")
    site.copy()
    stored = site.client.get_schedule("nightly")
    data = data_of(positional="[2]", queue_name="mail", priority="0", repeats="9")
    response = admin.post(site.url("schedule", "change", site.key(stored.id)), data)
    edited = site.client.get_schedule("nightly")
    assert (302, '{"a":[2]}', "mine", '{"x":1}', 9, stored.trigger, stored.revision + 1) == (
        response.status_code,
        edited.spec.arguments_json,
        edited.spec.label,
        edited.spec.metadata_json,
        edited.repeats,
        edited.trigger,
        edited.revision,
    )


@pytest.mark.parity("DQ-22")
def test_once_is_given_a_new_moment(site, admin):
    """A schedule that fires once and is done runs again after it was given repeats and a new moment."""
    past = datetime.now(timezone.utc) + timedelta(seconds=1)
    from taskcore import once

    site.client.schedule("nightly", once(past), jobs.add.bind(1), repeats=0)
    site.copy()
    stored = site.client.get_schedule("nightly")
    data = data_of(kind="once", at="2040-01-01T12:00", tz="UTC", repeats="1")
    admin.post(site.url("schedule", "change", site.key(stored.id)), data)
    edited = site.client.get_schedule("nightly")
    assert (1, datetime(2040, 1, 1, 12, tzinfo=timezone.utc)) == (edited.repeats, edited.next_slot)


def test_page_shows_only_the_fields_of_the_chosen_trigger(database, admin):
    """Without JavaScript too, only the fields of the chosen kind are shown: the others are in parts that are not."""
    shown = {}
    for kind in ("cron", "every", "once", "daily"):
        text = text_of(admin.get(database.url("schedule", "add"), {"kind": kind}))
        parts = [part.split(">")[0] for part in text.split("<fieldset")[1:] if "taskcore-trigger" in part.split(">")[0]]
        shown[kind] = [f"taskcore-for-{kind}" in part for part in parts if "taskcore-shown" in part]
    assert {kind: [True] * (2 if kind == "every" else 1) for kind in shown} == shown


def test_choosing_a_trigger_without_javascript(database, admin):
    """The button beside the trigger shows the form again with the fields of that kind; nothing is stored."""
    response = admin.post(database.url("schedule", "add"), data_of(_choose="1", kind="once"))
    assert (302, True, []) == (
        response.status_code,
        response["Location"].endswith("kind=once"),
        list(database.client.schedules()),
    )


@pytest.mark.parity("DQ-13", "DJC-04")
def test_preview_endpoint_has_words_and_five_runs_in_the_zone(database, admin):
    """The preview tells the trigger in words and the next five runs on the clocks of its zone."""
    told = admin.get(
        database.url("schedule", "preview"), {"kind": "cron", "expression": "0 3 * * *", "tz": "Asia/Tokyo"}
    ).json()
    assert ("every day at 03:00, on the clocks of Asia/Tokyo", 5, True) == (
        told["words"],
        len(told["next"]),
        all("03:00 (JST, UTC+09:00)" in slot for slot in told["next"]),
    )


def test_preview_endpoint_refuses_what_can_never_fire(database, admin):
    """31 February is refused in the preview as it is in the form."""
    response = admin.get(database.url("schedule", "preview"), {"kind": "cron", "expression": "0 0 31 2 *", "tz": "UTC"})
    assert (400, True) == (response.status_code, "31" in response.json()["error"])


def test_page_shows_the_next_five_runs(site, admin):
    """The page of a schedule shows its next five runs on the clocks of its zone."""
    site.client.schedule("nightly", cron("0 3 * * *", tz="Asia/Tokyo"), jobs.add.bind(1))
    site.copy()
    key = site.key(site.client.get_schedule("nightly").id)
    text = text_of(admin.get(site.url("schedule", "change", key)))
    assert 5 == text.count("03:00 (JST, UTC+09:00)")


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (cron("*/10 * * * *"), "every 10 minutes, on the clocks of UTC"),
        (cron("5 * * * *"), "every hour at minute 5, on the clocks of UTC"),
        (cron("0 9,17 * * *"), "every day at 09:00 and 17:00, on the clocks of UTC"),
        (cron("0 0 1 * *"), "on the 1st of every month at 00:00, on the clocks of UTC"),
        (every(timedelta(minutes=1)), "every minute"),
        (every(timedelta(hours=36)), "every 36 hours"),
        (
            monthly(datetime(2030, 1, 31, 9), tz="Europe/Paris"),
            "every month on day 31 at 09:00, on the clocks of Europe/Paris",
        ),
    ],
)
def test_triggers_in_words(trigger, words):
    """A trigger is a sentence of the reader's language."""
    with override("en"):
        assert words == trigger_words(trigger)


def test_slots_tell_the_change_of_clocks():
    """Slots on either side of a change of clocks have different offsets."""
    summer, winter = datetime(2030, 7, 1, 1, tzinfo=timezone.utc), datetime(2030, 12, 1, 2, tzinfo=timezone.utc)
    with override("en"):
        assert ["UTC+02:00", "UTC+01:00"] == [slot_words(one, "Europe/Berlin")[-10:-1] for one in (summer, winter)]


def test_each_kind_has_its_fields():
    """Every kind of trigger that can be chosen has fields."""
    assert {kind for kind, _words in KINDS} == set(TRIGGER_FIELDS)
