"""What a running worker sees to besides running tasks: it purges what is past its retention, and fires schedules."""

import threading
from datetime import timedelta

import pytest

from taskcore import Client, KeepPer, Retention, State, Worker, every, task
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@task(save=False)
def unsaved(number: int) -> int:
    return number


@task(retention=Retention(successful=HOUR, failed=2 * HOUR, cancelled=3 * HOUR))
def aged(number: int) -> int:
    return 1 // number


@task(retention=Retention(keep_latest=2))
def latest(number: int) -> int:
    if number < 1:
        raise ValueError(number)
    return number


@task(retention=Retention(keep_latest=1, keep_per=KeepPer.GROUP))
def latest_of_group(number: int) -> int:
    return number


@task
def kept(number: int) -> int:
    return number


TASKS = [unsaved, aged, latest, latest_of_group, kept]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def client(request, clock, tmp_path):
    backend = MemoryBackend(clock=clock) if request.param == "memory" else SQLiteBackend(tmp_path / "q", clock=clock)
    with Client(backend) as client:
        yield client


def states(client: Client) -> set[State]:
    return {found.state for found in client.iterate(name=aged.name)}


def left(client: Client) -> list[str]:
    return sorted(found.name.rpartition(".")[2] for found in client.iterate())


@pytest.mark.parity("DQ-05", "DQ-36")
def test_what_is_not_to_be_saved_goes(client):
    """``save=False``: a worker deletes it soon after its success; what says nothing of itself stays for ever."""
    client.enqueue(unsaved, 1)
    client.enqueue(kept, 1)
    Worker(client, TASKS).drain()
    with Worker(client, TASKS):
        eventually(lambda: "unsaved" not in left(client))
    assert ["kept"] == left(client)


@pytest.mark.parity("DQ-05", "C35-08", "DCR-15")
def test_each_state_has_its_age(client, clock):
    """SUCCESSFUL goes first, then FAILED, then CANCELLED, each at its own age since it finished."""
    client.enqueue(aged, 1)
    client.enqueue(aged, 0)
    client.enqueue(aged, 2).cancel()
    client.enqueue(kept, 1)
    Worker(client, TASKS).drain()
    for gone in ("SUCCESSFUL", "FAILED", "CANCELLED"):
        assert State[gone] in states(client)
        clock.advance(HOUR)
        with Worker(client, TASKS):
            eventually(lambda: State[gone] not in states(client))  # noqa: B023
    assert ["kept"] == left(client)


@pytest.mark.parity("DQ-05")
def test_the_latest_of_a_name_stay(client):
    """``keep_latest`` counts the finished ones of a definition that the worker knows."""
    finished = []
    for number in range(1, 6):
        finished.append(client.enqueue(latest, number))
        Worker(client, TASKS).drain()
    waiting = client.enqueue(latest.using(run_after=HOUR), 9)
    with Worker(client, TASKS):
        eventually(lambda: len(left(client)) == 3)
    assert {finished[3].id, finished[4].id, waiting.id} == {found.id for found in client.iterate()}


@pytest.mark.parity("DQ-05")
def test_newer_successes_push_out_no_failure(client):
    """``keep_latest`` counts successes; what failed, or was cancelled, stays until its age says otherwise."""
    failed = client.enqueue(latest, 0)
    cancelled = client.enqueue(latest, 1)
    cancelled.cancel()
    Worker(client, TASKS).drain()
    handles = client.enqueue_many(latest.bind(number) for number in range(1, 5))
    Worker(client, TASKS).drain()
    with Worker(client, TASKS):
        eventually(lambda: len(left(client)) == 4)
    finished = {found.id for found in client.iterate()}
    assert {failed.id, cancelled.id} < finished
    assert 2 == len(finished & {handle.id for handle in handles})


@pytest.mark.parity("DQ-05")
def test_the_latest_of_each_group_stay(client):
    """Counted in each group by itself; a group goes with its last member only."""
    groups = [client.group(name, (latest_of_group.bind(number) for number in range(3))) for name in "ab"]
    Worker(client, TASKS).drain()
    with Worker(client, TASKS):
        eventually(lambda: len(left(client)) == 2)
    assert [1, 1] == [len(list(group.tasks())) for group in groups]


def test_schedules_fire_while_all_slots_are_taken(client, clock):
    """What is due is enqueued by a worker that has no room for it, for others to run."""
    is_running, may_end = threading.Event(), threading.Event()

    @task
    def long() -> None:
        is_running.set()
        may_end.wait(30)

    client.schedule("often", every(SECOND), kept.bind(1))
    client.enqueue(long)
    with Worker(client, [long, kept], concurrency=1):
        assert is_running.wait(30)
        clock.advance(SECOND)
        eventually(lambda: client.get_schedule("often").runs == 1)
        assert [State.READY, State.RUNNING] == [found.state for found in client.iterate()]
        may_end.set()
