"""Waiting threads are told, and no hint is lost."""

import threading
from datetime import timedelta

import pytest

from taskcore.errors import BackendClosed
from taskcore.protocol import (
    Event,
)
from tests.unit.records_store import SECOND, Store


@pytest.fixture
def store():
    return Store()


def in_thread(call):
    """Start a call; return what waits for its answer."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()

    def answer():
        thread.join(10)
        return answers[0]

    return answer


def registered(backend):
    """Return once a thread waits on the backend."""
    while not backend._waiters._waiting:
        pass


MINUTE = timedelta(minutes=1)


def test_wait_ends_with_a_task_of_the_queue(store):
    """A waiting thread is told of a new task of its queue."""
    answer = in_thread(lambda: store.backend.wait(["default"], MINUTE))
    registered(store.backend)
    store.add()
    assert True is answer()


def test_wait_does_not_begin_when_there_is_a_task(store):
    """What was added before the wait ends it at once; a paused queue's tasks do not."""
    store.add()
    assert True is store.backend.wait(["default"], MINUTE)
    store.backend.pause("default")
    assert False is store.backend.wait(["default"], timedelta(0))
    answer = in_thread(lambda: store.backend.wait(["default"], MINUTE))
    registered(store.backend)
    store.backend.resume("default")
    assert True is answer()


def test_wait_is_told_of_what_is_due_by_itself(store):
    """A delay, a lease or an expiry that is over is something to claim for."""
    store.add(run_after=store.clock.now() + SECOND)
    assert False is store.backend.wait(["default"], timedelta(0))
    store.clock.advance(SECOND)
    assert True is store.backend.wait(["default"], timedelta(0))


def test_wait_finished_ends_with_the_finish(store):
    """A thread that waits for a task or group is told when it finishes."""
    group_id, _ = store.group(1)
    (task,) = store.claim()
    answers = [
        in_thread(lambda: store.backend.wait_finished([task.id], MINUTE)),
        in_thread(lambda: store.backend.wait_finished([group_id], MINUTE)),
    ]
    while len(store.backend._waiters._waiting) < 2:
        pass
    store.apply(Event.SUCCEED, task)
    assert [True, True] == [answer() for answer in answers]
    assert True is store.backend.wait_finished([task.id], timedelta(0))
    assert True is store.backend.wait_finished(["gone"], timedelta(0))


def test_wake_ends_waits_and_is_not_lost_between_them(store):
    """wake() ends a wait; one that comes between two waits of a thread ends the second."""
    started, go_on = threading.Event(), threading.Event()

    def waits():
        first = store.backend.wait(["default"], MINUTE)
        started.set()
        go_on.wait(10)
        return first, store.backend.wait(["default"], MINUTE)

    answer = in_thread(waits)
    registered(store.backend)
    store.backend.wake()
    started.wait(10)
    store.backend.wake()
    go_on.set()
    assert (False, False) == answer()


def test_close_ends_waits(store):
    """A wait that is under way when the backend is closed returns; every later call raises BackendClosed."""
    answer = in_thread(lambda: store.backend.wait(["default"], MINUTE))
    registered(store.backend)
    store.backend.close()
    store.backend.close()
    assert False is answer()
    for call in (
        lambda: store.backend.add([]),
        store.claim,
        store.backend.now,
        store.backend.wake,
        store.backend.workers,
        lambda: store.backend.wait(["default"], SECOND),
    ):
        with pytest.raises(BackendClosed):
            call()
