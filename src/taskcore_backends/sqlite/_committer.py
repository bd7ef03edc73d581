"""Writes of many threads, together in few transactions.

A thread that writes queues its operation and takes the lock. Whoever has the lock leads: it runs all that is queued in
one transaction, and those whose operations were among them find them done. There is no thread for writing, and an
operation alone costs no more than its own transaction.

When an operation raises, the transaction is rolled back and each of its operations is run again in one of its own.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from taskcore.errors import BackendUnavailable
from taskcore_backends.sqlite._connections import Connections
from taskcore_backends.sqlite._errors import is_busy, translate
from taskcore_backends.sqlite._opening import patiently
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["Committer"]

R = TypeVar("R")

_AT_ONCE = 100
"""How many operations one transaction takes."""


class _Entry(Generic[R]):
    """An operation of a thread that waits for it."""

    __slots__ = ("answer", "error", "is_done", "work")

    def __init__(self, work: Callable[[Transaction], R]) -> None:
        self.work = work
        self.answer: R | None = None
        self.error: BaseException | None = None
        self.is_done = False


class Committer:
    """The one way to write. ``before_commit`` and ``after_commit`` are called with each transaction that succeeds."""

    def __init__(
        self,
        connections: Connections,
        path: Path,
        now: Callable[[], datetime],
        *,
        patience: timedelta,
        before_commit: Callable[[Transaction], None],
        after_commit: Callable[[Transaction], None],
    ) -> None:
        self.lock = threading.Lock()
        self._connections = connections
        self._path = path
        self._now = now
        self._patience = patience
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._queue: deque[_Entry[Any]] = deque()

    def run(self, work: Callable[[Transaction], R], patience: timedelta | None = None) -> R:
        """Run an operation and return its answer once it is committed.

        ``work`` may be called again after a rollback. ``patience`` is how long to wait for others.
        """
        entry: _Entry[R] = _Entry(work)
        self._queue.append(entry)
        if patience is not None:
            self._run_soon(entry, patience)
        else:
            with self.lock:
                while not entry.is_done:
                    self._lead(entry, self._patience)
        if entry.error is not None:
            raise entry.error
        return entry.answer  # type: ignore[return-value]  # done without an error

    def _run_soon(self, entry: _Entry[Any], patience: timedelta) -> None:
        """Run an operation, unless that takes too long to begin: then take it back, and raise."""
        if not self.lock.acquire(timeout=patience.total_seconds()):
            try:
                self._queue.remove(entry)
            except ValueError:  # somebody runs it now
                self.lock.acquire()
            else:
                raise BackendUnavailable(f"{self._path} is busy: another thread waits to write to it.")
        try:
            while not entry.is_done:
                self._lead(entry, patience)
        finally:
            self.lock.release()

    def _lead(self, own: _Entry[Any], patience: timedelta) -> None:
        """Run what is queued, in one transaction. If it cannot be begun in time, the others try it themselves."""
        try:
            connection = self._begin(patience)
        except BaseException as error:
            with suppress(ValueError):
                self._queue.remove(own)
            own.is_done = True
            own.error = error
            return
        batch: list[_Entry[Any]] = []
        while self._queue and len(batch) < _AT_ONCE:
            batch.append(self._queue.popleft())
        try:
            self._commit(connection, batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = self._translated(error)
                batch[0].is_done = True
                return
            for entry in batch:
                self._run_alone(entry)
        except BaseException:
            self._queue.extendleft(reversed([entry for entry in batch if entry is not own]))
            raise

    def _run_alone(self, entry: _Entry[Any]) -> None:
        try:
            self._commit(self._begin(self._patience), [entry])
        except Exception as error:
            entry.error = self._translated(error)
            entry.is_done = True

    def _begin(self, patience: timedelta) -> sqlite3.Connection:
        try:
            connection = self._connections.writer()
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                patiently(lambda: connection.execute("BEGIN IMMEDIATE"), patience, self._connections.check_open)
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        return connection

    def _commit(self, connection: sqlite3.Connection, batch: list[_Entry[Any]]) -> None:
        tx = Transaction(connection, self._now())
        try:
            for entry in batch:
                entry.answer = entry.work(tx)
            tx.finish()
            self._before_commit(tx)
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection)
            raise
        self._conclude(tx, batch)

    def _conclude(self, tx: Transaction, batch: list[_Entry[Any]]) -> None:
        """Tell those whose operations are committed: to the file that is there, or else that nobody knows."""
        lost: BackendUnavailable | None = None
        try:
            self._connections.check_committed()
        except BackendUnavailable as error:
            lost = error
        for entry in batch:
            entry.error = lost
            entry.is_done = True
        if lost is None:
            self._after_commit(tx)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._connections.drop_writer()

    def _translated(self, error: Exception) -> BaseException:
        if not isinstance(error, sqlite3.Error):
            return error
        self._connections.drop_writer()
        translated = translate(error, self._path)
        translated.__cause__ = error
        return translated
