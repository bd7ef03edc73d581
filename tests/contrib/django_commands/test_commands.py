"""The management commands: what they do, what they print, and what they end with."""

import logging
import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from taskcore import State, every, task
from taskcore._cli._commands import COMMANDS
from taskcore.contrib.django import client, worker
from tests.contrib.shop.tasks import APIS, pack

TASKS = import_module(f"tests.contrib.shop.tasks.{APIS[0]}")
PREFIX = TASKS.__name__


@task(name="tests.broken")
def broken():
    raise ValueError("broken")


@pytest.mark.parity("DJC-17", "DQ-39", "SCR-20")
def test_every_command_of_the_command_line_has_one_of_djangos():
    """With the same summary, and the options of the store."""
    ours = {name for name, app in get_commands().items() if app == "taskcore.contrib.django"}
    assert {f"taskcore_{name}" for name in COMMANDS} <= ours
    for name in sorted(ours - {"taskcore_snapshot"}):
        help_text = load_command_class("taskcore.contrib.django", name).create_parser("manage.py", name).format_help()
        assert "--backend ALIAS" in help_text, name
        assert "--database ALIAS" in help_text, name
        assert "--json" in help_text, name


def test_status_shows_the_queues(run):
    """As a table, or as JSON."""
    client().enqueue(pack, 1)
    assert re.search(r"^default +1 +0", run("status").out, re.MULTILINE)
    (record,) = run("status", "--json").records
    assert [("default", 1)] == [(queue["name"], queue["READY"]) for queue in record["queues"]]


def test_a_command_is_about_one_alias(run):
    """The default one when none is named."""
    client("second").enqueue(pack, 1)
    assert 1 == run("tasks").code
    assert 1 == len(run("tasks", "--backend", "second", "--json").records)
    unknown = run("tasks", "--backend", "third")
    assert (2, True) == (unknown.code, "settings.TASKS has no 'third'" in unknown.err)


def test_a_database_that_is_not_there(run):
    """It is named, with code 2."""
    unknown = run("tasks", "--database", "nowhere")
    assert (2, True) == (unknown.code, "settings.DATABASES has no 'nowhere'" in unknown.err)


def test_tasks_are_listed_and_shown(run):
    """By filters, and one by its id."""
    handle = client().enqueue(pack.using(queue_name="mail"), 7)
    client().enqueue(pack, 8)
    assert [handle.id] == [record["id"] for record in run("tasks", "--queue", "mail", "--json").records]
    assert [7] == run("show", handle.id, "--json").records[0]["args"]
    assert "there is no live worker at all" in run("explain", handle.id).out
    missing = run("show", "0" * 32)
    assert (1, True) == (missing.code, "holds no task" in missing.err)


@pytest.mark.parity("SCR-12")
@pytest.mark.parametrize(
    ("arguments", "cancelled"),
    [(["--id"], 1), ([""], 1), (["--queue", "mail"], 2), (["--all"], 3), (["--all", "--force"], 3)],
)
def test_tasks_are_cancelled(run, arguments, cancelled):
    """By ids, by filters, or all of them."""
    first = client().enqueue(pack.using(queue_name="mail"), 1)
    client().enqueue(pack.using(queue_name="mail"), 2)
    client().enqueue(pack, 3)
    given = [*arguments, first.id] if arguments == ["--id"] else [first.id] if arguments == [""] else arguments
    assert 0 == run("cancel", *given).code
    assert cancelled == len(client().find(states=[State.CANCELLED]).items)


def test_cancel_wants_to_know_what(run):
    """Nothing is cancelled by an empty command line."""
    client().enqueue(pack, 1)
    ran = run("cancel")
    assert (2, True) == (ran.code, "--all for every task" in ran.err)
    assert 1 == run("cancel", "--queue", "nothing").code


def test_failed_tasks_are_requeued_and_finished_ones_purged(run):
    """With the codes of the command line."""
    handle = client().enqueue(broken)
    from taskcore import Worker

    Worker(client(), [broken]).drain()
    assert State.FAILED is handle.state
    assert 0 == run("requeue", handle.id).code
    assert State.READY is handle.state
    Worker(client(), [broken]).drain()
    assert [{"deleted": 1}] == run("purge", "--state", "failed", "--json").records
    assert 1 == run("purge", "--all").code


def test_schedules_are_listed_and_changed(run):
    """Their actions take the options of the store, too."""
    client("second").schedule("hourly", every(timedelta(hours=1)), pack.bind(1))
    (record,) = run("schedules", "--json", "--backend", "second").records
    assert ("hourly", True) == (record["name"], record["enabled"])
    assert 0 == run("schedules", "--backend", "second", "disable", "hourly").code
    assert not client("second").get_schedule("hourly").enabled
    assert 0 == run("schedules", "enable", "hourly", "--backend", "second").code
    assert client("second").get_schedule("hourly").enabled
    ran = run("schedules", "run", "hourly", "--backend", "second")
    assert State.READY is client("second").get(ran.out.strip()).state
    assert 1 == run("schedules", "show", "nothing").code


def test_queues_and_workers_are_switched(run):
    """As on the command line."""
    client().enqueue(pack, 1)
    assert 0 == run("queues", "pause", "default").code
    assert 0 == worker().drain()
    assert 0 == run("queues", "resume", "default").code
    assert 1 == worker().drain()
    assert 1 == run("workers", "stop", "nobody").code
    assert 1 == run("groups").code


# taskcore_start


@pytest.mark.parity("DJC-17")
def test_start_lists_the_tasks_of_the_site(run):
    """When no name is given."""
    names = run("start").lines
    assert {pack.name, f"{PREFIX}.noop"} <= set(names)
    assert sorted(names) == names
    assert {"name": pack.name} in run("start", "--json").records


@pytest.mark.parity("SCR-07")
def test_start_enqueues_one_of_djangos_tasks(run):
    """As its own ``enqueue`` does, with what is asked for it."""
    options = ["--args", '["a@example.org"]', "--queue", "default", "--priority", "9", "--delay", "1h"]
    ran = run("start", f"{PREFIX}.send_mail", *options)
    stored = client().get(ran.out.strip())
    assert ("default", 9) == (stored.queue_name, stored.priority)
    assert stored.spec.enqueued_at + timedelta(hours=1) == stored.run_after
    assert ["a@example.org"] == TASKS.send_mail.get_result(stored.id).args


@pytest.mark.parity("SCR-07")
def test_start_enqueues_one_of_taskcores_own(run):
    """The last part of the name is enough, and arguments go by name as well."""
    (record,) = run("start", "pack", "--args", "[3]", "--kwargs", '{"gift": true}', "--json").records
    assert pack.name == record["name"]
    worker().drain()
    assert "3 as a gift" == client().result(record["id"])


def test_start_can_wait(run):
    """The code says how it ended."""
    with worker(concurrency=1):
        done = run("start", "pack", "--args", "[3]", "--wait", "30s", "--json")
        failed = run("start", f"{PREFIX}.fail_value", "--wait", "30s", "--json")
    assert (0, "3") == (done.code, done.records[0]["result"])
    assert (4, "FAILED") == (failed.code, failed.records[0]["state"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pakc"], "did you mean 'pack'?"),
        (["zzz"], "without a name lists them"),
        (["noop_"], "did you mean"),
        (["pack", "--args", '["x"]'], "'order'"),
        (["pack"], "missing a required argument"),
        (["send_mail", "--args", "[1, 2]"], "too many"),
        (["send_mail", "--args", "[1]", "--queue", "unknown"], "not valid for backend"),
        (["send_mail", "--args", "[1]", "--priority", "101"], "priority must be"),
    ],
)
def test_start_says_what_cannot_be(run, arguments, words):
    """With code 2, and stores nothing."""
    name = f"{PREFIX}.{arguments[0]}" if arguments[0] == "send_mail" else arguments[0]
    ran = run("start", name, *arguments[1:])
    assert 2 == ran.code, ran.out
    assert words in ran.err
    assert () == client().find().items


@pytest.mark.parametrize("arguments", [["--args", "{}"], ["--args", "nothing"], ["--kwargs", "[]"]])
def test_start_wants_json(run, arguments):
    """A list by position, an object by name."""
    ran = run("start", "pack", *arguments)
    assert (1, True) == (ran.code, "JSON" in ran.err)


# taskcore_worker


@pytest.mark.parity("DQ-39", "DJC-17")
def test_a_worker_in_burst_mode_runs_what_is_there(run):
    """Its log goes to the error stream; it ends with 0."""
    result = TASKS.noop.enqueue()
    failing = TASKS.fail_value.enqueue()
    ran = run("worker", "--burst", "--concurrency", "1")
    assert 0 == ran.code
    result.refresh()
    failing.refresh()
    assert [True, True] == [result.is_finished, failing.is_finished]
    assert f"{PREFIX}.noop) succeeded" in ran.err
    assert "ValueError: This task failed" in ran.err
    assert "" == ran.out


@pytest.mark.parity("DQ-31")
def test_a_worker_takes_the_settings_of_a_worker(run):
    """Queues, for example; modules whose tasks it runs besides."""
    mail = TASKS.send_mail.enqueue("a")
    rest = TASKS.noop.enqueue()
    assert 0 == run("worker", "--burst", "--queues", "mail", "--modules", "tests.contrib.shop.tasks").code
    mail.refresh()
    rest.refresh()
    assert [True, False] == [mail.is_finished, rest.is_finished]


def test_a_failed_task_mails_nobody(run):
    """The loggers of Django's task APIs do not hand on to ``django``, whose handler mails ADMINS."""
    mailed = []

    class Mail(logging.Handler):
        def emit(self, record):
            mailed.append(record)

    handler = Mail(logging.ERROR)
    loggers = [logging.getLogger("django"), logging.getLogger()]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        TASKS.fail_value.enqueue()
        assert "This task failed" in run("worker", "--burst").err
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert [] == mailed


@pytest.fixture(autouse=True)
def loggers():
    """Loggers as they were, whatever a worker has set up."""
    names = ("taskcore", "django.tasks", "django_tasks")
    before = [(one, one.handlers, one.propagate, one.level) for one in map(logging.getLogger, names)]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_what_the_settings_say_of_a_logger_stays(run, monkeypatch):
    """One that ``LOGGING`` names is left alone; others write to where the root logger of the settings does."""
    own, root = logging.NullHandler(), logging.NullHandler()
    logging.getLogger("django.tasks").handlers = [own]
    logging.getLogger().addHandler(root)
    try:
        # Not by override_settings, which sets logging up anew.
        monkeypatch.setattr(settings, "LOGGING", {"version": 1, "root": {}, "loggers": {"django.tasks": {}}})
        run("worker", "--burst")
        assert [own] == logging.getLogger("django.tasks").handlers
        assert root in logging.getLogger("taskcore").handlers
    finally:
        logging.getLogger().removeHandler(root)


def test_processes_want_a_settings_module(run, monkeypatch):
    """Children set Django up by it."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    ran = run("worker", "--burst", "--executor", "processes")
    assert (2, True) == (ran.code, "DJANGO_SETTINGS_MODULE" in ran.err)
