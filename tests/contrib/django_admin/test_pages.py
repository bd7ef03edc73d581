"""Every page shows what the store holds, whichever store it is."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.admin.models import LogEntry

from taskcore import cron, daily
from taskcore.protocol import State, WorkerInfo
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import text_of


def finished(site, definition=jobs.add, *args, **kwargs):
    """Enqueue, run and copy one task; return its id."""
    handle = site.client.enqueue(definition, *args, **kwargs)
    site.drain()
    site.copy()
    return handle.id


def run_of(site, schedule="nightly"):
    """Run a schedule once; return its task's id."""
    handle = site.client.run_now(schedule)
    site.drain()
    site.copy()
    return handle.id


def worker_info(**changes):
    """A worker that has just beaten."""
    now = datetime.now(timezone.utc)
    fields = {
        "id": "w1",
        "hostname": "crane",
        "pid": 7,
        "queue_names": ("default",),
        "task_names": (jobs.add.name,),
        "concurrency": 4,
        "executor": "threads",
        "started_at": now - timedelta(hours=1),
        "last_beat_at": now,
        "expires_at": now + timedelta(minutes=1),
        **changes,
    }
    return WorkerInfo(**fields)


@pytest.mark.parity("DQ-02", "DCR-09", "DCR-11", "DJC-12")
@pytest.mark.parametrize(
    "page", ["task", "successfultask", "failedtask", "group", "schedule", "worker", "queue", "item"]
)
def test_each_list_is_registered_and_answers(site, admin, page):
    """The lists of tasks (all, successful, failed), groups, schedules, workers, queues and sub-results answer."""
    model = {"successfultask": "successfultask", "failedtask": "failedtask"}.get(page, page)
    assert 200 == admin.get(site.url(model)).status_code


@pytest.mark.parity("DQ-03", "DQ-06")
def test_proxies_list_one_state_each(site, admin):
    """Successful tasks stand in one list, failed ones in another, and all of them in a third."""
    good, bad = finished(site, jobs.add, 1), finished(site, jobs.fail)
    shown = {page: text_of(admin.get(site.url(page))) for page in ("task", "successfultask", "failedtask")}
    found = {
        page: [one[:12] + "…" in text and site.key(one) in text for one in (good, bad)] for page, text in shown.items()
    }
    assert {"task": [True, True], "successfultask": [True, False], "failedtask": [False, True]} == found


@pytest.mark.parity("DQ-07", "DQ-10", "DCR-06", "SCR-10", "C35-04")
def test_page_of_failed_task_has_error_and_traceback(site, admin):
    """The page of a failed task shows the type, the message and the traceback of what it raised."""
    task_id = finished(site, jobs.fail, "the disk is full")
    text = text_of(admin.get(site.url("task", "change", site.key(task_id))))
    parts = ["builtins.ValueError", "the disk is full", "Traceback (most recent call last)", "raise ValueError(text)"]
    assert [] == [part for part in parts if part not in text]


@pytest.mark.parity("DQ-10")
def test_list_of_failed_tasks_has_short_error(site, admin):
    """The list of failed tasks shows the beginning of each error."""
    finished(site, jobs.fail, "x" * 300)
    text = text_of(admin.get(site.url("failedtask")))
    assert (True, False) == ("x" * 50 in text, "x" * 120 in text)


@pytest.mark.parity("DQ-04", "DQ-09", "DCR-06", "SCR-15", "SCR-04")
def test_page_of_successful_task_has_arguments_and_result(site, admin):
    """The page of a successful task shows its arguments, its return value and its times."""
    task_id = finished(site, jobs.add, 40, b=2)
    text = text_of(admin.get(site.url("task", "change", site.key(task_id))))
    shown = ["Successful", "&quot;b&quot;: 2", ">42<", "Return value:", "Duration:", "Enqueued:", "Finished:"]
    assert [] == [part for part in shown if part not in text]


@pytest.mark.parity("SCR-05", "SCR-10", "SCR-13", "SCR-17", "SCR-04")
def test_page_of_task_has_sub_results_and_sums(site, admin):
    """The page of a task lists its sub-results and adds them up by each dimension."""
    task_id = finished(site, jobs.scrape, ["bovin", "porcin"], region="Bretagne")
    text = " ".join(text_of(admin.get(site.url("task", "change", site.key(task_id)))).split())
    shown = [
        "keyword: bovin, prefecture: Bretagne",
        '<th scope="row">porcin</th><td>2</td>',
        '<th scope="row">Bretagne</th><td>3</td>',
        '<th scope="row">Total</th><td>3</td>',
    ]
    assert [] == [part for part in shown if part not in text]


@pytest.mark.parity("SCR-13", "SCR-16")
def test_sub_results_can_be_searched_and_filtered(site, admin):
    """The list of sub-results is searched by any part, and filtered by task and by dimension."""
    task_id = finished(site, jobs.scrape, ["bovin", "porcin"], region="Bretagne")
    finished(site, jobs.scrape, ["ovin"], region="Alsace")
    url = site.url("item")
    queries = {
        "q=porcin": ["porcin"],
        f"task={site.key(task_id)}": ["bovin", "porcin"],
        "dimension=prefecture:Alsace": ["ovin,"],
        f"q={task_id[:16]}": ["bovin", "porcin"],
    }
    found = {}
    for query in queries:
        text = text_of(admin.get(f"{url}?{query}"))
        found[query] = [word for word in ("bovin", "porcin", "ovin,") if f"keyword: {word}" in text]
    assert queries == found


@pytest.mark.parity("SCR-02", "SCR-08", "SCR-14")
def test_list_shows_progress_operations_and_counters(site, admin):
    """The list shows a bar with its percentage, the current and total operations, counters and the message."""
    finished(site, jobs.scrape, ["bovin", "porcin"], region="Bretagne")
    text = text_of(admin.get(site.url("task")))
    shown = ['<progress value="100"', "100%", "2 / 2", "items: 1", "Bretagne, porcin"]
    assert [] == [part for part in shown if part not in text]


@pytest.mark.parity("SCR-09", "DJC-12")
def test_badge_has_icon_and_word(site, admin):
    """A state is told by an icon and a word, not by its colour alone."""
    finished(site, jobs.fail)
    text = text_of(admin.get(site.url("task")))
    assert '<span class="taskcore-icon" aria-hidden="true">✖</span> Failed</span>' in text


@pytest.mark.parity("DCR-05", "DJC-13", "SCR-16", "DQ-09")
def test_search_finds_by_id_name_argument_error_and_state(site, admin):
    """Tasks are found by the beginning of the id, by parts of name, arguments and error, and by state."""
    good, bad = finished(site, jobs.add, 1234), finished(site, jobs.fail, "no such shop")
    url = site.url("task")
    queries = {good[:14]: good, good: good, "jobs.add": good, "1234": good, "shop": bad, "failed": bad}
    found = {}
    for word in queries:
        text = text_of(admin.get(url, {"q": word}))
        found[word] = [one for one in (good, bad) if site.key(one) in text]
    assert {word: [one] for word, one in queries.items()} == {
        word: ([queries[word]] if queries[word] in ids and (len(ids) == 1 or word == good[:14]) else ids)
        for word, ids in found.items()
    }


@pytest.mark.parity("DCR-03", "DJC-13", "SCR-16", "DQ-09", "DCR-01")
def test_filters_by_state_queue_name_and_period(site, admin):
    """Tasks are filtered by state, queue, name, and the time they were enqueued in."""
    good = finished(site, jobs.add, 1)
    bad = finished(site, jobs.fail)
    other = finished(site, jobs.scrape, ["x"])
    today = datetime.now(timezone.utc).date()
    url = site.url("task")
    wanted = {
        "state=failed": [bad],
        "state=unfinished": [],
        "queue=scrape": [other],
        f"name={jobs.add.name}": [good],
        "period=hour": [good, bad, other],
        f"until={today - timedelta(days=3)}": [],
        f"from={today - timedelta(days=3)}&state=failed": [bad],
    }
    found = {}
    for query in wanted:
        text = text_of(admin.get(f"{url}?{query}"))
        found[query] = [one for one in (good, bad, other) if site.key(one) in text]
    assert wanted == found


@pytest.mark.parity("DQ-14", "DQ-16", "DCR-02")
def test_schedule_links_to_its_last_run_and_back(site, admin):
    """The list of schedules links to the task of the last run and says how it ended; the task names its schedule."""
    site.client.schedule("nightly", cron("0 3 * * *", tz="Europe/Berlin"), jobs.add.bind(1))
    task_id = run_of(site)
    schedules = text_of(admin.get(site.url("schedule")))
    tasks = text_of(admin.get(site.url("task")))
    link = site.url("task", "change", site.key(task_id))
    assert (True, True, True) == (f'href="{link}"' in schedules, "Successful" in schedules, ">nightly</a>" in tasks)


@pytest.mark.parity("DQ-15")
def test_schedule_without_a_run_or_with_a_deleted_one_shows_none(site, admin):
    """A schedule that never ran, or whose last task was deleted, shows no last run."""
    site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.bind(1))
    site.copy()
    before = text_of(admin.get(site.url("schedule")))
    task_id = run_of(site)
    site.client.purge(ids=[task_id])
    after = text_of(admin.get(site.url("schedule")))
    assert ("[" + jobs.add.name not in before, "[" + jobs.add.name not in after) == (True, True)


@pytest.mark.parity("DQ-12", "DQ-13", "DJC-16")
def test_list_of_schedules_says_when_in_words(site, admin):
    """The list of schedules shows the task, the trigger in words, the repeats and the next run."""
    site.client.schedule("nightly", cron("0 3 * * 1-5", tz="Europe/Berlin"), jobs.add.bind(1), repeats=24)
    site.copy()
    text = text_of(admin.get(site.url("schedule")))
    shown = ["every day at 03:00, only on Monday", "Europe/Berlin", jobs.add.name, ">24<", "<time datetime="]
    assert [] == [part for part in shown if part not in text]


@pytest.mark.parity("DQ-12")
def test_schedules_are_filtered_and_searched(site, admin):
    """Schedules are filtered by trigger, next run, queue and whether enabled, and searched by name and task."""
    site.client.schedule("alpha", cron("0 3 * * *"), jobs.add.bind(1), enabled=False)
    site.client.schedule("beta", daily(), jobs.fail.using(queue_name="mail").bind())
    site.copy()
    wanted = {
        "trigger=cron": ["alpha"],
        "enabled=yes": ["beta"],
        "next=never": ["alpha"],
        "next=week": ["beta"],
        "queue=mail": ["beta"],
        "q=alph": ["alpha"],
        "q=jobs.fail": ["beta"],
    }
    found = {}
    for query in wanted:
        text = text_of(admin.get(f"{site.url('schedule')}?{query}"))
        found[query] = [name for name in ("alpha", "beta") if f">{name}</a>" in text]
    assert wanted == found


@pytest.mark.parity("DCR-08", "DCR-11", "DJC-02")
def test_group_page_counts_members_and_shows_results(site, admin):
    """The page of a group counts its members by state, shows what they returned, and links to them."""
    group = site.client.group("march", [jobs.add.bind(n) for n in range(3)])
    site.drain()
    site.copy()
    listed = text_of(admin.get(site.url("group")))
    text = text_of(admin.get(site.url("group", "change", site.key(group.id))))
    members = text_of(admin.get(f"{site.url('task')}?group={site.key(group.id)}"))
    assert (True, True, 3) == ("3 / 3" in listed, "0: 2\n1: 3\n2: 4" in text, members.count('class="action-select"'))


@pytest.mark.parity("DCR-08")
def test_group_is_found_by_id_and_name(site, admin):
    """Groups are found by the beginning of their id, and by name."""
    group = site.client.group("march", [jobs.add.bind(1)])
    site.copy()
    found = [
        site.url("group", "change", site.key(group.id)) in text_of(admin.get(site.url("group"), {"q": word}))
        for word in (group.id[:12], "march", "x")
    ]
    assert [True, True, False] == found


@pytest.mark.parity("DJC-07", "DJC-15")
def test_workers_are_online_or_offline(site, admin):
    """The list of workers says who is there and what it runs; the page of one, what it knows."""
    past = datetime.now(timezone.utc) - timedelta(minutes=5)
    site.client.backend.beat(worker_info(running=("a" * 32,)))
    site.client.backend.beat(worker_info(id="w2", hostname="heron", last_beat_at=past, expires_at=past))
    site.copy()
    listed = text_of(admin.get(site.url("worker")))
    text = text_of(admin.get(site.url("worker", "change", site.key("w1"))))
    assert (1, True, True) == (listed.count("Online</span>"), "crane 7" in listed, jobs.add.name in text)


def test_queues_show_depth_age_and_pause(site, admin):
    """The page of queues shows how many tasks wait, how old the oldest is, and which queue is paused."""
    site.client.enqueue_many([jobs.add.bind(n) for n in range(3)])
    site.client.pause("mail")
    text = " ".join(text_of(admin.get(site.url("queue"))).split())
    assert (True, True) == ("<td>3</td>" in text, "Paused</span>" in text)


@pytest.mark.parity("DCR-16", "C35-09", "SCR-14", "SCR-18", "DJC-17")
def test_progress_endpoint_tells_state_progress_and_result(site, admin):
    """``task-progress/<id>/`` tells in JSON how a task stands, what it returned, or what it raised."""
    good, bad = finished(site, jobs.scrape, ["a"]), finished(site, jobs.fail)
    told = [admin.get(site.url("task", "progress", site.key(one))).json() for one in (good, bad)]
    assert ("SUCCESSFUL", 1, 100.0, "FAILED", "builtins.ValueError") == (
        told[0]["state"],
        told[0]["result"],
        told[0]["progress"]["percent"],
        told[1]["state"],
        told[1]["error"]["type"],
    )


@pytest.mark.parity("DCR-16")
def test_group_progress_endpoint_counts(site, admin):
    """``group-progress/<id>/`` tells in JSON how the members of a group stand."""
    group = site.client.group("march", [jobs.add.bind(1), jobs.fail.bind()])
    site.drain()
    site.copy()
    told = admin.get(site.url("group", "progress", site.key(group.id))).json()
    assert ({"SUCCESSFUL": 1, "FAILED": 1}, True, False) == (told["counts"], told["finished"], told["successful"])


def test_explain_page_says_why_a_task_waits(site, admin):
    """The page of a waiting task leads to an explanation."""
    handle = site.client.enqueue(jobs.add.using(run_after=timedelta(hours=1)), 1)
    text = text_of(admin.get(site.url("task", "explain", site.key(handle.id))))
    assert "not due" in text.lower() or "due" in text.lower()


@pytest.mark.parity("DQ-40", "DQ-34")
def test_timeline_has_each_attempt(site, admin):
    """The page of a task that was tried again shows both attempts, each with its error."""
    handle = site.client.enqueue(jobs.fail_twice)
    site.drain()
    site.client.reschedule(handle.id, run_after=timedelta(0))
    site.drain()
    text = text_of(admin.get(site.url("task", "change", site.key(handle.id))))
    assert (True, True) == ("Failed, tried again</b>" in text, "<b>Failed</b>" in text)


def test_looking_writes_nothing(site, admin):
    """No page changes a task, and none writes a log entry."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    before = site.client.get(handle.id)
    for page in ("task", "schedule", "worker", "group", "queue", "item"):
        admin.get(site.url(page))
    admin.get(site.url("task", "change", site.key(handle.id)))
    assert (before, 0) == (site.client.get(handle.id), LogEntry.objects.count())


def test_pages_have_no_inline_script_or_style(site, admin):
    """No page of ours has a script or style in the page itself, nor an attribute that is one."""
    handle = site.client.enqueue(jobs.add, 1)
    site.client.schedule("nightly", cron("0 3 * * *"), jobs.add.bind(1))
    site.copy()
    urls = [
        *(site.url(page) for page in ("task", "schedule", "worker", "group", "queue", "item")),
        site.url("task", "change", site.key(handle.id)),
        site.url("task", "start"),
        site.url("schedule", "add"),
    ]
    bad = ("<style", "style=", "<script>", "onclick=", "javascript:")
    found = {(url, part) for url in urls for part in bad if part in text_of(admin.get(url))}
    assert set() == found


def test_live_answers_all_visible_tasks_at_once(site, admin):
    """One poll answers the changing cells of all tasks that are asked for, and nothing else."""
    ids = [handle.id for handle in site.client.enqueue_many(jobs.add.bind(n) for n in range(3))]
    site.copy()
    keys = [site.key(one) for one in ids]
    told = admin.get(site.url("task", "live"), {"ids": ",".join(keys[:2])}).json()["tasks"]
    assert (set(keys[:2]), True) == (set(told), all("Ready" in one["cells"]["state"] for one in told.values()))


@pytest.mark.parity("SCR-14")
def test_live_tells_of_changes_and_is_silent_without(site, admin):
    """The same poll is answered 304 until a task has changed; then it has the new state, copies or not."""
    handle = site.client.enqueue(jobs.add, 1)
    site.copy()
    url, ids = site.url("task", "live"), {"ids": site.key(handle.id)}
    first = admin.get(url, ids)
    second = admin.get(url, ids, headers={"If-None-Match": first["ETag"]})
    site.drain()
    third = admin.get(url, ids, headers={"If-None-Match": first["ETag"]})
    shown = third.json()["tasks"][site.key(handle.id)]
    assert (200, 304, 200, "Successful") == (first.status_code, second.status_code, third.status_code, shown["word"])


@pytest.mark.parity("SCR-19")
def test_export_is_streamed_and_filtered(site, admin):
    """The filtered list is exported as JSON lines with arguments and results."""
    finished(site, jobs.add, 1)
    finished(site, jobs.fail)
    response = admin.get(site.url("task", "export"), {"format": "jsonl", "state": "successful"})
    records = [json.loads(line) for line in text_of(response).splitlines()]
    assert (True, [("SUCCESSFUL", {"a": [1]}, 3)]) == (
        response.streaming,
        [(one["state"], one["arguments"], one["result"]) for one in records],
    )


def test_export_defuses_formulas(site, admin):
    """In CSV a text that a spreadsheet would take for a formula begins with an apostrophe."""
    finished(site, jobs.add.using(label="=HYPERLINK(1)"), 1)
    text = text_of(admin.get(site.url("task", "export"), {"format": "csv"}))
    assert ",'=HYPERLINK(1)," in text


@pytest.mark.parity("SCR-15")
def test_page_of_a_task_that_the_store_has_no_more(memory, admin):
    """A copy is shown, whole, when the storage has purged the task."""
    task_id = finished(memory, jobs.add, 5)
    memory.client.purge(ids=[task_id])
    text = text_of(admin.get(memory.url("task", "change", memory.key(task_id))))
    assert (True, True) == (">7<" in text, "Successful" in text)


def test_page_of_a_task_that_is_not_copied_yet(memory, admin):
    """The page of a task asks the storage, so it is there before the next snapshot."""
    handle = memory.client.enqueue(jobs.add, 1)
    response = admin.get(memory.url("task", "change", memory.key(handle.id)))
    assert (200, State.READY) == (response.status_code, memory.client.get(handle.id).state)


@pytest.mark.parametrize("key", ["x" * 300, "é😀", "..", "\0"])
def test_things_that_are_not_there_are_no_errors(site, admin, key):
    """An address of a thing that cannot be leads back to the index, or is not found; a filter for it finds nothing."""
    pages = [
        ("task", "change"),
        ("task", "progress"),
        ("schedule", "change"),
        ("group", "change"),
        ("worker", "change"),
    ]
    statuses = {admin.get(site.url(page, view, key)).status_code for page, view in pages}
    filtered = {admin.get(site.url("task"), {name: key}).status_code for name in ("name", "queue", "state", "group")}
    poll = admin.get(site.url("task", "live"), {"ids": key}).json()
    assert (set(), {200}, {"tasks": {}}) == (statuses - {302, 404}, filtered, poll)
