"""A server at its maxmemory, with noeviction: nothing new is accepted, and what is there is worked off."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from taskcore import Client, Worker, current_context, task
from taskcore.errors import BackendFull
from taskcore.protocol import (
    Change,
    ClaimRequest,
    Event,
    Order,
    PurgeRequest,
    State,
    Verdict,
)
from taskcore_backends.redis import RedisBackend
from tests.integration.redis_calls import LEASE, NOW, request, spec, succeed, worker_info
from tests.waiting import eventually

pytestmark = pytest.mark.integration


def test_a_full_server_takes_nothing_new_and_is_worked_off(server):
    """At maxmemory with noeviction an add is refused whole; claims, settles and purges go on, and make room."""
    backend = RedisBackend(server.url, namespace="full")
    backend.add([spec(number) for number in range(20)])
    with server.client() as client:
        client.config_set("maxmemory", "1")
        keys = _contents(client)
        for attempt in (
            lambda: backend.add([spec(100)]),
            lambda: backend.add([spec(101), spec(102, run_after=NOW + timedelta(days=9999), parents=(spec(1).id,))]),
            lambda: backend.pause("q"),
        ):
            with pytest.raises(BackendFull):
                attempt()
        assert keys == _contents(client)
    tasks = backend.claim(request("n", limit=20))
    assert 20 == len(tasks)
    assert {Verdict.APPLIED} == {one.verdict for one in backend.apply([succeed(task) for task in tasks]).applied}
    assert 20 == backend.purge(PurgeRequest())
    with server.client() as client:
        client.config_set("maxmemory", "0")
    backend.add([spec(100)])
    backend.close()


def test_a_full_server_does_what_takes_little(server):
    """At maxmemory workers beat and are ordered about, waits go on, a claim that finds nothing for it answers so."""
    backend = RedisBackend(server.url, namespace="full")
    backend.add([spec(1), spec(2, max_crashes=0, queue_name="suspects")])
    held = backend.claim(request("n"))
    with server.client() as client:
        client.config_set("maxmemory", "1")
    backend.beat(worker_info("w", backend.now()))
    assert backend.order("w", Order.STOP)
    assert Order.STOP is backend.beat(worker_info("w", backend.now()))
    assert not backend.wait(["default"], timedelta(milliseconds=20))
    assert not backend.wait_finished([spec(1).id], timedelta(milliseconds=20))
    asked = ClaimRequest(worker_id="w", nonce="s", queue_names=("suspects",), limit=1, lease=LEASE)
    assert [] == backend.claim(attrs.evolve(asked, allow_suspects=False))
    beat = Change(task_id=held[0].id, event=Event.HEARTBEAT, fence=held[0].fence, extend=LEASE)
    assert Verdict.APPLIED is backend.apply([beat]).applied[0].verdict
    backend.close()


def test_a_settle_that_brings_tasks_is_refused_by_a_full_server_and_the_others_are_not(server):
    """At maxmemory a call with new tasks in it does nothing; without those the rest of it is done, and then it too."""
    backend = RedisBackend(server.url, namespace="full")
    backend.add([spec(number) for number in range(3)])
    one, two, three = backend.claim(request("n"))
    bringing = attrs.evolve(succeed(one), tasks=(spec(100), spec(101, parents=(two.id,))))
    with server.client() as client:
        client.config_set("maxmemory", "1")
        keys = _contents(client)
        with pytest.raises(BackendFull):
            backend.apply([succeed(two), bringing, succeed(three)], request("m"))
        assert keys == _contents(client)
        assert [Verdict.APPLIED] * 2 == [
            answer.verdict for answer in backend.apply([succeed(two), succeed(three)], request("m")).applied
        ]
        client.config_set("maxmemory", "0")
    assert Verdict.APPLIED is backend.apply([bringing]).applied[0].verdict
    assert [State.READY] * 2 == [task.state for task in backend.get([spec(100).id, spec(101).id])]
    backend.close()


def _contents(client):
    read = {
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"string": client.get,
    }
    return {key: read[client.type(key)](key) for key in client.scan_iter("*")}


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def fan_out(a: int, b: int) -> int:
    context = current_context()
    assert context is not None
    context.enqueue(add.bind(a, b))
    return a


def counts(client):
    return dict(client.stats().queues[0].counts)


def test_a_worker_on_a_full_server_goes_on(server):
    """Tasks that bring new ones stay with it until there is room; all others are claimed, run and settled meanwhile."""
    with Client(RedisBackend(server.url)) as client, server.client() as raw:
        handles = client.enqueue_many((fan_out if number % 10 == 0 else add).bind(number, 1) for number in range(300))
        raw.config_set("maxmemory", "1")
        with Worker(client, [add, fan_out], concurrency=2):
            eventually(lambda: counts(client) == {State.RUNNING: 30, State.SUCCESSFUL: 270}, every=0.05)
            raw.config_set("maxmemory", "0")
            eventually(lambda: counts(client) == {State.SUCCESSFUL: 330}, every=0.05)
        assert {(1, 0)} == {(one.epoch, one.crashes) for one in (handle.refresh() for handle in handles)}
