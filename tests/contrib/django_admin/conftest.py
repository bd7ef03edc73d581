"""A site with admin pages over an empty store: in the database, or elsewhere with copies."""

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from taskcore.contrib.django._clients import CLIENTS
from taskcore_backends.memory import MemoryBackend
from tests.contrib.django_admin.sites import KINDS, Site, browser_of, empty, tasks_setting


@pytest.fixture(scope="session")
def tables_made():
    """The tables of the site."""
    for database in connections:
        call_command("migrate", database=database, run_syncdb=True, verbosity=0)
    yield
    connections.close_all()


@pytest.fixture(params=KINDS)
def site(request, tables_made):
    """A site over an empty store."""
    CLIENTS.close()
    storage = "django" if request.param == "database" else MemoryBackend()
    with override_settings(TASKS={"default": tasks_setting(storage)}, ALLOWED_HOSTS=["*"]):
        yield Site(request.param)
        empty()
    CLIENTS.close()


@pytest.fixture
def database(tables_made):
    """A site over an empty store in the database."""
    CLIENTS.close()
    with override_settings(TASKS={"default": tasks_setting("django")}, ALLOWED_HOSTS=["*"]):
        yield Site("database")
        empty()
    CLIENTS.close()


@pytest.fixture
def memory(tables_made):
    """A site over an empty store outside of databases."""
    CLIENTS.close()
    with override_settings(TASKS={"default": tasks_setting(MemoryBackend())}, ALLOWED_HOSTS=["*"]):
        yield Site("memory")
        empty()
    CLIENTS.close()


@pytest.fixture
def admin(request):
    """A browser of somebody who may do everything."""
    for name in ("site", "database", "memory"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    return browser_of("ada", is_superuser=True)
