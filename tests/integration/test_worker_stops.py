"""How a worker stops, how running tasks are cancelled and timed out, and how child processes are renewed."""

import signal
import sys
import time
from datetime import timedelta

import pytest

from taskcore import CancelLevel, Client, State
from taskcore_backends.sqlite import SQLiteBackend
from tests.integration.worker_processes import PATIENCE, Crew
from tests.integration.worker_tasks import leak, obedient, once, overrun, process_id, soften, stubborn, work
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)
both_executors = pytest.mark.parametrize("executor", ["threads", "processes"])


@pytest.fixture
def crew(tmp_path):
    crew = Crew(tmp_path)
    yield crew
    crew.kill_all()


@pytest.fixture
def client(crew):
    with Client(SQLiteBackend(crew.path)) as client:
        yield client


def has_begun(crew, count=1):
    return lambda: sum(map(len, crew.runs().values())) >= count


@both_executors
def test_sigterm_lets_running_tasks_end_and_gives_back_the_others(crew, client, executor):
    """The grace is for what runs; what was only claimed goes back at once, and no crash is counted."""
    short = [handle.result(PATIENCE) for handle in _warm_up(crew, client, executor)]
    running = client.enqueue(stubborn, crew.events, 1.0)
    eventually(has_begun(crew, len(short) + 1))
    waiting = client.enqueue_many(work.bind(crew.events, 0.01) for _ in range(5))
    worker = crew.all[0]
    worker.signal(signal.SIGTERM)
    assert 0 == worker.wait()
    assert "done" == running.result(SECOND)
    assert {(State.READY, 0)} == {(handle.refresh().state, handle.refresh().crashes) for handle in waiting}
    assert [] == [info for info in client.workers() if info.state.value != "stopped"]


def _warm_up(crew, client, executor):
    """Start a worker with one slot that has seen short tasks, so that it claims ahead."""
    crew.start(executor=executor, concurrency=1, lease=5, grace=20)
    return client.enqueue_many(work.bind(crew.events, 0.001) for _ in range(20))


def test_what_was_claimed_ahead_goes_back_at_sigterm(crew, client):
    """It is READY again, released once, before the running task has ended."""
    list(_warm_up(crew, client, "threads"))
    mixed = client.enqueue_many([stubborn.bind(crew.events, 3.0), *(work.bind(crew.events, 0.001) for _ in range(30))])
    eventually(lambda: mixed[0].refresh().state is State.RUNNING and mixed[0].id in crew.runs())
    claimed = [handle for handle in mixed[1:] if handle.refresh().state is State.RUNNING]
    assert claimed
    crew.all[0].signal(signal.SIGTERM)
    eventually(lambda: not [handle for handle in claimed if handle.refresh().state is State.RUNNING], 2)
    assert {(State.READY, 1)} == {(handle.refresh().state, handle.refresh().releases) for handle in claimed}
    assert State.RUNNING is mixed[0].refresh().state
    assert 0 == sum(handle.refresh().failures + handle.refresh().crashes for handle in mixed)


def test_a_second_signal_kills_children_and_releases_their_tasks(crew, client):
    """No grace: the task is READY at once, at no cost, and the exit code says that something was cut short or not."""
    crew.start(executor="processes", concurrency=1, lease=30, grace=60)
    handle = client.enqueue(stubborn, crew.events, 60)
    eventually(has_begun(crew))
    began = time.monotonic()
    crew.all[0].signal(signal.SIGTERM)
    eventually(lambda: "The worker stops" in crew.all[0].log)
    crew.all[0].signal(signal.SIGTERM)
    assert 0 == crew.all[0].wait()
    assert time.monotonic() - began < 50
    task = handle.refresh()
    assert (State.READY, 1, 0, 0) == (task.state, task.releases, task.crashes, task.failures)


def test_what_may_run_at_most_once_is_not_released_by_a_kill(crew, client):
    """A second signal kills its child; to run it again would be a second time, so it has failed."""
    crew.start(executor="processes", concurrency=1, lease=30, grace=60)
    handle = client.enqueue(once, crew.events, 60)
    eventually(has_begun(crew))
    crew.all[0].signal(signal.SIGTERM)
    eventually(lambda: "The worker stops" in crew.all[0].log)
    crew.all[0].signal(signal.SIGTERM)
    assert 0 == crew.all[0].wait()
    assert State.FAILED is handle.refresh().state


def test_threads_that_still_run_are_left_to_their_leases(crew, client):
    """A thread cannot be killed; the process exits with code 5, and the lease lapses: never two runs at once."""
    crew.start(executor="threads", concurrency=1, lease=1, grace=60)
    handle = client.enqueue(stubborn, crew.events, 60)
    eventually(has_begun(crew))
    crew.all[0].signal(signal.SIGINT)
    eventually(lambda: "The worker stops" in crew.all[0].log)
    crew.all[0].signal(signal.SIGINT)
    assert 5 == crew.all[0].wait()
    assert State.RUNNING is handle.refresh().state
    lease = handle.refresh().lease
    assert lease is not None
    assert lease.expires_at <= client.backend.now() + SECOND


@both_executors
def test_the_grace_is_bounded(crew, client, executor):
    """After it the worker leaves as at a second signal."""
    crew.start(executor=executor, concurrency=1, lease=30, grace=0.3)
    handle = client.enqueue(stubborn, crew.events, 60)
    eventually(has_begun(crew))
    crew.all[0].signal(signal.SIGTERM)
    assert (0 if executor == "processes" else 5) == crew.all[0].wait()
    assert (State.READY if executor == "processes" else State.RUNNING) is handle.refresh().state


@pytest.mark.parity("DJC-15")
def test_an_operator_stops_a_worker_through_the_store(crew, client):
    """The order is answered to its next beat."""
    crew.start(executor="threads", concurrency=1)
    eventually(lambda: bool(client.workers()))
    assert client.stop_worker(client.workers()[0].id)
    assert 0 == crew.all[0].wait(20)


@pytest.mark.parity("DJC-14", "SCR-03")
@both_executors
def test_a_wanted_cancel_reaches_a_running_task(crew, client, executor):
    """Within a second or so ``ctx.check()`` raises, and the task ends CANCELLED."""
    crew.start(executor=executor, concurrency=1, lease=30)
    handle = client.enqueue(obedient, crew.events, 60)
    eventually(has_begun(crew))
    handle.cancel()
    eventually(lambda: handle.refresh().state is State.CANCELLED)


@pytest.mark.parity("DJC-14", "SCR-12")
@pytest.mark.parametrize("level", [CancelLevel.TERMINATE, CancelLevel.KILL])
def test_a_child_that_does_not_ask_is_terminated_or_killed(crew, client, level):
    """A task that never checks is cancelled, too; the next one runs."""
    crew.start(executor="processes", concurrency=1, lease=30)
    handle = client.enqueue(stubborn, crew.events, 60)
    eventually(has_begun(crew))
    handle.cancel(level)
    eventually(lambda: handle.refresh().state is State.CANCELLED)
    assert isinstance(client.enqueue(process_id).result(PATIENCE), int)
    assert 0 == handle.refresh().crashes


def test_a_child_that_overruns_its_timeout_is_killed(crew, client):
    """The task has failed by then, and the worker has its slot again."""
    crew.start(executor="processes", concurrency=1, lease=30)
    handle = client.enqueue(overrun, crew.events)
    eventually(lambda: handle.refresh().state is State.FAILED)
    assert isinstance(client.enqueue(process_id).result(PATIENCE), int)
    result = handle.refresh().result
    assert result is not None
    assert result.failure is not None
    assert "taskcore.HardTimeout" == result.failure.exception_type


def test_a_worker_retires_when_half_its_threads_are_lost(crew, client):
    """The tasks have failed at their deadline; the process ends with the code that asks for a new one."""
    crew.start(executor="threads", concurrency=4, lease=30, grace=1)
    handles = [client.enqueue(overrun, crew.events) for _ in range(2)]
    assert 75 == crew.all[0].wait(20)
    assert {State.FAILED} == {handle.refresh().state for handle in handles}


def test_the_soft_timeout_interrupts_a_wait_in_a_child(crew, client):
    """``SoftTimeout`` is raised inside ``time.sleep``, and what the task returns then is its result."""
    crew.start(executor="processes", concurrency=1, lease=30)
    began = time.monotonic()
    assert "SoftTimeout" == client.enqueue(soften).result(PATIENCE)
    assert time.monotonic() - began < 50


@pytest.mark.parity("DQ-37")
def test_a_child_is_renewed_after_so_many_tasks(crew, client):
    """At most the given number of tasks see the same process."""
    handles = client.enqueue_many(process_id.bind() for _ in range(12))
    crew.start(executor="processes", concurrency=1, max_tasks_per_child=5, burst=True).wait()
    pids = [handle.result(SECOND) for handle in handles]
    assert 5 >= max(pids.count(pid) for pid in pids)
    assert 3 <= len(set(pids))


@pytest.mark.parity("DQ-37")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process its memory")
def test_a_child_with_too_much_memory_is_renewed(crew, client):
    """Each task leaks 60 MiB: a child that may have 200 sees some of them, and never all."""
    handles = client.enqueue_many(leak.bind(60) for _ in range(8))
    crew.start(executor="processes", concurrency=1, max_memory_per_child=200 * 2**20, burst=True).wait()
    pids = [handle.result(SECOND) for handle in handles]
    assert 2 <= max(pids.count(pid) for pid in pids) <= 4
    assert {0} == {handle.refresh().crashes for handle in handles}


@pytest.mark.parity("DQ-39")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process its memory")
def test_a_worker_tells_its_memory_and_that_of_its_children(crew, client):
    """With its beats: more than what a child has taken; nothing any more when it has stopped."""
    client.enqueue(leak, 200)
    worker = crew.start(executor="processes", concurrency=1)
    eventually(lambda: any((one.memory or 0) > 200 * 2**20 for one in client.workers()))
    worker.signal(signal.SIGTERM)
    worker.wait()
    assert [None] == [one.memory for one in client.workers()]


def test_short_tasks_do_not_wait_behind_a_long_one_in_a_chunk(crew, client):
    """What a child was given ahead is taken back when its first task turns out to be long."""
    crew.start(executor="processes", concurrency=2, lease=30)
    for handle in client.enqueue_many(process_id.bind() for _ in range(300)):
        handle.result(PATIENCE)
    client.enqueue_many([stubborn.bind(crew.events, 20), *(process_id.bind() for _ in range(60))])
    eventually(has_begun(crew))
    eventually(lambda: client.stats().queues[0].counts.get(State.SUCCESSFUL, 0) == 360, 15)
