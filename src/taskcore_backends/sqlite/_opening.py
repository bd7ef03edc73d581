"""Opening the file: is it there, is it a store, is it still the one that was opened first.

The file itself, and those beside it, are never opened by anything but SQLite: closing them would drop all its locks.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from taskcore.errors import BackendUnavailable, InvalidInput
from taskcore_backends.sqlite._errors import is_busy, translate
from taskcore_backends.sqlite._schema import VERSION, find_version, migrate

__all__ = ["Opener", "patiently"]

_CACHE_KIB = 8_192
_PAGES_PER_CHECKPOINT = 4000
"""Four times SQLite's own: hot pages are written to the file, and it is synced, less often; the log grows to 16 MB."""
_WAL_KEPT = 64 << 20

_Place: TypeAlias = tuple[int, int]


def _place_of(path: str) -> _Place | None:
    """Return by what a file is known, whatever its name; ``None`` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - after every commit: the detour of Path.stat doubles its price
    except OSError:
        return None
    return found.st_dev, found.st_ino


def patiently(attempt: Callable[[], object], patience: timedelta, check: Callable[[], object] | None = None) -> None:
    """Call again until no other connection is in the way; raise ``sqlite3.OperationalError`` when patience is over.

    The pauses are short, random and growing: those who wait do not move in step. ``check`` may raise after each.
    """
    deadline: float | None = None
    pause = 0.0002
    while True:
        try:
            attempt()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            now = time.monotonic()
            if deadline is None:
                deadline = now + patience.total_seconds()
            if now >= deadline:
                raise
            time.sleep(min(deadline - now, pause * random.uniform(0.5, 1.5)))
            pause = min(pause * 1.5, 0.01)
            if check is not None:
                check()
        else:
            return


class Opener:
    """Opens connections to one file; the first one looks at what the file is, and makes or migrates the store."""

    def __init__(self, path: Path, *, synchronous: str, patience: timedelta) -> None:
        self.path = path
        self._synchronous = synchronous
        self._patience = patience
        self._name = str(path)
        self._beside = tuple(self._name + ending for ending in ("-wal", "-shm"))
        self._place: _Place | None = None
        self._looked_at = 0.0
        self._is_ready = False

    def check_place(self, *, is_pressing: bool = False) -> None:
        """Raise if the file is not where it was: what is written to it then, nobody else would see.

        It is looked at once a second, after each commit (``is_pressing``), and always as long as it is missed.
        """
        now = time.monotonic()
        if self._place is None or (now - self._looked_at < 1.0 and not is_pressing):
            return
        self._looked_at = 0.0
        if _place_of(self._name) != self._place:
            raise BackendUnavailable(
                f"{self.path} was moved, deleted or replaced while it was in use: put it back, or make a new backend."
            )
        self._looked_at = now

    def find_log(self) -> tuple[_Place | None, ...]:
        """Return by what the files that SQLite keeps beside the store are known, as long as a connection is open."""
        return tuple(_place_of(path) for path in self._beside)

    def open(self) -> sqlite3.Connection:
        """Open a connection, for one thread at a time."""
        self._check_path()
        self.check_place(is_pressing=True)
        try:
            connection = sqlite3.connect(
                self.path,
                timeout=self._patience.total_seconds(),
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
            )
            try:
                self._set_up(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        return connection

    def _check_path(self) -> None:
        try:
            is_taken, has_folder = self.path.is_dir(), self.path.parent.is_dir()
        except OSError as error:  # a name that is too long, for one
            raise InvalidInput(f"{str(self.path)!r} can be the path of no file here: {error.strerror}.") from error
        if is_taken:
            raise InvalidInput(f"{self.path} is a directory: give the path of a file, existing or not.")
        if not has_folder:
            raise InvalidInput(f"{self.path.parent}, where the file is to be, is no directory: create it first.")

    def _set_up(self, connection: sqlite3.Connection) -> None:
        def prepare() -> None:
            if not self._is_ready:
                self._make_store(connection)
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_PER_CHECKPOINT}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT}")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()

        patiently(prepare, self._patience)
        self._is_ready = True
        if self._place is None:
            self._place = _place_of(self._name)

    def _make_store(self, connection: sqlite3.Connection) -> None:
        path = str(self.path)
        with _transaction(connection, "BEGIN"):  # one state of the file: another process may be making the store
            is_current = find_version(connection, path) == VERSION
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise BackendUnavailable(
                    f"{path} cannot have a write-ahead log here (it has {mode}): use a local disk."
                )
        if not is_current:
            with _transaction(connection, "BEGIN IMMEDIATE"):
                migrate(connection, find_version(connection, path))


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
