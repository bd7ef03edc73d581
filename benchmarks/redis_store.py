"""Throughput on Redis: enqueue one by one, in bulk, and run with results, against raw loops and peers.

    python benchmarks/redis_store.py [--rounds 5] [--check] [--peers fastest|all|none]

All use one server with an append-only file that is synced every second. The peers run as they advise for speed
(``redis_peers.py`` says how); one that is not installed is named as left out. By default only the two fastest run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import harness
import raw_redis
import redis_peers
import redis_server
import workloads

from taskcore import Client
from taskcore_backends.redis import RedisBackend

BULK, RUN, PEER = 50_000, 30_000, 3_000
FASTEST = ("huey", "dramatiq")


class Contenders:
    """What is compared, on one server that each of them finds empty."""

    def __init__(self, server: redis_server.Server) -> None:
        self.server = server

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Yield a client of an empty store."""
        self.server.empty()
        with contextlib.closing(RedisBackend(self.server.url)) as backend:
            yield Client(backend)

    def ours_bulk(self) -> float:
        with self.client() as client:
            return workloads.enqueue_bulk(client, BULK)

    def ours_work(self) -> float:
        with self.client() as client:
            workloads.enqueue_bulk(client, RUN)
            return workloads.run_all(client, RUN)

    def turns(self) -> harness.Turns:
        """Return our enqueue and the raw one, which take turns."""
        client = Client(RedisBackend(self.server.url))
        return harness.Turns(
            lambda number: client.enqueue(workloads.noop, number), raw_redis.enqueuer(self.server.client())
        )

    def raw_bulk(self) -> float:
        self.server.empty()
        with self.server.client() as client:
            return raw_redis.insert_bulk(client, BULK)

    def raw_work(self) -> float:
        self.server.empty()
        with self.server.client() as client:
            raw_redis.insert_bulk(client, RUN)
            return raw_redis.work(client, RUN)

    def peer(self, name: str) -> float:
        found = redis_peers.rate(name, self.server.url, PEER)
        assert found is not None  # it was there a moment ago
        return found


def comparisons(contenders: Contenders, peers: list[str]) -> Iterator[harness.Comparison]:
    """Give what is compared."""
    yield harness.Comparison(
        name="worker, no-op tasks, results stored; raw script, 100 at a time",
        unit="tasks/s",
        ours=contenders.ours_work,
        theirs=contenders.raw_work,
        target=harness.Target(at_least=0.25),
    )
    turns = contenders.turns()
    yield harness.Comparison(
        name="enqueue one by one; a raw script call a round trip",
        unit="tasks/s",
        ours=partial(turns.rate, 0),
        theirs=partial(turns.rate, 1),
        target=harness.Target(at_least=0.70),
    )
    yield harness.Comparison(
        name="enqueue_many; raw script calls, 1,000 a pipeline",
        unit="tasks/s",
        ours=contenders.ours_bulk,
        theirs=contenders.raw_bulk,
        target=harness.Target(at_least=0.5),
    )
    for name in peers:
        yield harness.Comparison(
            name=f"worker, no-op tasks, results stored; {name}",
            unit="tasks/s",
            ours=contenders.ours_work,
            theirs=lambda name=name: contenders.peer(name),  # type: ignore[misc]
            target=harness.Target(at_least=3.0),
        )


def installed(server: redis_server.Server, wanted: str) -> list[str]:
    """Return the peers that are to run, and are there."""
    names = {"all": tuple(redis_peers.PEERS), "fastest": FASTEST, "none": ()}[wanted]
    found = [name for name in names if redis_peers.rate(name, server.url, 100) is not None]
    for name in sorted(set(names) - set(found)):
        print(f"{name} is left out: it is not installed.", flush=True)
    return found


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--peers", choices=["fastest", "all", "none"], default="fastest")
    options = parser.parse_args()
    with redis_server.running() as server:
        peers = installed(server, options.peers)
        print(server.describe())
        harness.run(list(comparisons(Contenders(server), peers)), rounds=options.rounds, check=options.check)


if __name__ == "__main__":
    main()
