"""Django's connections as threads that nobody ends a request in need them: renewed when broken, given back at the end.

Django opens a connection for each thread that asks, and closes it when a request ends. Threads of workers and clients
serve no requests: what a backend opened in them it closes itself, when the thread has ended or the backend is closed,
and what a pool lent it after each operation. A connection that was open before is its owner's, and never touched beyond
what Django itself would do. In a process that was forked it is let go, and so is what was opened here, without a word
to the server: the other process goes on with it.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, connections

from taskcore_backends.django._forks import Gate, watch_forks

__all__ = ["Connections", "is_within_transaction"]


def is_within_transaction(connection: Any) -> bool:  # noqa: ANN401 - a DatabaseWrapper of any vendor
    """Return whether a caller has a transaction open: in ``atomic()``, or by hand, with autocommit off."""
    if connection.in_atomic_block:
        return True
    if connection.connection is None:
        return not connection.settings_dict["AUTOCOMMIT"]
    return not connection.autocommit


class Connections:
    """Gives each thread its connection, and remembers those that were opened for it."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._opened: dict[int, tuple[weakref.ref[threading.Thread], Any]] = {}
        self._busy: set[int] = set()
        self._is_closed = False
        self._left: list[Any] = []
        self._isolations: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        """By connection of the driver: how PostgreSQL isolates what says nothing of it."""
        self._gate = Gate() if connections[alias].vendor == "sqlite" else None
        watch_forks(self)

    def begin_anew(self) -> None:
        """In a process that was forked: have no part in the connections of the other one any more."""
        self._lock = threading.Lock()
        self._busy.clear()
        for connection in (connections[self._alias], *[one for _owner, one in self._opened.values()]):
            if connection.connection is not None and not connection.in_atomic_block:
                _silence(connection.connection)
                self._left.append(connection.connection)
                connection.connection = None
        self._opened.clear()

    @contextmanager
    def using(self) -> Iterator[Any]:
        """Give the connection of this thread, which nobody closes meanwhile."""
        connection: Any = connections[self._alias]
        key = id(connection)
        if key in self._busy:  # an operation inside another one's hooks
            self._renew(connection)
            yield connection
            return
        is_lent = connection.connection is None and _is_pooled(connection)
        if self._gate is not None:
            self._gate.enter()
        self._busy.add(key)
        try:
            self._renew(connection)
            yield connection
        finally:
            self._busy.discard(key)
            if self._gate is not None:
                self._gate.leave()
            if is_lent and not connection.in_atomic_block:
                _close(connection)
            if self._is_closed:
                self.close()

    def _renew(self, connection: Any) -> None:  # noqa: ANN401 - a DatabaseWrapper of any vendor
        """Have the connection of this thread opened anew when it is broken, or too old."""
        if connection.connection is None:
            self._remember(connection)
        elif not is_within_transaction(connection) and (connection.errors_occurred or _is_obsolete(connection)):
            connection.close_if_unusable_or_obsolete()

    def _remember(self, connection: Any) -> None:  # noqa: ANN401
        if connection.in_atomic_block:
            return
        thread = threading.current_thread()
        with self._lock:
            self._opened[id(connection)] = weakref.ref(thread), connection
            ended = [key for key, (owner, _one) in self._opened.items() if _has_ended(owner())]
            gone = [self._opened.pop(key)[1] for key in ended]
        for one in gone:
            _close(one)

    def isolation(self, connection: Any) -> str:  # noqa: ANN401
        """Return how the transactions of a connection are isolated that say nothing of it, as SQL calls it.

        What Django was told, and on PostgreSQL, where Django asks nobody, what the role or the server has for default.
        """
        connection.ensure_connection()
        level = connection.isolation_level
        if connection.vendor != "postgresql":
            return level or ""
        told = level.name.replace("_", " ").lower() if level is not None else ""
        if told != "read committed":
            return told
        known = self._isolations.get(connection.connection)
        if known is None:
            with connection.cursor() as cursor:
                cursor.execute("SHOW default_transaction_isolation")
                known = str(cursor.fetchone()[0])
            self._isolations[connection.connection] = known
        return known

    def drop(self, connection: Any) -> None:  # noqa: ANN401
        """Close a connection that is broken and in no caller's transaction, so that the next call opens another one.

        Its autocommit says nothing by now: Django switches it on last when it connects, and that may be what failed.
        """
        if not connection.in_atomic_block:
            with suppress(Error):  # a driver may refuse to close what is closed
                connection.close()

    def close(self) -> None:
        """Close all that were opened for this backend and are in no transaction; those in use when that ends."""
        with self._lock:
            self._is_closed = True
            idle = [key for key in self._opened if key not in self._busy]
            gone = [self._opened.pop(key)[1] for key in idle]
        for connection in gone:
            _close(connection)


def _silence(raw: Any) -> None:  # noqa: ANN401 - a connection of any driver
    """Put nothing in the place of a driver's socket, in this process: drivers say goodbye when they are collected."""
    fileno = getattr(raw, "fileno", None)
    if fileno is None:  # a file
        return
    with suppress(Exception):  # whatever a driver says of a connection that was closed
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, fileno())
        os.close(nowhere)


def _is_pooled(connection: Any) -> bool:  # noqa: ANN401
    """Return whether the site lends connections out: to a thread that works, and not for as long as it lives."""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def _has_ended(thread: threading.Thread | None) -> bool:
    return thread is None or not thread.is_alive()


def _is_obsolete(connection: Any) -> bool:  # noqa: ANN401
    """Return whether the site wants connections of a certain age closed, and this one has it.

    An age of zero means the end of a request: that is not now.
    """
    return bool(connection.settings_dict["CONN_MAX_AGE"]) and (
        connection.close_at is not None and time.monotonic() >= connection.close_at
    )


def _close(connection: Any) -> None:  # noqa: ANN401
    """Close a connection, of whichever thread it is."""
    if connection.in_atomic_block or connection.connection is None:
        return
    connection.inc_thread_sharing()
    try:
        with suppress(Error):
            connection.close()
    finally:
        connection.dec_thread_sharing()
