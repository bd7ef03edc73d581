"""A cluster of three nodes on loopback: a namespace lies in one slot, several spread over the nodes."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import attrs
import pytest
import redis
from redis.cluster import RedisCluster

from taskcore import Client, Worker, task
from taskcore.errors import BackendUnavailable
from taskcore.protocol import Change, ClaimRequest, Event, PurgeRequest, Query, State, Verdict
from taskcore.testing import conformance
from taskcore_backends.redis import RedisBackend, from_url
from tests.integration.redis_calls import LEASE, spec
from tests.servers.redis_server import Server
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SLOTS = 16384
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
        eventually(lambda: all(self.is_whole(node) for node in self.nodes), every=0.05)

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
    eventually(lambda: "default" in one._sessions.waiting._listening)
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


def test_a_slot_that_is_moved_loses_nothing(cluster):
    """While a node has some of the keys only nothing is done on either; what was stored is there when all are."""
    backend = RedisBackend(cluster.nodes[0].url, namespace="moved")
    backend.add([spec(1)])
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=LEASE)
    (running,) = backend.claim(request)  # the queue is empty now, so has no key: its next task makes it
    move = SlotMove(cluster, "moved")
    move.begin()
    while True:
        with pytest.raises(BackendUnavailable, match="moving the namespace"):
            backend.add([spec(2)])
        if not move.move_a_key():
            break
    move.end()
    assert [State.RUNNING, None] == [task and task.state for task in backend.get([spec(1).id, spec(2).id])]
    backend.add([spec(2)])
    settle = Change(task_id=running.id, event=Event.SUCCEED, fence=running.fence)
    reply = backend.apply([settle], attrs.evolve(request, nonce="o"))
    assert [Verdict.APPLIED] == [answer.verdict for answer in reply.applied]
    assert [spec(2).id] == [task.id for task in reply.claimed]
    backend.close()


def test_writes_that_wait_for_replicas_follow_their_slot(cluster):
    """With ``wait_replicas``, too, a call goes to the node that has the slot now."""
    backend = RedisBackend(cluster.nodes[0].url, namespace="followed", wait_replicas=(1, timedelta(milliseconds=20)))
    with pytest.raises(BackendUnavailable, match="0 of 1 replicas"):
        backend.add([spec(1)])
    move = SlotMove(cluster, "followed")
    move.begin()
    while move.move_a_key():
        pass
    move.end()
    with pytest.raises(BackendUnavailable, match="0 of 1 replicas"):
        backend.add([spec(2)])
    assert [State.READY] * 2 == [task.state for task in backend.get([spec(1).id, spec(2).id])]
    backend.close()


class SlotMove:
    """The slot of a namespace goes from its node to the next one, a key at a time."""

    def __init__(self, cluster, namespace):
        self.clients = [node.client() for node in cluster.nodes]
        self.ids = [client.execute_command("CLUSTER MYID").decode() for client in self.clients]
        self.slot = self.clients[0].execute_command("CLUSTER KEYSLOT", f"{{{namespace}}}:layout")
        sizes = [client.execute_command("CLUSTER COUNTKEYSINSLOT", self.slot) for client in self.clients]
        self.source = sizes.index(max(sizes))
        self.target = (self.source + 1) % 3
        self.port = cluster.nodes[self.target].port

    def begin(self):
        for node, word, other in ((self.target, "IMPORTING", self.source), (self.source, "MIGRATING", self.target)):
            self.clients[node].execute_command("CLUSTER SETSLOT", self.slot, word, self.ids[other])

    def move_a_key(self):
        source = self.clients[self.source]
        keys = source.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 1)
        if keys:
            source.execute_command("MIGRATE", "127.0.0.1", self.port, "", 0, 5000, "KEYS", *keys)
        return bool(keys)

    def end(self):
        for node in (self.target, self.source, 3 - self.target - self.source):
            self.clients[node].execute_command("CLUSTER SETSLOT", self.slot, "NODE", self.ids[self.target])
            self.clients[node].close()


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
