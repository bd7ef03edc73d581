"""All that one process holds of a store: connections, the committer, waits. Made anew in a child that was forked."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from taskcore_backends.sqlite._committer import Committer
from taskcore_backends.sqlite._connections import Connections
from taskcore_backends.sqlite._doorbell import ring
from taskcore_backends.sqlite._opening import Opener
from taskcore_backends.sqlite._transaction import Transaction
from taskcore_backends.sqlite._waiting import Waiting, find_bells

__all__ = ["Session", "Sessions", "Settings"]

_FORK_PATIENCE = 10.0


@attrs.frozen(kw_only=True)
class Settings:
    """What was asked for when the backend was made."""

    path: Path
    now: Callable[[], datetime]
    synchronous: str
    busy_timeout: timedelta
    poll_interval: timedelta
    has_doorbell: bool


class Session:
    """One process and one store."""

    def __init__(self, settings: Settings) -> None:
        self.pid = os.getpid()
        self.connections = Connections(
            Opener(settings.path, synchronous=settings.synchronous, patience=settings.busy_timeout)
        )
        self.committer = Committer(
            self.connections,
            settings.path,
            settings.now,
            patience=settings.busy_timeout,
            before_commit=self._before_commit,
            after_commit=self._after_commit,
        )
        self.waiting = Waiting(
            self.connections,
            self.committer,
            has_doorbell=settings.has_doorbell,
            poll_interval=settings.poll_interval,
        )

    def _before_commit(self, tx: Transaction) -> None:
        tx.bells = find_bells(tx, self.waiting.address)
        if tx.due_queues:  # whoever claims waits for the committer: it may as well wake up during the commit
            self.waiting.tell(tx.due_queues, ())

    def _after_commit(self, tx: Transaction) -> None:
        if tx.due_queues or tx.finished:
            self.waiting.tell(tx.due_queues, tx.finished)
            if tx.bells:
                ring(tx.bells)

    def close(self) -> None:
        """End all waits and close all connections; those in use when they are given back."""
        self.waiting.close()
        self.connections.shut()
        with self.committer.lock:
            self.connections.close()


class Sessions:
    """Hands out the session of this process, and sees a fork through."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = Session(settings)
        self._abandoned: list[Session] = []
        self.is_closed = False
        if hasattr(os, "register_at_fork"):
            _forks().watch(self)

    def current(self) -> Session:
        """Return the session of this process."""
        session = self._session
        if session.pid != os.getpid():
            session = self.renew()
        return session

    def renew(self) -> Session:
        """Begin anew in a child. What is the parent's is kept, so that nothing closes it, and never used."""
        self._abandoned.append(self._session)
        self._session = Session(self._settings)
        return self._session

    def before_fork(self) -> bool:
        """Close all connections, and keep the lock of the committer, so that none is opened before the fork."""
        if self._session.pid != os.getpid() or not self._session.committer.lock.acquire(timeout=_FORK_PATIENCE):
            return False
        self._session.connections.before_fork()
        return True

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._session.connections.after_fork()
        self._session.committer.lock.release()

    def close(self) -> None:
        """Close the session of this process."""
        if not self.is_closed:
            self.is_closed = True
            if hasattr(os, "register_at_fork"):
                _forks().forget(self)
            self.current().close()


class _Forks:
    """Has a fork find no connection open. Made once in a process: what ``register_at_fork`` is given stays for ever."""

    def __init__(self) -> None:
        self._watched: dict[int, weakref.ref[Sessions]] = {}
        self._held = threading.local()
        os.register_at_fork(
            before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
        )

    def watch(self, sessions: Sessions) -> None:
        """See these through forks, for as long as somebody has them."""
        key = id(sessions)
        self._watched[key] = weakref.ref(sessions, lambda _gone: self._watched.pop(key, None))

    def forget(self, sessions: Sessions) -> None:
        """Leave these alone: they are closed."""
        self._watched.pop(id(sessions), None)

    def _open(self) -> list[Sessions]:
        found = [reference() for reference in list(self._watched.values())]
        return [sessions for sessions in found if sessions is not None and not sessions.is_closed]

    def _before(self) -> None:
        held: list[Sessions] = []
        self._held.sessions = held
        held.extend(sessions for sessions in self._open() if sessions.before_fork())

    def _after_in_parent(self) -> None:
        held, self._held.sessions = self._held.sessions, None
        for sessions in held:
            sessions.after_fork_in_parent()

    def _after_in_child(self) -> None:
        self._held.sessions = None
        for sessions in self._open():
            sessions.renew()


@functools.cache
def _forks() -> _Forks:
    return _Forks()
