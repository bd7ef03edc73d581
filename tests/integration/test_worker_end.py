"""The end of a worker: when it is over, all has been told, and the last word in the store is that it has stopped."""

import threading
from datetime import timedelta

import pytest

from taskcore import Client, Worker, task
from taskcore.protocol import WorkerState
from taskcore.testing._wrapper import Wrapper
from taskcore_backends.memory import MemoryBackend

pytestmark = pytest.mark.integration

SOON = timedelta(seconds=20)


@task
def double(number: int) -> int:
    return 2 * number


def test_hooks_have_been_called_when_a_worker_has_ended():
    """The last one too, though the store had the result long before."""
    told, end = [], threading.Event()

    def hook(outcome):
        end.wait(0.3)
        told.append(outcome.value_json)

    client = Client(MemoryBackend())
    with Worker(client, [double], concurrency=1, on_outcome=[hook]) as worker:
        assert 4 == client.enqueue(double, 2).result(SOON)
    assert ["4"] == told
    assert [1] == [info.completed for info in client.workers() if info.id == worker.id]


def test_a_hook_that_never_comes_back_holds_no_worker(caplog, monkeypatch):
    """It is waited for, though not for ever; the log says so."""
    monkeypatch.setattr("taskcore._worker._engine._TOLD_WITHIN", 0.1)
    entered, end = threading.Event(), threading.Event()

    def hook(_outcome):
        entered.set()
        end.wait()

    client = Client(MemoryBackend())
    worker = Worker(client, [double], concurrency=1, on_outcome=[hook])
    worker.start()
    client.enqueue(double, 2)
    assert entered.wait(SOON.total_seconds())
    worker.stop()
    assert worker.join(SOON)
    end.set()
    assert "A hook has not come back" in caplog.text


class SlowToBeat(Wrapper):
    """A backend whose first beat takes until it is let go."""

    def __init__(self, inner):
        super().__init__(inner)
        self.begun, self.go, self.done = threading.Event(), threading.Event(), threading.Event()

    def beat(self, worker):
        if self.begun.is_set():
            return super().beat(worker)
        self.begun.set()
        self.go.wait()
        order = super().beat(worker)
        self.done.set()
        return order


def test_a_beat_on_its_way_is_not_the_last_word():
    """A worker that is stopped while it says that it runs is known to have stopped."""
    backend = SlowToBeat(MemoryBackend())
    client = Client(backend)
    worker = Worker(client, [double])
    worker.start()
    assert backend.begun.wait(SOON.total_seconds())
    worker.stop()
    worker.join(timedelta(seconds=0.5))
    backend.go.set()
    assert worker.join(SOON)
    assert backend.done.wait(SOON.total_seconds())
    assert [WorkerState.STOPPED] == [info.state for info in client.workers()]
