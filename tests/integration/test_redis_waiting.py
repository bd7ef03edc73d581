"""Waiting on Redis: markers wake one process at a time, finishes are pushed, deaf connections are replaced."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis

from taskcore.protocol import Change, ClaimRequest, Event
from taskcore_backends.redis import RedisBackend, _waiting
from tests.integration.redis_calls import NOW, spec
from tests.servers.redis_server import PATIENCE, Server
from tests.waiting import eventually, surely

pytestmark = pytest.mark.integration

LONG = timedelta(seconds=20)
PROMPT = 3.0
"""Seconds within which a hint has to come: less than a bounded read, more than a machine under load needs."""


def claim(backend, nonce="n", limit=10):
    return backend.claim(
        ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=limit, lease=timedelta(seconds=30))
    )


@pytest.fixture
def client(stores):
    with redis.Redis.from_url(stores.url) as found:
        yield found


@contextmanager
def waiting(call):
    """Make a call in a thread; give what tells its answer and how long it took."""
    answers = []

    def run():
        started = time.monotonic()
        answers.append((call(), time.monotonic() - started))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def answer():
        thread.join(PATIENCE)
        return answers[0][0]

    yield answer
    thread.join(PATIENCE)
    assert answers


def blocked(client):
    """Return the connections that block on a read of ours."""
    return [one for one in client.client_list() if one["cmd"] == "bzpopmin"]


def listens(backend, *queue_names):
    return set(queue_names) <= backend._sessions.waiting._listening


def test_one_of_two_processes_is_woken_by_one_task(stores):
    """A marker is popped by one of those who wait; the other one goes on waiting."""
    one, other, producer = stores.open(), stores.open(), stores.open()
    with waiting(lambda: one.wait(["default"], LONG)), waiting(lambda: other.wait(["default"], LONG)):
        eventually(lambda: listens(one, "default") and listens(other, "default"))
        producer.add([spec(1)])
        eventually(lambda: not (listens(one, "default") and listens(other, "default")))
        time.sleep(0.1)
        assert listens(one, "default") or listens(other, "default")
        one.wake()
        other.wake()
    for backend in (one, other, producer):
        backend.close()


def test_a_claim_that_leaves_work_behind_wakes_the_next(stores, client):
    """There is a marker as long as there is something to claim, and none when all is claimed."""
    backend = stores.open()
    marker = f"{{{stores.namespace}}}:m:default"
    backend.add([spec(number) for number in range(3)])
    client.delete(marker)  # as the one who was woken did
    claim(backend, "a", limit=2)
    assert 1 == client.exists(marker)
    claim(backend, "b", limit=2)
    assert 0 == client.exists(marker)
    backend.close()


def test_a_marker_that_nobody_wanted_is_given_back(stores, client):
    """A process whose last waiter has left puts back the marker that it pops."""
    backend, producer = stores.open(), stores.open()
    assert not backend.wait(["default"], timedelta(milliseconds=50))
    assert listens(backend, "default")
    producer.add([spec(1)])
    eventually(lambda: not listens(backend, "default"))
    eventually(lambda: 1 == client.exists(f"{{{stores.namespace}}}:m:default"))
    backend.close()
    producer.close()


def test_many_threads_share_one_blocking_connection(stores, client):
    """Twenty threads that wait for queues and finishes block on one connection."""
    before = len(blocked(client))
    backend = stores.open()
    backend.add([spec(number, run_after=NOW + timedelta(days=9999)) for number in range(10)])
    threads = [threading.Thread(target=backend.wait, args=([f"q{n}"], LONG), daemon=True) for n in range(10)]
    threads += [
        threading.Thread(target=backend.wait_finished, args=([spec(n).id], LONG), daemon=True) for n in range(10)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: 20 == len(backend._sessions.waiting._waiting))
    eventually(lambda: listens(backend, *[f"q{n}" for n in range(10)]))
    assert 1 == len(blocked(client)) - before
    backend.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_what_is_waited_for_is_forgotten_when_the_wait_ends(stores, client):
    """A wait for a finish that ended without one leaves no note behind."""
    backend = stores.open()
    backend.add([spec(1)])
    assert not backend.wait_finished([spec(1).id], timedelta(milliseconds=20))
    assert 0 == client.exists(f"{{{stores.namespace}}}:watched")
    backend.close()


def test_one_of_many_finishes_ends_a_wait_for_all(stores):
    """Who waits for more tasks than are noted one by one is told of any finish."""
    backend, worker = stores.open(), stores.open()
    backend.add([spec(number) for number in range(200)])
    ids = [spec(number).id for number in range(200)]
    started = time.monotonic()
    with waiting(lambda: backend.wait_finished(ids, LONG)) as answer:
        eventually(lambda: backend._sessions.waiting._listener is not None)
        task = claim(worker, limit=1)[0]
        worker.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence)])
        assert answer()
    assert time.monotonic() - started < PROMPT
    backend.close()
    worker.close()


def test_a_delay_that_ends_ends_a_wait(stores):
    """Who waits is woken when the earliest delay is over, also one that was added while it waited."""
    backend, producer = stores.open(), stores.open()
    with waiting(lambda: backend.wait(["default"], LONG)) as answer:
        eventually(lambda: listens(backend, "default"))
        started = time.monotonic()
        producer.add([spec(1, run_after=producer.now() + timedelta(seconds=0.3))])
        assert answer()
    assert 0.2 < time.monotonic() - started < PROMPT
    backend.close()
    producer.close()


def test_a_listener_that_is_cut_off_connects_again(stores, client):
    """CLIENT KILL of the blocking connection: waits go on, and hints come as before."""
    backend, producer = stores.open(), stores.open()
    with waiting(lambda: backend.wait(["default"], LONG)) as answer:
        eventually(lambda: listens(backend, "default"))
        for _ in range(3):
            eventually(lambda: blocked(client))
            for one in blocked(client):
                client.client_kill_filter(_id=one["id"])
            eventually(lambda: blocked(client) and listens(backend, "default"))
        started = time.monotonic()
        producer.add([spec(1)])
        assert answer()
    assert time.monotonic() - started < PROMPT
    backend.close()
    producer.close()


def test_a_deaf_connection_is_replaced(tmp_path, monkeypatch):
    """A blocking read that is not answered in its time is made anew, and hints come again."""
    monkeypatch.setattr(_waiting, "_BLOCK", 1)
    monkeypatch.setattr(_waiting, "_GRACE", 0.2)
    server = Server(tmp_path / "server")
    try:
        backend = RedisBackend(server.url)
        with server.client() as client, waiting(lambda: backend.wait(["default"], LONG)) as answer:
            eventually(lambda: listens(backend, "default"))
            first = blocked(client)[0]["id"]
            client.client_pause(2500, all=True)
            eventually(lambda: [one["id"] for one in blocked(client)] not in ([first], []))
            backend.add([spec(1)])
            assert answer()
        backend.close()
    finally:
        server.stop()


def test_a_server_that_was_away_is_found_again(tmp_path):
    """While the server is killed and started anew a waiting thread is told that it is away, and later waits again."""
    server = Server(tmp_path / "server", "--save", "", "--appendonly", "yes", "--appendfsync", "always")
    try:
        backend = RedisBackend(server.url)
        backend.add([spec(1, run_after=NOW + timedelta(days=9999))])
        assert not backend.wait(["default"], timedelta(milliseconds=50))
        server.kill()
        server.start()
        with waiting(lambda: surely(lambda: backend.wait(["default"], LONG), beyond=Exception)) as answer:
            eventually(lambda: listens(backend, "default"))
            producer = RedisBackend(server.url)
            started = time.monotonic()
            producer.add([spec(2)])
            assert answer()
        assert time.monotonic() - started < PROMPT
        backend.close()
        producer.close()
    finally:
        server.stop()


def test_a_forked_child_waits_for_itself(stores):
    """A child that was forked while its parent waited has a listener of its own, and so has the parent still."""
    backend = stores.open()
    backend.wait(["default"], timedelta(milliseconds=20))
    child = os.fork()
    if child == 0:
        try:
            found = backend.wait(["default"], LONG)
            os._exit(0 if found else 1)
        except BaseException:
            os._exit(2)
    with waiting(lambda: backend.wait(["other"], LONG)) as answer:
        eventually(lambda: listens(backend, "other"))
        backend.add([spec(1), spec(2, queue_name="other")])
        assert answer()
    _pid, status = os.waitpid(child, 0)
    assert 0 == os.waitstatus_to_exitcode(status)
    backend.close()


def test_an_idle_wait_asks_no_more_the_longer_it_is(tmp_path):
    """Within one bounded read a wait looks when it begins and when it ends, however long it is: nothing polls."""
    server = Server(tmp_path / "server")
    try:
        backend = RedisBackend(server.url)
        with server.client() as client:

            def asked(seconds):
                before = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
                assert not backend.wait(["default"], timedelta(seconds=seconds))
                return client.info("commandstats")["cmdstat_evalsha"]["calls"] - before

            asked(0.05)  # scripts are loaded, and the listener is there
            assert asked(0.2) + 1 >= asked(2)
        backend.close()
    finally:
        server.stop()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_closing_does_not_wait_for_a_server_that_hangs(tmp_path):
    """``close`` returns long before the timeout of the socket is over, and so do the waits."""
    server = Server(tmp_path / "server")
    try:
        backend = RedisBackend(f"{server.url}?socket_timeout=60")
        with waiting(lambda: backend.wait(["default"], LONG)) as answer:
            eventually(lambda: listens(backend, "default"))
            os.kill(server.pid, signal.SIGSTOP)
            closing = threading.Thread(target=backend.close, daemon=True)
            closing.start()
            assert not answer()
            closing.join(PATIENCE)
            assert not closing.is_alive()
        os.kill(server.pid, signal.SIGCONT)
    finally:
        server.stop()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_waking_ends_waits_of_a_server_that_hangs(tmp_path):
    """``wake`` ends a wait at once, whatever the server does."""
    server = Server(tmp_path / "server")
    try:
        backend = RedisBackend(f"{server.url}?socket_timeout=1")
        with waiting(lambda: backend.wait(["default"], LONG)) as answer:
            eventually(lambda: listens(backend, "default"))
            os.kill(server.pid, signal.SIGSTOP)
            started = time.monotonic()
            backend.wake()
            assert not answer()
            assert time.monotonic() - started < PROMPT
        os.kill(server.pid, signal.SIGCONT)
        backend.close()
    finally:
        server.stop()
