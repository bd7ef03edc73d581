"""Where an ``AsyncClient`` does its blocking work: a few threads for calls of the store, one for all waiting."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import islice
from threading import Thread
from typing import ParamSpec, TypeVar

from taskcore._aclient._waiter import Interest, News, Waiter
from taskcore._client._waiting import Finish, Waitable
from taskcore._naming import shown
from taskcore.errors import BackendClosed, InvalidOption
from taskcore.protocol import Backend

__all__ = ["Lane"]

P = ParamSpec("P")
T = TypeVar("T")

_ZERO = timedelta(0)
_CHUNK = 500


class Lane:
    """The threads of one client."""

    def __init__(self, backend: Backend, threads: int) -> None:
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
            raise InvalidOption(f"threads is {shown(threads)}: it should be a whole number of 1 or more.")
        self._backend = backend
        self._threads = threads
        self._is_closed = False
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="taskcore-client")
        self._waiter = Waiter(self._backend)

    def _check(self) -> None:
        """Start anew in a process that was forked: the threads stayed behind in its parent."""
        if os.getpid() != self._pid:
            self._start()

    async def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function on one of the threads.

        When the await is cancelled, a call that has not begun never does; one that has goes on, and what it returns is
        dropped: what it stores may be stored or not.
        """
        if self._is_closed:
            raise BackendClosed("The client was closed: make a new one.")
        self._check()
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))

    async def each(self, items: Iterator[T]) -> AsyncGenerator[T, None]:
        """Yield what an iterator gives that asks the store on its way; some hundred of them are taken at a time."""
        while chunk := await self.call(_take, items):
            for item in chunk:
                yield item

    async def finish_of(self, waitable_id: str, timeout: timedelta | None, *, is_group: bool = False) -> Finish | None:
        """Return how a task or group has finished; ``None`` when it has not within ``timeout``."""
        seconds = None if timeout is None else _checked(timeout).total_seconds()
        self._check()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[News] = loop.create_future()
        interest = Interest(waitable_id, is_group, loop, partial(_settle, future))
        try:
            self._waiter.register([interest])
            if seconds is not None:
                await asyncio.wait([future], timeout=seconds)
                if not future.done():
                    return None
            return _finish(await future)
        finally:
            self._waiter.withdraw([interest])

    async def finishes(self, waitables: Iterable[Waitable], timeout: timedelta | None) -> AsyncGenerator[str, None]:
        """Yield the ids of tasks and groups as they finish; stops early when the time is over."""
        self._check()
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + _checked(timeout).total_seconds()
        queue: asyncio.Queue[News] = asyncio.Queue()
        interests: Sequence[Interest] = [
            Interest(one_id, is_group, loop, queue.put_nowait)
            for one_id, is_group in {one.id: one.is_group for one in waitables}.items()
        ]
        try:
            self._waiter.register(interests)
            for _ in interests:
                news = await _next(queue, None if end is None else end - loop.time())
                if news is None:
                    return
                yield _finish(news).id
        finally:
            self._waiter.withdraw(interests)

    @property
    def awaited(self) -> int:
        """For how many tasks and groups somebody waits now."""
        return self._waiter.waiting

    async def close(self, close_store: Callable[[], None]) -> None:
        """End the threads and the store, also when this is cancelled; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._check()
        ended = self._pool.submit(_end, self._waiter, close_store)
        self._pool.shutdown(wait=False)
        try:
            await asyncio.wrap_future(ended)
        except asyncio.CancelledError:
            if ended.cancelled():  # it had not begun, and nobody else would do it
                Thread(target=_end, args=(self._waiter, close_store), name="taskcore-client-end", daemon=True).start()
            raise


def _take(items: Iterator[T]) -> list[T]:
    return list(islice(items, _CHUNK))


def _end(waiter: Waiter, close_store: Callable[[], None]) -> None:
    try:
        waiter.stop()
    finally:
        close_store()


def _checked(timeout: timedelta) -> timedelta:
    if not isinstance(timeout, timedelta):
        raise InvalidOption(f"timeout is {shown(timeout)}: it should be a timedelta, or None to wait without limit.")
    return max(timeout, _ZERO)


def _settle(future: asyncio.Future[News], news: News) -> None:
    if not future.done():
        future.set_result(news)


def _finish(news: News) -> Finish:
    if isinstance(news, BaseException):
        raise news
    return news


async def _next(queue: asyncio.Queue[News], seconds: float | None) -> News | None:
    if seconds is None or not queue.empty():
        return await queue.get()
    try:
        return await asyncio.wait_for(queue.get(), max(seconds, 0))
    except (asyncio.TimeoutError, TimeoutError):
        return None
