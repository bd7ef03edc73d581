"""Workers that are killed with SIGKILL, stopped beyond their lease, or poisoned: nothing is lost, nobody is wronged."""

import os
import random
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore import Client, State
from taskcore_backends.sqlite import SQLiteBackend
from tests.integration.worker_processes import PATIENCE, Crew, overlaps
from tests.integration.worker_tasks import flaky, once, poison, process_id, stubborn, work
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)


@pytest.fixture
def crew(tmp_path):
    crew = Crew(tmp_path)
    yield crew
    crew.kill_all()


@pytest.fixture
def client(crew):
    with Client(SQLiteBackend(crew.path)) as client:
        yield client


def unfinished(client):
    counts = client.stats().queues[0].counts
    return sum(count for state, count in counts.items() if not state.is_finished)


def kill_at_random(crew, client, *, workers, executor, concurrency, seed):
    """Keep so many workers, and kill one of them after every 50 to 250 tasks; return how many were killed."""
    dice = random.Random(seed)
    options = {"executor": executor, "concurrency": concurrency, "lease": 1, "batch_size": 50}
    crowd = [crew.start(**options) for _ in range(workers)]
    kills = 0
    while left := unfinished(client):
        goal = left - dice.randrange(50, 250)
        eventually(lambda: unfinished(client) <= max(goal, 0), 120)  # noqa: B023
        if goal > 0:
            time.sleep(dice.uniform(0, 0.05))
            victim = dice.randrange(len(crowd))
            crowd[victim].kill()
            crowd[victim] = crew.start(**options)
            kills += 1
    return kills


def check_history(crew, client, handles, kills):
    """Nothing lost, no two runs at once, no stale write, crashes apart from failures."""
    tasks = [task for task in client.backend.get([handle.id for handle in handles]) if task is not None]
    assert len(handles) == len(tasks)
    assert {State.SUCCESSFUL} == {task.state for task in tasks}
    runs = crew.runs()
    assert [] == [pair for one in runs.values() for pair in overlaps(one)]
    for task in tasks:
        assert task.result is not None
        last = runs[task.id][-1]
        assert last.ended is not None
        assert str(task.epoch) == task.result.value_json, "the value is that of the last claim"
        assert task.epoch == last.epoch
        assert task.crashes <= kills
        assert task.failures == (1 if task.name == flaky.name else 0)
    assert 0 < sum(task.crashes for task in tasks)


@pytest.mark.parity("DQ-40")
@pytest.mark.parametrize(("executor", "concurrency"), [("threads", 4), ("processes", 2)])
def test_workers_killed_at_random_lose_nothing(crew, client, executor, concurrency):
    """2,000 tasks, workers killed with -9 at random moments: each task ends well, by exactly one last run."""
    handles = client.enqueue_many(work.bind(crew.events, 0.01) for _ in range(1800))
    handles += client.enqueue_many(flaky.bind(crew.events) for _ in range(200))
    kills = kill_at_random(crew, client, workers=3, executor=executor, concurrency=concurrency, seed=7)
    assert kills >= 5
    check_history(crew, client, handles, kills)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("executor", "concurrency"), [("threads", 4), ("processes", 2)])
def test_ten_thousand_tasks_under_kills(crew, client, executor, concurrency):
    """The same at five times the size."""
    handles = client.enqueue_many(work.bind(crew.events, 0.01) for _ in range(9000))
    handles += client.enqueue_many(flaky.bind(crew.events) for _ in range(1000))
    kills = kill_at_random(crew, client, workers=4, executor=executor, concurrency=concurrency, seed=11)
    check_history(crew, client, handles, kills)


def test_innocents_that_were_prefetched_are_never_quarantined(crew, client):
    """A task that kills its worker each time is given up; the hundred that lay beside it all end well."""
    handles = client.enqueue_many(work.bind(crew.events, 0.001) for _ in range(50))
    bad = client.enqueue(poison, crew.events)
    handles += client.enqueue_many(work.bind(crew.events, 0.001) for _ in range(50))
    deadline = time.monotonic() + 60
    while unfinished(client):
        assert time.monotonic() < deadline
        crew.start(executor="threads", concurrency=1, lease=0.6, burst=True).wait()
        time.sleep(0.1)
    assert State.FAILED is bad.refresh().state
    assert 2 == bad.refresh().crashes
    assert {State.SUCCESSFUL} == {handle.refresh().state for handle in handles}
    assert 1 >= max(handle.refresh().crashes for handle in handles)


def test_a_poison_task_is_quarantined_quickly_when_its_parent_lives(crew, client):
    """A child that dies is reported at once: no lease has to lapse, and only the task that it was running is blamed."""
    bad = client.enqueue(poison, crew.events)
    good = client.enqueue_many(work.bind(crew.events, 0.001) for _ in range(20))
    crew.start(executor="processes", concurrency=1, lease=3600)
    eventually(lambda: not unfinished(client), 60)
    task = bad.refresh()
    assert (State.FAILED, 2, 0) == (task.state, task.crashes, task.failures)
    assert task.result is not None
    assert task.result.failure is not None
    assert "exit code 9" in task.result.failure.message
    assert {(State.SUCCESSFUL, 0)} == {(handle.refresh().state, handle.refresh().crashes) for handle in good}


def test_a_task_that_runs_at_most_once_fails_only_if_it_had_started(crew, client):
    """With ``max_crashes=0`` a kill fails what was started, and not what was only claimed."""
    handles = [client.enqueue(once, crew.events, 30 if n == 0 else 0) for n in range(5)]
    first = crew.start(executor="threads", concurrency=1, lease=0.6)
    eventually(lambda: len(crew.runs()) == 1)
    first.kill()
    crew.start(executor="threads", concurrency=1, lease=30)
    eventually(lambda: not unfinished(client))
    assert [State.FAILED] + [State.SUCCESSFUL] * 4 == [handle.refresh().state for handle in handles]
    assert [1] * 5 == [len(crew.runs()[handle.id]) for handle in handles]


@pytest.mark.parity("DQ-40")
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_the_late_result_of_a_stopped_worker_is_refused_and_shows_as_refused(crew, client, executor):
    """SIGSTOP beyond the lease: another worker takes over; SIGCONT: the first one's result changes nothing."""
    handle = client.enqueue(stubborn, crew.events, 1.0)
    zombie = crew.start(executor=executor, concurrency=1, lease=0.6)
    eventually(lambda: len(crew.runs()) == 1)
    crew.freeze(zombie)
    crew.start(executor=executor, concurrency=1, lease=30)
    eventually(lambda: client.get(handle.id).epoch == 2)
    winner = client.get(handle.id).lease
    assert winner is not None
    zombie.signal(signal.SIGCONT)
    eventually(lambda: "refused by the store (stale)" in zombie.log)
    eventually(lambda: handle.refresh().state.is_finished)
    task = handle.refresh()
    assert (State.SUCCESSFUL, 2, 1) == (task.state, task.epoch, task.crashes)
    assert task.result is not None
    assert winner.worker_id == task.result.worker_id


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_what_a_stopped_worker_had_buffered_is_not_started_after_its_lease(crew, client):
    """After SIGCONT it looks at its own clock before it starts anything: what it had not begun, others run alone."""
    client.enqueue_many(work.bind(crew.events, 0) for _ in range(100))  # short ones: more are claimed ahead
    blocker = client.enqueue(work, crew.events, 0.8)
    handles = client.enqueue_many(work.bind(crew.events, 0) for _ in range(20))
    zombie = crew.start(executor="threads", concurrency=1, lease=0.6)
    eventually(lambda: blocker.id in crew.runs())
    crew.freeze(zombie)
    buffered = {handle.id for handle in handles if handle.refresh().state is State.RUNNING} - set(crew.runs())
    assert buffered
    crew.start(executor="threads", concurrency=2, lease=30)
    eventually(lambda: unfinished(client) == 0)
    zombie.signal(signal.SIGCONT)
    eventually(lambda: all(f"Task {one} ({work.name}) was refused" in zombie.log for one in buffered))
    assert {1} == {len(crew.runs()[one]) for one in buffered}


def test_children_leave_when_their_parent_is_killed(crew, client):
    """A worker with processes that gets SIGKILL leaves no child behind, not even one in the middle of a task."""
    pids = [handle.result(PATIENCE) for handle in _some_pids(crew, client)]
    client.enqueue(stubborn, crew.events, 60)
    eventually(lambda: len(crew.runs()) == 1)
    crew.all[0].kill()
    eventually(lambda: not any(_is_alive(pid) for pid in pids))


def _some_pids(crew, client):
    crew.start(executor="processes", concurrency=2, lease=5)
    return client.enqueue_many(process_id.bind() for _ in range(4))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
