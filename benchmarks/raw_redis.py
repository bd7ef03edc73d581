"""The raw limits that the Redis backend is measured against: three loops of redis-py over two small scripts.

One hash of packed records, a ZSET of what is ready, a ZSET of leases; the server's clock; settling compares the epoch.
That is what a careful person would write by hand without renewal of leases, retries, delays, several queues, unique
keys, groups, wake-ups, counts, or anything else. A worker brings 100 results and takes the next 100 in one round trip.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import getrandbits
from typing import Any

import redis

KEYS = ("raw:tasks", "raw:ready", "raw:leases")


def script(client: redis.Redis, name: str) -> str:
    """Send a script to the server; return its digest."""
    digest: Any = client.script_load((Path(__file__).parent / f"{name}.lua").read_text())
    return str(digest)


def _arguments(number: int) -> tuple[str, str, int, str]:
    return f"{time.time_ns():016x}{getrandbits(64):016x}", "default", 0, json.dumps({"a": [number]})


def enqueuer(client: redis.Redis) -> Callable[[int], object]:
    """Return what enqueues a task, in a round trip."""
    digest = script(client, "raw_redis_add")
    return lambda number: client.evalsha(digest, 2, *KEYS[:2], *_arguments(number))


def insert_bulk(client: redis.Redis, count: int, chunk: int = 1000) -> float:
    """Enqueue ``count`` tasks, so many calls of the script in a pipeline; return tasks a second."""
    digest = script(client, "raw_redis_add")
    started = time.perf_counter()
    for start in range(0, count, chunk):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, min(start + chunk, count)):
            pipeline.evalsha(digest, 2, *KEYS[:2], *_arguments(number))
        pipeline.execute()
    return count / (time.perf_counter() - started)


def work(client: redis.Redis, count: int, batch: int = 100) -> float:
    """Run ``count`` waiting no-op tasks, a batch settled and the next claimed in one call; return tasks a second."""
    digest = script(client, "raw_redis")
    started = time.perf_counter()
    finished: list[bytes | int | str] = []
    done = 0
    while done < count:
        claimed: Any = client.evalsha(digest, 3, *KEYS, "w", 30_000_000, batch, *finished)
        done += len(finished) // 3
        finished = []
        for at in range(0, len(claimed), 3):
            value = json.loads(claimed[at + 2])["a"][0]
            finished += (claimed[at], claimed[at + 1], json.dumps(value))
    return count / (time.perf_counter() - started)
