"""One thread of a worker waits for the store's hints: an idle one in turn, or one of its own where no other could.

Without a hint these workers look once an hour, so a task that starts was heard of.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from datetime import timedelta

import pytest

from taskcore import Client, State, Worker, task
from taskcore._worker import _cycle
from taskcore._worker._listener import Listener
from taskcore.clock import SystemClock
from taskcore.errors import BackendUnavailable
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
SOON = timedelta(seconds=10)
SECONDS = SOON.total_seconds()

started: queue.SimpleQueue[str] = queue.SimpleQueue()
release = threading.Event()
told = threading.Event()


@task
def hold(name: str) -> str:
    started.put(name)
    assert release.wait(SECONDS)
    return threading.current_thread().name


@task
async def hold_async(name: str) -> str:
    started.put(name)
    await asyncio.get_running_loop().run_in_executor(None, release.wait, SECONDS)
    return threading.current_thread().name


@task
def pass_on_when_told(number: int) -> int:
    started.put("told")
    assert told.wait(SECONDS)
    return number


@task
def pass_on(number: int) -> int:
    return number


@pytest.fixture(params=["memory", "sqlite"])
def client(request, tmp_path):
    backend = MemoryBackend() if request.param == "memory" else SQLiteBackend(tmp_path / "tasks.db")
    yield Client(backend)
    backend.close()


@pytest.fixture(autouse=True)
def _released():
    release.clear()
    told.clear()
    yield
    release.set()
    told.set()
    while not started.empty():
        started.get_nowait()


@pytest.fixture
def no_safety_net(monkeypatch):
    """The thread that called ``run`` looks once an hour whether others overlooked something."""
    monkeypatch.setattr(_cycle, "_IDLE_PAUSE", 3600.0)


def listening_threads() -> list[str]:
    """Return the names of threads of workers that do nothing else; SQLite has one that looks at the file."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.endswith("-listener") and name != "taskcore-sqlite-listener"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_idle_thread_hears_of_a_task_while_the_others_run(client, concurrency, no_safety_net):
    """Whoever begins a task has another one listen in its place, down to the last."""
    with Worker(client, [hold], concurrency=concurrency, poll_interval=HOUR):
        handles = []
        for number in range(concurrency):
            handles.append(client.enqueue(hold, str(number)))
            assert str(number) == started.get(timeout=SECONDS)
        release.set()
        names = {handle.result(SOON) for handle in handles}
        assert concurrency == len(names)


def test_a_thread_that_has_run_a_task_listens_again(client, no_safety_net):
    """One after the other, and each is heard of."""
    with Worker(client, [pass_on], concurrency=2, poll_interval=HOUR):
        for number in range(50):
            assert number == client.enqueue(pass_on, number).result(SOON)


def test_plain_and_async_tasks_are_heard_of_by_one_worker(client):
    """They share the slots: a plain thread listens for both, and goes on while coroutines run."""
    with Worker(client, [hold, hold_async], concurrency=4, poll_interval=HOUR):
        handles = []
        for number, definition in enumerate([hold_async, hold, hold_async, hold]):
            handles.append(client.enqueue(definition, str(number)))
            assert str(number) == started.get(timeout=SECONDS)
        release.set()
        assert [] == client.wait(handles, SOON).unfinished


def test_only_a_worker_of_async_tasks_has_a_thread_that_does_nothing_but_listen(client):
    """A second thread would have to be woken for each task."""
    with Worker(client, [pass_on], poll_interval=HOUR):
        assert 1 == client.enqueue(pass_on, 1).result(SOON)
        assert [] == listening_threads()
    with Worker(client, [hold_async], poll_interval=HOUR):
        handle = client.enqueue(hold_async, "a")
        assert "a" == started.get(timeout=SECONDS)
        assert 1 == len(listening_threads())
        release.set()
        handle.result(SOON)


class Deaf:
    """A backend whose waits end by ``wake`` alone, or fail while ``is_broken``."""

    def __init__(self) -> None:
        self._inner = MemoryBackend()
        self._woken = threading.Semaphore(0)
        self.failures = 0
        self.is_broken = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def wait(self, queue_names: list[str], timeout: timedelta) -> bool:
        if self.is_broken:
            self.failures += 1
            raise BackendUnavailable("nothing is heard")
        return self._woken.acquire(timeout=timeout.total_seconds())

    def wake(self) -> None:
        self._woken.release()
        self._inner.wake()


def test_the_thread_that_listens_is_called_back_for_what_another_has_claimed(no_safety_net):
    """No hint comes for that, and nobody else is idle."""
    client = Client(Deaf())
    client.enqueue(pass_on_when_told, 0)
    with Worker(client, [pass_on_when_told, hold], concurrency=2, poll_interval=HOUR):
        assert "told" == started.get(timeout=SECONDS)
        client.enqueue_many(hold.bind(name) for name in ("a", "b"))
        told.set()
        assert {"a", "b"} == {started.get(timeout=SECONDS) for _ in range(2)}
        release.set()


def test_a_store_that_cannot_be_waited_in_is_tried_again():
    """With pauses that grow, and the thread that tries runs tasks again when it hears."""
    backend = Deaf()
    client = Client(backend)
    with Worker(client, [pass_on], concurrency=1, poll_interval=HOUR):
        backend.is_broken = True
        backend.wake()
        eventually(lambda: backend.failures >= 3)
        assert backend.failures < 20
        handle = client.enqueue(pass_on, 2)
        backend.is_broken = False
        eventually(lambda: not backend._woken.acquire(blocking=False))
        backend.wake()
        assert 2 == handle.result(SOON)


def test_a_listener_that_was_stopped_ends_though_it_is_sated_then(client):
    """A thread that claims meanwhile may be the last to say that there is no room."""
    worker = Worker(client, [hold_async])
    listener = Listener(worker._core(worker.settings, SystemClock(), time.monotonic), lambda: None, "late")
    assert listener.thread is not None
    listener.stop()
    listener.sate()
    listener.start()
    listener.thread.join(SECONDS)
    assert not listener.thread.is_alive()


def test_a_wait_that_begins_just_before_the_stop_is_ended():
    """``wake`` is for waits that have begun: it is said again until the thread is back."""
    client = Client(MemoryBackend())
    worker = Worker(client, [pass_on], poll_interval=HOUR)
    listener = Listener(worker._core(worker.settings, SystemClock(), time.monotonic), lambda: None, "late")
    listener.hungry.set()
    threads = [threading.Thread(target=listener.listen, args=(lambda: None,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    listener.stop()
    for thread in threads:
        thread.join(SECONDS)
    assert [False] * 3 == [thread.is_alive() for thread in threads]
    assert not listener.is_wanted
    assert State.READY is client.enqueue(pass_on, 1).state
