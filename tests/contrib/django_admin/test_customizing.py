"""The pages can be unregistered, subclassed, and put on another site."""

import pytest
from django.contrib import admin as django_admin
from django.test import override_settings

from taskcore.contrib.django.admin import TaskAdmin, register
from taskcore.contrib.django.models import TaskCopy
from taskcore_backends.django.models import Task
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.sites import browser_of, text_of


@pytest.fixture
def other():
    """The URLs of a second site."""
    with override_settings(ROOT_URLCONF="tests.contrib.django_admin.other_site"):
        yield


@pytest.mark.parity("DCR-09", "DQ-18")
def test_subclass_has_a_column_and_an_action_more(database, admin, other):
    """A subclass adds a column and an action, as the seed's example does, on a site of its own."""
    handle = database.client.enqueue(jobs.add, 1)
    text = text_of(admin.get("/other/taskcore/task/"))
    done = text_of(
        admin.post("/other/taskcore/task/", {"action": "mark", "_selected_action": [handle.id]}, follow=True)
    )
    assert (True, True, True) == ("<i>mine default</i>" in text, "Mark selected tasks" in text, "Marked 1" in done)


def test_launches_of_a_subclass(database, admin, other):
    """A task page has launches of its own by a subclass; the default site has them not."""
    texts = [text_of(admin.get(f"/{name}/taskcore/task/start/")) for name in ("other", "admin")]
    assert [True, False] == ["scraping task" in text for text in texts]


def test_all_links_of_another_site_stay_there(database, admin, other):
    """Pages on another site link to that site, never to the default one."""
    handle = database.client.enqueue(jobs.add, 1)
    urls = [
        "/other/taskcore/task/",
        "/other/taskcore/queue/",
        "/other/taskcore/task/start/",
        "/other/taskcore/schedule/",
        f"/other/taskcore/task/{handle.id}/change/",
        f"/other/taskcore/task/{handle.id}/duplicate/",
        f"/other/taskcore/task/{handle.id}/explain/",
    ]
    found = {url for url in urls if 'href="/admin/' in text_of(admin.get(url))}
    assert set() == found


def test_registering_twice_keeps_what_is_there():
    """``register`` leaves alone what somebody has registered."""
    site = django_admin.AdminSite(name="third")

    class Own(TaskAdmin):
        pass

    site.register(Task, Own)
    register(site)
    register(site)
    assert (Own, TaskAdmin) == (type(site._registry[Task]), type(site._registry[TaskCopy]))


@pytest.mark.parametrize("kind", ["database", "memory"])
def test_index_shows_the_pages_of_the_stores_in_use(kind, request):
    """The index has the pages of the database while a storage is there, and those of copies while one is elsewhere."""
    request.getfixturevalue(kind)
    browser = browser_of("ada", is_superuser=True)
    text = text_of(browser.get("/admin/"))
    found = ("/admin/taskcore/task/" in text, "/admin/taskcore_django/taskcopy/" in text)
    assert (kind == "database", kind == "memory") == found


@pytest.mark.parity("DCR-07")
def test_readonly_fields_are_asked_for_as_in_any_admin(database, admin):
    """``get_readonly_fields(request, obj=None)`` gives all fields, and fewer once edits are allowed."""
    from django.test import RequestFactory

    page = django_admin.site._registry[Task]
    request = RequestFactory().get("/")
    request.user = admin.user
    row = page.get_object(request, database.client.enqueue(jobs.add, 1).id)
    before = set(page.get_readonly_fields(request)), set(page.get_readonly_fields(request, row))
    with override_settings(TASKCORE={"ALLOW_EDITS": True}):
        after = set(page.get_readonly_fields(request, row))
    assert (True, {"queue_name", "priority", "arguments_json", "metadata_json"}) == (
        before[0] == before[1],
        before[1] - after - {"due_at"},
    )
