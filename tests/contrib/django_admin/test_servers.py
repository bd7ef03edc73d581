"""The lists on the database servers: the statements that are written by hand, and keys as each of them sorts them."""

from contextlib import ExitStack

import pytest
from django.test import override_settings

from taskcore import daily
from taskcore.contrib.django._clients import CLIENTS
from taskcore.protocol import State
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import Site, empty, tasks_setting, text_of
from tests.contrib.django_backend.databases import open_database


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The servers that this module has needed so far."""
    with ExitStack() as stack:
        known = {}

        def of(alias):
            if alias not in known:
                known[alias] = stack.enter_context(open_database(alias, tmp_path_factory.mktemp(alias)))
            return known[alias]

        yield of


@pytest.fixture(params=["postgres", "mariadb"])
def site(request, opened, tables_made):
    """A site whose tasks are in the database of a server, and whose users are not."""
    database = opened(request.param)
    database.empty()
    CLIENTS.close()
    setting = tasks_setting("django")
    setting["OPTIONS"]["database"] = request.param
    with override_settings(TASKS={"default": setting}, ALLOWED_HOSTS=["*"]):
        yield Site("database")
        CLIENTS.close()
        database.empty()
        empty()


@pytest.mark.servers
def test_lists_and_operations_on_a_server(site, admin, monkeypatch):
    """Lists, filters, searches and pages answer on the server, and an action changes what is there."""
    from taskcore.contrib.django.admin import TaskAdmin

    monkeypatch.setattr(TaskAdmin, "scan_limit", 40)
    handles = site.client.enqueue_many(jobs.add.bind(n) for n in range(60))
    bad = site.client.enqueue(jobs.fail, "no such shop").id
    site.client.schedule("nightly", daily(), jobs.add.bind(1))
    site.drain()
    wanted = {
        "": (50, "61 in all"),
        "state=failed": (1, bad),
        "q=shop": (1, bad),
        f"q={handles[0].id}": (1, handles[0].id),
        f"name={jobs.fail.name}": (1, bad),
        "queue=default": (40, "Only the newest rows"),
        "queue=mail": (0, "Only the newest rows"),
    }
    found = {}
    for query, (_count, part) in wanted.items():
        text = text_of(admin.get(f"{site.url('task')}?{query}"))
        found[query] = (text.count('class="action-select"'), part if part in text else "")
    others = {admin.get(site.url(page)).status_code for page in ("schedule", "group", "worker", "queue", "item")}
    admin.post(site.url("failedtask"), {"action": "requeue", "_selected_action": [bad]})
    assert (wanted, {200}, State.READY) == (found, others, site.client.get(bad).state)
