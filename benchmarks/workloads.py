"""The same small jobs for every benchmark: a no-op task, stores to put it in, and the peer measured beside us."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import raw_sqlite

from taskcore import Client, Worker, task
from taskcore_backends.sqlite import SQLiteBackend


@task
def noop(number: int) -> int:
    """Return what it is given: all the time that is measured is the queue's."""
    return number


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Yield an empty directory that is deleted afterwards."""
    path = Path(tempfile.mkdtemp(prefix="taskcore-benchmark-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def sqlite_client(path: Path) -> Iterator[Client]:
    """Yield a client of a SQLite store with the default durability (WAL, synchronous=NORMAL)."""
    with contextlib.closing(SQLiteBackend(path / "taskcore.db")) as backend:
        yield Client(backend)


def enqueue_each(client: Client, count: int) -> float:
    """Enqueue one by one; return tasks a second."""
    started = time.perf_counter()
    for number in range(count):
        client.enqueue(noop, number)
    return count / (time.perf_counter() - started)


def enqueue_bulk(client: Client, count: int) -> float:
    """Enqueue with one call of enqueue_many; return tasks a second."""
    started = time.perf_counter()
    client.enqueue_many(noop.bind(number) for number in range(count))
    return count / (time.perf_counter() - started)


def run_all(client: Client, count: int, concurrency: int = 1) -> float:
    """Run ``count`` waiting tasks in a worker of this process, until the store is empty; return tasks a second."""
    worker = Worker(client, [noop], concurrency=concurrency, lease=timedelta(seconds=60))
    started = time.perf_counter()
    worker.run(burst=True)
    return count / (time.perf_counter() - started)


def sqlite_work(count: int) -> float:
    """Tasks a second of our worker on SQLite, results stored."""
    with folder() as path, sqlite_client(path) as client:
        enqueue_bulk(client, count)
        return run_all(client, count)


def raw_work(count: int) -> float:
    """Tasks a second of the raw loop that settles and claims 100 at a time."""
    with folder() as path, contextlib.closing(raw_sqlite.connect(path / "raw.db")) as connection:
        raw_sqlite.insert_bulk(connection, count)
        return raw_sqlite.work(connection, count)


def huey_work(count: int) -> float:
    """Tasks a second of huey's consumer on SQLite with one thread, results stored."""
    from huey import SqliteHuey

    with folder() as path:
        huey = SqliteHuey(filename=str(path / "huey.db"))

        @huey.task()  # type: ignore[untyped-decorator]
        def echo(number: int) -> int:
            return number

        for number in range(count):
            echo(number)
        consumer = huey.create_consumer(workers=1, worker_type="thread", periodic=False, initial_delay=0.001)
        started = time.perf_counter()
        consumer.start()
        while huey.result_count() < count:
            time.sleep(0.005)
        took = time.perf_counter() - started
        consumer.stop(graceful=True)
        return count / took
