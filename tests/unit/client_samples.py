"""What the tests of the client have in common: a few tasks, and a store on a clock that stands still."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from taskcore import Client, Context, Retry, Task, Worker, constant, task
from taskcore.protocol import ClaimRequest
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend

SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)


@task
def add(a: int, b: int = 2) -> int:
    return a + b


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def fail(message: str = "boom") -> int:
    raise ValueError(message)


@task(name="flaky", retry=Retry(max_attempts=3, backoff=constant(HOUR), jitter=0))
def flaky() -> int:
    raise ConnectionError("no line")


@task
def yesterday(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=1)


@task(takes_context=True)
def counting(context: Context, steps: int) -> int:
    context.progress(steps, total=10, counters={"steps": steps})
    context.item(count=steps, shop="a")
    return steps


TASKS = [add, total, fail, flaky, yesterday, counting]


@attrs.frozen
class Bench:
    """A client of a memory store, and what moves its tasks."""

    clock: FakeClock
    backend: MemoryBackend
    client: Client

    def drain(self) -> int:
        """Run what is due."""
        return Worker(self.client, TASKS).drain()

    def claim(self, worker_id: str = "w1") -> Task:
        """Hold one task as a worker does."""
        request = ClaimRequest(
            worker_id=worker_id, nonce="n1", queue_names=("default",), limit=1, lease=dt.timedelta(seconds=30)
        )
        return self.backend.claim(request)[0]


def make_bench() -> Bench:
    clock = FakeClock()
    backend = MemoryBackend(clock=clock)
    return Bench(clock, backend, Client(backend))


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Do something on another thread while the block runs, and have it done when the block ends."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
