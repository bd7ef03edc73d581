"""Throughput in memory: enqueue and run, each against a pure-Python loop that does both.

python benchmarks/memory.py [--rounds 5] [--check]
"""

from __future__ import annotations

import harness
import raw_memory
import workloads

from taskcore import Client
from taskcore_backends.memory import MemoryBackend

COUNT = 30_000


def enqueue() -> float:
    return workloads.enqueue_each(Client(MemoryBackend()), COUNT)


def run() -> float:
    client = Client(MemoryBackend())
    workloads.enqueue_bulk(client, COUNT)
    return workloads.run_all(client, COUNT)


COMPARISONS = [
    harness.Comparison(
        name=name,
        unit="tasks/s",
        ours=ours,
        theirs=lambda: raw_memory.loop(COUNT),
        target=harness.Target(at_least=0.20),
    )
    for name, ours in (("enqueue; push and run in pure Python", enqueue), ("run; push and run in pure Python", run))
]

if __name__ == "__main__":
    options = harness.arguments(__doc__)
    harness.run(COMPARISONS, rounds=options.rounds, check=options.check)
