"""How soon an idle worker on PostgreSQL starts a task that a Django site has enqueued.

    python benchmarks/django_latency.py [--samples 100] [--check]

From just before ``enqueue`` to the first line of the task, by one monotonic clock that all processes share; medians and
99th percentiles. Part of it is the commit, which is synced to the disk: it is shown beside. "Another process" has a
worker of its own, told by NOTIFY, or, in the last line, only looking every 50 milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import time
from multiprocessing.synchronize import Event as ProcessEvent

import django_postgres
import harness
import latency

from taskcore import Client


def work_elsewhere(listen: bool, ready: ProcessEvent, stop: ProcessEvent) -> None:
    """Run a worker in a process of its own."""
    import django

    django.setup()
    from taskcore_backends.django import DjangoBackend

    with contextlib.closing(DjangoBackend(listen=listen)) as backend, latency.working(Client(backend)):
        time.sleep(1.0)
        ready.set()
        stop.wait()


def across_processes(count: int, *, listen: bool) -> list[float]:
    """Return samples against a worker elsewhere."""
    from taskcore_backends.django import DjangoBackend

    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=work_elsewhere, args=(listen, ready, stop))
    process.start()
    ready.wait()
    with contextlib.closing(DjangoBackend(listen=listen)) as backend:
        took = latency.sample(Client(backend), count)
    stop.set()
    process.join()
    return took


def commits(site: django_postgres.Site, count: int) -> list[float]:
    """Return the milliseconds of commits of one row."""
    took = []
    with site.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS commits (number int)")
        for number in range(count):
            time.sleep(latency.PAUSE)
            before = time.monotonic_ns()
            connection.execute("INSERT INTO commits VALUES (%s)", (number,))
            took.append((time.monotonic_ns() - before) / 1e6)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--check", action="store_true", help="end with status 1 when a bound is missed")
    options = parser.parse_args()
    with django_postgres.running() as site:
        from taskcore_backends.django import DjangoBackend

        print(f"{harness.describe_machine()}\n{site.describe()}\n")
        print("| what | measured | bound | met |\n|---|--:|--:|---|")
        latency.latency("a commit of one row by psycopg, for comparison", commits(site, options.samples), 10)
        with contextlib.closing(DjangoBackend()) as backend, latency.working(Client(backend)):
            same = latency.sample(Client(backend), options.samples)
        is_met = latency.latency("enqueue to start, PostgreSQL, same process", same, 10)
        took = across_processes(options.samples, listen=True)
        is_met &= latency.latency("enqueue to start, PostgreSQL, another process", took, 10)
        took = across_processes(options.samples, listen=False)
        latency.latency("the same without LISTEN", took, 60)
    if options.check and not is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
