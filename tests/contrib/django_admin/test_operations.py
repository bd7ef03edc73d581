"""What an operator does: through the client, with its own permission, confirmed where it destroys, and logged."""

import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.test import override_settings

from taskcore import cron, task
from taskcore.protocol import CancelLevel, ClaimRequest, State
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import browser_of, text_of
from tests.contrib.django_admin.test_pages import worker_info


def act(browser, site, page, action, keys, *, confirmed=True, **more):
    """Post an action of a list."""
    data = {"action": action, "_selected_action": keys, **more}
    if confirmed:
        data["post"] = "yes"
    return browser.post(site.url(page), data, follow=True)


def running(site):
    """Enqueue a task and claim it; return it as it is then."""
    handle = site.client.enqueue(jobs.add, 1)
    request = ClaimRequest(worker_id="w1", nonce="n", queue_names=("default",), limit=1, lease=timedelta(minutes=1))
    site.client.backend.claim(request)
    site.copy()
    return site.client.get(handle.id)


def failed(site):
    """Enqueue a task that fails, and run it."""
    handle = site.client.enqueue(jobs.fail)
    site.drain()
    site.copy()
    return handle.id


def logged():
    """What the log says."""
    return sorted(LogEntry.objects.values_list("change_message", flat=True))


@pytest.mark.parity("DQ-08", "DCR-10")
def test_requeue_runs_a_failed_task_again(site, admin):
    """Requeueing makes the failed task itself run again, logs it, and no row is written past the client."""
    task_id = failed(site)
    act(admin, site, "failedtask", "requeue", [site.key(task_id)])
    again = site.client.get(task_id)
    row = site.model("Task").objects.get(pk=site.key(task_id))
    assert (State.READY, 0, again.version, ["Requeued."]) == (again.state, again.failures, row.version, logged())


@pytest.mark.parity("DQ-08")
def test_duplicate_keeps_the_row_and_adds_a_task(site, admin):
    """Duplicating a successful task enqueues a new one that does the same; the old one stays."""
    handle = site.client.enqueue(jobs.add, 4, b=5)
    site.drain()
    site.copy()
    act(admin, site, "successfultask", "duplicate", [site.key(handle.id)])
    new = site.client.find(states=[State.READY]).items
    assert (State.SUCCESSFUL, [{"a": [4], "k": {"b": 5}}]) == (
        site.client.get(handle.id).state,
        [json.loads(task.spec.arguments_json) for task in new],
    )


@pytest.mark.parity("SCR-11", "DJC-14")
def test_cancel_asks_first(site, admin):
    """Cancelling asks before it is done, and cancels nothing until it is confirmed."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    asked = text_of(act(admin, site, "task", "cancel", [site.key(handle.id)], confirmed=False))
    before = site.client.get(handle.id).state
    act(admin, site, "task", "cancel", [site.key(handle.id)])
    assert ("Are you sure?" in asked, before, site.client.get(handle.id).state) == (
        True,
        State.READY,
        State.CANCELLED,
    )


@pytest.mark.parity("DJC-14", "DCR-18")
@pytest.mark.parametrize(
    ("action", "level"),
    [("cancel", CancelLevel.ASK), ("terminate", CancelLevel.TERMINATE), ("kill", CancelLevel.KILL)],
)
def test_running_tasks_are_asked_terminated_or_killed(site, admin, action, level):
    """A running task is asked to stop, or to be terminated, or killed, as the action says."""
    held = running(site)
    act(admin, site, "task", action, [site.key(held.id)])
    assert level is site.client.get(held.id).cancel_level


@pytest.mark.parity("SCR-03", "SCR-11")
def test_stop_button_asks_harder_each_time(site, admin):
    """The stop button of a running task asks, then terminates, then kills; each time it asks the user first."""
    held = running(site)
    url = site.url("task", "do", site.key(held.id), "stop")
    levels = []
    for _ in range(4):
        admin.post(url)
        admin.post(url, {"post": "yes"})
        levels.append(site.client.get(held.id).cancel_level)
    assert [CancelLevel.ASK, CancelLevel.TERMINATE, CancelLevel.KILL, CancelLevel.KILL] == levels


@pytest.mark.parity("SCR-08")
def test_only_running_tasks_have_a_stop_button(site, admin):
    """A running task has the button Stop, a waiting one Cancel, a failed one Requeue, a successful one none."""
    held, bad = running(site), failed(site)
    url = site.url("task", "live")
    told = admin.get(url, {"ids": f"{site.key(held.id)},{site.key(bad)}"}).json()["tasks"]
    assert (True, False, True) == (
        ">Stop<" in told[site.key(held.id)]["cells"]["buttons"],
        ">Stop<" in told[site.key(bad)]["cells"]["buttons"],
        ">Requeue<" in told[site.key(bad)]["cells"]["buttons"],
    )


@pytest.mark.parity("SCR-18", "SCR-03")
def test_stop_endpoint_answers_json(site, admin):
    """``stop-task/<id>/`` stops by POST and tells what is there then; a task that has finished is a conflict."""
    held, bad = running(site), failed(site)
    first = admin.post(site.url("task", "stop_task", site.key(held.id)))
    second = admin.post(site.url("task", "stop_task", site.key(bad)))
    got = admin.get(site.url("task", "stop_task", site.key(held.id)))
    assert (200, "ask", 409, 405) == (first.status_code, first.json()["level"], second.status_code, got.status_code)


@pytest.mark.parity("DQ-04", "SCR-19")
def test_delete_leaves_what_is_not_finished(site, admin):
    """Deleting asks first, deletes finished tasks through the client, and leaves the others."""
    bad = failed(site)
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    keys = [site.key(bad), site.key(handle.id)]
    act(admin, site, "task", "delete_selected", keys, confirmed=False)
    there = site.client.backend.get([bad])[0] is not None
    text = text_of(act(admin, site, "task", "delete_selected", keys))
    left = [task is not None for task in site.client.backend.get([bad, handle.id])]
    assert (True, [False, True], True, ["Deleted."]) == (there, left, "stayed as it was" in text, logged())


def test_delete_page_of_one_task(site, admin):
    """Django's own button deletes one task through the client."""
    bad = failed(site)
    url = site.url("task", "delete", site.key(bad))
    asked = admin.get(url).status_code
    admin.post(url, {"post": "yes"})
    gone = site.client.backend.get([bad])[0] is None
    assert (200, True, 0) == (asked, gone, site.model("Task").objects.filter(pk=site.key(bad)).count())


def test_unfinished_tasks_cannot_be_deleted(site, admin):
    """A task that has not finished has no page to delete it."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    url = site.url("task", "delete", site.key(handle.id))
    assert 403 == admin.post(url, {"post": "yes"}).status_code


def test_action_on_all_that_match_the_filters(site, admin):
    """With "select all" an action is for all rows of the filtered list, not for those of the page alone."""
    site.client.enqueue_many(jobs.add.bind(n) for n in range(70))
    site.client.enqueue(jobs.fail)
    site.copy()
    url = f"{site.url('task')}?name={jobs.add.name}"
    some = [site.key(site.client.find(name=jobs.add.name).items[0].id)]
    data = {"action": "cancel", "_selected_action": some, "select_across": "1", "post": "yes"}
    admin.post(url, data)
    counts = {state: len(site.client.find(states=[state]).items) for state in (State.CANCELLED, State.READY)}
    assert {State.CANCELLED: 70, State.READY: 1} == counts


@pytest.mark.parity("DJC-18", "C35-07")
def test_schedule_is_run_at_once(site, admin):
    """A schedule is run at once: it counts, its next slot stays, and its task has its options."""
    schedule = site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.using(priority=7).bind(1))
    site.copy()
    act(admin, site, "schedule", "run_now", [site.key(schedule.id)])
    run = site.client.find(name=jobs.add.name).items[0]
    after = site.client.get_schedule("nightly")
    assert (7, 1, schedule.next_slot, ["Run at once."]) == (run.priority, after.runs, after.next_slot, logged())


@pytest.mark.parity("DJC-16", "DJC-05", "DJC-06")
def test_schedules_are_enabled_and_disabled(site, admin):
    """Schedules are disabled and enabled through the client, so that a running scheduler sees it."""
    schedule = site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.bind(1))
    site.copy()
    seen = []
    for action in ("disable", "enable"):
        act(admin, site, "schedule", action, [site.key(schedule.id)])
        now = site.client.get_schedule("nightly")
        seen.append((now.enabled, now.revision, site.model("Schedule").objects.get().enabled))
    assert ([(False, 2, False), (True, 3, True)], ["Disabled.", "Enabled."]) == (seen, logged())


@pytest.mark.parity("DQ-11")
def test_schedules_are_deleted(site, admin):
    """Schedules are deleted through the client; their copies go with them."""
    schedule = site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.bind(1))
    site.copy()
    act(admin, site, "schedule", "delete_selected", [site.key(schedule.id)])
    assert ([], 0) == (list(site.client.schedules()), site.model("Schedule").objects.count())


@pytest.mark.parity("DJC-15")
def test_workers_are_shut_down_paused_and_resumed(site, admin):
    """What is wanted of a worker is told to it with its next beat."""
    site.client.backend.beat(worker_info())
    site.copy()
    orders = []
    for action in ("pause", "resume", "stop"):
        act(admin, site, "worker", action, [site.key("w1")])
        orders.append(site.client.backend.beat(worker_info()).value)
    assert (["pause", "run", "stop"], ["Asked to shut down.", "Paused.", "Resumed."]) == (orders, logged())


def test_queues_are_paused_and_resumed(site, admin):
    """A queue is paused and resumed by a button, and the log says so."""
    seen = []
    for wanted in ("pause", "resume"):
        data = {"storage": "default", "queue": "mail", "wanted": wanted}
        admin.post(site.url("queue", "set"), data)
        seen.append([queue.is_paused for queue in site.client.stats().queues if queue.name == "mail"])
    assert ([[True], []], ["Paused.", "Resumed."]) == (seen, logged())


@pytest.mark.parity("DCR-16", "SCR-18", "DQ-01")
def test_user_who_may_only_look_can_do_nothing(site):
    """A user with all permissions to view, and no other, can do none of the actions and reach none of the endpoints."""
    app, end = ("taskcore", "") if site.kind == "database" else ("taskcore_django", "copy")
    names = ["task", "successfultask", "failedtask", "group", "schedule", "worker", "item"]
    views = [f"{app}.view_{name}{end}" for name in names]
    views.append("taskcore.view_queue" if site.kind == "database" else "taskcore_django.view_queueofstore")
    viewer = browser_of("vera", *views)
    held, bad = running(site), failed(site)
    schedule = site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.bind(1))
    site.client.backend.beat(worker_info())
    site.copy()

    def state():
        return (
            site.client.backend.get([held.id, bad]),
            list(site.client.schedules()),
            len(site.client.find().items),
            [queue.is_paused for queue in site.client.stats().queues],
            site.client.backend.beat(worker_info()),
        )

    before = state()
    statuses = set()
    task_actions = [
        "requeue",
        "duplicate",
        "cancel",
        "terminate",
        "kill",
        "delete_selected",
        "export_csv",
        "export_jsonl",
    ]
    for page in ("task", "successfultask", "failedtask"):
        for action in task_actions:
            response = act(viewer, site, page, action, [site.key(held.id), site.key(bad)])
            assert not response.streaming
    for action in ("run_now", "enable", "disable", "delete_selected"):
        act(viewer, site, "schedule", action, [site.key(schedule.id)])
    for action in ("stop", "pause", "resume"):
        act(viewer, site, "worker", action, [site.key("w1")])
    posts = [
        *((site.url("task", "do", site.key(held.id), name), {"post": "yes"}) for name in [*task_actions[:6], "stop"]),
        *((site.url("failedtask", "do", site.key(bad), name), {"post": "yes"}) for name in ("requeue", "duplicate")),
        *(
            (site.url("schedule", "do", site.key(schedule.id), name), {"post": "yes"})
            for name in ("run_now", "enable", "disable", "delete_selected")
        ),
        *((site.url("worker", "do", site.key("w1"), name), {"post": "yes"}) for name in ("stop", "pause", "resume")),
        (site.url("task", "stop_task", site.key(held.id)), {}),
        (site.url("task", "start_task"), {"task": jobs.add.name, "a": "1"}),
        (site.url("task", "start"), {"task": jobs.add.name, "a": "1"}),
        (site.url("task", "duplicate", site.key(bad)), {"positional": "[]", "keywords": "{}"}),
        (site.url("task", "delete", site.key(bad)), {"post": "yes"}),
        (site.url("task", "change", site.key(held.id)), {"priority": "9"}),
        (site.url("schedule", "add"), {"name": "x"}),
        (site.url("schedule", "change", site.key(schedule.id)), {"kind": "daily"}),
        (site.url("schedule", "delete", site.key(schedule.id)), {"post": "yes"}),
        (site.url("queue", "set"), {"storage": "default", "queue": "default", "wanted": "pause"}),
    ]
    for url, data in posts:
        statuses.add((url, viewer.post(url, data).status_code))
    gets = [(site.url("task", "export"), 403), (site.url("task", "start"), 403), (site.url("schedule", "add"), 403)]
    read = [(url, viewer.get(url).status_code) for url, _ in gets]
    assert ({403}, gets, before, 0) == ({code for _, code in statuses}, read, state(), LogEntry.objects.count())


def test_viewer_sees_no_buttons(site):
    """A user who may only look sees no buttons, and no actions to choose."""
    app, end = ("taskcore", "") if site.kind == "database" else ("taskcore_django", "copy")
    viewer = browser_of("vera", f"{app}.view_task{end}")
    running(site)
    text = text_of(viewer.get(site.url("task")))
    assert (0, 0) == (text.count("taskcore-button "), text.count('name="action"'))


@pytest.mark.parametrize(
    ("permission", "action"),
    [("requeue_task", "requeue"), ("duplicate_task", "duplicate"), ("cancel_task", "cancel"), ("stop_task", "kill")],
)
def test_each_action_has_a_permission_of_its_own(database, permission, action):
    """Who has one permission sees and may do that action, and no other."""
    browser = browser_of("otto", "taskcore.view_task", f"taskcore_django.{permission}")
    running(database)
    text = text_of(browser.get(database.url("task")))
    names = ["requeue", "duplicate", "cancel", "kill", "delete_selected", "export_csv"]
    assert [action] == [name for name in names if f'<option value="{name}"' in text]


def test_everybody_else_is_sent_to_the_login(site):
    """Endpoints and pages send those who are not staff to the login."""
    held = running(site)
    browser = Browser()
    urls = [
        site.url("task", "live"),
        site.url("task", "progress", site.key(held.id)),
        site.url("task", "export"),
        site.url("schedule", "preview"),
        site.url("queue"),
    ]
    assert {302} == {browser.get(url).status_code for url in urls}


def test_posts_need_the_token(site, admin):
    """Every POST is refused without the CSRF token, by the admin's own check."""
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(admin.user)
    held = running(site)
    urls = [
        site.url("task"),
        site.url("task", "do", site.key(held.id), "stop"),
        site.url("task", "stop_task", site.key(held.id)),
        site.url("task", "start_task"),
        site.url("queue", "set"),
    ]
    assert {403} == {strict.post(url, {"post": "yes"}).status_code for url in urls}


@pytest.mark.parametrize("view", ["do", "stop_task"])
def test_reading_an_address_that_acts_does_nothing(site, admin, view):
    """GET of an address that changes something is answered 405."""
    held = running(site)
    arguments = (site.key(held.id), "stop") if view == "do" else (site.key(held.id),)
    response = admin.get(site.url("task", view, *arguments))
    assert (405, None) == (response.status_code, site.client.get(held.id).cancel_level)


def edit_data(**changes):
    """What the form of a waiting task posts."""
    data = {
        "queue_name": "mail",
        "priority": "5",
        "run_after": "2030-01-01 00:00:00",
        "arguments_json": '{"a": [7]}',
        "metadata_json": '{"who": "me"}',
    }
    return {**data, **changes}


@pytest.mark.parity("DCR-04", "DCR-07")
def test_nothing_can_be_edited_unless_the_settings_say_so(site, admin):
    """Without ``ALLOW_EDITS`` all fields are read-only, and a posted form changes nothing."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    url = site.url("task", "change", site.key(handle.id))
    response = admin.post(url, edit_data())
    assert (403, "default", 0) == (
        response.status_code,
        site.client.get(handle.id).queue_name,
        text_of(admin.get(url)).count('name="priority"'),
    )


@pytest.mark.parity("DCR-07", "DQ-17")
def test_allow_edits_is_read_when_asked(site, admin):
    """With ``ALLOW_EDITS`` the standard fields of a waiting task are edited through the client, and logged."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    with override_settings(TASKCORE={"ALLOW_EDITS": True}):
        admin.post(site.url("task", "change", site.key(handle.id)), edit_data())
    edited = site.client.get(handle.id)
    assert ("mail", 5, {"a": [7]}, {"who": "me"}, 2029, 1) == (
        edited.queue_name,
        edited.priority,
        json.loads(edited.spec.arguments_json),
        json.loads(edited.spec.metadata_json),
        edited.run_after.year,
        LogEntry.objects.count(),
    )


@pytest.mark.parity("DCR-07")
def test_finished_tasks_stay_read_only(site, admin):
    """What has finished cannot be edited, whatever the settings say."""
    bad = failed(site)
    with override_settings(TASKCORE={"ALLOW_EDITS": True}):
        response = admin.post(site.url("task", "change", site.key(bad)), edit_data())
    assert 403 == response.status_code


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arguments_json": "{"}, "Unable to parse JSON"),
        ({"arguments_json": '{"a": ["text"]}'}, "does not decode"),
        ({"metadata_json": "[1]"}, "This should be a JSON object."),
        ({"priority": "500"}, "less than or equal to 100"),
    ],
)
def test_edits_that_do_not_fit_are_refused(site, admin, changes, words):
    """What does not fit the task is said at the field, and nothing is changed."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    with override_settings(TASKCORE={"ALLOW_EDITS": True}):
        text = text_of(admin.post(site.url("task", "change", site.key(handle.id)), edit_data(**changes)))
    assert (True, 1) == (words in text, site.client.get(handle.id).version)


def test_duplicate_page_edits_arguments(site, admin):
    """The page to duplicate a task begins with its arguments, and enqueues a new task with the edited ones."""
    bad = failed(site)
    url = site.url("task", "duplicate", site.key(bad))
    form = text_of(admin.get(url))
    data = {"positional": '["other"]', "keywords": "{}", "option-priority": "3"}
    admin.post(url, data)
    new = site.client.find(states=[State.READY]).items[0]
    assert (True, '{"a":["other"]}', 3, [f"Duplicated from {bad}."]) == (
        'name="positional"' in form,
        new.spec.arguments_json,
        new.priority,
        logged(),
    )


def test_duplicate_of_an_unknown_task_keeps_its_arguments(site, admin):
    """A task that the site does not know is duplicated as it is; other arguments for it are refused."""
    other = task(name="elsewhere.work")(lambda x: x)
    handle = site.client.enqueue(other, 1)
    site.copy()
    url = site.url("task", "duplicate", site.key(handle.id))
    same = admin.post(url, {"positional": "[1]", "keywords": "{}"}).status_code
    text = text_of(admin.post(url, {"positional": "[2]", "keywords": "{}"}))
    assert (302, True, 2) == (same, "cannot be checked" in text, len(site.client.find(name="elsewhere.work").items))


def test_log_names_who_did_it(site, admin):
    """The history page of a task names who did what to it."""
    bad = failed(site)
    act(admin, site, "task", "requeue", [site.key(bad)])
    text = text_of(admin.get(site.url("task", "history", site.key(bad))))
    assert (True, True) == ("Requeued." in text, "ada" in text)


def test_store_that_does_not_answer_is_told(memory, admin):
    """When the storage cannot be reached, lists and pages show the copies, and an action says that it did nothing."""
    bad = failed(memory)
    memory.client.backend.close()
    data = {"action": "requeue", "_selected_action": [memory.key(bad)]}
    text = text_of(admin.post(memory.url("task"), data, follow=True))
    page = text_of(admin.get(memory.url("task", "change", memory.key(bad))))
    assert (True, True, True) == ("stayed as it was" in text, "is closed" in text, "ValueError" in page)


def test_buttons_lead_where_they_say(site, admin):
    """The button of a schedule in the list posts to an address that does what it says."""
    schedule = site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.bind(1))
    site.copy()
    text = text_of(admin.get(site.url("schedule")))
    url = next(part for part in text.split('formaction="')[1:] if "Run now" in part.split("</button>")[0]).split('"')[0]
    admin.post(url)
    assert (1, schedule.id) == (site.client.get_schedule("nightly").runs, schedule.id)
