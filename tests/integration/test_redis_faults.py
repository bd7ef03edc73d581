"""What happens to servers happens to a store on one: nothing accepted is lost, and what is wrong is said clearly."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskcore import Client, Worker, task
from taskcore.errors import (
    BackendCorrupt,
    BackendReadOnly,
    BackendUnavailable,
    BackendVersionError,
)
from taskcore.protocol import (
    AddVerdict,
    ClaimRequest,
    Query,
    State,
    Verdict,
)
from taskcore_backends.redis import RedisBackend
from tests.integration.redis_calls import LEASE, request, spec, succeed, worker_info
from tests.servers.redis_server import PATIENCE, Server, Stores
from tests.waiting import eventually, surely

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path):
    """A server of the test's own, with an append-only file."""
    found = Server(tmp_path / "server", "--save", "", "--appendonly", "yes", "--appendfsync", "always")
    yield found
    found.stop()


def test_scripts_that_the_server_forgot_are_sent_again(stores):
    """After SCRIPT FLUSH every call works as before."""
    backend = stores.open()
    backend.add([spec(1)])
    with redis.Redis.from_url(stores.url) as client:
        client.script_flush()
    task = backend.claim(request("n"))[0]
    with redis.Redis.from_url(stores.url) as client:
        client.script_flush()
    assert Verdict.APPLIED is backend.apply([succeed(task)]).applied[0].verdict
    backend.close()


def test_a_server_killed_and_started_again_has_lost_nothing(server):
    """Kill -9 with an append-only file: what was accepted, held and owed is there, and old fences hold."""
    backend = RedisBackend(server.url)
    backend.add([spec(number) for number in range(50)])
    backend.add([spec(100, queue_name="parents")])
    backend.add([spec(1000 + number, parents=(spec(100).id,), queue_name="children") for number in range(250)])
    held = backend.claim(request("n", limit=20))
    parent = backend.claim(ClaimRequest(worker_id="w", nonce="p", queue_names=("parents",), limit=1, lease=LEASE))[0]
    backend.apply([succeed(parent)])
    before = backend.find(Query(limit=1000)).items
    server.kill()
    with pytest.raises(BackendUnavailable):
        backend.get([spec(1).id])
    server.start()
    assert before == surely(lambda: backend.find(Query(limit=1000))).items
    assert held == backend.claim(request("n", limit=20))
    assert {Verdict.APPLIED} == {one.verdict for one in backend.apply([succeed(task) for task in held]).applied}
    for number in range(5):
        backend.claim(request(f"h{number}", limit=1))
    children = backend.get([spec(1000 + number).id for number in range(250)])
    assert {State.READY} == {child.state for child in children}
    backend.close()


@contextmanager
def cutting(url, least=0.001, most=0.01):
    """Cut connections to a server at random, whatever they are for; one after so many seconds."""
    stop = threading.Event()

    def cut():
        dice = random.Random(5)
        with redis.Redis.from_url(url) as client:
            own = client.client_id()
            while not stop.wait(dice.uniform(least, most)):
                others = [one["id"] for one in client.client_list() if int(one["id"]) != own]
                if others:
                    client.client_kill_filter(_id=dice.choice(others))

    killer = threading.Thread(target=cut)
    killer.start()
    try:
        yield
    finally:
        stop.set()
        killer.join()


def test_connections_killed_at_any_moment_lose_nothing(server):
    """While connections are cut at random, repeated calls do each task once, and settle it once."""
    backend = RedisBackend(server.url)
    numbers = list(range(300))
    with cutting(server.url):
        for first in range(0, len(numbers), 10):
            specs = [spec(number) for number in numbers[first : first + 10]]
            surely(lambda: backend.add(specs))  # noqa: B023
        verdicts, changes, count = [], [], 0
        while True:
            count += 1
            reply = surely(lambda: backend.apply(changes, request(f"n{count}", limit=7)))  # noqa: B023
            verdicts += [one.verdict for one in reply.applied]
            if not reply.claimed:
                break
            changes = [succeed(task) for task in reply.claimed]
    assert {Verdict.APPLIED, Verdict.ALREADY} >= set(verdicts)
    tasks = surely(lambda: backend.get([spec(number).id for number in numbers]))
    assert {(State.SUCCESSFUL, 1)} == {(task.state, task.epoch) for task in tasks}
    backend.close()


RUNS: list[int] = []


@task
def note_run(number: int) -> int:
    RUNS.append(number)
    time.sleep(0.005)
    return number


def test_a_worker_whose_connections_are_killed_runs_each_task_once(server):
    """Those that claim and settle, that wait for tasks and for results, that beat: none of them is needed for long."""
    RUNS.clear()
    with Client(RedisBackend(server.url)) as client:
        handles = client.enqueue_many(note_run.bind(number) for number in range(200))
        with cutting(server.url, 0.02, 0.05), Worker(client, [note_run], concurrency=4):
            assert list(range(200)) == [surely(handle.result, 6 * PATIENCE) for handle in handles]
        assert list(range(200)) == sorted(RUNS)
        assert {1} == {surely(handle.refresh).epoch for handle in handles}


class Forgetful(redis.Connection):
    """A connection that is cut after the server has done what it was asked, and before anybody has heard of it."""

    is_cut = False

    def read_response(self, *arguments, **options):
        answer = super().read_response(*arguments, **options)
        if self.is_cut:
            self.disconnect()
            raise redis.exceptions.ConnectionError("cut")
        return answer


def test_what_was_done_unheard_is_told_when_it_is_asked_again(stores, monkeypatch):
    """A lost reply: the repeat of an add and a settle is ALREADY, and that of a claim returns what its nonce holds."""
    pool = redis.ConnectionPool.from_url(stores.url, connection_class=Forgetful, retry=Retry(NoBackoff(), 0))
    backend = RedisBackend(client=redis.Redis(connection_pool=pool), namespace=stores.namespace)

    def twice(call):
        monkeypatch.setattr(Forgetful, "is_cut", True)
        with pytest.raises(BackendUnavailable):
            call()
        monkeypatch.setattr(Forgetful, "is_cut", False)
        return call()

    specs = [spec(number) for number in range(4)]
    assert [AddVerdict.ALREADY] * 4 == [added.verdict for added in twice(lambda: backend.add(specs))]
    held = twice(lambda: backend.claim(request("n", limit=2)))
    assert [(specs[0].id, 1), (specs[1].id, 1)] == [(task.id, task.epoch) for task in held]
    settles = [succeed(task) for task in held]
    reply = twice(lambda: backend.apply(settles, request("m", limit=2)))
    assert [Verdict.ALREADY] * 2 == [answer.verdict for answer in reply.applied]
    assert [(specs[2].id, 1), (specs[3].id, 1)] == [(task.id, task.epoch) for task in reply.claimed]
    backend.close()
    pool.disconnect()


def test_a_server_that_may_evict_is_warned_about(server):
    """Opened with another policy than noeviction there is a warning, which names what to set."""
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.warns(RuntimeWarning, match="noeviction"):
        RedisBackend(server.url).close()


def test_a_newer_layout_is_refused(stores):
    """A namespace that a newer taskcore has written is not opened, and one that becomes so is not written any more."""
    backend = stores.open()
    backend.add([spec(1)])
    with redis.Redis.from_url(stores.url) as client:
        client.set(f"{{{stores.namespace}}}:layout", "2")
    with pytest.raises(BackendVersionError, match="layout 2"):
        stores.open()
    with pytest.raises(BackendVersionError):
        backend.add([spec(2)])
    backend.close()


def test_keys_of_somebody_else_are_told_of(stores):
    """A key of another kind under the namespace is BackendCorrupt, not a crash."""
    backend = stores.open()
    with redis.Redis.from_url(stores.url) as client:
        client.set(f"{{{stores.namespace}}}:tasks", "text")
    with pytest.raises(BackendCorrupt):
        backend.add([spec(1)])
    backend.close()


def test_a_replica_is_read_only_and_can_be_waited_for(server, tmp_path):
    """A replica answers questions and refuses writes; ``wait_replicas`` counts it, and says so when it is gone."""
    replica = Server(tmp_path / "replica", "--replicaof", "127.0.0.1", str(server.port), "--save", "")
    try:
        _until_linked(replica)
        backend = RedisBackend(server.url, wait_replicas=(1, timedelta(seconds=5)))
        backend.add([spec(1)])
        with server.client() as client:
            offset = client.info("replication")["master_repl_offset"]
            backend.add([spec(1)])  # changes nothing; what is waited for is a write of its own all the same
            assert client.info("replication")["master_repl_offset"] > offset
        reader = RedisBackend(replica.url)
        assert [spec(1).id] == [task.id for task in reader.get([spec(1).id])]
        assert [spec(1).id] == [task.id for task in reader.find(Query()).items]
        with pytest.raises(BackendReadOnly):
            reader.add([spec(2)])
        reader.close()
    finally:
        replica.stop()
    hasty = RedisBackend(server.url, wait_replicas=(1, timedelta(milliseconds=50)))
    with pytest.raises(BackendUnavailable, match="0 of 1 replicas"):
        hasty.add([spec(3)])
    assert State.READY is hasty.get([spec(3).id])[0].state
    hasty.close()
    backend.close()


def _until_linked(replica):
    with replica.client() as client:
        eventually(lambda: client.info("replication").get("master_link_status") == "up")


def test_a_server_that_hangs_is_unavailable(server):
    """A call to a server that does not answer ends after the socket's timeout, and the next one is made anew."""
    backend = RedisBackend(f"{server.url}?socket_timeout=0.3")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BackendUnavailable):
            backend.get([spec(1).id])
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert [None] == surely(lambda: backend.get([spec(1).id]))
    backend.close()


def test_namespaces_are_apart(stores):
    """Two namespaces of one server know nothing of each other."""
    other = Stores(stores.url)
    one, two = stores.open(), other.open()
    one.add([spec(1)])
    assert ([None], []) == (two.get([spec(1).id]), two.claim(request("n")))
    one.close()
    two.close()
    other.empty()


def test_a_forked_child_uses_connections_of_its_own(stores):
    """After a fork both processes go on, each on its own connections."""
    backend = stores.open()
    backend.add([spec(1)])
    child = os.fork()
    if child == 0:
        try:
            backend.add([spec(2)])
            os._exit(0 if backend.get([spec(1).id])[0] is not None else 1)
        except BaseException:
            os._exit(2)
    _pid, status = os.waitpid(child, 0)
    assert 0 == os.waitstatus_to_exitcode(status)
    assert [State.READY] * 2 == [task.state for task in backend.get([spec(1).id, spec(2).id])]
    backend.close()


def test_silent_workers_are_forgotten(stores):
    """A worker that has not beaten for a day leaves the registry with the next beat of another."""
    backend = stores.open()
    backend.beat(worker_info("old", backend.now() - timedelta(days=2)))
    assert [] == backend.workers()
    backend.close()
