"""What one script walks is bounded: the server is never stopped for long, whatever is asked of it."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
import redis

from taskcore.errors import InvalidInput
from taskcore.protocol import (
    SCAN_LIMIT,
    Change,
    ClaimRequest,
    Event,
    Group,
    PurgeRequest,
    Query,
    State,
    Verdict,
    first_id_at,
)
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.redis import RedisBackend
from tests.integration.redis_calls import LEASE, NOW, request, spec, succeed

pytestmark = pytest.mark.integration


def asked(server, call):
    """Make a call; return how often it had the server do each command, inside scripts too, and what it answered."""
    with server.client() as client:
        client.config_resetstat()
        answer = call()
        found = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in found.items()}, answer


def test_unblocking_many_takes_many_short_scripts(server):
    """100,000 children of one parent are let go a hundred at a time: the finish moves 100, each claim as many."""
    backend = RedisBackend(server.url)
    count = 100_000 if os.environ.get("TASKCORE_NIGHTLY") else 3_000
    backend.add([spec(0)])
    for first in range(0, count, 1000):
        backend.add([spec(1 + first + n, parents=(spec(0).id,), queue_name="children") for n in range(1000)])
    task = backend.claim(request("n"))[0]
    backend.apply([succeed(task)])
    moved = [_ready(backend)]
    while moved[-1] < count:
        backend.claim(request(f"n{len(moved)}", limit=1))
        moved.append(_ready(backend))
    steps = [after - before for before, after in zip([0, *moved], moved, strict=False)]
    assert [100] * (count // 100) == steps
    backend.close()


def test_many_finishes_in_one_call_take_short_scripts_too(stores):
    """A hundred parents of a hundred children finish in one call: a hundred are let go in all, the rest is owed."""
    backend = stores.open()
    parents = [spec(number) for number in range(100)]
    backend.add(parents)
    for parent in parents:
        first = 1000 * (1 + int(parent.id, 16))
        backend.add([spec(first + n, parents=(parent.id,), queue_name="children") for n in range(100)])
    held = backend.claim(request("n", limit=100))
    backend.apply([succeed(task) for task in held])
    moved = [_ready(backend)]
    while moved[-1] < 10_000 and len(moved) <= 100:
        backend.claim(ClaimRequest(worker_id="w", nonce=f"{len(moved)}", queue_names=("-",), limit=1, lease=LEASE))
        moved.append(_ready(backend))
    assert [100 * (1 + number) for number in range(100)] == moved
    backend.close()


def _ready(backend):
    queues = {queue.name: queue for queue in backend.stats().queues}
    return queues["children"].counts.get(State.READY, 0)


@pytest.mark.parametrize("is_oldest_first", [False, True])
def test_a_time_without_tasks_is_found_empty_at_once(server, is_oldest_first):
    """A find over a range of time in which nothing was enqueued does not read on to the end of the store."""
    backend = RedisBackend(server.url)
    for day in (1, 3):
        first = first_id_at(NOW + timedelta(days=day))
        backend.add([spec(1, id=f"{first}{number:08x}") for number in range(3000)])
    with server.client() as client:
        client.config_resetstat()
        days = (NOW + timedelta(days=2), NOW + timedelta(days=2.5))
        query = Query(enqueued_from=days[0], enqueued_until=days[1], is_oldest_first=is_oldest_first)
        assert () == backend.find(query).items
        assert client.info("commandstats")["cmdstat_lrange"]["calls"] <= 4  # of 48 lists, and of what is recent
    backend.close()


def test_who_waits_for_a_group_is_looked_up_once_a_call(server):
    """500 members that wait for something join a group for which 200 tasks wait: each of these is looked at once."""
    backend = RedisBackend(server.url)
    group = Group(id="f" * 32, name="g", created_at=NOW)
    backend.add([spec(0)], group=group)
    backend.add([spec(1000 + number, parents=(group.id,)) for number in range(200)])
    members = [spec(2000 + n, parents=(spec(0).id,), group_id=group.id, group_index=n) for n in range(500)]
    commands, _answers = asked(server, lambda: backend.add(members))
    assert commands["zrange"] <= 500 + 200 + 10
    late = spec(9000, parents=(spec(1000).id,), group_id=group.id, group_index=500)
    with pytest.raises(InvalidInput):
        backend.add([spec(9001, parents=(spec(0).id,), group_id=group.id, group_index=501), late])
    backend.close()


@pytest.mark.parametrize(("count", "verdict"), [(SCAN_LIMIT - 1, Verdict.APPLIED), (SCAN_LIMIT, Verdict.REFUSED)])
def test_circles_are_looked_for_as_far_as_in_memory(stores, count, verdict):
    """A task for which so many wait is given a parent, or refused one that may wait for it, with the same words."""
    answers = []
    for backend in (stores.open(), MemoryBackend()):
        backend.add([spec(0), spec(1)])
        for first in range(0, count, 1000):
            numbers = range(first, min(first + 1000, count))
            backend.add([spec(1000 + number, parents=(spec(0).id,)) for number in numbers])
        replace = Change(task_id=spec(0).id, event=Event.REPLACE, spec=spec(0, parents=(spec(1).id,)))
        answers.append(backend.apply([replace]).applied[0])
        backend.close()
    assert verdict is answers[0].verdict
    assert answers[1] == answers[0]


def finish_more(backend, count, round_number):
    """Store so many more tasks of one name, that have finished in hundreds, each at one moment."""
    for first in range(0, count, 100):
        backend.add([spec(round_number * 10**6 + first + number) for number in range(100)])
        held = backend.claim(request(f"{round_number} {first}", limit=100))
        backend.apply([succeed(task) for task in held])


@pytest.mark.parametrize(
    "purge",
    [
        PurgeRequest(queue_name="none"),
        PurgeRequest(queue_name="none", keep_latest=1),
        PurgeRequest(finished_before=NOW - timedelta(days=9999), keep_latest=0),
        PurgeRequest(keep_latest=10**6),
    ],
)
def test_a_purge_that_finds_nothing_looks_at_each_task_once(server, purge):
    """With twice as many tasks it asks twice as much, and never for what lies behind so many others."""
    backend = RedisBackend(server.url)
    numbers = []
    for round_number in (1, 2):
        finish_more(backend, 2000, round_number)
        commands, deleted = asked(server, lambda: backend.purge(purge))
        assert 0 == deleted
        assert commands.get("zrangebyscore", 0) <= 3  # it counts off what it passes over: here for what is over only
        numbers.append(sum(commands.values()))
    assert numbers[1] <= 2 * numbers[0]
    backend.close()


def test_what_the_latest_cost_does_not_depend_on_how_many_have_finished(server):
    """``keep_latest`` reads the latest and what goes: among 2,000 as among 4,000."""
    backend = RedisBackend(server.url)
    numbers = []
    for round_number in (1, 2):
        finish_more(backend, 2000, round_number)
        commands, deleted = asked(server, lambda: backend.purge(PurgeRequest(keep_latest=150, limit=100)))
        assert 100 == deleted
        numbers.append(commands["evalsha"] + commands.get("eval", 0))
    assert numbers[1] <= numbers[0] <= 10
    backend.close()


def test_pages_by_score_pass_over_nothing_that_was_deleted_meanwhile(stores):
    """Where the last member of a page is gone, or stands elsewhere, reading goes on at its score."""
    backend = stores.open()
    link = backend._open_link
    key = f"{{{stores.namespace}}}:z"
    with redis.Redis.from_url(stores.url) as client:
        client.zadd(key, {"a": 1, "b": 2, "c": 2, "d": 2, "e": 3})
        page = link.read("candidates", "oldest", "z", 3, "", "")
        assert [b"a", b"1", b"b", b"2", b"c", b"2"] == page
        assert [b"d", b"2", b"e", b"3"] == link.read("candidates", "oldest", "z", 3, "c", "2")
        assert [b"b", b"2", b"a", b"1"] == link.read("candidates", "newest", "z", 3, "c", "2")
        client.zrem(key, "c")
        assert [b"b", b"2", b"d", b"2", b"e", b"3"] == link.read("candidates", "oldest", "z", 3, "c", "2")
        client.zadd(key, {"c": 9})
        assert [b"d", b"2", b"b", b"2", b"a", b"1"] == link.read("candidates", "newest", "z", 3, "c", "2")
    backend.close()
