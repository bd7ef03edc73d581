"""What a claim costs in a PostgreSQL table full of other tasks, as a multiple of what it costs in an empty one.

    python benchmarks/django_claim_cost.py [--scale 1.0] [--check]

The full table has 1,000,000 finished, 200,000 future tasks of higher priority, and 100,000 ready ones (times
``--scale``). A claim is what ``claim_cost.py`` measures: settle the last 100, claim the next 100. The two take turns on
one server: the small store is in a database of its own. The rows are copies, made by the server, of a thousand that the
store itself has written; then the planner is given its statistics, as autovacuum would.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from datetime import timedelta

import claim_cost
import django_postgres
import harness
import workloads

from taskcore import Client

AT_MOST = 1.5
ROUNDS = 7
SEED = 1_000
FINISHED, FUTURE, READY = 1_000, 200, 100


def multiply(site: django_postgres.Site, code: int, times: int) -> None:
    """Have each task with this code ``times`` times, by ids of its own."""
    from taskcore_backends.django.models import Task

    columns = [field.column for field in Task._meta.concrete_fields]
    copied = ", ".join(f'"{column}"' for column in columns if column != "id")
    with site.connect() as connection:
        connection.execute(
            f"INSERT INTO taskcore_task (id, {copied}) SELECT md5(id || copy)::text, {copied}"
            f" FROM taskcore_task, generate_series(2, {times}) AS copy WHERE code = {code}".encode()
        )


def fill(site: django_postgres.Site, client: Client, scale: float) -> None:
    """Make the full table."""
    from taskcore.records.columns import DUE, LATER, SUCCESSFUL

    workloads.enqueue_bulk(client, SEED)
    claim_cost.finish(client, SEED)
    multiply(site, SUCCESSFUL, int(FINISHED * scale))
    later = workloads.noop.using(run_after=timedelta(days=1), priority=50)
    client.enqueue_many(later.bind(number) for number in range(SEED))
    multiply(site, LATER, int(FUTURE * scale))
    workloads.enqueue_bulk(client, SEED)
    multiply(site, DUE, int(READY * scale))


def measure(site: django_postgres.Site, scale: float) -> tuple[float, float, float]:
    """Return the milliseconds of a claim in the small and in the large table, and the growth."""
    from taskcore_backends.django import DjangoBackend

    with (
        contextlib.closing(DjangoBackend(using="default")) as full_backend,
        contextlib.closing(DjangoBackend(using="small")) as small_backend,
    ):
        full, small = Client(full_backend), Client(small_backend)
        fill(site, full, scale)
        claim_cost.fill_ready(small, claim_cost.SMALL)
        site.settle()
        times = claim_cost.TIMES // 5
        pairs = [
            (claim_cost.claim_and_settle(small, times), claim_cost.claim_and_settle(full, times)) for _ in range(ROUNDS)
        ]
    growth = statistics.median(b / a for a, b in pairs)
    small_ms, full_ms = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    return small_ms, full_ms, growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--check", action="store_true", help="end with status 1 when the bound is missed")
    options = parser.parse_args()
    with django_postgres.running() as site:
        rows = ", ".join(f"{int(SEED * times * options.scale):,}" for times in (FINISHED, FUTURE, READY))
        print(f"{harness.describe_machine()}\n{site.describe()}; {rows} finished, future, ready\n")
        small, full, growth = measure(site, options.scale)
        is_met = growth <= AT_MOST
        print("| empty but for 1,000, ms | full, ms | growth | bound | met |\n|--:|--:|--:|--:|---|")
        print(f"| {small:.2f} | {full:.2f} | {growth:.2f} | {AT_MOST:g} | {'yes' if is_met else 'NO'} |", flush=True)
    if options.check and not is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
