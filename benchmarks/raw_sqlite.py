"""The raw limits that the SQLite backend is measured against: plain ``sqlite3`` loops of the same durability.

One table, one partial index, WAL, ``synchronous=NORMAL``: what a careful person would write by hand without leases'
renewal, retries, results by type, groups, or anything else. Ids sort by time, as random ones would cost the raw loop
three quarters of its speed.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from pathlib import Path
from random import getrandbits

SCHEMA = """
CREATE TABLE task (
    id TEXT PRIMARY KEY, state INTEGER NOT NULL, queue TEXT NOT NULL, priority INTEGER NOT NULL,
    run_after INTEGER NOT NULL, arguments TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 0, owner TEXT,
    lease INTEGER, result TEXT
);
CREATE INDEX task_ready ON task (queue, priority DESC, run_after, id) WHERE state = 0;
"""

CLAIM = """
UPDATE task SET state = 1, epoch = epoch + 1, owner = ?, lease = ?
WHERE id IN (
    SELECT id FROM task WHERE state = 0 AND queue = 'default' AND run_after <= ?
    ORDER BY priority DESC, run_after, id LIMIT ?
)
RETURNING id, epoch, arguments
"""

SETTLE = "UPDATE task SET state = 2, result = ?, owner = NULL WHERE id = ? AND state = 1 AND epoch = ?"


def connect(path: Path) -> sqlite3.Connection:
    """Open a store of the raw loops, making its table when it is new."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'task'").fetchone():
        connection.executescript(SCHEMA)
    return connection


def _row(number: int) -> tuple[str, int, str, int, int, str]:
    return (
        f"{time.time_ns():016x}{getrandbits(64):016x}",
        0,
        "default",
        0,
        time.time_ns() // 1000,
        json.dumps({"a": [number]}),
    )


INSERT = "INSERT INTO task (id, state, queue, priority, run_after, arguments) VALUES (?, ?, ?, ?, ?, ?)"


def insert_each(connection: sqlite3.Connection, count: int) -> float:
    """Insert ``count`` tasks, a commit each; return tasks a second."""
    started = time.perf_counter()
    for number in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(INSERT, _row(number))
        connection.execute("COMMIT")
    return count / (time.perf_counter() - started)


def insert_bulk(connection: sqlite3.Connection, count: int, chunk: int = 1000) -> float:
    """Insert ``count`` tasks, a commit each ``chunk``; return tasks a second."""
    started = time.perf_counter()
    for start in range(0, count, chunk):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, [_row(number) for number in range(start, min(start + chunk, count))])
        connection.execute("COMMIT")
    return count / (time.perf_counter() - started)


def claim(connection: sqlite3.Connection, limit: int) -> list[tuple[str, int, str]]:
    """Claim up to ``limit`` tasks, inside a transaction of the caller's."""
    now = time.time_ns() // 1000
    return connection.execute(CLAIM, ("w", now + 30_000_000, now, limit)).fetchall()


def work(connection: sqlite3.Connection, count: int, batch: int = 100) -> float:
    """Run ``count`` waiting no-op tasks, a batch settled and the next claimed in one commit; return tasks a second."""
    started = time.perf_counter()
    finished: list[tuple[str, str, int]] = []
    done = 0
    while done < count:
        connection.execute("BEGIN IMMEDIATE")
        if finished:
            connection.executemany(SETTLE, finished)
        claimed = claim(connection, batch)
        connection.execute("COMMIT")
        done += len(finished)
        finished = []
        for task_id, epoch, arguments in claimed:
            value = json.loads(arguments)["a"][0]
            finished.append((json.dumps(value), task_id, epoch))
    return count / (time.perf_counter() - started)


def start_latencies(path: Path, count: int, pause: float) -> list[float]:
    """Return the milliseconds from the insert of a row to a thread that was woken for it and has claimed it."""
    took: list[float] = []
    told, done = threading.Lock(), threading.Lock()
    told.acquire()
    done.acquire()
    moments = [0]

    def work() -> None:
        with contextlib.closing(connect(path)) as connection:
            for _ in range(count):
                told.acquire()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(CLAIM, ("worker", time.time_ns() // 1000, time.time_ns() // 1000, 1)).fetchall()
                connection.execute("COMMIT")
                took.append((time.monotonic_ns() - moments[0]) / 1e6)
                done.release()

    with contextlib.closing(connect(path)) as connection:
        thread = threading.Thread(target=work)
        thread.start()
        for number in range(count):
            time.sleep(pause)
            moments[0] = time.monotonic_ns()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(INSERT, _row(number))
            connection.execute("COMMIT")
            told.release()
            done.acquire()
        thread.join()
    return took
