"""Runs tasks in the calling thread, from all queues that there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore._worker import Worker

__all__ = ["drain_all"]


def drain_all(client: Client, definitions: Iterable[TaskDefinition[..., Any]]) -> int:
    """Run what is due of these definitions, until nothing is; return how many tasks were run."""
    jobs = list(definitions)
    total = 0
    while True:
        # A task may enqueue into a queue that was not there before, so the queues are asked for each time.
        names = [queue.name for queue in client.stats().queues]
        ran = Worker(client, jobs, queue_names=names or None).drain()
        if not ran:
            return total
        total += ran
