"""What a task takes of a Redis server's memory, and of its append-only file.

    python benchmarks/redis_memory.py [--count 100000] [--check]

``used_memory`` before and after so many tasks with one small argument, divided; beside it the raw loop, which stores a
record and an entry of one ZSET. The target is for waiting tasks.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from datetime import timedelta

import claim_cost
import harness
import raw_redis
import redis_server
import workloads

from taskcore import Client
from taskcore_backends.redis import RedisBackend

AT_MOST = 450


def fill_waiting(client: Client, count: int) -> None:
    workloads.enqueue_bulk(client, count)


def fill_future(client: Client, count: int) -> None:
    later = workloads.noop.using(run_after=timedelta(days=1))
    client.enqueue_many(later.bind(number) for number in range(count))


def fill_finished(client: Client, count: int) -> None:
    workloads.enqueue_bulk(client, count)
    claim_cost.finish(client, count)


def fill_unique(client: Client, count: int) -> None:
    client.enqueue_many(workloads.noop.using(unique_key=f"order-{n}").bind(n) for n in range(count))


def fill_text(client: Client, count: int) -> None:
    client.enqueue_many(workloads.noop.using(metadata={"note": "x" * 984}).bind(n) for n in range(count))


SHAPES: dict[str, Callable[[Client, int], None]] = {
    "waiting": fill_waiting,
    "waiting for a later moment": fill_future,
    "waiting, with a unique key": fill_unique,
    "waiting, with 1,000 bytes of metadata": fill_text,
    "finished, with its result": fill_finished,
}


def bytes_each(server: redis_server.Server, count: int, fill: Callable[[], object]) -> tuple[float, float]:
    """Return the bytes of memory and of the append-only file that each of ``count`` tasks took."""
    server.empty()
    memory, file = used(server)
    fill()
    more_memory, more_file = used(server)
    return (more_memory - memory) / count, (more_file - file) / count


def used(server: redis_server.Server) -> tuple[int, int]:
    return int(server.info("memory")["used_memory"]), int(server.info("persistence")["aof_current_size"])


def ours(server: redis_server.Server, count: int, fill: Callable[[Client, int], None]) -> tuple[float, float]:
    """Return both for tasks of our store."""

    def run() -> None:
        with contextlib.closing(RedisBackend(server.url)) as backend:
            fill(Client(backend), count)

    return bytes_each(server, count, run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--check", action="store_true", help="end with status 1 when the target is missed")
    options = parser.parse_args()
    with redis_server.running() as server, server.client() as client:
        print(f"{harness.describe_machine()}\n{server.describe()}; {options.count:,} tasks\n")
        print("| a task | memory, bytes | append-only file, bytes | target |\n|---|--:|--:|--:|")
        memory, file = bytes_each(server, options.count, lambda: raw_redis.insert_bulk(client, options.count))
        print(f"| waiting, in the raw loop | {memory:.0f} | {file:.0f} | |", flush=True)
        figures = {}
        for name, fill in SHAPES.items():
            figures[name], file = ours(server, options.count, fill)
            target = f"≤ {AT_MOST}" if name == "waiting" else ""
            print(f"| {name} | {figures[name]:.0f} | {file:.0f} | {target} |", flush=True)
    if options.check and figures["waiting"] > AT_MOST:
        sys.exit(1)


if __name__ == "__main__":
    main()
