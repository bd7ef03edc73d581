"""A cluster of three nodes on loopback: a namespace lies in one slot, several spread over the nodes."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import redis
from redis.cluster import RedisCluster

from taskcore import Client, Worker, task
from taskcore.protocol import Change, ClaimRequest, Event, PurgeRequest, Query, State, TaskSpec, Verdict
from taskcore.testing import conformance
from taskcore_backends.redis import RedisBackend, from_url
from tests.servers.redis_server import PATIENCE, Server

pytestmark = pytest.mark.integration

SLOTS = 16384
LEASE = timedelta(seconds=30)
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CLUSTER = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--save", "", "--appendonly", "no")


@task
def double(number: int) -> int:
    return 2 * number


class Cluster:
    """Three nodes that share all slots, without redis-cli."""

    def __init__(self, folder):
        self.nodes = [Server(folder / f"{number}", *CLUSTER) for number in range(3)]
        try:
            self.join()
        except BaseException:
            self.stop()
            raise

    def join(self):
        bounds = [number * SLOTS // 3 for number in range(4)]
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(bounds[number], bounds[number + 1]))
                client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        deadline = time.monotonic() + PATIENCE
        while not all(self.is_whole(node) for node in self.nodes):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def is_whole(self, node):
        with node.client() as client:
            info = client.execute_command("CLUSTER INFO")
            nodes = client.execute_command("CLUSTER NODES")
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3" and len(nodes) == 3

    def stop(self):
        for node in self.nodes:
            node.stop()

    def keys(self):
        found = []
        for node in self.nodes:
            with node.client() as client:
                found.append(client.dbsize())
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    yield found
    found.stop()


def spec(number):
    return TaskSpec(id=f"{number:032x}", name="task", enqueued_at=NOW)


def test_any_node_is_the_door(cluster):
    """The URL of each node opens the same namespace, wherever its slot is served."""
    backends = [from_url(f"{node.url}?namespace=door") for node in cluster.nodes]
    backends[0].add([spec(number) for number in range(30)])
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=20, lease=LEASE)
    claimed = backends[1].claim(request)
    changes = [Change(task_id=one.id, event=Event.SUCCEED, fence=one.fence) for one in claimed]
    assert {Verdict.APPLIED} == {one.verdict for one in backends[2].apply(changes).applied}
    assert 10 == len(backends[0].find(Query(states=frozenset({State.READY}))).items)
    assert 20 == backends[1].purge(PurgeRequest())
    for backend in backends:
        backend.close()


def test_namespaces_spread_over_the_nodes(cluster):
    """Each namespace is in one slot, and several lie on different nodes."""
    used = set()
    for name in "abcdefgh":
        before = cluster.keys()
        backend = from_url(f"{cluster.nodes[0].url}?namespace={name}")
        backend.add([spec(number) for number in range(200)])
        grown = [number for number, (one, other) in enumerate(zip(before, cluster.keys(), strict=True)) if other > one]
        assert 1 == len(grown)
        used.update(grown)
        backend.close()
    assert used == {0, 1, 2}


def test_a_worker_on_a_cluster(cluster):
    """Enqueueing, waiting, working and results go through a cluster as through one server."""
    with Client(RedisBackend(cluster.nodes[0].url, namespace="work")) as client:
        handles = client.enqueue_many(double.bind(number) for number in range(50))
        Worker(client, [double], concurrency=2).run(burst=True)
        assert [2 * number for number in range(50)] == [handle.result() for handle in handles]


def test_waits_end_at_once_on_a_cluster(cluster):
    """A new task ends a wait for its queue, a finish ends a wait for it."""
    url = cluster.nodes[0].url
    one, other = (RedisBackend(url, namespace="waits") for _ in range(2))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(one.wait(["default"], timedelta(seconds=4))))
    started = time.monotonic()
    thread.start()
    time.sleep(0.2)
    other.add([spec(1)])
    thread.join()
    assert [True] == answers
    assert time.monotonic() - started < 3
    one.close()
    other.close()


def test_a_client_of_a_cluster_that_is_given(cluster):
    """A ``RedisCluster`` of the caller's is used and stays open."""
    with RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port) as client:
        backend = RedisBackend(client=client, namespace="given")
        backend.add([spec(1)])
        assert State.READY is backend.get([spec(1).id])[0].state
        backend.close()
        assert client.ping()


SOME = [check for check in conformance.CHECKS if check.name.partition(".")[0] in ("openings", "faults", "propagation")]


@pytest.mark.parametrize("check", SOME, ids=lambda check: check.name)
def test_a_cluster_conforms(cluster, check):
    """Checks of openings, faults and propagation pass on the cluster; all of them do so nightly."""
    _check(cluster, check)


@pytest.mark.nightly
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_a_cluster_conforms_wholly(cluster, check):
    """Every check of the kit passes on the cluster."""
    _check(cluster, check)


def _check(cluster, check):
    name = f"check-{check.name}"
    try:
        check(lambda clock: RedisBackend(cluster.nodes[1].url, namespace=name, clock=clock))
    finally:
        for node in cluster.nodes:
            with redis.Redis(port=node.port) as client:
                for key in client.scan_iter(f"{{{name}}}:*", count=1000):
                    client.unlink(key)
