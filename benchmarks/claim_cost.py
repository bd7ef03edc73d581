"""What a claim costs in a store of a million tasks, as a multiple of what it costs among a thousand.

    python benchmarks/claim_cost.py [--rows 1000000] [--store sqlite|memory]

Three shapes of a large store: a million ready tasks; those with a million finished ones beside them; and two hundred
thousand future tasks of higher priority. The raw loop's own growth is shown beside ours. A claim here is: settle the
last 100, claim the next 100; the figure is the median of 50. Filling the stores takes a few minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import harness
import raw_sqlite
import workloads

from taskcore import Client
from taskcore.protocol import Change, ClaimRequest, Event
from taskcore_backends.memory import MemoryBackend

SMALL, BATCH, TIMES = 1_000, 100, 50
AT_MOST = 1.5


def claim_and_settle(client: Client, times: int) -> float:
    """Return the median seconds of settling 100 tasks and claiming the next 100, putting as many back in between."""
    backend = client.backend
    took: list[float] = []
    settles: list[Change] = []
    for _ in range(times):
        request = ClaimRequest(
            worker_id="bench",
            nonce=uuid4().hex,
            queue_names=("default",),
            limit=BATCH,
            lease=timedelta(minutes=5),
        )
        started = time.perf_counter()
        reply = backend.apply(settles, claim=request)
        took.append(time.perf_counter() - started)
        settles = [
            Change(task_id=each.id, event=Event.SUCCEED, fence=each.fence, value_json="1") for each in reply.claimed
        ]
        if len(settles) < BATCH:
            raise SystemExit(f"Only {len(settles)} tasks were claimed: the store is not as large as it should be.")
        client.enqueue_many(workloads.noop.bind(number) for number in range(BATCH))
    backend.apply(settles)
    return statistics.median(took)


@contextlib.contextmanager
def store(kind: str) -> Iterator[Client]:
    """Yield a client of an empty store."""
    if kind == "memory":
        yield Client(MemoryBackend())
        return
    with workloads.folder() as path, workloads.sqlite_client(path) as client:
        yield client


def finish(client: Client, count: int) -> None:
    """Settle ``count`` waiting tasks without running them."""
    for _ in range(count // 1000):
        claimed = client.backend.claim(
            ClaimRequest(
                worker_id="bench",
                nonce=uuid4().hex,
                queue_names=("default",),
                limit=1000,
                lease=timedelta(minutes=5),
            )
        )
        client.backend.apply([Change(task_id=each.id, event=Event.SUCCEED, fence=each.fence) for each in claimed])


def fill_ready(client: Client, rows: int) -> None:
    workloads.enqueue_bulk(client, rows)


def fill_finished(client: Client, rows: int) -> None:
    workloads.enqueue_bulk(client, rows)
    finish(client, rows)
    workloads.enqueue_bulk(client, rows)


def fill_future(client: Client, rows: int) -> None:
    later = workloads.noop.using(run_after=timedelta(days=1), priority=50)
    client.enqueue_many(later.bind(number) for number in range(rows // 5))
    workloads.enqueue_bulk(client, SMALL)


def raw_cost(rows: int) -> float:
    """Return the median seconds of the raw loop's settle and claim in a store of ``rows`` ready tasks."""
    with workloads.folder() as path, contextlib.closing(raw_sqlite.connect(path / "raw.db")) as connection:
        raw_sqlite.insert_bulk(connection, rows)
        took: list[float] = []
        finished: list[tuple[str, str, int]] = []
        for _ in range(TIMES):
            started = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(raw_sqlite.SETTLE, finished)
            claimed = raw_sqlite.claim(connection, BATCH)
            connection.execute("COMMIT")
            took.append(time.perf_counter() - started)
            finished = [("1", task_id, epoch) for task_id, epoch, _ in claimed]
            raw_sqlite.insert_bulk(connection, BATCH)
        return statistics.median(took)


SHAPES: dict[str, Callable[[Client, int], None]] = {
    "a million ready": fill_ready,
    "a million ready, a million finished": fill_finished,
    "200,000 future ones of higher priority": fill_future,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    options = parser.parse_args()
    print(f"{harness.describe_machine()}; {options.store}, {options.rows:,} rows\n")
    raw = raw_cost(options.rows) / raw_cost(SMALL) if options.store == "sqlite" else 1.0
    bound = max(AT_MOST, raw * 1.2)
    print("| store | small, ms | large, ms | growth | raw loop's growth | bound | met |\n|---|--:|--:|--:|--:|--:|---|")
    for name, fill in SHAPES.items():
        with store(options.store) as large, store(options.store) as small:
            fill(large, options.rows)
            fill_ready(small, SMALL)
            pairs = [(claim_and_settle(small, TIMES // 5), claim_and_settle(large, TIMES // 5)) for _ in range(5)]
        growth = statistics.median(b / a for a, b in pairs)
        small_ms, large_ms = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        met = "yes" if growth <= bound else "NO"
        print(
            f"| {name} | {small_ms:.2f} | {large_ms:.2f} | {growth:.2f} | {raw:.2f} | {bound:.2f} | {met} |", flush=True
        )


if __name__ == "__main__":
    main()
