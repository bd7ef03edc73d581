"""What keys a namespace has: with the last of what is stored none is left, whatever it was."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskcore import Client, Worker, every, task
from taskcore.protocol import (
    Change,
    ClaimRequest,
    Event,
    Group,
    Item,
    OnParentFailure,
    PurgeRequest,
    Retention,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
)
from taskcore.testing import FakeClock
from tests.integration.redis_calls import LEASE, NOW

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


def spec(number, **options):
    return TaskSpec(**{"id": f"{number:032x}", "name": f"task {number % 7}", "enqueued_at": NOW, **options})


def all_kinds(clock):
    """Return tasks of every kind, of which each leaves something else beside its record."""
    until = UniqueUntil.MOMENT
    later = clock.now() + LEASE
    return [
        *[spec(number) for number in range(300)],
        spec(1000, arguments_json='"' + "x" * 5000 + '"', metadata_json='{"a":1}', label="l"),
        spec(1001, parents=(spec(1000).id,), on_parent_failure=OnParentFailure.RUN, queue_name="other"),
        spec(1002, group_id="f" * 32, group_index=0),
        spec(1003, unique=UniqueKey(key="k")),
        spec(1004, unique=UniqueKey(key="m", until=until, moment=later)),
        spec(1005, expires_at=later + DAY),
        spec(1006, expires_at=clock.now()),
        spec(1007, run_after=later, retention=Retention(successful=LEASE, failed=LEASE, cancelled=LEASE)),
        spec(1008, max_crashes=0),
        spec(1009, schedule_id="e" * 32, slot=clock.now()),
    ]


def work(backend, clock):
    """Run all there is to its end, in each of the ways in which a run can end."""
    ends = [Event.SUCCEED, Event.FAIL, Event.ABORT, Event.RETRY, Event.RELEASE]
    for number in range(200):
        request = ClaimRequest(
            worker_id=f"w{number % 3}", nonce=f"{number}", queue_names=("default", "other"), limit=50, lease=LEASE
        )
        claimed = backend.claim(request)
        if not claimed and number > 20:
            return
        changes = []
        for place, one in enumerate(claimed):
            item = Item(task_id=one.id, epoch=one.epoch, sequence=0, at=clock.now(), data_json="1")
            end = ends[place % len(ends)] if one.epoch < 3 else Event.SUCCEED
            changes.append(Change(task_id=one.id, event=end, fence=one.fence, items=(item,)))
        backend.apply(changes)
        clock.advance(LEASE)


def test_nothing_is_left_of_what_is_purged(stores):
    """Tasks of every kind, groups, keys, items, pauses: when the last is gone there is no key of the namespace."""
    clock = FakeClock()
    backend = stores.open(clock)
    backend.add(all_kinds(clock), group=Group(id="f" * 32, name="g", created_at=clock.now(), total=1))
    backend.add([], group=Group(id="d" * 32, name="empty", created_at=clock.now(), total=0))
    backend.wait(["default"], timedelta(0))
    backend.wait_finished([spec(1).id], timedelta(milliseconds=1))
    work(backend, clock)
    backend.pause("q")
    backend.resume("q")
    clock.advance(2 * DAY)
    while backend.purge(PurgeRequest(limit=100)):
        pass
    backend.purge(PurgeRequest(is_due=True))
    backend.close()
    assert [] == stores.keys()


@task
def double(number: int) -> int:
    return 2 * number


def test_nothing_is_left_of_workers_and_schedules(stores):
    """Workers are forgotten after a day, and what they have claimed; a purge takes the rest along."""
    clock = FakeClock()
    with Client(stores.open(clock)) as client:
        client.schedule("s", every(LEASE), double.bind(1))
        handles = client.enqueue_many(double.bind(number) for number in range(20))
        Worker(client, [double]).run(burst=True)
        assert [0, 2, 4] == [handle.result() for handle in handles[:3]]
        client.delete_schedule("s")
        while client.backend.purge(PurgeRequest()):
            pass
        assert f"{{{stores.namespace}}}:workers" in list(stores.keys())
        clock.advance(DAY + LEASE)
        client.backend.purge(PurgeRequest())
    assert [] == stores.keys()
