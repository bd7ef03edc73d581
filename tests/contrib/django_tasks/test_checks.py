"""What ``manage.py check`` finds in a site's settings."""

import sys
from types import ModuleType

import pytest
from django.db import connection
from django.test import override_settings

from tests.contrib import settings as site
from tests.contrib.django_tasks.configured import found, moved, shop, tasks


def test_settings_that_are_right_have_nothing_to_be_said():
    """The site of the tests."""
    assert [] == found(tasks(modules=["tests.contrib.shop.tasks"], max_attempts=3, timeout=60))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"strage": "memory:"}, "taskcore.E001"),
        ({"storage": "django", "database": "nowhere"}, "taskcore.E002"),
        ({"enqueue_on_commit": "nowhere"}, "taskcore.E002"),
        ({"modules": ["no_such_module"]}, "taskcore.E003"),
        ({"storage": "tasks.db"}, "taskcore.E005"),
        ({"storage": "django", "enqueue_on_commit": True}, "taskcore.W002"),
    ],
)
def test_wrong_options_are_found_out(options, expected):
    """Each with an id of its own."""
    assert [expected] == found(tasks(**options))


def test_missing_apps_are_found_out():
    """The tables, and the commands."""
    installed = [app for app in site.INSTALLED_APPS if "taskcore" not in app]
    with override_settings(INSTALLED_APPS=installed):
        assert {"taskcore.E004", "taskcore.W004"} == set(found(tasks(storage="django")))


def test_memory_is_for_tests(monkeypatch):
    """Elsewhere a worker would see nothing of it."""
    monkeypatch.setattr("taskcore.contrib.django.checks._is_testing", lambda: False)
    assert ["taskcore.W001"] == found(tasks(storage="memory:"))
    assert [] == found(tasks(storage="memory:"), DEBUG=True)


def test_a_store_outside_of_the_requests_transaction_is_found_out():
    """A worker could be faster than the commit."""
    atomic = {"default": {**connection.settings_dict, "ATOMIC_REQUESTS": True}}
    with pytest.warns(UserWarning, match="DATABASES"):
        assert ["taskcore.W003"] == found(tasks(), DATABASES=atomic)
    with pytest.warns(UserWarning, match="DATABASES"):
        assert [] == found(tasks(enqueue_on_commit=True), DATABASES=atomic)


def test_a_database_that_does_not_commit_by_itself_is_found_out():
    """A task would be stored when somebody commits."""
    by_hand = {"default": {**connection.settings_dict, "AUTOCOMMIT": False}}
    with pytest.warns(UserWarning, match="DATABASES"):
        assert ["taskcore.E006"] == found(tasks(storage="django"), DATABASES=by_hand)


def test_tasks_that_no_worker_finds_are_found_out(monkeypatch):
    """They stand in a module that nobody looks into."""
    module = ModuleType("shop_views")
    monkeypatch.setitem(sys.modules, "shop_views", module)
    module.work = shop().task(moved(shop().noop.func, "shop_views", "work"))
    assert ["taskcore.W005"] == found(tasks())
    assert [] == found(tasks(modules=["shop_views"]))


def test_a_url_can_name_the_database():
    """``django:other`` is the same as the storage "django" with that database."""
    assert [] == found(tasks(storage="django:other"))
    assert ["taskcore.E002"] == found(tasks(storage="django:nowhere"))
    assert ["taskcore.W002"] == found(tasks(storage="django:other", enqueue_on_commit="other"))
