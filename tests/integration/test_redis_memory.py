"""What a waiting task takes of a server's memory."""

from __future__ import annotations

import pytest

from taskcore import Client, task
from taskcore_backends.redis import RedisBackend
from tests.servers.redis_server import Server

pytestmark = pytest.mark.integration

COUNT = 20_000
MOST = 450


@task
def noop(number: int) -> int:
    return number


def test_a_waiting_task_takes_little(tmp_path):
    """With small arguments a waiting task takes at most 450 bytes, all indexes included."""
    server = Server(tmp_path / "server")
    try:
        with server.client() as client, Client(RedisBackend(server.url)) as tasks:
            tasks.enqueue(noop, 0)
            before = client.info("memory")["used_memory"]
            tasks.enqueue_many(noop.bind(number) for number in range(COUNT))
            after = client.info("memory")["used_memory"]
        assert (after - before) / COUNT <= MOST
    finally:
        server.stop()
