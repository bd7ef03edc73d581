"""How soon an idle worker starts a task, how little it does while idle, and how long importing taskcore takes.

    python benchmarks/latency.py [--samples 300]

Times are from just before ``enqueue`` to the first line of the task, by one monotonic clock that all processes of a
machine share; medians and 99th percentiles.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path

import harness
import raw_sqlite
import workloads

from taskcore import Client, Worker, task
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend

PAUSE = 0.01
IDLE = 10.0


@task
def started_at() -> int:
    """Return the moment that it runs."""
    return time.monotonic_ns()


def sample(client: Client, count: int) -> list[float]:
    """Return the milliseconds from enqueue to start of ``count`` tasks, one at a time."""
    took = []
    for _ in range(count):
        time.sleep(PAUSE)
        before = time.monotonic_ns()
        took.append((client.enqueue(started_at).result() - before) / 1e6)
    return took


@contextlib.contextmanager
def working(client: Client) -> Iterator[None]:
    """Have a worker of this process run while the block does."""
    worker = Worker(client, [started_at])
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def work_elsewhere(path: str, doorbell: bool, ready: ProcessEvent, stop: ProcessEvent, cpu: object) -> None:
    """Run a worker in a process of its own; measure the processor time of its idle seconds when asked to."""
    client = Client(SQLiteBackend(path, doorbell=doorbell))
    with working(client):
        time.sleep(0.5)
        ready.set()
        stop.wait()
        before = time.process_time()
        time.sleep(IDLE)
        cpu.value = (time.process_time() - before) / IDLE  # type: ignore[attr-defined]


def across_processes(count: int, doorbell: bool) -> tuple[list[float], float]:
    """Return samples against a worker in another process, and the share of a processor that it takes when idle."""
    context = multiprocessing.get_context("spawn")
    with workloads.folder() as folder:
        path = str(folder / "taskcore.db")
        ready, stop, cpu = context.Event(), context.Event(), context.Value("d", 0.0)
        process = context.Process(target=work_elsewhere, args=(path, doorbell, ready, stop, cpu))
        process.start()
        ready.wait()
        with contextlib.closing(SQLiteBackend(path, doorbell=doorbell)) as backend:
            took = sample(Client(backend), count)
        stop.set()
        process.join()
        return took, cpu.value


def import_seconds(statement: str) -> float:
    """Return the median seconds that an import of compiled modules adds to a new interpreter."""
    source = Path(__file__).parent.parent / "src"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    took: dict[str, list[float]] = {"pass": [], statement: []}
    with workloads.folder() as compiled:
        for _ in range(8):
            for code, seconds in took.items():
                script = f"import sys; sys.path.insert(0, {str(source)!r}); {code}"
                before = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-X", f"pycache_prefix={compiled}", "-c", script], check=True, env=environment
                )
                seconds.append(time.perf_counter() - before)
    return statistics.median(took[statement][1:]) - statistics.median(took["pass"][1:])


def row(name: str, value: float, unit: str, bound: float, more: str = "") -> bool:
    """Print a line of the table; return whether the bound is met."""
    print(
        f"| {name} | {value:.3g} {unit}{more} | < {bound:g} {unit} | {'yes' if value < bound else 'NO'} |", flush=True
    )
    return value < bound


def latency(name: str, took: list[float], bound: float) -> bool:
    """Print the median of samples; return whether it is below the bound."""
    worst = sorted(took)[int(len(took) * 0.99) - 1]
    return row(name, statistics.median(took), "ms", bound, f" (p99 {worst:.3g} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300)
    count = parser.parse_args().samples
    print(f"{harness.describe_machine()}\n\n| what | measured | bound | met |\n|---|--:|--:|---|")
    memory = Client(MemoryBackend())
    with working(memory):
        latency("enqueue to start, in memory", sample(memory, count), 1)
    with workloads.folder() as path, workloads.sqlite_client(path) as client, working(client):
        latency("enqueue to start, SQLite, same process", sample(client, count), 1)
    with workloads.folder() as path:
        raw = raw_sqlite.start_latencies(path / "raw.db", count, PAUSE)
    print(f"| the raw loop's insert to claim, SQLite, two threads | {statistics.median(raw):.3g} ms | | |", flush=True)
    for doorbell, bound in ((True, 3), (False, 15)):
        took, cpu = across_processes(count, doorbell)
        name = "with the doorbell" if doorbell else "without it"
        latency(f"enqueue to start, SQLite, another process, {name}", took, bound)
        if doorbell:
            row("idle worker, share of a processor", cpu * 100, "%", 1)
    row("import taskcore", import_seconds("import taskcore") * 1000, "ms", 100)
    used = "from taskcore import Client, Worker, task; from taskcore_backends.sqlite import SQLiteBackend"
    print(f"| import all that a worker on SQLite uses | {import_seconds(used) * 1000:.3g} ms | | |", flush=True)


if __name__ == "__main__":
    main()
