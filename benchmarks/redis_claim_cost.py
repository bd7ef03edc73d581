"""What a claim costs among a million tasks in Redis, as a multiple of what it costs among a thousand.

    python benchmarks/redis_claim_cost.py [--rows 1000000] [--check]

The same shapes and the same claim (settle 100, claim 100) as in ``claim_cost.py``; the large store and the small one
are namespaces of one server. A million waiting tasks are about 400 MB; filling takes minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Callable

import claim_cost
import harness
import redis_server

from taskcore import Client
from taskcore_backends.redis import RedisBackend

AT_MOST = 1.3
ROUNDS = 7


def measure(server: redis_server.Server, fill: Callable[[Client, int], None], rows: int) -> tuple[float, float, float]:
    """Return the milliseconds of a claim in the small and in the large store, and the growth."""
    server.empty()
    with (
        contextlib.closing(RedisBackend(server.url, namespace="large")) as large_backend,
        contextlib.closing(RedisBackend(server.url, namespace="small")) as small_backend,
    ):
        large, small = Client(large_backend), Client(small_backend)
        fill(large, rows)
        claim_cost.fill_ready(small, claim_cost.SMALL)
        times = claim_cost.TIMES // 5
        pairs = [
            (claim_cost.claim_and_settle(small, times), claim_cost.claim_and_settle(large, times))
            for _ in range(ROUNDS)
        ]
    growth = statistics.median(b / a for a, b in pairs)
    small_ms, large_ms = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    return small_ms, large_ms, growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--check", action="store_true", help="end with status 1 when the bound is missed")
    options = parser.parse_args()
    missed = False
    with redis_server.running() as server:
        print(f"{harness.describe_machine()}\n{server.describe()}; {options.rows:,} rows\n")
        print("| store | small, ms | large, ms | growth | bound | met |\n|---|--:|--:|--:|--:|---|")
        for name, fill in claim_cost.SHAPES.items():
            small, large, growth = measure(server, fill, options.rows)
            is_met = growth <= AT_MOST
            missed |= not is_met
            print(
                f"| {name} | {small:.2f} | {large:.2f} | {growth:.2f} | {AT_MOST:g} | {'yes' if is_met else 'NO'} |",
                flush=True,
            )
    if options.check and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
