"""What a user types, as the documentation shows it: all of it has to type-check, with the results' own types."""

from __future__ import annotations

from datetime import timedelta as td
from pathlib import Path

from typing_extensions import assert_type

from taskcore import AsyncClient, Client, Context, Handle, Retry, Snooze, Worker, cron, exponential, task
from taskcore.protocol import Backend
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend


@task(queue_name="mail", retry=Retry(max_attempts=5, backoff=exponential(td(seconds=1)), on=ConnectionError))
def send_invoice(order_id: int, *, to: str) -> str:
    return f"sent {order_id} to {to}"


@task(takes_context=True, timeout=td(minutes=10))
async def reindex(ctx: Context, shop: str) -> int:
    ctx.progress(1, total=10, message=shop)
    if ctx.task.failures > 3:
        raise Snooze(td(hours=1))
    return 10


@task
def add(first: int, second: int) -> int:
    return first + second


@task
def report(name: str, outputs: list[str]) -> None:
    """Tell of a group."""


def enqueueing(handle_a: Handle[int], handle_b: Handle[int]) -> None:
    client = Client(SQLiteBackend("tasks.db"))
    handle = client.enqueue(send_invoice, 7, to="ada@example.org")
    assert_type(handle, Handle[str])
    client.enqueue(send_invoice.using(run_after=td(hours=1), priority=10, unique_key="inv-8"), 8, to="b@example.org")
    handles = client.enqueue_many(send_invoice.bind(n, to="all@example.org") for n in range(100))
    assert_type(handles, list[Handle[str]])
    group = client.group(
        "march",
        (send_invoice.bind(n, to="x") for n in range(9)),
        then=lambda outputs: report.bind("march", outputs),
    )
    assert_type(group.result(), list[str])
    total = client.enqueue(add, handle_a.output, handle_b.output)
    assert_type(total.result(), int)
    client.schedule("nightly", cron("0 3 * * *", tz="Europe/Berlin"), reindex.bind("shop-1"))
    assert_type(handle.result(timeout=td(seconds=5)), str)
    handle.cancel()
    handle.refresh()
    client.requeue(handle.id)
    print(client.explain(handle.id), client.stats(), handle.state)
    Worker(client, [send_invoice, reindex], queue_names=["mail", "default"], concurrency=8).run()


async def awaiting() -> None:
    async with AsyncClient(SQLiteBackend("tasks.db")) as client:
        handle = await client.enqueue(reindex, shop="shop-1")
        assert_type(await handle.result(), int)


def invoice_waits_an_hour() -> None:
    clock = FakeClock()
    client = Client(MemoryBackend(clock=clock))
    handle = client.enqueue(send_invoice.using(run_after=td(hours=1)), 7, to="ada@example.org")
    worker = Worker(client, [send_invoice])
    assert 0 == worker.drain()
    clock.advance(td(hours=1))
    assert 1 == worker.drain()
    assert handle.result() == "sent 7 to ada@example.org"


def my_backend_conforms(path: Path) -> Backend:
    return SQLiteBackend(path / "queue", clock=FakeClock())
