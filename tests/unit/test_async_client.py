"""AsyncClient: the same surface awaited, one thread for all that is awaited, nothing left behind by a cancel."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import threading
from collections.abc import Callable, Coroutine

import pytest

from taskcore import (
    AsyncClient,
    AsyncGroupHandle,
    AsyncHandle,
    BackendClosed,
    BackendUnavailable,
    Client,
    EnqueueFailed,
    InvalidOption,
    NotEncodable,
    ResultTimeout,
    State,
    TaskCancelled,
    TaskFailed,
    TaskNotFound,
    Worker,
    every,
)
from taskcore_backends.memory import MemoryBackend
from tests.unit.client_samples import HOUR, SECOND, TASKS, add, counting, fail, make_bench, total, yesterday

NOW = dt.timedelta(0)
LONG = 30 * SECOND
NOBODY = "0" * 32


def in_loop(test: Callable[[AsyncClient], Coroutine[object, None, None]]) -> Callable[[], None]:
    """Run a test with a client of a fresh store, on an event loop of its own; no thread is left behind."""

    def run() -> None:
        async def main() -> None:
            async with AsyncClient(make_bench().backend) as client:
                await test(client)

        before = threading.active_count()
        asyncio.run(asyncio.wait_for(main(), 60))
        for thread in threading.enumerate():
            if thread.name.startswith("taskcore-"):
                thread.join(10)
        assert before >= threading.active_count()

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def drain(client: AsyncClient) -> int:
    return await client.run(lambda sync: Worker(sync, TASKS).drain())


async def settle() -> None:
    """Let other tasks of the loop come to where they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


@in_loop
async def test_enqueue_and_result(client: AsyncClient) -> None:
    """The call comes back as its result, by the annotation."""
    handle = await client.enqueue(yesterday, dt.date(2026, 3, 1))
    await drain(client)
    assert dt.date(2026, 2, 28) == await handle.result()


@in_loop
async def test_result_that_comes_later(client: AsyncClient) -> None:
    """An awaited result arrives when the task has run."""
    handle = await client.enqueue(add, 1)
    waiting = asyncio.ensure_future(handle.result(LONG))
    await settle()
    await drain(client)
    assert 3 == await waiting


@in_loop
async def test_many_results_cost_one_thread(client: AsyncClient) -> None:
    """A thousand awaited results are waited for by a single thread."""
    handles = await client.enqueue_many(add.bind(n) for n in range(1000))
    waiting = [asyncio.ensure_future(handle.result(LONG)) for handle in handles]
    await settle()
    names = [thread.name for thread in threading.enumerate() if thread.name == "taskcore-waiter"]
    await drain(client)
    assert (["taskcore-waiter"], [n + 2 for n in range(1000)]) == (names, await asyncio.gather(*waiting))


@in_loop
async def test_failure_is_raised(client: AsyncClient) -> None:
    """TaskFailed as from a Client."""
    handle = await client.enqueue(fail)
    await drain(client)
    with pytest.raises(TaskFailed, match="boom"):
        await handle.result()


@in_loop
async def test_cancel_is_raised(client: AsyncClient) -> None:
    """TaskCancelled as from a Client."""
    handle = await client.enqueue(add, 1)
    assert await handle.cancel()
    with pytest.raises(TaskCancelled):
        await handle.result()


@in_loop
async def test_time_that_is_over(client: AsyncClient) -> None:
    """ResultTimeout names the task and its state, and nobody waits any more."""
    handle = await client.enqueue(add, 1)
    with pytest.raises(ResultTimeout, match=f"{handle.id}.*READY"):
        await handle.result(dt.timedelta(milliseconds=20))
    assert 0 == client.awaited


@in_loop
async def test_no_time_is_enough_for_what_has_finished(client: AsyncClient) -> None:
    """A timeout of zero still looks once."""
    handle = await client.enqueue(add, 1)
    await drain(client)
    assert 3 == await handle.result(NOW)


@in_loop
async def test_cancelled_await_leaves_nothing(client: AsyncClient) -> None:
    """A cancelled await is not waited for any more, and other awaits of the same task go on."""
    handle = await client.enqueue(add, 1)
    given_up, kept = asyncio.ensure_future(handle.result()), asyncio.ensure_future(handle.result())
    await settle()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert 1 == client.awaited
    await drain(client)
    assert 3 == await kept
    assert 0 == client.awaited


@in_loop
async def test_purged_task_is_not_found(client: AsyncClient) -> None:
    """A result that is gone is told, not waited for."""
    with pytest.raises(TaskNotFound):
        await client.handle(NOBODY).result()


@in_loop
async def test_purged_group_is_not_found(client: AsyncClient) -> None:
    """So is a group that is gone."""
    with pytest.raises(TaskNotFound):
        await client.group_handle(NOBODY).result()


@in_loop
async def test_group_with_callback(client: AsyncClient) -> None:
    """A group's results, counts, progress and callback are there as with a Client."""
    group = await client.group("march", [counting.bind(n) for n in (1, 2)], then=total.bind)
    await drain(client)
    assert group.callback is not None
    assert ([1, 2], 3, 2) == (await group.result(), await group.callback.result(), (await group.refresh()).total)
    assert 3 == (await group.progress()).current
    assert [1, 2] == [await handle.result() async for handle in group.handles()]
    assert [State.SUCCESSFUL] * 2 == [task.state async for task in group.tasks()]


@in_loop
async def test_group_that_has_not_finished(client: AsyncClient) -> None:
    """ResultTimeout of a group names the group."""
    group = await client.group("march", [add.bind(1)])
    with pytest.raises(ResultTimeout, match=group.id):
        await group.wait(NOW)
    assert 1 == (await group.cancel()).changed
    assert await group.refresh() == await group.seal()


@in_loop
async def test_as_completed(client: AsyncClient) -> None:
    """Each handle comes when it has finished."""
    late = await client.enqueue(add.using(run_after=HOUR), 1)
    soon = await client.enqueue(add, 2)
    await drain(client)
    found = client.as_completed([late, soon], dt.timedelta(milliseconds=50))
    assert soon == await anext(found)
    with pytest.raises(ResultTimeout, match="1 of the tasks"):
        await anext(found)


@in_loop
async def test_as_completed_yields_all(client: AsyncClient) -> None:
    """However many, groups among them."""
    handles = await client.enqueue_many(add.bind(n) for n in range(700))
    group = await client.group("march", [add.bind(1)])
    work = asyncio.ensure_future(drain(client))
    all_of_them: list[AsyncGroupHandle[int] | AsyncHandle[int]] = [group, *handles]
    found = [handle.id async for handle in client.as_completed(all_of_them, LONG)]
    await work
    assert {group.id, *(handle.id for handle in handles)} == set(found)


@in_loop
async def test_as_completed_left_early_leaves_nothing(client: AsyncClient) -> None:
    """Breaking out of the loop ends the waiting for the rest."""
    done, _ = handles = await client.enqueue_many([add.bind(1), add.using(run_after=HOUR).bind(2)])
    await drain(client)
    found = client.as_completed(handles)
    assert done == await anext(found)
    await found.aclose()
    assert 0 == client.awaited


@in_loop
async def test_wait_tells_apart(client: AsyncClient) -> None:
    """What has finished within the time, and what has not."""
    late, soon = await client.enqueue_many([add.using(run_after=HOUR).bind(1), add.bind(2)])
    await drain(client)
    waited = await client.wait([late, soon], NOW)
    assert ([soon], [late]) == (waited.finished, waited.unfinished)


@in_loop
async def test_operations_are_awaited(client: AsyncClient) -> None:
    """What a Client does at once, this does when awaited, with the same arguments."""
    handle = await client.enqueue(add.using(run_after=HOUR), 1)
    task = await client.reschedule(handle.id, priority=7, run_after=NOW)
    await client.pause("default")
    assert (7, [handle.id], 0) == (
        task.priority,
        [one.id for one in (await client.find(states=[State.READY])).items],
        await drain(client),
    )
    assert "is paused" in str(await client.explain(handle.id))


@in_loop
async def test_iterating(client: AsyncClient) -> None:
    """Tasks and schedules come one after the other over all pages."""
    await client.enqueue_many(add.bind(n) for n in range(12))
    await client.schedule("n", every(HOUR), add.bind(1))
    assert 12 == len([task async for task in client.iterate(limit=5)])
    assert ["n"] == [schedule.name async for schedule in client.schedules()]


@in_loop
async def test_other_ways_to_enqueue(client: AsyncClient) -> None:
    """A bound call, a copy, a schedule's run: each gives a handle."""
    one = await client.enqueue_call(add.bind(1))
    copy = await client.duplicate(one.id, priority=1)
    await client.schedule("n", every(HOUR), add.bind(2))
    run = await client.run_now("n")
    await drain(client)
    assert [3, 3, 4] == [await handle.result() for handle in (one, copy, run)]
    assert 3 == await client.result(one.id)
    assert State.SUCCESSFUL is await client.handle(one.id, add).state()


@in_loop
async def test_bad_input_is_raised_by_the_await(client: AsyncClient) -> None:
    """And nothing is stored."""
    with pytest.raises(NotEncodable):
        await client.enqueue(add, "x")  # type: ignore[arg-type]
    assert () == (await client.find()).items


@pytest.mark.parametrize("timeout", [5, "5s"])
def test_timeouts_are_timedeltas(timeout) -> None:
    """A bare number is refused by name."""

    @in_loop
    async def check(client: AsyncClient) -> None:
        with pytest.raises(InvalidOption, match="timeout"):
            await client.handle(NOBODY).result(timeout)

    check()


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_are_checked(threads) -> None:
    """A client without a thread could do nothing."""
    with pytest.raises(InvalidOption, match="threads"):
        AsyncClient(MemoryBackend(), threads=threads)


class Failing(MemoryBackend):
    """A memory store that goes away while tasks are looked at."""

    is_away = False

    def get(self, task_ids):
        if self.is_away:
            raise BackendUnavailable("gone")
        return super().get(task_ids)

    def add(self, specs, *, group=None):
        if len(specs) < 1000:
            raise BackendUnavailable("gone")
        return super().add(specs, group=group)


def test_store_that_goes_away_is_told_to_who_waits() -> None:
    """Everybody who awaits a result gets the error, and can await it again when the store is back."""

    async def main() -> None:
        backend = Failing()
        client = AsyncClient(backend)
        with pytest.raises(EnqueueFailed) as caught:
            await client.enqueue_many(add.bind(n) for n in range(1001))
        handles = [client.handle(one, add) for one in caught.value.accepted[:3]]
        backend.is_away = True
        errors = await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)
        backend.is_away = False
        again = asyncio.gather(*(handle.result() for handle in handles))
        await client.run(lambda sync: Worker(sync, TASKS).drain())
        assert [BackendUnavailable] * 3 == [type(error) for error in errors]
        assert [2, 3, 4] == await again
        await client.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_close_ends_what_is_awaited() -> None:
    """Who still waits when the client is closed gets BackendClosed; so does who calls it later."""

    async def main() -> None:
        client = AsyncClient(MemoryBackend())
        handle = await client.enqueue(add, 1)
        waiting = asyncio.ensure_future(handle.result())
        await settle()
        await client.close()
        with pytest.raises(BackendClosed):
            await waiting
        for late in (handle.result, handle.refresh, client.stats):
            with pytest.raises(BackendClosed):
                await late()
        await client.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_close_that_is_cancelled_still_closes() -> None:
    """Also when it had not begun, because all threads of the client were in a call."""
    backend, is_free = MemoryBackend(), threading.Event()

    async def main() -> None:
        client = AsyncClient(backend, threads=1)
        busy = asyncio.ensure_future(client.run(lambda _: is_free.wait(10)))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        is_free.set()
        await busy

    asyncio.run(asyncio.wait_for(main(), 60))
    for thread in threading.enumerate():
        if thread.name.startswith("taskcore-"):
            thread.join(10)
    with pytest.raises(BackendClosed):
        backend.stats()


def test_backend_that_is_closed_by_others_is_told() -> None:
    """Who waits on a store that somebody closes gets BackendClosed, and closing the client still works."""

    async def main() -> None:
        backend = MemoryBackend()
        client = AsyncClient(backend)
        handle = await client.enqueue(add, 1)
        waiting = asyncio.ensure_future(handle.result())
        await settle()
        backend.close()
        with pytest.raises(BackendClosed):
            await waiting
        with pytest.raises(BackendClosed):
            await handle.result()
        assert 0 == client.awaited
        await client.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_loop_is_free_while_the_store_is_slow() -> None:
    """A call of the store that blocks does not hold up the event loop."""

    class Slow(MemoryBackend):
        gate = threading.Event()

        def stats(self):
            self.gate.wait(30)
            return super().stats()

    async def main() -> None:
        backend = Slow()
        async with AsyncClient(backend) as client:
            asking = asyncio.ensure_future(client.stats())
            await settle()
            assert not asking.done()
            backend.gate.set()
            await asking

    asyncio.run(asyncio.wait_for(main(), 60))


def test_every_operation_of_the_client_is_there() -> None:
    """The two clients have the same public names, but for what only one of them can have."""
    names = {name for name in vars(Client) if not name.startswith("_")}
    async_names = {name for name in vars(AsyncClient) if not name.startswith("_")}
    assert (set(), {"awaited", "run", "sync"}) == (names - async_names, async_names - names)


@pytest.mark.parametrize("name", ["cancel", "purge", "schedule", "find", "reschedule", "enqueue", "group", "wait"])
def test_signatures_are_the_same(name: str) -> None:
    """Arguments are named, ordered and defaulted alike."""
    sync = inspect.signature(getattr(Client, name)).parameters
    awaited = inspect.signature(getattr(AsyncClient, name)).parameters
    assert [str(one) for one in sync.values()] == [str(one) for one in awaited.values()]


def test_awaited_method_keeps_its_documentation() -> None:
    """What is made from a Client's method is documented as it."""
    assert Client.purge.__doc__ == AsyncClient.purge.__doc__


def test_handles_are_equal_by_id() -> None:
    """As those of a Client; they say what they are."""
    client = AsyncClient(MemoryBackend())
    assert {client.handle(NOBODY)} == {client.handle(NOBODY, add)}
    assert {client.group_handle(NOBODY)} == {client.group_handle(NOBODY)}
    assert [f"<AsyncHandle {NOBODY}>", f"<AsyncGroupHandle {NOBODY}>", "<AsyncClient of memory:>"] == [
        repr(client.handle(NOBODY)),
        repr(client.group_handle(NOBODY)),
        repr(client),
    ]
