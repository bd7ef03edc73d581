"""A process that forks, and its child, each have connections of their own."""

import os

import pytest

from taskcore import Client, task
from taskcore_backends.django import DjangoBackend

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


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
