"""Forks: what the child begins anew, and what no thread may be in the middle of when a process forks.

Locks that a thread of the parent holds would be held in the child for ever, and threads are not there. Connections, and
the socket of a listener, stay the parent's. SQLite has locks of its own for a whole process: nobody is in there.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from typing import Final, Protocol

__all__ = ["Gate", "watch_forks"]

_PATIENCE: Final = 1.0
"""Seconds that a fork waits for others: who takes longer waits for a lock of the file, or runs a caller's own code."""


class Forked(Protocol):
    """What has something that belongs to one process."""

    def begin_anew(self) -> None:
        """In the child of a fork: have no part in what is the parent's. No other thread is here."""
        ...


class Gate:
    """Lets threads through, one or many at a time, but for the moment of a fork."""

    def __init__(self) -> None:
        self._is_forking = False
        self.begin_anew()
        if hasattr(os, "register_at_fork"):
            _forks().guard(self)

    def begin_anew(self) -> None:
        """In the child of a fork: nobody else is inside."""
        self._quiet = threading.Condition()
        self._inside: set[int] = set()

    def enter(self) -> None:
        """Go inside, which a fork waits for; once a thread."""
        with self._quiet:
            self._quiet.wait_for(lambda: not self._is_forking)
            self._inside.add(threading.get_ident())

    def leave(self) -> None:
        """Go outside."""
        with self._quiet:
            self._inside.discard(threading.get_ident())
            if self._is_forking:
                self._quiet.notify_all()

    def shut(self) -> None:
        """Before a fork: let nobody in, and wait for those inside, but not for the thread that forks."""
        thread = threading.get_ident()
        with self._quiet:
            self._is_forking = True
            self._quiet.wait_for(lambda: self._inside <= {thread}, _PATIENCE)

    def open(self) -> None:
        """After it, in the parent: go on."""
        with self._quiet:
            self._is_forking = False
            self._quiet.notify_all()

    def open_in_child(self) -> None:
        """After it, in the child: nobody waits here."""
        self._is_forking = False
        self.begin_anew()


class _Forks:
    """Made once in a process: what ``register_at_fork`` is given stays for ever."""

    def __init__(self) -> None:
        self._watched: dict[int, weakref.ref[Forked]] = {}
        self._guarded: weakref.WeakSet[Gate] = weakref.WeakSet()
        os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def watch(self, one: Forked) -> None:
        """See this one through forks, for as long as somebody has it."""
        key = id(one)
        self._watched[key] = weakref.ref(one, lambda _gone: self._watched.pop(key, None))

    def guard(self, gate: Gate) -> None:
        """Have forks wait at this gate."""
        self._guarded.add(gate)

    def _before(self) -> None:
        for gate in list(self._guarded):
            gate.shut()

    def _in_parent(self) -> None:
        for gate in list(self._guarded):
            gate.open()

    def _in_child(self) -> None:
        for gate in list(self._guarded):
            gate.open_in_child()
        for reference in list(self._watched.values()):
            one = reference()
            if one is not None:
                one.begin_anew()


@functools.cache
def _forks() -> _Forks:
    return _Forks()


def watch_forks(one: Forked) -> None:
    """Have this begin anew in each child of this process, where processes can fork."""
    if hasattr(os, "register_at_fork"):
        _forks().watch(one)
