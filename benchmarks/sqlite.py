"""Throughput on SQLite: enqueue one by one, in bulk, and run with results, against raw loops and huey.

python benchmarks/sqlite.py [--rounds 5] [--check]
"""

from __future__ import annotations

import contextlib

import harness
import raw_sqlite
import workloads

EACH, BULK, RUN, PEER = 5_000, 50_000, 30_000, 3_000


def ours_each() -> float:
    with workloads.folder() as path, workloads.sqlite_client(path) as client:
        return workloads.enqueue_each(client, EACH)


def raw_each() -> float:
    with workloads.folder() as path, contextlib.closing(raw_sqlite.connect(path / "raw.db")) as connection:
        return raw_sqlite.insert_each(connection, EACH)


def ours_bulk() -> float:
    with workloads.folder() as path, workloads.sqlite_client(path) as client:
        return workloads.enqueue_bulk(client, BULK)


def raw_bulk() -> float:
    with workloads.folder() as path, contextlib.closing(raw_sqlite.connect(path / "raw.db")) as connection:
        return raw_sqlite.insert_bulk(connection, BULK)


COMPARISONS = [
    harness.Comparison(
        name="worker, no-op tasks, results stored; raw loop, 100 at a time",
        unit="tasks/s",
        ours=lambda: workloads.sqlite_work(RUN),
        theirs=lambda: workloads.raw_work(RUN),
        target=harness.Target(at_least=0.20),
    ),
    harness.Comparison(
        name="worker, no-op tasks, results stored; huey's SqliteHuey",
        unit="tasks/s",
        ours=lambda: workloads.sqlite_work(RUN),
        theirs=lambda: workloads.huey_work(PEER),
        target=harness.Target(at_least=8.0),
    ),
    harness.Comparison(
        name="enqueue one by one; a raw insert a commit",
        unit="tasks/s",
        ours=ours_each,
        theirs=raw_each,
        target=harness.Target(at_least=0.35),
    ),
    harness.Comparison(
        name="enqueue_many; raw inserts, 1,000 a commit",
        unit="tasks/s",
        ours=ours_bulk,
        theirs=raw_bulk,
        target=harness.Target(at_least=0.35),
    ),
]

if __name__ == "__main__":
    options = harness.arguments(__doc__)
    harness.run(COMPARISONS, rounds=options.rounds, check=options.check)
