"""``taskcore_import``, against the packages that it takes over from."""

from datetime import datetime, timedelta, timezone
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import override_settings

from taskcore import (
    CatchUp,
    State,
    bimonthly,
    biweekly,
    cron,
    daily,
    every,
    monthly,
    quarterly,
    weekly,
    yearly,
)
from taskcore._triggers import Once
from taskcore.contrib.django import client, worker
from tests.contrib.shop.tasks import APIS, pack

TASKS = import_module(f"tests.contrib.shop.tasks.{APIS[0]}")
HOUR = timedelta(hours=1)
LATER = datetime(2100, 5, 1, 3, 30, tzinfo=timezone.utc)


def needs(app):
    return pytest.mark.skipif(not apps.is_installed(app), reason=f"{app} is not installed")


@pytest.fixture
def rows():
    """Tables of the packages, empty afterwards; a function that makes a row of a model."""
    for database in ("default", "other"):
        call_command("migrate", database=database, run_syncdb=True, verbosity=0)
    made = []

    def make(model, **fields):
        row = apps.get_model(model)(**fields)
        row.save()
        made.append(row)
        return row

    yield make
    for row in reversed(made):
        type(row).objects.filter(pk=row.pk).delete()


def actions(ran):
    return {record["name"]: (record["action"], record["problem"]) for record in ran.records}


@pytest.fixture
def beat(rows):
    """Makes a periodic task of django-celery-beat."""

    def make(name, task=pack.name, **fields):
        return rows("django_celery_beat.PeriodicTask", name=name, task=task, **fields)

    return make


@needs("django_celery_beat")
def test_schedules_of_celery_beat(run, rows, beat):
    """Intervals, cron expressions with their zones, single moments, and their options."""
    ran_at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    interval = rows("django_celery_beat.IntervalSchedule", every=10, period="minutes")
    beat("interval", interval=interval, args="[1]", kwargs='{"gift": true}', last_run_at=ran_at, queue="mail")
    crontab = rows("django_celery_beat.CrontabSchedule", minute="30, 45", hour="3", timezone="Europe/Berlin")
    beat("cron", crontab=crontab, args="[2]", enabled=False, description="nightly", expire_seconds=60, priority=200)
    clocked = rows("django_celery_beat.ClockedSchedule", clocked_time=LATER)
    beat("clocked", clocked=clocked, one_off=True, args="[3]", start_time=ran_at, expires=LATER + HOUR)
    ran = run("import", "django-celery-beat", "--json")
    assert {"interval": ("created", None), "cron": ("created", None), "clocked": ("created", None)} == actions(ran)
    assert 0 == ran.code
    interval, crontab, clocked = (client().get_schedule(name) for name in ("interval", "cron", "clocked"))
    assert every(timedelta(minutes=10), anchor=ran_at) == interval.trigger
    assert ("mail", '{"a":[1],"k":{"gift":true}}') == (interval.spec.queue_name, interval.spec.arguments_json)
    assert CatchUp.LAST is interval.catch_up
    assert cron("30,45 3 * * *", tz="Europe/Berlin") == crontab.trigger
    assert (False, "nightly", timedelta(seconds=60), 100) == (
        crontab.enabled,
        crontab.description,
        crontab.expires_after,
        crontab.spec.priority,
    )
    assert (Once(at=LATER), 1, ran_at, LATER + HOUR) == (
        clocked.trigger,
        clocked.repeats,
        clocked.starts_at,
        clocked.ends_at,
    )


@needs("django_celery_beat")
def test_what_cannot_be_is_refused_and_said(run, rows, beat):
    """The rest is taken over all the same; the code tells that something is left."""
    interval = rows("django_celery_beat.IntervalSchedule", every=1, period="hours")
    beat("good", interval=interval, args="[1]", headers='{"a": 1}', routing_key="x")
    beat("unknown", task="shop.gone", interval=interval)
    beat("wrong arguments", interval=interval, args="[1, 2, 3]")
    beat("no arguments", interval=interval)
    beat("fast", interval=rows("django_celery_beat.IntervalSchedule", every=5, period="microseconds"), args="[1]")
    both = rows("django_celery_beat.CrontabSchedule", minute="0", hour="0", day_of_month="1", day_of_week="1")
    beat("both", crontab=both, args="[1]")
    sun = rows("django_celery_beat.SolarSchedule", event="sunrise", latitude=1, longitude=1)
    beat("sun", solar=sun, args="[1]")
    ran = run("import", "--json")
    assert 4 == ran.code
    found = actions(ran)
    assert ("created", None) == found.pop("good")
    assert {"refused"} == {action for action, _ in found.values()}
    for name, words in (
        ("unknown", "--map shop.gone=NAME"),
        ("wrong arguments", "too many positional arguments"),
        ("no arguments", "missing a required argument"),
        ("fast", "the shortest is one second"),
        ("both", "Celery wants both"),
        ("sun", "it follows the sun"),
    ):
        assert words in found[name][1], name
    notes = next(record["notes"] for record in ran.records if record["name"] == "good")
    assert ["routing_key 'x' is left out", "headers are left out"] == notes
    assert {"good"} == {schedule.name for schedule in client().schedules()}


@needs("django_celery_beat")
def test_names_can_be_mapped_and_nothing_be_written(run, rows, beat):
    """A dry run says what would be done; doing it twice does it once; what was taken over can be switched off."""
    row = beat("old", task="celery.old", interval=rows("django_celery_beat.IntervalSchedule", every=1, period="days"))
    mapping = ["--map", f"celery.old={TASKS.noop.module_path}"]
    dry = run("import", "--dry-run", *mapping)
    assert f"new      schedule old ({TASKS.noop.module_path})" in dry.lines
    assert "1 new; nothing was written" == dry.lines[-1]
    assert [] == list(client().schedules())
    assert ("created", None) == actions(run("import", "--json", *mapping))["old"]
    client().disable_schedule("old")
    assert ("exists", None) == actions(run("import", "--json", "--retire", *mapping))["old"]
    assert not client().get_schedule("old").enabled, "an edit was undone"
    row.refresh_from_db()
    assert not row.enabled


@needs("django_celery_beat")
def test_a_schedule_that_was_taken_over_runs(run, rows, beat):
    """One of Django's tasks as well."""
    interval = rows("django_celery_beat.IntervalSchedule", every=1, period="hours")
    beat("django", task=TASKS.calculate.module_path, interval=interval, args="[7]", kwargs='{"b": [8]}')
    assert 0 == run("import").code
    handle = client().run_now("django")
    worker().drain()
    assert [7, [8]] == TASKS.calculate.get_result(handle.id).return_value


@needs("django_q")
def test_schedules_of_django_q(run, rows):
    """Each type, with repeats, arguments as text, and the name of the argument for the slot."""
    start = datetime(2100, 1, 31, 8, 0, tzinfo=timezone.utc)
    fields = {"func": pack.name, "next_run": start, "args": "1", "repeats": -1}
    kinds = {
        "O": Once(at=start),
        "I": every(timedelta(minutes=5), anchor=start),
        "H": every(HOUR, anchor=start),
        "D": daily(start, tz="Europe/Berlin"),
        "C": cron("0 4 * * 1", tz="Europe/Berlin"),
    }
    steps = {"W": weekly, "BW": biweekly, "M": monthly, "BM": bimonthly, "Q": quarterly, "Y": yearly}
    kinds |= {kind: step(start, tz="Europe/Berlin") for kind, step in steps.items()}
    for kind in kinds:
        rows("django_q.Schedule", name=kind, schedule_type=kind, minutes=5, cron="0 4 * * 1", **fields)
    assert 0 == run("import", "django-q2").code
    found = {schedule.name: schedule for schedule in client().schedules()}
    assert kinds == {kind: found[kind].trigger for kind in kinds}
    assert {start} == {found[kind].next_slot for kind in kinds if kind != "C"}
    assert (1, True) == (found["O"].repeats, found["O"].delete_when_done)
    assert {-1} == {found[kind].repeats for kind in kinds if kind != "O"}
    assert {CatchUp.ALL} == {schedule.catch_up for schedule in found.values()}


@needs("django_q")
def test_what_django_q_says_of_a_schedule(run, rows):
    """Arguments as django-q2 reads them; what runs no more does not run here."""
    fields = {"func": TASKS.echo_with_context.module_path, "schedule_type": "D", "next_run": LATER}
    row = rows("django_q.Schedule", name="text", args="1, 'two', [3]", kwargs="x=4, y={'z': 5}", repeats=7, **fields)
    rows("django_q.Schedule", name="dict", kwargs="{'x': 4, 'q_options': {}}", hook="a.b", cluster="mail", **fields)
    rows("django_q.Schedule", name="slot", intended_date_kwarg="at", **fields)
    rows("django_q.Schedule", args="__import__('os')", **fields)
    rows("django_q.Schedule", name="over", **{**fields, "schedule_type": "O", "repeats": 0})
    with override_settings(Q_CLUSTER={"catch_up": False}):
        ran = run("import", "--json", "--retire")
    found = {schedule.name: schedule for schedule in client().schedules()}
    assert {"text", "dict", "slot", "over"} == found.keys()
    assert 4 == ran.code
    assert '{"a":[1,"two",[3]],"k":{"x":4,"y":{"z":5}}}' == found["text"].spec.arguments_json
    assert (7, CatchUp.NONE) == (found["text"].repeats, found["text"].catch_up)
    assert ('{"k":{"x":4}}', "mail") == (found["dict"].spec.arguments_json, found["dict"].spec.queue_name)
    assert "at" == found["slot"].slot_argument
    assert (0, None) == (found["over"].repeats, found["over"].next_slot)
    notes = next(record["notes"] for record in ran.records if record["name"] == "dict")
    assert ["q_options are left out", "hook 'a.b' is left out"] == notes
    row.refresh_from_db()
    assert 0 == row.repeats


@needs("django_q")
def test_a_single_run_that_is_overdue_is_not_lost(run, rows):
    """It runs at once, as django-q2 would have it."""
    past = datetime(2020, 1, 1, tzinfo=timezone.utc)
    rows("django_q.Schedule", name="due", func=pack.name, args="1", schedule_type="O", next_run=past, repeats=1)
    before = client().backend.now()
    run("import")
    slot = client().get_schedule("due").next_slot
    assert before < slot < before + timedelta(minutes=1)


@needs("django_tasks_db")
def test_waiting_tasks_of_tasks_db(run, rows):
    """Those that are READY, each once; deleted there once they are stored here."""
    ours = {"backend_name": "default", "exception_class_path": "", "traceback": "", "queue_name": "mail"}
    at_once = datetime(9999, 1, 1, tzinfo=timezone.utc)
    arguments = {"args": ["a@example.org"], "kwargs": {}}
    mail = {"task_path": TASKS.send_mail.module_path, "args_kwargs": arguments, **ours}
    row = rows("django_tasks_database.DBTaskResult", run_after=at_once, priority=5, **mail)
    rows("django_tasks_database.DBTaskResult", run_after=LATER, **mail)
    rows("django_tasks_database.DBTaskResult", run_after=at_once, status="FAILED", **mail)
    gone = rows("django_tasks_database.DBTaskResult", run_after=at_once, **{**mail, "task_path": "shop.gone"})
    assert "2 new, 1 refused; nothing was written" == run("import", "--dry-run").lines[-1]
    assert () == client().find().items
    ran = run("import", "django-tasks-db", "--json")
    assert 4 == ran.code
    assert ["created", "created", "refused"] == sorted(record["action"] for record in ran.records)
    again = run("import", "--json", "--retire").records
    assert ["exists", "exists", "refused"] == sorted(record["action"] for record in again)
    stored = client().find().items
    assert 2 == len(stored)
    assert {(5, "mail"), (0, "mail")} == {(one.priority, one.queue_name) for one in stored}
    assert LATER in {one.run_after for one in stored}
    left = apps.get_model("django_tasks_database.DBTaskResult").objects.filter(status="READY")
    assert [gone.pk] == [one.pk for one in left]
    assert 1 == worker().drain()
    (done,) = client().find(states=[State.SUCCESSFUL]).items
    assert "sent to a@example.org" == client().result(done.id)
    assert str(row.pk) in done.spec.unique.key


def test_sources_have_to_be_there(run):
    """A wrong name, and an app that is not installed."""
    assert (2, True) == ((ran := run("import", "cron")).code, "there are django-celery-beat, django-q2" in ran.err)
    installed = [app.name for app in apps.get_app_configs() if app.name not in ("django_q", "django_celery_beat")]
    installed.remove("django_tasks_db") if "django_tasks_db" in installed else None
    with override_settings(INSTALLED_APPS=installed):
        assert "is not in INSTALLED_APPS" in run("import", "django-q2").err
        assert "there is nothing to take over" in run("import").err
    wrong = run("import", "--map", "nothing")
    assert (1, True) == (wrong.code, "write their.name=our.name" in wrong.err)
