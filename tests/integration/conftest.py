"""Stores and servers of Redis for one test. Those of SQLite need none of it, nor the package."""

import pytest


@pytest.fixture
def stores():
    """Backends in a namespace that nobody else has, on the server that all tests share."""
    from tests.servers.redis_server import Stores

    found = Stores()
    yield found
    found.empty()


@pytest.fixture
def server(tmp_path):
    """A server of the test's own."""
    from tests.servers.redis_server import Server

    found = Server(tmp_path / "server")
    yield found
    found.stop()
