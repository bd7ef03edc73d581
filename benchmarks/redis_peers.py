"""The peers on Redis: each in a process of its own, one worker process, no-op tasks, results stored.

    python benchmarks/redis_peers.py huey redis://127.0.0.1:6379/0 5000

prints its tasks a second on that server, which is emptied first; status 3 says that the peer is not installed. As no
version of redis-py suits all of them, ``TASKCORE_BENCHMARK_PEERS`` may name more Pythons, joined by the path separator,
for those that this one has not. The clock starts just before the worker does and stops when the last result is in
Redis; where a result is a key of its own it goes to database 1, so that one DBSIZE counts them. Each peer is set up as
its documentation advises for many short tasks; its function says what was tried. Durability is the server's.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import redis

__all__ = ["PEERS", "rate"]

NOT_INSTALLED = 3
PATIENCE = 15.0
COUNT = 3_000


class Job(NamedTuple):
    """A worker that is ready to start on ``count`` waiting tasks, and how many results there are so far."""

    run: Callable[[], object]
    stored: Callable[[], int]


def huey(url: str, count: int) -> Job:
    """One worker thread with a blocking pop: more threads were slower, as they share the interpreter."""
    from huey import RedisHuey

    app = RedisHuey("benchmark", url=url)

    task = app.task()(plain)
    for number in range(count):
        task(number)
    consumer = app.create_consumer(workers=1, worker_type="thread", periodic=False, initial_delay=0.001)
    return Job(consumer.run, app.result_count)


def plain(number: int) -> int:
    """Return what it is given."""
    return number


async def echo(_context: object, *, number: int) -> int:
    return number


def saq(url: str, count: int) -> Job:
    """A hundred tasks at once on its loop (10, the default, was slower); results for ten minutes, its default."""
    from saq import Queue, Worker

    async def fill() -> None:
        queue = Queue.from_url(url)
        for start in range(0, count, 100):
            await asyncio.gather(
                *(queue.enqueue("echo", number=number) for number in range(start, min(start + 100, count)))
            )
        await queue.disconnect()

    async def run() -> None:
        await Worker(Queue.from_url(url), functions=[echo], concurrency=100).start()

    asyncio.run(fill())
    client = redis.Redis.from_url(url)

    def stored() -> int:
        left: Any = client.zcard("saq:default:incomplete")
        return count - int(left)

    return Job(lambda: asyncio.run(run()), stored)


def dramatiq(url: str, count: int) -> Job:
    """Eight threads, its default, and its Results middleware; a longer prefetch made no difference."""
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    results = redis.Redis.from_url(second(url))
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(client=results), store_results=True))
    dramatiq.set_broker(broker)

    actor = dramatiq.actor(plain)
    for number in range(count):
        actor.send(number)
    worker = dramatiq.Worker(broker, worker_threads=8)
    return Job(worker.start, functools.partial(size, redis.Redis.from_url(second(url))))


def rq(url: str, count: int) -> Job:
    """SimpleWorker, which does not fork for each task."""
    from rq import Queue, SimpleWorker

    client = redis.Redis.from_url(url)
    queue = Queue(connection=client)
    for start in range(0, count, 1000):
        queue.enqueue_many(
            [Queue.prepare_data("operator.pos", (number,)) for number in range(start, min(start + 1000, count))]
        )
    worker = SimpleWorker([queue], connection=client)
    watched = redis.Redis.from_url(url)

    def stored() -> int:
        found: Any = watched.zcard("rq:finished:default")
        return int(found)

    return Job(lambda: worker.work(logging_level="ERROR"), stored)


def celery(url: str, count: int) -> Job:
    """The solo pool, which was faster than one thread or one child, with its events and gossip left out."""
    from celery import Celery

    app = Celery("benchmark", broker=url, backend=second(url))
    app.conf.update(
        task_ignore_result=False,
        worker_prefetch_multiplier=100,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
    )

    task = app.task(name="plain")(plain)
    for number in range(count):
        task.apply_async((number,))
    worker = app.Worker(pool="solo", concurrency=1, without_gossip=True, without_mingle=True, without_heartbeat=True)
    return Job(worker.start, functools.partial(size, redis.Redis.from_url(second(url))))


def arq(url: str, count: int) -> Job:
    """A hundred tasks at once on its loop (10, the default, was slower), looking for more every hundredth second."""
    from arq import create_pool
    from arq.connections import RedisSettings
    from arq.worker import Worker, func

    settings = RedisSettings.from_dsn(url)

    async def fill() -> None:
        pool = await create_pool(settings)
        for number in range(count):
            await pool.enqueue_job("echo", number=number)
        await pool.aclose()

    asyncio.run(fill())
    asyncio.set_event_loop(asyncio.new_event_loop())
    worker = Worker([func(echo)], redis_settings=settings, max_jobs=100, poll_delay=0.01)
    client = redis.Redis.from_url(url)

    def stored() -> int:
        left: Any = client.zcard("arq:queue")
        return count - int(left)

    return Job(worker.run, stored)


def taskiq(url: str, count: int) -> Job:
    """Its list broker, faster than the one of streams, and its default of a hundred tasks at once."""
    from taskiq.api import run_receiver_task
    from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

    async def fill() -> None:
        broker = ListQueueBroker(url)
        await broker.startup()
        task = broker.register_task(echo, "echo")
        for number in range(count):
            await task.kiq(None, number=number)
        await broker.shutdown()

    async def run() -> None:
        results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(second(url))
        broker = ListQueueBroker(url).with_result_backend(results)
        broker.register_task(echo, "echo")
        await run_receiver_task(broker, run_startup=True, max_prefetch=100)

    asyncio.run(fill())
    return Job(lambda: asyncio.run(run()), functools.partial(size, redis.Redis.from_url(second(url))))


PEERS: dict[str, Callable[[str, int], Job]] = {
    "huey": huey,
    "SAQ": saq,
    "dramatiq": dramatiq,
    "RQ": rq,
    "Celery": celery,
    "arq": arq,
    "taskiq": taskiq,
}


def second(url: str) -> str:
    """Return the URL of database 1 of the server whose database 0 a URL names."""
    return url.removesuffix("/0") + "/1"


def size(client: redis.Redis) -> int:
    """Return how many keys a database has."""
    found: Any = client.dbsize()
    return int(found)


def rate(name: str, url: str, count: int = COUNT) -> float | None:
    """Return a peer's tasks a second, measured in a new process; ``None`` when it is not installed."""
    for python in (sys.executable, *filter(None, os.environ.get("TASKCORE_BENCHMARK_PEERS", "").split(os.pathsep))):
        done = subprocess.run(
            [python, Path(__file__), name, url, str(count)], stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode == 0:
            return float(done.stdout.splitlines()[-1])
        if done.returncode != NOT_INSTALLED:
            raise SystemExit(f"{name} ended with {done.returncode}: {done.stdout}")
    return None


def watch(job: Job, count: int, started: float) -> None:
    """Print tasks a second when all results are there, and end the process, whatever its worker still does."""
    while (found := job.stored()) < count:
        if time.perf_counter() - started > PATIENCE:
            sys.stderr.write(f"{found} of {count} results after {PATIENCE:.0f} s\n")
            os._exit(1)
        time.sleep(0.005)
    os.write(1, f"\n{count / (time.perf_counter() - started)}\n".encode())  # a peer may have replaced sys.stdout
    os._exit(0)


def main() -> None:
    """Run one peer."""
    name, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # Celery's, of being root
    with redis.Redis.from_url(url) as client:
        client.flushall(asynchronous=False)
    try:
        job = PEERS[name](url, count)
    except ImportError:
        raise SystemExit(NOT_INSTALLED) from None
    threading.Thread(target=watch, args=(job, count, time.perf_counter()), daemon=True).start()
    job.run()
    threading.Event().wait()


if __name__ == "__main__":
    main()
