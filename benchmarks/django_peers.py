"""The peers in a Django site on PostgreSQL: each in a process of its own, no-op tasks, their recorded completions.

    DJANGO_SETTINGS_MODULE=django_settings TASKCORE_BENCHMARK_POSTGRES=postgresql://… \
        python benchmarks/django_peers.py django-tasks-db 1000

prints its tasks a second; status 3 says that the peer is not installed. How fast they enqueue is measured in the
process of the benchmark, which is the same site. ``django_settings.py`` says how they are set up.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["PEERS", "enqueuer", "rate"]

NOT_INSTALLED = 3
PATIENCE = 120.0


def echo(number: int) -> int:
    """Return what it is given."""
    return number


def enqueue_tasks_db() -> Callable[[int], object]:
    """django-tasks-db: a task of Django's own."""
    import django_peers  # a task is found again by the name of its module, which is not __main__

    tasks = import_module("django.tasks" if find_spec("django.tasks") else "django_tasks")
    defined: Any = django_peers.echo
    if not hasattr(defined, "enqueue"):
        defined = django_peers.echo = tasks.task()(defined)
    enqueue: Callable[[int], object] = defined.enqueue
    return enqueue


def enqueue_q2() -> Callable[[int], object]:
    """django-q2: its async_task."""
    from django_q.tasks import async_task

    return partial(async_task, "operator.pos")


def tasks_db(count: int) -> float:
    """django-tasks-db: its worker in batch mode, which looks for the next task at once."""
    from django_tasks_db.management.commands.db_worker import Worker
    from django_tasks_db.models import DBTaskResult

    enqueue = enqueue_tasks_db()
    for number in range(count):
        enqueue(number)
    worker = Worker(
        queue_names=["default"],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id="benchmark",
        excluded_queue_names=[],
    )
    started = time.perf_counter()
    worker.run()
    took = time.perf_counter() - started
    found: int = DBTaskResult.objects.successful().count()
    if found != count:
        raise SystemExit(f"{found} of {count} tasks have succeeded")
    return count / took


def q2(count: int) -> float:
    """django-q2: its cluster with one worker process; the clock starts when the first completion is recorded."""
    from django.db import connections
    from django_q.cluster import Cluster
    from django_q.models import Success

    enqueue = enqueue_q2()
    for number in range(count):
        enqueue(number)
    connections.close_all()  # its processes are forked
    cluster = Cluster()
    cluster.start()
    deadline = time.monotonic() + PATIENCE
    before = found = 0
    while not before and time.monotonic() < deadline:
        time.sleep(0.002)
        before = int(Success.objects.count())
    started = time.perf_counter()
    while found < count and time.monotonic() < deadline:
        time.sleep(0.02)
        found = int(Success.objects.count())
    took = time.perf_counter() - started
    cluster.stop()
    if found < count:
        raise SystemExit(f"{found} of {count} tasks have succeeded")
    return (count - before) / took


PEERS: dict[str, Callable[[int], float]] = {"django-tasks-db": tasks_db, "django-q2": q2}
ENQUEUERS = {"django-tasks-db": enqueue_tasks_db, "django-q2": enqueue_q2}


def enqueuer(name: str) -> Callable[[int], object]:
    """Return what enqueues a no-op task with a peer, in the site of this process."""
    logging.getLogger("django-q").disabled = True
    return ENQUEUERS[name]()


def rate(name: str, count: int) -> float | None:
    """Return a peer's tasks a second, measured in a new process; ``None`` when it is not installed."""
    done = subprocess.run(
        [sys.executable, Path(__file__), name, str(count)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode == NOT_INSTALLED:
        return None
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stdout}")
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Run one peer."""
    import django

    name, count = sys.argv[1], int(sys.argv[2])
    logging.disable(logging.WARNING)
    django.setup()
    try:
        found = PEERS[name](count)
    except ImportError:
        raise SystemExit(NOT_INSTALLED) from None
    os.write(1, f"\n{found}\n".encode())


if __name__ == "__main__":
    main()
