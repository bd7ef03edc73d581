"""What a worker holds: claims of one task are told apart, and the store's clock is reckoned from the claim."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskcore import Client, task
from taskcore._worker._hold import Held, Holdings
from taskcore.protocol import ClaimRequest, Task
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend

LEASE = timedelta(seconds=30)


@task
def nothing() -> None:
    pass


@pytest.fixture
def claims() -> list[Task]:
    """The first claim of a task, and the second one, made when the lease of the first was over."""
    clock = FakeClock()
    backend = MemoryBackend(clock=clock)
    Client(backend).enqueue(nothing)
    found: list[Task] = []
    for nonce in ("a", "b"):
        request = ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=1, lease=LEASE)
        found += backend.claim(request)
        clock.advance(2 * LEASE)
    return found


def held(claimed: Task) -> Held:
    return Held(claimed, None, deadline=30.0, renew_at=10.0, now=5.0)


def test_the_end_of_one_claim_leaves_another_of_the_same_task_running(claims: list[Task]) -> None:
    """A run that lost its lease and ends late does not free the slot of the run that took its place."""
    assert claims[0].id == claims[1].id
    holdings = Holdings()
    lost, taken = held(claims[0]), held(claims[1])
    holdings.running[lost.task.id] = taken
    holdings.end(lost)
    assert {taken.task.id: taken} == holdings.running
    holdings.end(taken)
    assert {} == holdings.running


def test_claims_of_one_task_are_dropped_one_by_one(claims: list[Task]) -> None:
    """What the store answers to the first leaves the second to be renewed."""
    holdings = Holdings()
    both = [held(claim) for claim in claims]
    holdings.all.update((one.key, one) for one in both)
    holdings.drop(both[0])
    assert [both[1]] == list(holdings.all.values())


@pytest.mark.parametrize(("now", "seconds"), [(5.0, 0), (6.5, 1.5), (4.0, 0)])
def test_the_stores_time_is_reckoned_from_the_claim(claims: list[Task], now: float, seconds: float) -> None:
    """By the seconds of this process since then, and never before the claim."""
    claimed = claims[0]
    assert claimed.lease is not None
    assert claimed.lease.claimed_at + timedelta(seconds=seconds) == held(claimed).store_time(now)
