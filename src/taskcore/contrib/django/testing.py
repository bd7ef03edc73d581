"""For the tests of a site: tasks in memory, and run when the test says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.conf import settings
from django.test import override_settings

from taskcore._client import Client
from taskcore.contrib.django._options import taskcore_aliases
from taskcore.contrib.django._site import client, worker
from taskcore.protocol import Backend, Clock

__all__ = ["memory_storage", "run_tasks"]


@contextmanager
def memory_storage(*, clock: Clock | None = None) -> Generator[Client, None, None]:
    """Keep the tasks of all aliases in one empty memory storage within the block; yields its client.

    With a ``clock`` such as ``taskcore.testing.FakeClock`` the test decides what is due. ``enqueue_on_commit`` stays as
    it is: in a ``TestCase``, use ``captureOnCommitCallbacks(execute=True)``.
    """
    backend: Backend = import_module("taskcore_backends.memory").MemoryBackend(clock=clock)
    aliases = taskcore_aliases()
    tasks: dict[str, Any] = {**settings.TASKS}
    for alias in aliases:
        options = {**tasks[alias].get("OPTIONS", {}), "storage": backend}
        tasks[alias] = {**tasks[alias], "OPTIONS": options}
    with override_settings(TASKS=tasks), Client(backend) as made:
        yield made


def run_tasks(alias: str = "default") -> int:
    """Run all tasks of an alias that are due, of every queue, and what they enqueue; return how many runs there were.

    In the calling thread, so in a ``TestCase`` they see its transaction.
    """
    total = 0
    while True:
        names = [queue.name for queue in client(alias).stats().queues]
        ran = worker(alias, queue_names=names).drain() if names else 0
        if not ran:
            return total
        total += ran
