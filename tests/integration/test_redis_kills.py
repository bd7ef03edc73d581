"""Workers on Redis that are killed with SIGKILL, or stopped beyond their lease: nothing is lost, nobody is wronged."""

import signal

import pytest

from taskcore import Client, State
from tests.integration.test_worker_kills import check_history, kill_at_random, unfinished
from tests.integration.worker_processes import Crew
from tests.integration.worker_tasks import flaky, stubborn, work
from tests.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def crew(tmp_path, stores):
    crew = Crew(tmp_path, f"{stores.url}?namespace={stores.namespace}")
    yield crew
    crew.kill_all()


@pytest.fixture
def client(crew, stores):
    with Client(stores.open()) as client:
        yield client


def test_workers_killed_at_random_lose_nothing(crew, client):
    """600 tasks, workers killed with -9 at random moments: each task ends well, by exactly one last run."""
    handles = client.enqueue_many(work.bind(crew.events, 0.01) for _ in range(540))
    handles += client.enqueue_many(flaky.bind(crew.events) for _ in range(60))
    kills = kill_at_random(crew, client, workers=2, executor="threads", concurrency=4, seed=7)
    assert kills >= 1
    check_history(crew, client, handles, kills)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("executor", "concurrency"), [("threads", 4), ("processes", 2)])
def test_ten_thousand_tasks_under_kills(crew, client, executor, concurrency):
    """The same at sixteen times the size, with threads and with processes."""
    handles = client.enqueue_many(work.bind(crew.events, 0.01) for _ in range(9000))
    handles += client.enqueue_many(flaky.bind(crew.events) for _ in range(1000))
    kills = kill_at_random(crew, client, workers=4, executor=executor, concurrency=concurrency, seed=11)
    check_history(crew, client, handles, kills)


def test_the_late_result_of_a_stopped_worker_is_refused(crew, client):
    """SIGSTOP beyond the lease: another worker takes over; SIGCONT: the first one's result changes nothing."""
    handle = client.enqueue(stubborn, crew.events, 1.0)
    zombie = crew.start(executor="threads", concurrency=1, lease=0.6)
    eventually(lambda: len(crew.runs()) == 1)
    zombie.signal(signal.SIGSTOP)
    crew.start(executor="threads", concurrency=1, lease=30)
    eventually(lambda: client.get(handle.id).epoch == 2)
    winner = client.get(handle.id).lease
    zombie.signal(signal.SIGCONT)
    eventually(lambda: "refused by the store (stale)" in zombie.log)
    eventually(lambda: not unfinished(client))
    task = handle.refresh()
    assert (State.SUCCESSFUL, 2, 1) == (task.state, task.epoch, task.crashes)
    assert winner.worker_id == task.result.worker_id
