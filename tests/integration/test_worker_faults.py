"""The store of a worker is away for longer than a lease, or locked by somebody else."""

import sqlite3
import threading
import time
from datetime import timedelta

import pytest

from taskcore import Client, State, Worker, current_context, task
from taskcore.errors import BackendFull, BackendUnavailable
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=20)


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def fan_out(a: int, b: int) -> int:
    context = current_context()
    assert context is not None
    context.enqueue(add.bind(a, b))
    return a


@task
def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_file_that_somebody_else_keeps_locked_is_waited_for(tmp_path, caplog):
    """Longer than the busy timeout: what had run is kept, nothing runs twice, no error reaches a task."""
    path = tmp_path / "tasks.db"
    with Client(SQLiteBackend(path, busy_timeout=timedelta(seconds=0.2))) as client:
        with Worker(client, [wait, add], concurrency=4):
            handles = [client.enqueue(wait, 0.3) for _ in range(4)]
            eventually(lambda: client.stats().queues[0].counts.get(State.RUNNING) == 4)
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(1.5)
            other.execute("ROLLBACK")
            other.close()
            assert [0.3] * 4 == [handle.result(SOON) for handle in handles]
            assert 3 == client.enqueue(add, 1, 2).result(SOON)
        assert {1} == {handle.refresh().epoch for handle in handles}
    assert "The store failed" in caplog.text


class Slow:
    """A backend that loses its replies, or does nothing at all, while it is told to."""

    def __init__(self, inner: MemoryBackend) -> None:
        self._inner = inner
        self.is_deaf = False
        self.is_gone = False

    def __getattr__(self, name: str) -> object:
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*args: object, **options: object) -> object:
            if self.is_gone and name in ("claim", "apply"):
                raise BackendUnavailable("gone")
            answer = method(*args, **options)
            if self.is_deaf and name in ("claim", "apply"):
                raise BackendUnavailable("no reply")
            return answer

        return call


def test_what_was_claimed_by_a_lost_reply_goes_back_when_its_lease_is_over():
    """Nobody was told to run it, so nobody is to blame: it is released, not crashed, and runs with the next claim."""
    backend = Slow(MemoryBackend())
    client = Client(backend)
    with Worker(client, [add], concurrency=2, lease=timedelta(seconds=0.4)):
        time.sleep(0.1)
        backend.is_deaf = True
        handles = [client.enqueue(add, n, n) for n in range(2)]
        time.sleep(0.8)
        backend.is_deaf = False
        assert [0, 2] == [handle.result(SOON) for handle in handles]
    assert 1 >= max(handle.refresh().crashes for handle in handles)


def test_a_lease_that_cannot_be_renewed_counts_as_lost(caplog):
    """The run is told, though nobody else has taken the task; its outcome is sent all the same."""
    backend = Slow(MemoryBackend())
    client = Client(backend)
    told = threading.Event()
    release = threading.Event()

    @task
    def slow() -> str:
        context = current_context()
        assert context is not None
        while not release.is_set():
            try:
                context.check()
            except Exception:
                told.set()
                release.wait(20)
            time.sleep(0.01)
        return "late"

    with Worker(client, [slow], concurrency=1, lease=timedelta(seconds=0.5)):
        handle = client.enqueue(slow)
        eventually(lambda: handle.refresh().state is State.RUNNING)
        backend.is_gone = True
        assert told.wait(10)
        backend.is_gone = False
        release.set()
        assert "late" == handle.result(SOON)
    assert "could not be renewed in time" in caplog.text


class Narrow:
    """A backend that has room for what is there and not for new tasks, as long as it is told so."""

    def __init__(self, inner: MemoryBackend) -> None:
        self._inner = inner
        self.is_full = False
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def apply(self, changes: object, claim: object = None) -> object:
        if self.is_full and any(change.tasks for change in changes):
            self.refused += 1
            raise BackendFull("no room")
        return self._inner.apply(changes, claim)


def test_a_full_store_is_given_what_it_has_room_for(caplog):
    """Outcomes that bring no tasks are settled, and tasks claimed and run; the others wait, and are lost as little."""
    backend = Narrow(MemoryBackend())
    client = Client(backend)
    backend.is_full = True
    handles = [client.enqueue(fan_out if number % 10 == 0 else add, number, 1) for number in range(300)]
    few, many = handles[::10], [handle for number, handle in enumerate(handles) if number % 10]
    with Worker(client, [add, fan_out], concurrency=2):
        assert 270 == sum(handle.wait(SOON).state is State.SUCCESSFUL for handle in many)
        eventually(lambda: {State.RUNNING} == {handle.refresh().state for handle in few})
        before = backend.refused
        assert 5 == client.enqueue(add, 2, 3).result(SOON)
        backend.is_full = False
        assert {State.SUCCESSFUL} == {handle.wait(SOON).state for handle in few}
        assert before < 300
        eventually(lambda: {State.SUCCESSFUL: 331} == dict(client.stats().queues[0].counts))
    assert {1} == {handle.refresh().epoch for handle in handles}
    assert "The store failed (BackendFull" in caplog.text


class Full(MemoryBackend):
    """A backend that has no room for a claim."""

    asked = 0

    def claim(self, request):
        self.asked += 1
        raise BackendFull("no room")


def test_an_idle_worker_of_a_full_store_stops_without_its_grace():
    """A claim that the store refuses for want of room was not made: no answer to it is waited for."""
    backend = Full()
    worker = Worker(Client(backend), [add], grace=timedelta(minutes=10))
    thread = threading.Thread(target=worker.run)
    thread.start()
    eventually(lambda: backend.asked)
    worker.stop()
    thread.join(SOON.total_seconds())
    has_ended = not thread.is_alive()
    worker.stop()
    worker.stop()
    thread.join()
    assert has_ended


class Forgetful(MemoryBackend):
    """A backend that loses its reply to the first claim that gets a task, and has no room for the next one."""

    def __init__(self):
        super().__init__()
        self.errors = [BackendFull("no room"), BackendUnavailable("no reply")]

    def claim(self, request):
        if len(self.errors) == 1:
            raise self.errors.pop()
        claimed = super().claim(request)
        if claimed and self.errors:
            raise self.errors.pop()
        return claimed


def test_a_lost_reply_is_asked_for_again_when_the_store_is_full_in_between():
    """What was refused is the repeat, not the claim: its tasks are this worker's, and run within their lease."""
    client = Client(Forgetful())
    with Worker(client, [add], lease=timedelta(minutes=10)):
        handle = client.enqueue(add, 1, 2)
        assert 3 == handle.result(SOON)
    assert 1 == handle.refresh().epoch


def test_a_wall_clock_that_is_set_back_ends_no_lease():
    """The worker goes by its monotonic clock, and a lease is never shortened."""
    clock = FakeClock()
    client = Client(MemoryBackend(clock=clock))
    with Worker(client, [wait], lease=timedelta(seconds=0.6), concurrency=1):
        handle = client.enqueue(wait, 1.0)
        eventually(lambda: handle.refresh().state is State.RUNNING)
        clock.step(timedelta(seconds=-3600))
        assert 1.0 == handle.result(SOON)
    assert (1, 0) == (handle.refresh().epoch, handle.refresh().crashes)
