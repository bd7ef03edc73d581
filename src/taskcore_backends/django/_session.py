"""One operation on the database: in the caller's transaction if there is one, else in one of its own that is repeated.

What another transaction is in the way of (a deadlock, a lock that is not given, a database that is locked) was not
done, and is done again after a pause. A lost connection is another matter: whether the last commit was made nobody
knows, so the caller is told, ``BackendUnavailable``, and repeats: every call of the protocol may be.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction

from taskcore.errors import BackendClosed
from taskcore_backends.django._connections import Connections, is_within_transaction
from taskcore_backends.django._errors import is_lost, is_passing, translate
from taskcore_backends.django._planning import in_order
from taskcore_backends.django._scopes import begun, dialect_on, is_committed, part_of_callers
from taskcore_backends.django._transaction import Statements, Transaction

__all__ = ["Session"]

R = TypeVar("R")

_TRIES = 12
_FIRST_PAUSE, _LONGEST_PAUSE = 0.003, 0.25


class Session:
    """What the threads of this process do on one database."""

    def __init__(
        self,
        alias: str,
        clock: Callable[[], datetime] | None,
        *,
        after_commit: Callable[[Session, Transaction], None],
    ) -> None:
        self.alias = alias
        self._clock = clock
        self._after_commit = after_commit
        self.connections = Connections(alias)
        self.is_closed = False

    def check_open(self) -> None:
        """Raise ``BackendClosed`` once the backend is closed."""
        if self.is_closed:
            raise BackendClosed(f"The backend of the database {self.alias!r} is closed: make a new one.")

    @property
    def is_postgres(self) -> bool:
        """Whether single statements do for what is common."""
        return bool(connections[self.alias].vendor == "postgresql")

    def read(self, work: Callable[[Statements], R]) -> R:
        """Run an operation that only reads."""
        self.check_open()
        with self.connections.using() as connection:
            return self._guarded(connection, lambda: self._read_on(connection, work))

    def read_in_order(self, work: Callable[[Statements], R]) -> R:
        """Run an operation that only reads, in the order of an index: see ``_planning``."""
        self.check_open()
        with self.connections.using() as connection:
            if connection.vendor != "postgresql":
                return self._guarded(connection, lambda: self._read_on(connection, work))
            return self._guarded(connection, lambda: self._read_in_order_on(connection, work))

    def _read_in_order_on(self, connection: Any, work: Callable[[Statements], R]) -> R:  # noqa: ANN401
        is_callers = is_within_transaction(connection)
        scope = part_of_callers(connection) if is_callers else transaction.atomic(using=self.alias)
        with scope, connection.cursor() as cursor:
            store = Statements(cursor, dialect_on(connection), self._clock)
            with in_order(store, is_callers=is_callers):
                return work(store)

    def _read_on(self, connection: Any, work: Callable[[Statements], R]) -> R:  # noqa: ANN401
        with connection.cursor() as cursor:
            return work(Statements(cursor, dialect_on(connection), self._clock))

    def write(self, work: Callable[[Transaction], R]) -> R:
        """Run an operation in a transaction: the caller's, or one of its own. ``work`` may be called again."""
        self.check_open()
        with self.connections.using() as connection:
            if is_within_transaction(connection):
                return self._guarded(connection, lambda: self._write_inside(connection, work))
            answer, tx = self._guarded(connection, lambda: self._write_on(connection, work))
        self._after_commit(self, tx)
        return answer

    def alone(self, work: Callable[[Transaction], R]) -> R:
        """Run one statement that writes: a transaction of its own, or part of the caller's."""
        self.check_open()
        with self.connections.using() as connection:
            is_inside = connection.in_atomic_block
            answer, tx = self._guarded(connection, lambda: self._alone(connection, work))
        if is_inside:
            transaction.on_commit(lambda: self._after_commit(self, tx), using=self.alias, robust=True)
        else:
            self._after_commit(self, tx)
        return answer

    def _alone(self, connection: Any, work: Callable[[Transaction], R]) -> tuple[R, Transaction]:  # noqa: ANN401
        """Run one statement as it is, or in a transaction that is READ COMMITTED where it would not be."""
        if is_within_transaction(connection) or is_committed(self.connections, connection):
            return self._alone_on(connection, work)
        with begun(self.connections, connection):
            return self._alone_on(connection, work, is_alone=True)

    def _alone_on(
        self,
        connection: Any,  # noqa: ANN401
        work: Callable[[Transaction], R],
        *,
        is_alone: bool = False,
    ) -> tuple[R, Transaction]:
        with connection.cursor() as cursor:
            tx = Transaction(cursor, dialect_on(connection), self._clock, self.alias)
            tx.is_alone = is_alone or not is_within_transaction(connection)
            return work(tx), tx

    def _write_inside(self, connection: Any, work: Callable[[Transaction], R]) -> R:  # noqa: ANN401
        """Run an operation in the caller's transaction: all of it or nothing, and never twice."""
        with part_of_callers(connection), connection.cursor() as cursor:
            tx = Transaction(cursor, dialect_on(connection), self._clock, self.alias, is_callers=True)
            answer = work(tx)
            tx.finish()
        if connection.in_atomic_block:
            transaction.on_commit(lambda: self._after_commit(self, tx), using=self.alias, robust=True)
        else:  # by hand: nobody tells of the commit, so those who wait are told early
            self._after_commit(self, tx)
        return answer

    def _write_on(self, connection: Any, work: Callable[[Transaction], R]) -> tuple[R, Transaction]:  # noqa: ANN401
        with begun(self.connections, connection), connection.cursor() as cursor:
            tx = Transaction(cursor, dialect_on(connection), self._clock, self.alias)
            answer = work(tx)
            tx.finish()
        return answer, tx

    def atomically(self, work: Callable[[Callable[[], None]], R]) -> R:
        """Run a caller's work in a transaction that the operations in it are part of; nothing is run twice.

        ``work`` is given what rolls the transaction back at its end. What it raises is raised, after the rollback.
        """
        self.check_open()
        with self.connections.using() as connection:
            done, is_callers = False, is_within_transaction(connection)
            try:
                with begun(self.connections, connection):
                    answer = work(lambda: transaction.set_rollback(True, using=self.alias))
                    done = True
            except (OperationalError, InterfaceError) as error:
                if is_lost(error) and not is_callers:
                    self.connections.drop(connection)
                if not done and not is_lost(error):
                    raise  # the work's own
                raise translate(error, self.alias) from error
            return answer

    def _guarded(self, connection: Any, attempt: Callable[[], R]) -> R:  # noqa: ANN401
        """Make attempts until one is not in another transaction's way; errors of the database become ours."""
        is_callers = is_within_transaction(connection)
        for number in range(_TRIES):
            try:
                return attempt()
            except (DatabaseError, InterfaceError) as error:
                self.check_open()
                if is_lost(error):
                    if not is_callers:
                        self.connections.drop(connection)
                elif is_passing(error) and number < _TRIES - 1 and not is_callers:
                    time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number) * (0.5 + random.random()))
                    continue
                raise translate(error, self.alias) from error
        raise AssertionError("The last attempt returns or raises.")
