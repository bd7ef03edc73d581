"""The raw limits that the Django backend is measured against: psycopg loops over one table.

One partial index, arrays that the server unnests, ``FOR NO KEY UPDATE SKIP LOCKED``, the server's clock, default
durability: what a careful person would write by hand without renewal of leases, retries, unique keys, groups, counts,
or anything else. A worker settles 100 and claims 100 in one transaction of two statements. Statements are prepared.
"""

from __future__ import annotations

import json
import time
from random import getrandbits

import psycopg

Connection = psycopg.Connection[tuple[object, ...]]

SCHEMA = """
CREATE TABLE IF NOT EXISTS raw_task (
    id text COLLATE "C" PRIMARY KEY, state smallint NOT NULL, queue text NOT NULL, priority smallint NOT NULL,
    run_after timestamptz NOT NULL, arguments text NOT NULL, epoch bigint NOT NULL DEFAULT 0, owner text,
    lease timestamptz, result text
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS raw_ready ON raw_task (queue, priority DESC, run_after, id) WHERE state = 0;
"""

INSERT = """
INSERT INTO raw_task (id, state, queue, priority, run_after, arguments)
SELECT id, 0, queue, priority, clock_timestamp(), arguments
FROM unnest(%s::text[], %s::text[], %s::smallint[], %s::text[]) AS new (id, queue, priority, arguments)
ON CONFLICT (id) DO NOTHING
"""

SETTLE = """
UPDATE raw_task SET state = 2, result = settled.result, owner = NULL, lease = NULL
FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS settled (id, epoch, result)
WHERE raw_task.id = settled.id AND state = 1 AND raw_task.epoch = settled.epoch
"""

CLAIM = """
WITH chosen AS MATERIALIZED (
    SELECT id FROM raw_task WHERE state = 0 AND queue = 'default' AND run_after <= clock_timestamp()
    ORDER BY priority DESC, run_after, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE raw_task SET state = 1, epoch = epoch + 1, owner = 'w', lease = clock_timestamp() + interval '30 seconds'
FROM chosen WHERE raw_task.id = chosen.id
RETURNING raw_task.id, epoch, arguments
"""


def make_table(connection: Connection) -> None:
    """Make the table of the raw loops, unless it is there."""
    connection.execute(SCHEMA.encode())


def insert_bulk(connection: Connection, count: int, chunk: int = 1000) -> float:
    """Insert ``count`` tasks, so many a statement and commit; return tasks a second."""
    started = time.perf_counter()
    for start in range(0, count, chunk):
        numbers = range(start, min(start + chunk, count))
        size = len(numbers)
        ids = [f"{time.time_ns():016x}{getrandbits(64):016x}" for _ in numbers]
        arguments = [json.dumps({"a": [number]}) for number in numbers]
        connection.execute(INSERT, (ids, ["default"] * size, [0] * size, arguments), prepare=True)
    return count / (time.perf_counter() - started)


def work(connection: Connection, count: int, batch: int = 100) -> float:
    """Run ``count`` waiting no-op tasks, a batch settled and the next claimed in one commit; return tasks a second."""
    started = time.perf_counter()
    ids: list[object] = []
    epochs: list[object] = []
    results: list[str] = []
    done = 0
    while done < count:
        with connection.transaction():
            if ids:
                connection.execute(SETTLE, (ids, epochs, results), prepare=True)
            claimed = connection.execute(CLAIM, (batch,), prepare=True).fetchall()
        done += len(ids)
        ids, epochs, results = [], [], []
        for task_id, epoch, arguments in claimed:
            ids.append(task_id)
            epochs.append(epoch)
            results.append(json.dumps(json.loads(str(arguments))["a"][0]))
    return count / (time.perf_counter() - started)
