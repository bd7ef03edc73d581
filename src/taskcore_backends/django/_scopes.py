"""Transactions of our own, and parts of a caller's: how they begin, and what they see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, transaction

from taskcore_backends.django._connections import Connections, is_within_transaction
from taskcore_backends.django._dialects import SQLITE, Dialect, dialect_of

__all__ = ["begun", "dialect_on", "is_committed", "part_of_callers"]

_COMMITTED: Final = "read committed"


def dialect_on(connection: Any) -> Dialect:  # noqa: ANN401 - a DatabaseWrapper of any vendor
    """Return what there is to know about the database of a connection."""
    is_mariadb = connection.vendor == "mysql" and connection.mysql_is_mariadb
    return dialect_of(connection.vendor, is_mariadb=is_mariadb)


def is_committed(kept: Connections, connection: Any) -> bool:  # noqa: ANN401
    """Return whether transactions that say nothing of it see what others have committed before each statement."""
    return kept.isolation(connection) == _COMMITTED


@contextmanager
def begun(kept: Connections, connection: Any) -> Iterator[None]:  # noqa: ANN401
    """Give a transaction of our own: one that writes from its beginning on SQLite, READ COMMITTED elsewhere."""
    connection.ensure_connection()
    dialect = dialect_on(connection)
    is_ours = not is_within_transaction(connection)
    if dialect is SQLITE and is_ours and connection.transaction_mode in (None, "DEFERRED"):
        with _immediate(connection):
            yield
        return
    is_moved = is_ours and dialect is not SQLITE and not is_committed(kept, connection)
    if is_moved and dialect.lacks_conflicts:  # gaps that are locked otherwise are what deadlocks are made of
        _be_committed(connection)
    with transaction.atomic(using=connection.alias):
        if is_moved and not dialect.lacks_conflicts:  # who holds a row has to see what was committed before
            _be_committed(connection)
        yield


@contextmanager
def _immediate(connection: Any) -> Iterator[None]:  # noqa: ANN401
    """Give a transaction of SQLite that writes from its beginning: one that began as a reader may be refused to."""
    wanted, connection.transaction_mode = connection.transaction_mode, "IMMEDIATE"  # it is the connection's own
    try:
        block = transaction.atomic(using=connection.alias)
        block.__enter__()
    finally:
        connection.transaction_mode = wanted
    with _entered(block):
        yield


def _be_committed(connection: Any) -> None:  # noqa: ANN401
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


@contextmanager
def part_of_callers(connection: Any) -> Iterator[None]:  # noqa: ANN401
    """Give a part of the caller's transaction that is undone alone, also of one by hand."""
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):
            yield
        return
    connection.ensure_connection()
    point = connection.savepoint()
    try:
        yield
    except BaseException:
        with suppress(DatabaseError, InterfaceError):  # a deadlock on MySQL has undone all of it
            connection.savepoint_rollback(point)
        raise
    connection.savepoint_commit(point)


@contextmanager
def _entered(block: Any) -> Iterator[None]:  # noqa: ANN401 - an Atomic
    """Leave a block that was entered before."""
    try:
        yield
    except BaseException as error:
        block.__exit__(type(error), error, error.__traceback__)
        raise
    block.__exit__(None, None, None)
