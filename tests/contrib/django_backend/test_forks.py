"""A process that forks, and its child, each have connections of their own."""

import os
import signal
import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest

from taskcore import Client, task
from taskcore_backends.django import DjangoBackend
from tests.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


PATIENCE = timedelta(seconds=30)


@task
def plain(number: int) -> int:
    return number


def test_a_forked_child_uses_connections_of_its_own(database):
    """Both go on enqueueing after a fork, and the end of the child ends no session of its parent."""
    with Client(DjangoBackend(database.alias)) as client:
        client.enqueue(plain, 0)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in range(1, 21):
                    client.enqueue(plain, number)
                client.close()
                code = 0
            finally:
                os._exit(code)
        for number in range(21, 41):
            client.enqueue(plain, number)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        client.enqueue(plain, 41)
        assert 42 == sum(sum(queue.counts.values()) for queue in client.stats().queues)


def ended(child):
    """Return the exit code of a child, which is killed when it takes too long."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_waits_and_listens_by_itself(database):
    """Forked while a thread waits, and others hold the locks of those who wait: parent and child both are told."""
    heard = []
    with Client(DjangoBackend(database.alias)) as client:
        backend = client.backend
        waiting = threading.Thread(target=lambda: heard.append(backend.wait(["parents"], PATIENCE)))
        waiting.start()
        eventually(backend._waiting.waiters)
        with ExitStack() as held:
            held.enter_context(backend._waiting._lock)
            if backend._waiting.listening is not None:
                held.enter_context(backend._waiting.listening._lock)
            child = os.fork()
        if child == 0:
            code = 1
            try:
                is_told = backend.wait(["childs"], PATIENCE)
                client.enqueue(plain.using(queue_name="parents"), 1)
                client.close()
                code = 0 if is_told else 2
            finally:
                os._exit(code)
        client.enqueue(plain.using(queue_name="childs"), 2)
        waiting.join(PATIENCE.total_seconds())
        assert ([True], 0) == (heard, ended(child))
