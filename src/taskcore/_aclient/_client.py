"""``AsyncClient``: all that a ``Client`` does, awaited. The event loop is never blocked, whatever the store.

What needs nothing of its own is made from the ``Client``'s method by ``_awaited``, with the same arguments, result and
documentation; what gives back handles, iterates or waits is written out.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, overload

from typing_extensions import Self, Unpack

from taskcore._aclient._handles import AsyncGroupHandle, AsyncHandle
from taskcore._aclient._lane import Lane
from taskcore._call import Call
from taskcore._client import Client, Filters, GroupHandle, Handle, Waited, backend_from_url
from taskcore._client._asking import query_from
from taskcore._client._client import DEFAULT_PAYLOAD_LIMIT
from taskcore._client._waiting import Deadline, Waitable, wait_all
from taskcore.clock import Clock
from taskcore.errors import ResultTimeout
from taskcore.protocol import Backend, Page, Query, Schedule, Task

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["AsyncClient"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Waitable)

_ZERO = timedelta(0)


def _awaited(
    method: Callable[Concatenate[Client, P], T],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[object, None, T]]:
    """Return the same method for an AsyncClient: it runs on one of the client's threads."""

    @functools.wraps(method)
    async def call(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(method, *args, **kwargs)

    return call


class AsyncClient:
    """Enqueues into one store and looks after what is there, from asyncio. Used from any number of tasks of one loop.

    ``backend``, ``clock`` and ``payload_limit`` are as for ``Client``; ``threads`` is how many calls of the store may
    go on at once. However many results are awaited, they cost one thread together. A cancelled await leaves nothing
    behind; whether what it was about to store is stored then, is open.

    ``async with AsyncClient(backend) as client`` closes the backend at the end.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        clock: Clock | None = None,
        payload_limit: int = DEFAULT_PAYLOAD_LIMIT,
        threads: int = 4,
    ) -> None:
        self._client = Client(backend, clock=clock, payload_limit=payload_limit)
        self._lane = Lane(backend, threads)

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock | None = None, payload_limit: int = DEFAULT_PAYLOAD_LIMIT, threads: int = 4
    ) -> Self:
        """Return a client of the store that ``url`` names, opened here and now; raises as ``backend_from_url``."""
        return cls(backend_from_url(url), clock=clock, payload_limit=payload_limit, threads=threads)

    @property
    def backend(self) -> Backend:
        """The store."""
        return self._client.backend

    @property
    def sync(self) -> Client:
        """The same client for code that is not asynchronous: a Worker, say."""
        return self._client

    @property
    def payload_limit(self) -> int:
        """How many bytes the encoded arguments, or the metadata, of a task may have."""
        return self._client.payload_limit

    @property
    def awaited(self) -> int:
        """For how many tasks and groups somebody waits now."""
        return self._lane.awaited

    async def run(self, function: Callable[Concatenate[Client, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function with the ``Client`` on one of this client's threads: several steps for one await.

        When the await is cancelled, a call that has not begun never does; one that has goes on, and what it returns is
        dropped.
        """
        return await self._lane.call(function, self._client, *args, **kwargs)

    # Enqueueing

    async def enqueue(self, definition: TaskDefinition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]:
        """Store a task that will call the definition's function with these arguments; see ``Client.enqueue``."""
        return self._follow(await self._lane.call(self._client.enqueue, definition, *args, **kwargs))

    async def enqueue_call(self, call: Call[R]) -> AsyncHandle[R]:
        """Store a task for a call that ``definition.bind(…)`` made; as ``enqueue`` otherwise."""
        return self._follow(await self._lane.call(self._client.enqueue_call, call))

    async def enqueue_many(self, calls: Iterable[Call[R]]) -> list[AsyncHandle[R]]:
        """Store any number of tasks; see ``Client.enqueue_many``. The iterable is read on another thread."""
        handles = await self._lane.call(self._client.enqueue_many, calls)
        return [self._follow(handle) for handle in handles]

    async def group(
        self,
        name: str,
        calls: Iterable[Call[R]],
        *,
        then: Call[object] | Callable[[list[R]], Call[object]] | None = None,
    ) -> AsyncGroupHandle[R]:
        """Store tasks that belong together, and what runs after them; see ``Client.group``.

        The iterable is read, and ``then`` called, on another thread.
        """
        return self._follow_group(await self._lane.call(self._client.group, name, calls, then=then))

    async def duplicate(
        self,
        task_id: str,
        *,
        run_after: datetime | timedelta | None = None,
        priority: int | None = None,
        queue_name: str | None = None,
    ) -> AsyncHandle[object]:
        """Store a new task that does what this one was asked to; see ``Client.duplicate``."""
        handle = await self._lane.call(
            self._client.duplicate, task_id, run_after=run_after, priority=priority, queue_name=queue_name
        )
        return self._follow(handle)

    async def run_now(self, name: str) -> AsyncHandle[object]:
        """Enqueue a schedule's call at once, as one of its runs; see ``Client.run_now``."""
        return self._follow(await self._lane.call(self._client.run_now, name))

    # Waiting

    @overload
    def handle(self, task_id: str) -> AsyncHandle[object]: ...
    @overload
    def handle(self, task_id: str, definition: TaskDefinition[..., R]) -> AsyncHandle[R]: ...
    def handle(
        self, task_id: str, definition: TaskDefinition[..., R] | None = None
    ) -> AsyncHandle[R] | AsyncHandle[object]:
        """Return a handle for a task that is known by its id; see ``Client.handle``. Nothing is awaited."""
        return AsyncHandle(self._lane, Handle(self.backend, task_id, definition))

    def group_handle(self, group_id: str) -> AsyncGroupHandle[object]:
        """Return a handle for a group that is known by its id; nothing is awaited."""
        return self._follow_group(GroupHandle[object](self.backend, group_id))

    async def result(self, task_id: str, timeout: timedelta | None = None) -> object:
        """Return the result of a task as a plain JSON value; waits and raises as ``Handle.result`` does."""
        return await self.handle(task_id).result(timeout)

    async def wait(self, handles: Iterable[H], timeout: timedelta | None = None) -> Waited[H]:
        """Wait until all of these tasks and groups have finished, or the time is over; says which have."""
        given = list(handles)
        finished: set[str] = set()
        async with aclosing(self._finishes(given, timeout)) as ids:
            async for one in ids:
                finished.add(one)
        return Waited.of(given, finished)

    async def as_completed(self, handles: Iterable[H], timeout: timedelta | None = None) -> AsyncGenerator[H, None]:
        """Yield each of these tasks and groups once it has finished (or is gone), the first ones first.

        Raises ResultTimeout when some have not finished within ``timeout``, counted from when the iteration begins.
        """
        by_id: dict[str, list[H]] = {}
        for handle in handles:
            by_id.setdefault(handle.id, []).append(handle)
        async with aclosing(self._finishes([same[0] for same in by_id.values()], timeout)) as ids:
            async for one in ids:
                for handle in by_id.pop(one):
                    yield handle
        if by_id:
            raise ResultTimeout(f"{len(by_id):,} of the tasks have not finished within {timeout}; they go on.")

    async def _finishes(self, waitables: list[H], timeout: timedelta | None) -> AsyncGenerator[str, None]:
        """Yield the ids of those that finish within the time, the last of which a last look finds."""
        rest = {one.id: one for one in waitables}
        async with aclosing(self._lane.finishes(waitables, timeout)) as ids:
            async for one in ids:
                del rest[one]
                yield one
        if rest:
            for one in await self._lane.call(wait_all, self.backend, list(rest.values()), Deadline(_ZERO)):
                yield one

    # Looking

    async def find(self, query: Query | None = None, **filters: Unpack[Filters]) -> Page[Task]:
        """Return a page of the tasks that match, newest first; see ``Client.find``."""
        return await self._lane.call(self.backend.find, query_from(query, filters))

    def iterate(self, query: Query | None = None, **filters: Unpack[Filters]) -> AsyncIterator[Task]:
        """Yield all tasks that match, however many, with a few hundred of them in memory; see ``Client.iterate``."""
        return self._lane.each(self._client.iterate(query, **filters))

    def schedules(self) -> AsyncIterator[Schedule]:
        """Yield all schedules by name."""
        return self._lane.each(self._client.schedules())

    get = _awaited(Client.get)
    explain = _awaited(Client.explain)
    stats = _awaited(Client.stats)
    groups = _awaited(Client.groups)
    items = _awaited(Client.items)
    workers = _awaited(Client.workers)

    # Changing

    cancel = _awaited(Client.cancel)
    reschedule = _awaited(Client.reschedule)
    amend = _awaited(Client.amend)
    replace = _awaited(Client.replace)
    requeue = _awaited(Client.requeue)
    cancel_all = _awaited(Client.cancel_all)
    requeue_all = _awaited(Client.requeue_all)
    purge = _awaited(Client.purge)
    pause = _awaited(Client.pause)
    resume = _awaited(Client.resume)
    stop_worker = _awaited(Client.stop_worker)
    pause_worker = _awaited(Client.pause_worker)
    resume_worker = _awaited(Client.resume_worker)

    # Schedules

    schedule = _awaited(Client.schedule)
    edit_schedule = _awaited(Client.edit_schedule)
    enable_schedule = _awaited(Client.enable_schedule)
    disable_schedule = _awaited(Client.disable_schedule)
    delete_schedule = _awaited(Client.delete_schedule)
    get_schedule = _awaited(Client.get_schedule)
    preview_schedule = _awaited(Client.preview_schedule)

    # The client itself

    async def close(self) -> None:
        """Close the backend and end the client's threads; what is still awaited raises BackendClosed."""
        await self._lane.close(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.backend.url}>"

    def _follow(self, handle: Handle[R]) -> AsyncHandle[R]:
        return AsyncHandle(self._lane, handle)

    def _follow_group(self, group: GroupHandle[R]) -> AsyncGroupHandle[R]:
        return AsyncGroupHandle(self._lane, group)
