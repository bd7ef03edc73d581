"""Pages cost the same, whatever the number of rows: few queries, no count, no distinct, no offset, no payload."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskcore import daily
from taskcore._ids import IdSource
from taskcore.contrib.django.models import TaskCopy
from taskcore.records.columns import FAILED, SUCCESSFUL
from taskcore_backends.django.models import Task
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import browser_of, text_of

MOST_QUERIES = 8


def fill(site, count):
    """Write rows of finished tasks: every tenth has failed. Return their keys, newest first."""
    now = datetime.now(timezone.utc)
    ids = IdSource().many(now - timedelta(hours=1), count)
    common = {
        "name": jobs.add.name,
        "queue_name": "default",
        "precedence": 0,
        "version": 3,
        "run_after": now,
        "enqueued_at": now,
        "changed_at": now,
        "max_attempts": 1,
        "epoch": 1,
        "failures": 0,
        "crashes": 0,
        "releases": 0,
        "arguments": '{"a":[1]}',
    }
    if site.kind == "database":
        common.update(due=0, max_crashes=3, flags=0, suspect=False)
    else:
        common.update(storage="default", document="{}")
    model = Task if site.kind == "database" else TaskCopy
    model.objects.bulk_create(
        (model(id=site.key(one), code=SUCCESSFUL if index % 10 else FAILED, **common) for index, one in enumerate(ids)),
        batch_size=500,
    )
    return [site.key(one) for one in reversed(ids)]


def asked(browser, url, data=None):
    """Return the statements that a page took."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = browser.get(url, data)
    assert 200 == response.status_code
    return [query["sql"] for query in queries.captured_queries]


def viewer_of(site):
    """A browser of somebody who may look, act and edit, and is no superuser: permissions cost queries."""
    app, end = ("taskcore", "") if site.kind == "database" else ("taskcore_django", "copy")
    names = ("task", "successfultask", "failedtask", "group", "schedule", "worker", "item")
    views = [f"{app}.view_{name}{end}" for name in names]
    views.append("taskcore.view_queue" if site.kind == "database" else "taskcore_django.view_queueofstore")
    more = ["taskcore_django.requeue_task", "taskcore_django.cancel_task", "taskcore_django.start_task"]
    return browser_of("vera", *views, *more)


QUERIES = ("", "state=failed", f"name={jobs.add.name}", "queue=default", "period=day", "q=jobs.add", "state=running")


@pytest.mark.parity("DCR-12", "DQ-12")
def test_lists_cost_the_same_at_10_and_1000_rows(site):
    """Each list, filtered or not, takes at most 8 queries, as many with 1,000 rows as with 10."""
    viewer = viewer_of(site)
    costs = []
    for count in (10, 990):
        fill(site, count)
        urls = [f"{site.url('task')}?{query}" for query in QUERIES]
        urls += [
            site.url(page) for page in ("successfultask", "failedtask", "group", "schedule", "worker", "item", "queue")
        ]
        costs.append({url: len(asked(viewer, url)) for url in urls})
    assert (costs[0], True) == (costs[1], max(costs[1].values()) <= MOST_QUERIES)


@pytest.mark.parity("DCR-12")
def test_queues_cost_the_same_however_many_are_busy(site):
    """The list of queues takes at most 8 queries, as many for ten busy queues of three priorities as for one."""
    viewer = viewer_of(site)
    costs = []
    for low, high in ((0, 1), (1, 10)):
        for number in range(low, high):
            for priority in (0, 5, -5):
                site.client.enqueue(jobs.add.using(queue_name=f"queue {number}", priority=priority), 1)
        costs.append(len(asked(viewer, site.url("queue"))))
    assert (costs[0], True) == (costs[1], costs[1] <= MOST_QUERIES)


@pytest.mark.nightly
@pytest.mark.parity("DCR-12")
def test_lists_cost_the_same_at_100000_rows(site):
    """As many queries with 100,000 rows as with 10."""
    viewer = viewer_of(site)
    costs = []
    for count in (10, 99_990):
        fill(site, count)
        costs.append({query: len(asked(viewer, f"{site.url('task')}?{query}")) for query in QUERIES})
    assert (costs[0], True) == (costs[1], max(costs[1].values()) <= MOST_QUERIES)


@pytest.mark.parity("DCR-12")
@pytest.mark.parametrize("query", QUERIES)
def test_lists_neither_count_nor_sort_out_nor_skip(site, query):
    """No list has DISTINCT or OFFSET; what it counts is bounded; payload columns are not read."""
    fill(site, 120)
    statements = asked(viewer_of(site), f"{site.url('task')}?{query}")
    rows = [sql for sql in statements if re.search(r'FROM "taskcore(_django)?_task(copy)?"', sql)]
    unbounded = [sql for sql in statements if "count(" in sql.lower() and "limit" not in sql.lower()]
    joined = " ".join(rows)
    bare = re.sub(r"(LEFT|SUBSTR)\([^)]*\)|UPPER\([^)]*\)|LIKE", "", joined)
    columns = bare.split("WHERE")[0] if "WHERE" in bare else bare
    read = [name for name in ('"value"', '"options"', '"document"', '"arguments",') if name in columns]
    assert ([], [], False, False) == (unbounded, read, "DISTINCT" in joined, "OFFSET" in joined)


@pytest.mark.parity("DCR-11", "DCR-12")
def test_pages_are_cut_by_key(site, admin):
    """Older pages follow by key, newer ones lead back, and each row stands on one page only."""
    keys = fill(site, 120)
    seen, pages, url = [], 0, site.url("task")
    older = re.compile(r'href="(\?[^"]*after=[^"]*)" rel="next"')
    newer = re.compile(r'href="(\?[^"]*before=[^"]*)" rel="prev"')
    while url:
        text = text_of(admin.get(url)).replace("&amp;", "&")
        seen.append(re.findall(r'name="_selected_action" value="([^"]*)"', text))
        pages += 1
        found = older.search(text)
        back = newer.search(text)
        url = site.url("task") + found[1] if found else None
    before = text_of(admin.get(site.url("task") + back[1]))
    assert (3, keys, seen[1]) == (
        pages,
        [key for page in seen for key in page],
        re.findall(r'name="_selected_action" value="([^"]*)"', before),
    )


def test_filter_looks_at_a_window_and_says_how_to_go_on(site, admin, monkeypatch):
    """A filter that no index serves looks at the newest rows, and leads on to the older ones."""
    from taskcore.contrib.django.admin import TaskAdmin

    monkeypatch.setattr(TaskAdmin, "scan_limit", 60)
    keys = fill(site, 100)
    oldest = keys[-1]
    site.model("Task").objects.filter(pk=oldest).update(queue_name="mail")
    first = text_of(admin.get(site.url("task"), {"queue": "mail"})).replace("&amp;", "&")
    link = re.search(r'href="(\?[^"]*)" rel="next">Only the newest rows', first)
    second = text_of(admin.get(site.url("task") + link[1]))
    assert (False, True) == (oldest in first, oldest in second)


def test_id_is_found_beyond_the_window(site, admin, monkeypatch):
    """An id is looked up by its index, however old it is."""
    from taskcore.contrib.django.admin import TaskAdmin

    monkeypatch.setattr(TaskAdmin, "scan_limit", 10)
    keys = fill(site, 100)
    text = text_of(admin.get(site.url("task"), {"q": keys[-1][:32]}))
    assert [keys[-1]] == re.findall(r'name="_selected_action" value="([^"]*)"', text)


def test_page_of_a_task_costs_the_same(site):
    """The page of a task takes at most 8 queries of the site's database, and so does the poll."""
    viewer = viewer_of(site)
    handle = site.client.enqueue(jobs.fail)
    site.drain()
    site.copy()
    key = site.key(handle.id)
    costs = {}
    viewer.get(site.url("task", "change", key))  # what is kept for the life of a process is asked for once
    for count in (10, 500):
        fill(site, count)
        page = asked(viewer, site.url("task", "change", key))
        poll = asked(viewer, site.url("task", "live"), {"ids": key})
        costs[count] = len(page), len(poll)
    assert (costs[10], True) == (costs[500], max(costs[500]) <= MOST_QUERIES)


def test_schedules_and_groups_ask_for_all_rows_of_a_page_at_once(site):
    """The lists of schedules and groups take as many queries for 30 rows as for 3."""
    viewer = viewer_of(site)
    costs = []
    for low, high in ((0, 3), (3, 30)):
        for number in range(low, high):
            site.client.schedule(f"schedule {number}", daily(), jobs.add.bind(number))
            site.client.run_now(f"schedule {number}")
            site.client.group(f"group {number}", [jobs.add.bind(1)])
        site.copy()
        costs.append([len(asked(viewer, site.url(page))) for page in ("schedule", "group", "task")])
    assert (costs[0], True) == (costs[1], max(costs[1]) <= MOST_QUERIES)


def test_total_is_exact_for_few_and_bounded_for_many(database, admin):
    """A short list says how many there are."""
    fill(database, 70)
    assert "70 in all" in text_of(admin.get(database.url("task")))


def test_export_reads_by_key(database, admin):
    """An export goes through all rows by key, a batch at a time."""
    fill(database, 1200)
    with CaptureQueriesContext(connection) as queries:
        lines = text_of(admin.get(database.url("task", "export"), {"format": "csv"})).splitlines()
    statements = [query["sql"] for query in queries.captured_queries]
    assert (1201, False) == (len(lines), any("OFFSET" in sql for sql in statements))


@pytest.mark.parametrize("text", ["x", "[]", '["a", 1]', "{}", '[["x"]]'])
def test_page_key_that_is_none_leads_to_the_first_page(database, admin, text):
    """A key in the address that is none is no error of the server."""
    response = admin.get(database.url("task"), {"after": text})
    assert response.status_code in {200, 302}
