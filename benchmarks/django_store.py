"""Throughput of the Django store on PostgreSQL: enqueue, in bulk, and run with results, against raw loops and peers.

    python benchmarks/django_store.py [--rounds 5] [--check] [--no-peers]

All use one server with its default durability (each commit is synced). django-tasks-db and django-q2 run as their
documentation advises for speed (``django_settings.py``, ``django_peers.py``), each in a process of its own; counted are
tasks whose completion is recorded. A peer that is not installed is named as left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import django_peers
import django_postgres
import harness
import raw_postgres
import workloads

from taskcore import Client

BULK, RUN, PEER = 20_000, 10_000, 300


class Contenders:
    """What is compared, in one site that each of them finds empty."""

    def __init__(self, site: django_postgres.Site) -> None:
        self.site = site

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Yield a client of an empty store."""
        from taskcore_backends.django import DjangoBackend

        self.site.empty()
        with contextlib.closing(DjangoBackend()) as backend:
            yield Client(backend)

    def ours_bulk(self) -> float:
        with self.client() as client:
            return workloads.enqueue_bulk(client, BULK)

    def ours_work(self) -> float:
        with self.client() as client:
            workloads.enqueue_bulk(client, RUN)
            self.site.settle()
            return workloads.run_all(client, RUN)

    @contextlib.contextmanager
    def connection(self) -> Iterator[raw_postgres.Connection]:
        """Yield a connection to an empty table of the raw loops."""
        self.site.empty()
        with self.site.connect() as connection:
            yield connection

    def raw_bulk(self) -> float:
        with self.connection() as connection:
            return raw_postgres.insert_bulk(connection, BULK)

    def raw_work(self) -> float:
        with self.connection() as connection:
            raw_postgres.insert_bulk(connection, RUN)
            self.site.settle()
            return raw_postgres.work(connection, RUN)

    def turns(self, name: str) -> harness.Turns:
        """Return our enqueue and a peer's, in one process and site."""
        from taskcore_backends.django import DjangoBackend

        client = Client(DjangoBackend())
        return harness.Turns(lambda number: client.enqueue(workloads.noop, number), django_peers.enqueuer(name))

    def peer(self, name: str) -> float:
        self.site.empty()
        found = django_peers.rate(name, PEER)
        assert found is not None  # it was there a moment ago
        return found


def comparisons(contenders: Contenders, peers: list[str]) -> Iterator[harness.Comparison]:
    """Give what is compared."""
    yield harness.Comparison(
        name="worker, no-op tasks, results stored; raw psycopg loop, 100 at a time",
        unit="tasks/s",
        ours=contenders.ours_work,
        theirs=contenders.raw_work,
        target=harness.Target(at_least=0.15),
    )
    yield harness.Comparison(
        name="enqueue_many; raw inserts by unnest, 1,000 a commit",
        unit="tasks/s",
        ours=contenders.ours_bulk,
        theirs=contenders.raw_bulk,
        target=harness.Target(at_least=0.3),
    )
    for name in peers:
        yield harness.Comparison(
            name=f"worker, no-op tasks, results stored; {name}",
            unit="tasks/s",
            ours=contenders.ours_work,
            theirs=lambda name=name: contenders.peer(name),  # type: ignore[misc]
            target=harness.Target(at_least=5.0),
        )
    for name in peers:
        turns = contenders.turns(name)
        yield harness.Comparison(
            name=f"enqueue one by one; {name}",
            unit="tasks/s",
            ours=partial(turns.rate, 0),
            theirs=partial(turns.rate, 1),
            target=harness.Target(at_least=1.0),
        )


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--no-peers", action="store_true", help="compare with the raw loops alone")
    options = parser.parse_args()
    with django_postgres.running() as site:
        with site.connect() as connection:
            raw_postgres.make_table(connection)
        wanted = [] if options.no_peers else list(django_peers.PEERS)
        peers = [name for name in wanted if django_peers.rate(name, 10) is not None]
        for name in set(wanted) - set(peers):
            print(f"{name} is left out: it is not installed.", flush=True)
        print(site.describe())
        harness.run(list(comparisons(Contenders(site), peers)), rounds=options.rounds, check=options.check)


if __name__ == "__main__":
    main()
