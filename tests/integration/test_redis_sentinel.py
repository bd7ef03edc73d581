"""Failover by Sentinel: the backend finds the new primary, which has all that replicas were waited for."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
import redis
from redis.sentinel import Sentinel

from taskcore.errors import BackendUnavailable, InvalidOption
from taskcore.protocol import Change, ClaimRequest, Event, State, Verdict
from taskcore_backends.redis import RedisBackend, from_url
from tests.integration.redis_calls import spec
from tests.servers.redis_server import PATIENCE, Server, free_port, need_server
from tests.waiting import eventually

pytestmark = pytest.mark.integration

DURABLE = ("--save", "", "--appendonly", "yes")


@pytest.fixture
def primary(tmp_path):
    found = Server(tmp_path / "primary", *DURABLE)
    yield found
    found.stop()


@pytest.fixture
def replica(tmp_path, primary):
    found = Server(tmp_path / "replica", *DURABLE, "--replicaof", "127.0.0.1", str(primary.port))
    with found.client() as client:
        eventually(lambda: client.info("replication").get("master_link_status") == "up")
    yield found
    found.stop()


@pytest.fixture
def sentinel(tmp_path, primary, replica):
    """One Sentinel, which is enough to decide; it rewrites the file of its settings."""
    port = free_port()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
    )
    process = subprocess.Popen([need_server(), settings, "--sentinel"], stdout=subprocess.DEVNULL)
    found = Sentinel([("127.0.0.1", port)], socket_timeout=5.0)

    def knows_both():
        try:
            return [("127.0.0.1", replica.port)] == found.discover_slaves("main")
        except redis.exceptions.RedisError:
            return False

    eventually(knows_both)
    yield found
    process.terminate()
    process.wait(PATIENCE)


def test_a_failover_loses_nothing_that_a_replica_has(primary, replica, sentinel):
    """The primary is killed: the same backend goes on with the replica, where tasks, claims and their fences are."""
    careful = RedisBackend(client=sentinel.master_for("main"), wait_replicas=(1, timedelta(seconds=5)))
    backend = RedisBackend(client=sentinel.master_for("main"))
    careful.add([spec(1), spec(2)])
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=timedelta(minutes=5))
    held = careful.claim(request)
    primary.kill()

    def is_added():
        try:
            backend.add([spec(3)])
        except BackendUnavailable:
            return False
        return True

    eventually(is_added)
    assert replica.port == sentinel.discover_master("main")[1]
    settle = Change(task_id=held[0].id, event=Event.SUCCEED, fence=held[0].fence, value_json="1")
    assert [Verdict.APPLIED] == [each.verdict for each in backend.apply([settle]).applied]
    states = [task.state for task in backend.get([spec(number).id for number in (1, 2, 3)])]
    assert [State.SUCCESSFUL, State.READY, State.READY] == states
    careful.close()
    backend.close()


def test_the_url_names_the_service(primary, replica, sentinel):
    """What Sentinel gives is told by the name of the service, and an error says which is away, in a line.

    No URL opens it, so that of the name is refused: it does not go to a host that happens to be called so.
    """
    backend = RedisBackend(client=sentinel.master_for("main"))
    assert "redis+sentinel://main/0" == backend.url
    with pytest.raises(InvalidOption):
        from_url(backend.url)
    primary.stop()
    with pytest.raises(BackendUnavailable, match="sentinel://main/0") as caught:
        backend.add([spec(1)])
    assert len(str(caught.value)) < 300
    backend.close()
