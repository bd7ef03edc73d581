"""A backend as somebody else would write it: a key-value store in a file, and an engine of about 100 lines over it.

It imports what a backend's author may (``taskcore.protocol``, ``records``, ``errors``) and nothing else of taskcore.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from taskcore.errors import BackendUnavailable
from taskcore.protocol import Capability, Clock, SystemClock
from taskcore.records import Parts, Record, RecordBackend, Value, dump_value, load_value

_TABLES = """
CREATE TABLE IF NOT EXISTS record (tab TEXT, key TEXT, value TEXT, PRIMARY KEY (tab, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (name TEXT, place BLOB, parts TEXT, tab TEXT, key TEXT, PRIMARY KEY (name, place))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_of_record ON entry (tab, key);
"""


def _place(parts: Parts) -> bytes:
    """Return bytes that compare as the parts do: UTF-8 keeps the order of code points, 0 ends a text."""
    found = b""
    for part in parts:
        if isinstance(part, int):
            found += b"\x01" + (part + 2**63).to_bytes(8, "big")
        else:
            found += b"\x02" + part.encode("utf-8", "surrogatepass").replace(b"\0", b"\0\xff") + b"\0\x01"
    return found


class KeyValueEngine:
    """Records and entries in two tables of one file, which any number of processes may open."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _TABLES)

    def now(self) -> datetime:
        return self._clock.now()

    def close(self) -> None:
        with self._lock:
            self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise BackendUnavailable(f"The file cannot be locked: {error}") from error
            try:
                yield
                self._file.execute("COMMIT")
            except BaseException:
                self._file.execute("ROLLBACK")
                raise

    def load(self, table: str, keys: Sequence[str]) -> list[Value | None]:
        query = "SELECT value FROM record WHERE tab = ? AND key = ?"
        rows = [self._file.execute(query, (table, key)).fetchone() for key in keys]
        return [None if row is None else load_value(table, row[0]) for row in rows]

    def range(
        self, index: str, low: Parts, high: Parts | None, limit: int, *, is_descending: bool = False
    ) -> list[Parts]:
        order = "DESC" if is_descending else "ASC"
        rows = self._file.execute(
            f"SELECT parts FROM entry WHERE name = ? AND place >= ? AND place < ? ORDER BY place {order} LIMIT ?",
            (index, _place(low), b"\xff" if high is None else _place(high), limit),
        )
        return [tuple(json.loads(parts)) for (parts,) in rows]

    def write(self, puts: Sequence[Record], deletes: Sequence[tuple[str, str]]) -> None:
        gone = [(record.table, record.key) for record in puts] + list(deletes)
        self._file.executemany("DELETE FROM entry WHERE tab = ? AND key = ?", gone)
        self._file.executemany("DELETE FROM record WHERE tab = ? AND key = ?", deletes)
        self._file.executemany(
            "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            [(record.table, record.key, dump_value(record.value)) for record in puts],
        )
        self._file.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
            [
                (name, _place(parts), json.dumps(parts), record.table, record.key)
                for record in puts
                for name, parts in record.entries
            ],
        )


def key_value_backend(path: Path, *, clock: Clock | None = None) -> RecordBackend:
    """Return a backend over the file at ``path``, which is made if it is not there."""
    engine = KeyValueEngine(path, clock or SystemClock())
    capabilities = frozenset({Capability.CROSS_PROCESS, Capability.DURABLE})
    return RecordBackend(engine, url=f"keyvalue:{path}", capabilities=capabilities, on_close=engine.close)
