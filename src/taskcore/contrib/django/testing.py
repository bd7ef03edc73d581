"""For the tests of a site: tasks in memory, and run when the test says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import attrs
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore.contrib.django._definitions import site_definitions
from taskcore.contrib.django._options import alias_options, taskcore_aliases
from taskcore.contrib.django._site import client, worker_of
from taskcore.protocol import Backend, Capability, Clock

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

    In the calling thread, so in a ``TestCase`` they see its transaction. A task with ``atomic=True`` runs in a
    transaction of its own, also on a storage that could not commit its success with it.
    """
    options = alias_options(alias)
    backend = client(alias).backend
    definitions = site_definitions(options)
    if Capability.TRANSACTIONS not in backend.capabilities:
        definitions = [_in_transaction(one) if one.is_atomic else one for one in definitions]
    total = 0
    while True:
        names = [queue.name for queue in backend.stats().queues]
        ran = worker_of(options, definitions, {"queue_names": names}).drain() if names else 0
        if not ran:
            return total
        total += ran


def _in_transaction(definition: TaskDefinition[..., object]) -> TaskDefinition[..., object]:
    return attrs.evolve(definition, function=transaction.atomic(definition.function), is_atomic=False)
