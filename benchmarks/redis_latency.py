"""How soon an idle worker on Redis starts a task, and how little it and the server do while there is none.

    python benchmarks/redis_latency.py [--samples 300] [--check]

From just before ``enqueue`` to the first line of the task, by one monotonic clock that all processes share; medians and
99th percentiles. "Another process" has a worker of its own, woken through the server.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import time
from multiprocessing.synchronize import Event as ProcessEvent

import harness
import latency
import redis_server

from taskcore import Client
from taskcore_backends.redis import RedisBackend

IDLE = 5.0


def work_elsewhere(url: str, ready: ProcessEvent, stop: ProcessEvent, cpu: object) -> None:
    """Run a worker in a process of its own; measure the processor time of its idle seconds when asked to."""
    with contextlib.closing(RedisBackend(url)) as backend, latency.working(Client(backend)):
        time.sleep(0.5)
        ready.set()
        stop.wait()
        before = time.process_time()
        time.sleep(IDLE)
        cpu.value = (time.process_time() - before) / IDLE  # type: ignore[attr-defined]


def across_processes(server: redis_server.Server, count: int) -> tuple[list[float], float, float]:
    """Return samples against a worker elsewhere; when that is idle: its share of a processor, round trips a second."""
    context = multiprocessing.get_context("spawn")
    ready, stop, cpu = context.Event(), context.Event(), context.Value("d", 0.0)
    process = context.Process(target=work_elsewhere, args=(server.url, ready, stop, cpu))
    process.start()
    ready.wait()
    with contextlib.closing(RedisBackend(server.url)) as backend:
        took = latency.sample(Client(backend), count)
    stop.set()
    before = round_trips(server)
    process.join()
    return took, cpu.value, (round_trips(server) - before) / IDLE


def round_trips(server: redis_server.Server) -> int:
    """Return how many scripts and blocking reads the server has been asked for."""
    found = server.info("commandstats")
    return sum(found.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval", "bzpopmin"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--check", action="store_true", help="end with status 1 when a bound is missed")
    options = parser.parse_args()
    with redis_server.running() as server:
        print(f"{harness.describe_machine()}\n{server.describe()}\n")
        print("| what | measured | bound | met |\n|---|--:|--:|---|")
        with contextlib.closing(RedisBackend(server.url)) as backend, latency.working(Client(backend)):
            same = latency.sample(Client(backend), options.samples)
        is_met = latency.latency("enqueue to start, Redis, same process", same, 2)
        server.empty()
        took, cpu, trips = across_processes(server, options.samples)
        is_met &= latency.latency("enqueue to start, Redis, another process", took, 2)
        is_met &= latency.row("idle worker, share of a processor", cpu * 100, "%", 1)
        is_met &= latency.row("idle worker, round trips", trips, "a second", 10)
    if options.check and not is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
