"""One thread that waits for all that is awaited, however many tasks and groups that are.

Event loops register what they await and are called back; the thread multiplexes all ids through one ``Watch``. It
exists while something is awaited, and for as long as the client is open.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeAlias

import attrs

from taskcore._client._waiting import Deadline, Finish, Watch
from taskcore.errors import BackendClosed
from taskcore.protocol import Backend

__all__ = ["Interest", "Waiter"]

_SLICE = timedelta(milliseconds=250)
"""The longest wait: should a store miss the ``wake`` of an instant before, what is new is looked at no later."""

News: TypeAlias = "Finish | BaseException"


@attrs.frozen(eq=False)
class Interest:
    """Somebody who wants to know when a task or group has finished; told at most once, on the event loop."""

    id: str
    is_group: bool
    loop: asyncio.AbstractEventLoop
    tell: Callable[[News], None]


class Waiter:
    """Tells everybody who is interested when what they wait for has finished."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._watch = Watch(backend)
        self._changed = threading.Condition()
        self._interests: dict[str, set[Interest]] = {}
        self._fresh: dict[str, bool] = {}
        self._stale: list[str] = []
        self._thread: threading.Thread | None = None
        self._is_polling = False
        self._is_stopped = False

    def register(self, interests: Iterable[Interest]) -> None:
        """Have these told once; raises BackendClosed after ``stop``."""
        with self._changed:
            if self._is_stopped:
                raise BackendClosed("The client was closed: make a new one.")
            for interest in interests:
                known = self._interests.get(interest.id)
                if known is None:
                    self._interests[interest.id] = {interest}
                    self._fresh[interest.id] = interest.is_group
                else:
                    known.add(interest)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskcore-waiter", daemon=True)
                self._thread.start()
            if self._fresh:
                self._nudge()

    def withdraw(self, interests: Iterable[Interest]) -> None:
        """Tell these nothing any more."""
        with self._changed:
            for interest in interests:
                known = self._interests.get(interest.id)
                if known is not None:
                    known.discard(interest)
                    if not known:
                        del self._interests[interest.id]
                        if self._fresh.pop(interest.id, None) is None:
                            self._stale.append(interest.id)

    def stop(self) -> None:
        """End the thread; who still waits is told BackendClosed."""
        with self._changed:
            self._is_stopped = True
            self._nudge()
        if self._thread is not None:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """For how many tasks and groups somebody waits."""
        with self._changed:
            return len(self._interests)

    def _nudge(self) -> None:
        self._changed.notify()
        if self._is_polling:
            self._is_polling = False  # once is enough
            self._watch.interrupt()

    def _run(self) -> None:
        while self._is_wanted():
            news: list[tuple[str, News]]
            try:
                news = [(finish.id, finish) for finish in self._watch.poll(Deadline(_SLICE))]
            except Exception as error:  # whoever waits is to know, and decides whether to wait again
                news = [(one, error) for one in self._watch.forget()]
            self._spread(news)
        closed = BackendClosed("The client was closed while this was awaited.")
        with self._changed:
            waiting = list(self._interests)
        self._spread([(one, closed) for one in waiting])

    def _is_wanted(self) -> bool:
        """Sleep until there is something to watch, and take in what was registered; False after ``stop``."""
        with self._changed:
            while not self._is_stopped and not self._interests:
                self._changed.wait()
            for one in self._stale:
                self._watch.discard(one)
            for one, is_group in self._fresh.items():
                self._watch.add(one, is_group=is_group)
            self._stale.clear()
            self._fresh.clear()
            self._is_polling = not self._is_stopped
            return self._is_polling

    def _spread(self, news: list[tuple[str, News]]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Interest, News]]] = {}
        with self._changed:
            self._is_polling = False
            for one, what in news:
                for interest in self._interests.pop(one, ()):
                    by_loop.setdefault(interest.loop, []).append((interest, what))
        for loop, messages in by_loop.items():
            if not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(_tell, messages)
                except RuntimeError:  # closed in this very moment, with nobody left to tell
                    continue


def _tell(messages: list[tuple[Interest, News]]) -> None:
    for interest, what in messages:
        interest.tell(what)
