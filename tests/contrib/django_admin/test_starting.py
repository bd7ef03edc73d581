"""Tasks are started by hand: registered ones only, with a form of their own or one of the signature."""

import json
from datetime import datetime, timezone

import pytest
from django.contrib.admin.models import LogEntry
from django.test import override_settings

from taskcore.contrib.django.admin._arguments import form_of
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import browser_of, text_of

LAUNCHES = {"LAUNCHES": ["tests.contrib.django_admin.jobs.scraping"]}


@pytest.mark.parity("DJC-17")
def test_start_page_lists_registered_tasks(site, admin):
    """The page to start a task lists the registered ones, with what they do."""
    text = text_of(admin.get(site.url("task", "start")))
    assert (True, True) == (jobs.add.name in text, "Add two numbers." in text)


@pytest.mark.parity("SCR-01", "DJC-17")
def test_task_is_started_with_a_form_of_its_signature(site, admin):
    """A form made of the signature starts the task with arguments of the right types, and logs it."""
    url = f"{site.url('task', 'start')}?task={jobs.add.name}"
    form = text_of(admin.get(url))
    response = admin.post(url, {"task": jobs.add.name, "a": "40", "b": "2"})
    task = site.client.find().items[0]
    assert ('name="a"' in form, 302, {"k": {"a": 40, "b": 2}}, ["Started."]) == (
        True,
        response.status_code,
        json.loads(task.spec.arguments_json),
        list(LogEntry.objects.values_list("change_message", flat=True)),
    )


def test_options_of_a_start(site, admin):
    """Queue, priority and moment can be given beside the arguments."""
    data = {
        "task": jobs.add.name,
        "a": "1",
        "option-queue_name": "mail",
        "option-priority": "9",
        "option-run_after": "2040-01-01 00:00:00",
    }
    admin.post(site.url("task", "start"), data)
    task = site.client.find().items[0]
    assert ("mail", 9, 2039) == (task.queue_name, task.priority, task.run_after.year)


@pytest.mark.parity("SCR-01", "SCR-06")
def test_start_new_scraping_task_is_an_action_that_needs_no_selection(site, admin):
    """The action "Start new …" of a declared launch leads to its form, with nothing selected."""
    with override_settings(TASKCORE=LAUNCHES):
        text = text_of(admin.get(site.url("task")))
        response = admin.post(site.url("task"), {"action": f"start_task:{jobs.scrape.name}"})
        form = text_of(admin.get(response["Location"]))
        admin.post(response["Location"], {"task": jobs.scrape.name, "keywords": "bovin, porcin", "region": "Bretagne"})
    task = site.client.find().items[0]
    assert (True, True, {"keywords": ["bovin", "porcin"], "region": "Bretagne"}) == (
        "Start new scraping task…" in text,
        'value="Start Task"' in form,
        json.loads(task.spec.arguments_json)["k"],
    )


@pytest.mark.parity("SCR-20")
def test_start_form_warns_of_tasks_that_are_unfinished(site, admin):
    """The form warns when a task of the same name is running or waiting, and links to it."""
    url = f"{site.url('task', 'start')}?task={jobs.add.name}"
    before = text_of(admin.get(url))
    handle = site.client.enqueue(jobs.add, 1)
    after = text_of(admin.get(url))
    assert (False, True, True) == (
        "This task is running or waiting already" in before,
        "This task is running or waiting already" in after,
        handle.id in after,
    )


@pytest.mark.parity("SCR-18")
def test_start_endpoint_answers_json(site, admin):
    """``start-task/`` starts a task by POST and answers with its id and addresses; what is wrong is told."""
    url = site.url("task", "start_task")
    good = admin.post(url, {"task": jobs.add.name, "a": "1"})
    bad = admin.post(url, {"task": jobs.add.name, "a": "x"})
    progress = admin.get(good.json()["progress_url"]).json()
    assert (201, 400, ["a"], "READY", 405) == (
        good.status_code,
        bad.status_code,
        list(bad.json()["errors"]),
        progress["state"],
        admin.get(url).status_code,
    )


@pytest.mark.parametrize("name", ["os.system", "tests.contrib.django_admin.jobs.nothing", "builtins.print"])
def test_nothing_else_can_be_started(site, admin, name):
    """A name that is not a registered task is not found, whatever module it names."""
    answer = admin.post(site.url("task", "start_task"), {"task": name})
    page = admin.get(f"{site.url('task', 'start')}?task={name}")
    assert (404, 404, 0) == (answer.status_code, page.status_code, len(site.client.find().items))


def test_launch_has_a_permission_of_its_own(database):
    """A launch with a permission is for those who have it; they need no other."""
    browser = browser_of("otto", "taskcore.view_task", "auth.view_group")
    url = database.url("task", "start_task")
    with override_settings(TASKCORE=LAUNCHES):
        allowed = browser.post(url, {"task": jobs.scrape.name, "keywords": "x"}).status_code
        refused = browser.post(url, {"task": jobs.add.name, "a": "1"}).status_code
    assert (201, 403) == (allowed, refused)


def test_fields_of_a_signature():
    """Each annotation has its field, and cleaned values are what the function takes."""
    data = {
        "number": "7",
        "day_0": "2030-01-02",
        "day_1": "03:04:05",
        "colour": "BLUE",
        "style": "json",
        "words": "a, b",
        "data": '{"x": 1}',
        "is_dry": "on",
    }
    form = form_of(jobs.typed)(data)
    assert form.is_valid(), form.errors
    arguments = form.arguments()
    day = arguments.pop("day")
    assert {
        "number": 7,
        "colour": jobs.Colour.BLUE,
        "style": "json",
        "words": ["a", "b"],
        "data": {"x": 1},
        "is_dry": True,
    } == arguments
    assert datetime(2030, 1, 2, 2, 4, 5, tzinfo=timezone.utc) == day


def test_what_is_left_empty_has_its_default():
    """Fields with a default may be left empty, and are left out of the call then."""
    form = form_of(jobs.typed)({"number": "1", "colour": "RED", "style": "pretty"})
    assert form.is_valid(), form.errors
    assert {"number": 1, "colour": jobs.Colour.RED, "style": "pretty", "is_dry": False} == form.arguments()


@pytest.mark.parametrize("text", ['{"x": "no number"}', "{"])
def test_json_that_does_not_fit_is_said_at_the_field(text):
    """JSON that is none, or is not what the annotation says, is an error of its field."""
    form = form_of(jobs.typed)({"number": "1", "colour": "RED", "style": "json", "data": text})
    assert ["data"] == list(form.errors)
