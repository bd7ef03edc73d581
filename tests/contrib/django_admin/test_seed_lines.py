"""What the documents of older systems say of their pages, where no test of ours says it already."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.apps import apps
from django.test import override_settings

from taskcore import cron
from taskcore.contrib.django.admin import TaskAdmin
from taskcore.protocol import Change, ClaimRequest, Event, Progress, State
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import text_of
from tests.contrib.django_admin.test_pages import worker_info

PAGES = ["task", "successfultask", "failedtask", "group", "schedule", "worker", "queue", "item"]


def headers_of(text):
    """Return the names of the columns of a list."""
    return [
        " ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split()).lower()
        for cell in re.findall(r'<th scope="col".*?</th>', text, re.DOTALL)
    ]


def running(site, definition, *args):
    """Enqueue a task and claim it; return it as it is then."""
    site.client.enqueue(definition, *args)
    request = ClaimRequest(
        worker_id="w1", nonce="n", queue_names=("default", "scrape"), limit=1, lease=timedelta(minutes=1)
    )
    (held,) = site.client.backend.claim(request)
    return held


@pytest.mark.parity("DQ-01")
@pytest.mark.parametrize("page", PAGES)
def test_pages_are_pages_of_djangos_admin(site, admin, page):
    """Each list has the admin's own header, breadcrumbs, styles and messages: it is made of the same base."""
    text = text_of(admin.get(site.url(page)))
    parts = ("admin/css/base.css", 'id="site-name"', 'class="breadcrumbs"', 'id="logout-form"', 'id="content-main"')
    assert [] == [part for part in parts if part not in text]


@pytest.mark.parity("DQ-18")
def test_heading_is_that_of_the_app(database, admin):
    """The index shows the app by its verbose name, which a site can set; it is read when it is asked for."""
    config = apps.get_app_config("taskcore")
    before = config.verbose_name
    try:
        config.verbose_name = "Work of the night"
        assert "Work of the night" in text_of(admin.get("/admin/"))
    finally:
        config.verbose_name = before


@pytest.mark.parity("DCR-02", "SCR-08")
def test_columns_of_the_list(site, admin):
    """Id, name, state, progress, duration, buttons, schedule, worker, and when it was enqueued and done."""
    site.client.enqueue(jobs.add, 1)
    site.copy()
    shown = headers_of(text_of(admin.get(site.url("task"))))
    wanted = [
        "task id",
        "task",
        "state",
        "progress",
        "duration",
        "actions",
        "schedule",
        "worker",
        "enqueued",
        "finished",
    ]
    assert [] == [name for name in wanted if name not in shown]


@pytest.mark.parity("DCR-06", "DJC-13")
def test_page_of_a_task_has_its_parts(site, admin):
    """What it is, its parameters, its result, its attempts and its sub-results stand apart."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    text = text_of(admin.get(site.url("task", "change", site.key(handle.id))))
    parts = ("Progress", "Parameters", "Result", "Attempts", "Sub-results")
    assert [] == [part for part in parts if not re.search(rf"<h2[^>]*>\s*{part}\s*</h2>", text)]


@pytest.mark.parity("DQ-09", "DJC-13")
@pytest.mark.parametrize("page", ["task", "successfultask", "failedtask"])
def test_nobody_adds_a_task_by_hand(site, admin, page):
    """There is no empty form for one, for nobody: tasks are started."""
    url = f"{site.url(page)}add/"
    assert (403, False) == (admin.get(url).status_code, f'href="{url}"' in text_of(admin.get(site.url(page))))


@pytest.mark.parity("DJC-12")
def test_long_names_and_arguments_are_short_with_the_whole_on_hover(site, admin):
    """So are moments: in words, with the exact one as the title."""
    site.client.enqueue(jobs.scrape, ["a-rather-long-keyword"] * 20, "Bretagne")
    site.copy()
    text = text_of(admin.get(site.url("task")))
    names = re.findall(r'<span title="([^"]*)">([^<]*)</span>', text)
    assert (jobs.scrape.name, "jobs.scrape") in names
    ((whole, short),) = re.findall(r'<code class="taskcore-call" title="([^"]*)">([^<]*)</code>', text)
    assert len(unescape(short)) <= 64 < len(unescape(whole))
    assert re.search(r'<time datetime="[^"]+" title="[^"]+">', text)


@pytest.mark.parity("SCR-09")
def test_each_state_has_a_colour_of_its_own(site, admin):
    """Waiting, running, successful, failed and cancelled tasks have badges of five classes."""
    held = running(site, jobs.add, 1)
    site.client.enqueue(jobs.fail)
    done = site.client.enqueue(jobs.add, 2)
    site.drain()
    given_up = site.client.enqueue(jobs.add, 3)
    given_up.cancel()
    site.client.enqueue(jobs.add.using(run_after=timedelta(hours=1)), 4)
    site.copy()
    assert (State.RUNNING, State.SUCCESSFUL) == (site.client.get(held.id).state, done.state)
    found = set(re.findall(r'class="taskcore-badge (taskcore-[a-z]+)', text_of(admin.get(site.url("task")))))
    assert {f"taskcore-{word}" for word in ("waiting", "running", "successful", "failed", "cancelled")} == found


@pytest.mark.parity("SCR-02", "SCR-10", "SCR-14")
def test_page_of_a_running_task_says_what_it_is_at(site, admin):
    """The place and keyword of now, the operation, the percentage and the items so far."""
    held = running(site, jobs.scrape, ["bovin", "porcin"], "Bretagne")
    progress = Progress(current=1, total=4, message="Morbihan, bovin", counters={"items": 12})
    site.client.backend.apply(
        [
            Change(
                task_id=held.id, event=Event.HEARTBEAT, fence=held.fence, extend=timedelta(minutes=1), progress=progress
            )
        ]
    )
    site.copy()
    for url in (site.url("task", "change", site.key(held.id)), site.url("task")):
        text = text_of(admin.get(url))
        assert [] == [part for part in ("Morbihan, bovin", "1 / 4", "25%", "items: 12") if part not in text]


@pytest.mark.parity("DQ-17")
def test_a_waiting_task_is_edited_or_cancelled(site, admin):
    """It stands in the list; with edits allowed its priority can be changed, and it can be given up."""
    handle = site.client.enqueue(jobs.add.using(run_after=timedelta(hours=1)), 1)
    site.copy()
    url = site.url("task", "change", site.key(handle.id))
    with override_settings(TASKCORE={"ALLOW_EDITS": True}):
        assert re.search(r'<input type="number" name="priority"', text_of(admin.get(url)))
    admin.post(site.url("task", "do", site.key(handle.id), "cancel"), {"post": "yes"})
    assert State.CANCELLED is handle.state


@pytest.mark.parity("DQ-16")
def test_schedule_says_that_its_last_run_failed(site, admin):
    """As for any task: by icon and word; nothing is said of one that has not run."""
    site.client.schedule("nightly", cron("0 3 * * *"), jobs.fail.bind())
    site.copy()
    before = text_of(admin.get(site.url("schedule")))
    site.client.run_now("nightly")
    site.drain()
    site.copy()
    after = text_of(admin.get(site.url("schedule")))
    assert (False, True) == ("Failed</span>" in before, "Failed</span>" in after)


@pytest.mark.parity("DCR-09")
def test_columns_are_tuples_that_a_subclass_adds_to():
    """``list_display = TaskAdmin.list_display + (…,)`` is how the documents do it."""
    assert all(isinstance(columns, tuple) for columns in (TaskAdmin.list_display, TaskAdmin.list_filter))


@pytest.mark.parity("DQ-39")
def test_workers_show_their_memory(site, admin):
    """In the list and on the page of one, as it was told with the last beat."""
    site.client.backend.beat(worker_info(memory=123_456_789))
    site.copy()
    for url in (site.url("worker"), site.url("worker", "change", site.key("w1"))):
        assert "117.7\xa0MB" in text_of(admin.get(url))
