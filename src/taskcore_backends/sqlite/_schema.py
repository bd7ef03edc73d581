"""The tables and indexes, by version; how a file is recognised, made and brought up to date.

A task is one narrow row of ``task``, found by ``seq`` (its rowid) or ``id``. Columns that the protocol does not know:
``code`` (``columns``: the state, READY split into due and later), ``rank`` (-priority), ``due`` (run_after in whole
milliseconds), ``suspect``, ``flags``, ``keep`` (how long a success is kept) and ``purge_at``. Times and durations are
whole microseconds, times since 1970 in UTC.

Predicates of partial indexes are literals, in the schema and in every statement that is to use them: SQLite proves
that an index serves when the statement is prepared, and sees no parameters then.
"""

from __future__ import annotations

import sqlite3

from taskcore.errors import BackendCorrupt, BackendVersionError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "VERSION", "find_version", "migrate"]

APPLICATION_ID = 0x7461736B
"""``PRAGMA application_id`` of a store: "task" in ASCII."""

_TASKS = (
    """
    CREATE TABLE task (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        queue TEXT NOT NULL,
        rank INTEGER NOT NULL,
        code INTEGER NOT NULL,
        version INTEGER NOT NULL,
        run_after INTEGER NOT NULL,
        due INTEGER NOT NULL,
        enqueued_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        max_attempts INTEGER,
        max_crashes INTEGER NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        releases INTEGER NOT NULL DEFAULT 0,
        flags INTEGER NOT NULL,
        suspect INTEGER NOT NULL,
        wanted_after INTEGER,
        expires_at INTEGER,
        group_id TEXT,
        group_index INTEGER,
        schedule_id TEXT,
        unique_key TEXT,
        timeout INTEGER,
        keep INTEGER,
        purge_at INTEGER,
        options TEXT,
        nonce TEXT,
        worker_id TEXT,
        claimed_at INTEGER,
        lease_expires INTEGER,
        is_started INTEGER,
        settle INTEGER,
        cancel INTEGER,
        reason TEXT,
        started_at INTEGER,
        progress TEXT,
        attempts TEXT,
        failure TEXT,
        arguments TEXT,
        value TEXT
    )
    """,
    "CREATE INDEX task_due ON task (queue, rank, due, id) WHERE code = 0 AND suspect = 0",
    "CREATE INDEX task_suspect ON task (queue, rank, due, id) WHERE code = 0 AND suspect = 1",
    "CREATE INDEX task_later ON task (run_after) WHERE code = 1",
    "CREATE INDEX task_lease ON task (lease_expires) WHERE code = 3",
    "CREATE INDEX task_expiry ON task (expires_at) WHERE expires_at IS NOT NULL AND code < 3",
    # What is looked for among many others. (IN in a predicate would cost each write a table of its own.)
    "CREATE INDEX task_blocked ON task (id) WHERE code = 2",
    "CREATE INDEX task_failed ON task (code, id) WHERE code > 4",
    "CREATE INDEX task_finished ON task (name, changed_at) WHERE code > 3",
    "CREATE INDEX task_purge ON task (purge_at) WHERE purge_at IS NOT NULL",
    "CREATE INDEX task_group ON task (group_id, id) WHERE group_id IS NOT NULL",
    "CREATE INDEX task_schedule ON task (schedule_id, id) WHERE schedule_id IS NOT NULL",
    "CREATE INDEX task_unique ON task (unique_key, id) WHERE unique_key IS NOT NULL",
    # Arguments too long to be rewritten with every change of the row.
    "CREATE TABLE payload (seq INTEGER PRIMARY KEY, arguments TEXT NOT NULL)",
    # How many tasks each queue has by code.
    "CREATE TABLE tally (queue TEXT, code INTEGER, n INTEGER NOT NULL, PRIMARY KEY (queue, code)) WITHOUT ROWID",
    "CREATE TABLE paused (queue TEXT PRIMARY KEY) WITHOUT ROWID",
    # The nonces of the latest claims of a worker, newest first: what a repeated request is known by.
    "CREATE TABLE claimer (worker_id TEXT PRIMARY KEY, nonces TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
)

_RELATIONS = (
    # mark: 0 the child has finished, 1 it is unfinished but does not wait for this parent any more, 2 it waits.
    """
    CREATE TABLE edge (
        parent_id TEXT, child_id TEXT, mark INTEGER NOT NULL, PRIMARY KEY (parent_id, child_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX edge_child ON edge (child_id, mark)",
    "CREATE INDEX edge_mark ON edge (parent_id, mark, child_id)",
    # Parents whose finish has yet to reach some of their children.
    "CREATE TABLE owed (seq INTEGER PRIMARY KEY, parent_id TEXT NOT NULL UNIQUE)",
    # Who holds a unique key. scope: 0 until started, 1 until finished, 2 until the moment.
    """
    CREATE TABLE holder (
        unique_key TEXT PRIMARY KEY, task_id TEXT NOT NULL, scope INTEGER NOT NULL, moment INTEGER
    ) WITHOUT ROWID
    """,
    "CREATE INDEX holder_moment ON holder (moment) WHERE moment IS NOT NULL",
    """
    CREATE TABLE team (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, total INTEGER, finished_at INTEGER,
        purged INTEGER NOT NULL DEFAULT 0,
        blocked INTEGER NOT NULL DEFAULT 0, ready INTEGER NOT NULL DEFAULT 0, running INTEGER NOT NULL DEFAULT 0,
        successful INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX team_name ON team (name, id)",
    """
    CREATE TABLE item (
        task_id TEXT, epoch INTEGER, sequence INTEGER, document TEXT NOT NULL,
        PRIMARY KEY (task_id, epoch, sequence)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE schedule (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, next_slot INTEGER,
        document TEXT NOT NULL
    )
    """,
    "CREATE INDEX schedule_slot ON schedule (next_slot, name) WHERE next_slot IS NOT NULL",
    """
    CREATE TABLE worker (
        id TEXT PRIMARY KEY, last_beat_at INTEGER NOT NULL, wanted TEXT, document TEXT NOT NULL
    )
    """,
    "CREATE INDEX worker_beat ON worker (last_beat_at)",
)

# Which processes wait for what, and where to ring them. kind: 0 a queue, 1 a task or group, 2 any finish.
_WAITERS = (
    """
    CREATE TABLE waiter (
        kind INTEGER, topic TEXT, address TEXT, until INTEGER NOT NULL, PRIMARY KEY (kind, topic, address)
    ) WITHOUT ROWID
    """,
)

# Groups without members: purged after a time.
_EMPTY_GROUPS = (
    """
    CREATE INDEX team_empty ON team (coalesce(finished_at, created_at))
    WHERE blocked + ready + running + successful + failed + cancelled = 0
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = ((*_TASKS, *_RELATIONS), _WAITERS, _EMPTY_GROUPS)
"""The statements that lead from each version to the next; the first make a store out of an empty file."""

VERSION = len(MIGRATIONS)
"""The version this code reads and writes, as ``PRAGMA user_version`` has it."""


def find_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of the store in the file, 0 for an empty file; change nothing. Inside a transaction.

    Raises ``BackendCorrupt`` for another application's database and ``BackendVersionError`` for a newer store.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    if application != APPLICATION_ID:
        if application or version or tables:
            raise BackendCorrupt(
                f"{path} holds tables that are not taskcore's (application_id {application}): give the tasks a file "
                "of their own."
            )
        return 0
    if version > VERSION:
        raise BackendVersionError(
            f"{path} has schema version {version}, this taskcore knows up to {VERSION}: upgrade taskcore. "
            "Nothing was changed."
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a store from ``version`` to ``VERSION``, inside a transaction of the caller's."""
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
