"""The connections of one process to one file: one that writes, and some that read.

SQLite remembers locks by process and file, and a child that is forked inherits the memory but not the locks. So no
connection may be open across a fork (``before_fork``), and none of the parent's may be used or closed in the child.
The file itself, and those beside it, are never opened by anything but SQLite: closing them would drop all its locks.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from taskcore.errors import BackendClosed, BackendUnavailable, InvalidInput
from taskcore_backends.sqlite._errors import is_busy, translate
from taskcore_backends.sqlite._schema import VERSION, find_version, migrate

__all__ = ["Connections", "Reader", "patiently"]

Reader: TypeAlias = sqlite3.Connection
"""A connection inside a transaction that reads."""

_CACHE_KIB = 65_536
_READERS_KEPT = 8
_PAGES_PER_CHECKPOINT = 4000
"""Four times SQLite's own: hot pages are written to the file, and it is synced, less often; the log grows to 16 MB."""
_WAL_KEPT = 64 << 20
_FORK_PATIENCE = 10.0


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


class Connections:
    """Opens connections when they are needed and keeps them. Made anew in a child that was forked."""

    def __init__(self, path: Path, *, synchronous: str, patience: timedelta) -> None:
        self._path = path
        self._synchronous = synchronous
        self._patience = patience
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._idle: list[sqlite3.Connection] = []
        self._busy = 0
        self._writer: sqlite3.Connection | None = None
        self._watching = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        self._watchers = 0
        self._is_ready = False
        self._is_closed = False
        self._is_forking = False

    def writer(self) -> sqlite3.Connection:
        """Return the connection that writes: for who holds the lock of the committer."""
        if self._writer is None:
            self.check_open()
            self._writer = self._open()
            self._writer.execute("PRAGMA busy_timeout = 0")  # BEGIN IMMEDIATE waits by itself, with shorter pauses
        return self._writer

    def check_open(self) -> None:
        """Raise ``BackendClosed`` once the backend is closed, or about to be."""
        if self._is_closed:
            raise BackendClosed(f"The backend of {self._path} is closed: make a new one.")

    def shut(self) -> None:
        """Refuse all that is not begun yet; what waits for other processes gives up."""
        self._is_closed = True

    def drop_writer(self) -> None:
        """Close the connection that writes after an error that may have left it in doubt; a new one is opened."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(sqlite3.Error):
                writer.close()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Give a connection inside a transaction that reads: one state of the store, whatever others write."""
        connection = self.take()
        try:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        finally:
            self.give_back(connection)

    def take(self) -> sqlite3.Connection:
        """Return a connection for one thread, to be given back."""
        with self._quiet:
            self._quiet.wait_for(lambda: not self._is_forking)
            self.check_open()
            self._busy += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._open()
        except BaseException:
            with self._quiet:
                self._busy -= 1
                self._quiet.notify_all()
            raise

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Take a connection back."""
        with self._quiet:
            self._busy -= 1
            is_kept = not self._is_closed and len(self._idle) < _READERS_KEPT
            if is_kept:
                self._idle.append(connection)
            self._quiet.notify_all()
        if not is_kept:
            connection.close()

    def version(self) -> object:
        """Return a value that is another one after any commit of another connection, of this process or others."""
        with self._watching:
            if self._watcher is None:
                with self._lock:
                    if self._is_closed or self._is_forking:
                        raise BackendClosed(f"The backend of {self._path} is closed, or waits for a fork.")
                self._watcher = self._open()
                self._watchers += 1
            return self._watchers, self._watcher.execute("PRAGMA data_version").fetchone()[0]

    def close(self, *, for_good: bool = True) -> None:
        """Close what is idle, and the writer; what is in use now is closed when it is given back.

        The caller holds the lock of the committer.
        """
        with self._lock:
            self._is_closed = self._is_closed or for_good
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self.drop_writer()
        with self._watching:
            if self._watcher is not None:
                watcher, self._watcher = self._watcher, None
                watcher.close()

    def before_fork(self) -> None:
        """Wait until nobody reads, then close all and open none before ``after_fork``."""
        with self._quiet:
            self._is_forking = True
            self._quiet.wait_for(lambda: self._busy == 0, _FORK_PATIENCE)
        self.close(for_good=False)

    def after_fork(self) -> None:
        """Open connections again when they are needed: in the parent, and in a thread that waited for the fork."""
        with self._quiet:
            self._is_forking = False
            self._quiet.notify_all()

    def _open(self) -> sqlite3.Connection:
        """Open a connection; the first one looks at what the file is, and makes or migrates the store."""
        self._check_path()
        try:
            connection = sqlite3.connect(
                self._path,
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
            raise translate(error, self._path) from error
        return connection

    def _check_path(self) -> None:
        if self._path.is_dir():
            raise InvalidInput(f"{self._path} is a directory: give the path of a file, existing or not.")
        if not self._path.parent.is_dir():
            raise InvalidInput(f"{self._path.parent}, where the file is to be, is no directory: create it first.")

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

    def _make_store(self, connection: sqlite3.Connection) -> None:
        path = str(self._path)
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
