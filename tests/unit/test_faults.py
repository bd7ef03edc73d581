"""The fault wrappers do what they say, no more, and the same way each time."""

from collections import Counter
from datetime import timedelta

import pytest

from taskcore.errors import BackendUnavailable
from taskcore.protocol import Backend, Change, ClaimRequest, Event, State, TaskSpec, UniqueKey, Verdict, first_id_at
from taskcore.testing import FakeClock
from taskcore.testing.faults import DuplicatesCalls, FailsSometimes, LosesReplies, RestoredToOlderCopy, Slow
from taskcore_backends.memory import MemoryBackend

SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)


@pytest.fixture
def clock():
    return FakeClock()


def spec(clock, number, **options):
    task_id = f"{first_id_at(clock.now())[:12]}7{number:019x}"
    return TaskSpec(**{"id": task_id, "name": "t", "enqueued_at": clock.now(), **options})


def request(nonce, limit=1):
    return ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=limit, lease=LEASE)


def outcomes(store: Backend, clock, calls=200):
    """Add tasks one by one; return which calls raised."""
    raised = []
    for number in range(calls):
        try:
            store.add([spec(clock, number)])
        except BackendUnavailable:
            raised.append(number)
    return raised


@pytest.mark.parametrize("wrapper", [LosesReplies, FailsSometimes])
def test_same_seed_hits_the_same_calls(wrapper, clock):
    """Two wrappers with one seed raise at the same calls; with another seed at others."""
    one, same, other = [outcomes(wrapper(MemoryBackend(clock=clock), seed=seed, rate=0.2), clock) for seed in (1, 1, 2)]
    assert (True, True) == (one == same, one != other)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_rate_is_kept(rate, clock):
    """About as many calls raise as the rate says; none at 0, all at 1."""
    share = len(outcomes(LosesReplies(MemoryBackend(clock=clock), seed=1, rate=rate), clock)) / 200
    assert abs(share - rate) < (0.1 if 0 < rate < 1 else 1e-9)


def test_rate_is_a_share(clock):
    """A percentage is refused."""
    with pytest.raises(ValueError, match="0 to 1"):
        LosesReplies(MemoryBackend(clock=clock), rate=20)


def test_lost_reply_means_that_it_was_done(clock):
    """Every task is stored, though every answer was lost."""
    inner = MemoryBackend(clock=clock)
    assert 200 == len(outcomes(LosesReplies(inner, rate=1.0), clock))
    assert {State.READY: 200} == inner.stats().queues[0].counts


def test_failure_may_come_before_or_after(clock):
    """Of calls that fail some were made and some were not."""
    inner = MemoryBackend(clock=clock)
    assert 200 == len(outcomes(FailsSometimes(inner, seed=1, rate=1.0), clock))
    assert 50 < inner.stats().queues[0].counts[State.READY] < 150


def test_duplicated_call_gives_either_answer(clock):
    """A doubled add is answered ADDED or ALREADY, and stores the task once."""
    store = DuplicatesCalls(MemoryBackend(clock=clock), seed=1, rate=1.0)
    verdicts = Counter(store.add([spec(clock, number)])[0].verdict.value for number in range(100))
    assert ({"added", "already"}, 100) == (set(verdicts), store.stats().queues[0].counts[State.READY])


def test_reading_is_not_duplicated(clock):
    """Only calls that write are made twice."""
    store = DuplicatesCalls(MemoryBackend(clock=clock), rate=1.0)
    store.stats()
    store.get(["0" * 32])
    assert 0 == store.hits


def test_slow_call_waits(clock):
    """The waits before and after one call add up to the delay."""
    waits: list[float] = []
    store = Slow(MemoryBackend(clock=clock), rate=1.0, delay=2 * SECOND, sleep=waits.append)
    store.stats()
    assert (2, True) == (len(waits), abs(sum(waits) - 2.0) < 1e-9)


def test_wrappers_may_be_nested(clock):
    """A wrapper is a backend, so another one can be put around it."""
    inner = MemoryBackend(clock=clock)
    store = LosesReplies(DuplicatesCalls(inner, rate=1.0), rate=1.0)
    assert 200 == len(outcomes(store, clock))
    assert {State.READY: 200} == inner.stats().queues[0].counts


def make_restorable(clock):
    return RestoredToOlderCopy(lambda replay: MemoryBackend(clock=replay), clock)


def test_restored_store_is_as_it_was(clock):
    """After a restore the store is what it was at the copy, moments included, and goes on by the clock."""
    store = make_restorable(clock)
    store.add([spec(clock, 1, unique=UniqueKey(key="k")), spec(clock, 2)])
    clock.advance(SECOND)
    task = store.claim(request("n"))[0]
    wanted = store.get([task.id, spec(clock, 2).id])
    store.take_copy()
    clock.advance(SECOND)
    store.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence)])
    store.add([spec(clock, 3)])
    store.restore()
    assert (wanted, clock.now(), "k") == (
        store.get([task.id, spec(clock, 2).id]),
        store.now(),
        "k" if store.unique_holder("k") == task.id else None,
    )


def test_restore_without_a_copy_is_an_empty_store(clock):
    """Nothing was kept: nothing is there."""
    store = make_restorable(clock)
    store.add([spec(clock, 1)])
    store.restore()
    assert () == store.stats().queues


def test_restored_store_has_one_holder(clock):
    """A worker from before the restore, whose claim the copy does not know, is stale; the task is done once more."""
    store = make_restorable(clock)
    store.add([spec(clock, 1)])
    store.take_copy()
    before = store.claim(request("before"))[0]
    store.restore()
    after = store.claim(request("after"))[0]
    changes = [Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence) for task in (before, after)]
    verdicts = [one.verdict for one in store.apply(changes).applied]
    assert (before.epoch, [Verdict.STALE, Verdict.APPLIED]) == (after.epoch, verdicts)


def test_task_that_the_copy_does_not_know_is_missing(clock):
    """A settle of a task that was enqueued after the copy is MISSING: its caller may enqueue it again, with its id."""
    store = make_restorable(clock)
    store.take_copy()
    store.add([spec(clock, 1)])
    task = store.claim(request("n"))[0]
    store.restore()
    change = Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence)
    assert Verdict.MISSING is store.apply([change]).applied[0].verdict
    store.add([task.spec])
    assert [task.id] == [one.id for one in store.claim(request("m"))]
