"""The connections of one process to one file: one that writes, and some that read.

SQLite remembers locks by process and file, and a child that is forked inherits the memory but not the locks. So no
connection may be open across a fork (``before_fork``), and none of the parent's may be used or closed in the child.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias, TypeVar

from taskcore.errors import BackendClosed, BackendUnavailable
from taskcore_backends.sqlite._errors import translate
from taskcore_backends.sqlite._opening import Opener

__all__ = ["Connections", "Reader"]

R = TypeVar("R")

Reader: TypeAlias = sqlite3.Connection
"""A connection that reads: inside a transaction, or for one statement."""

_READERS_KEPT = 8
_WRITER_CACHE_KIB = 65_536
"""What a claim and a settle touch in a store of a million tasks; readers have an eighth of it."""
_FORK_PATIENCE = 10.0


class Connections:
    """Has connections opened when they are needed, and keeps them. Made anew in a child that was forked."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._path = opener.path
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._idle: list[sqlite3.Connection] = []
        self._busy = 0
        self._writer: sqlite3.Connection | None = None
        self._log: object = None
        self._log_seen_at = 0.0
        self._watching = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        self._watchers = 0
        self._is_closed = False
        self._is_forking = False

    def writer(self) -> sqlite3.Connection:
        """Return the connection that writes: for who holds the lock of the committer."""
        self._opener.check_place()
        if self._writer is None:
            self.check_open()
            self._writer = self._opener.open()
            self._writer.execute("PRAGMA busy_timeout = 0")  # BEGIN IMMEDIATE waits by itself, with shorter pauses
            self._writer.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
            self._log = self._opener.find_log()
        return self._writer

    def check_committed(self) -> None:
        """Raise if what has just been committed is not in the file at the path, where others look for it.

        What SQLite keeps beside the file, its log above all, is looked at once a second: as long as any connection is
        open none of it goes by itself, and what was committed reaches the file when the last one is closed.
        """
        self._opener.check_place(is_pressing=True)
        now = time.monotonic()
        if now - self._log_seen_at >= 1.0:
            if self._opener.find_log() != self._log:
                raise BackendUnavailable(
                    f"{self._path}-wal or -shm was moved, deleted or replaced while it was in use, and is part of the "
                    "store: end all programs that have it open, before another one opens it."
                )
            self._log_seen_at = now

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

    def ask(self, question: Callable[[Reader], R]) -> R:
        """Return the answer to a question of one statement, all of whose rows are fetched: that is a transaction."""
        connection = self.take()
        try:
            return question(connection)
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        finally:
            self.give_back(connection)

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
        with self._lock:
            if self._is_forking:
                self._quiet.wait_for(lambda: not self._is_forking)
            self.check_open()
            self._opener.check_place()
            self._busy += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._opener.open()
        except BaseException:
            with self._lock:
                self._note_end()
            raise

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Take a connection back."""
        with self._lock:
            is_kept = not self._is_closed and len(self._idle) < _READERS_KEPT
            if is_kept:
                self._idle.append(connection)
            self._note_end()
        if not is_kept:
            connection.close()

    def _note_end(self) -> None:
        """Note that a connection is not used any more; whoever holds the lock calls it."""
        self._busy -= 1
        if self._is_forking:
            self._quiet.notify_all()

    def version(self) -> object:
        """Return a value that is another one after any commit of another connection, of this process or others."""
        with self._watching:
            if self._watcher is None:
                with self._lock:
                    if self._is_closed or self._is_forking:
                        raise BackendClosed(f"The backend of {self._path} is closed, or waits for a fork.")
                self._watcher = self._opener.open()
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
