"""Each database once in a session, and an empty one for each test."""

from contextlib import ExitStack

import pytest

from tests.contrib.django_backend.databases import ALIASES, open_database


class Opened:
    """The databases that the session has needed so far."""

    def __init__(self, stack, folder):
        self._stack, self._folder, self._known = stack, folder, {}

    def __getitem__(self, alias):
        if alias not in self._known:
            self._known[alias] = self._stack.enter_context(open_database(alias, self._folder))
        return self._known[alias]


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    """The databases by alias, opened when they are asked for."""
    with ExitStack() as stack:
        yield Opened(stack, tmp_path_factory.mktemp("databases"))


def pytest_generate_tests(metafunc):
    """Run a test that asks for a ``database`` on each of them; those on servers are marked so."""
    if "database" in metafunc.fixturenames:
        servers = [pytest.param(alias, marks=pytest.mark.servers) for alias in ALIASES if alias != "sqlite"]
        metafunc.parametrize("database", ["sqlite", *servers], indirect=True)


@pytest.fixture
def database(request, databases):
    """A database whose tables are empty."""
    opened = databases[request.param]
    opened.empty()
    return opened


@pytest.fixture
def postgres(databases):
    """PostgreSQL, with empty tables."""
    databases["postgres"].empty()
    return databases["postgres"]
