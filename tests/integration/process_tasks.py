"""Tasks that child processes import."""

import logging
import multiprocessing
import os
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import attrs

from taskcore import Abort, Context, Retry, Snooze, current_context, task

if os.environ.get("TASKCORE_TESTS_BREAK_CHILDREN") and multiprocessing.parent_process() is not None:
    raise RuntimeError("no licence")
if os.environ.get("TASKCORE_TESTS_SLOW_CHILDREN") and multiprocessing.parent_process() is not None:
    time.sleep(0.5)


@attrs.frozen
class Reading:
    """A value with types that JSON does not have."""

    at: datetime
    path: Path
    values: tuple[int, ...]


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def read(path: Path, at: datetime) -> Reading:
    return Reading(at.astimezone(timezone.utc), path / "x", (1, 2))


@task(takes_context=True)
def report(ctx: Context, gate: str) -> str:
    """Tells of itself, then waits until the file ``gate`` is there."""
    ctx.progress(1, total=2, message="half", counters={"rows": 3})
    ctx.item(count=1, data=[1], shop="a")
    logging.getLogger("shop").info("it runs")
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.01)
    ctx.item(count=2)
    return ctx.enqueue(add.bind(20, 3))


@task
def who() -> str:
    context = current_context()
    assert context is not None
    return f"{context.task.id} {threading.current_thread() is threading.main_thread()}"


@task
def misbehave(kind: str) -> object:
    match kind:
        case "snooze":
            raise Snooze(timedelta(hours=1))
        case "abort":
            raise Abort("enough")
        case "exit":
            sys.exit(3)
        case "chain":
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise ValueError("outer") from error
        case _:
            return object()


def ten_seconds(failures: int, error: BaseException) -> timedelta:
    return timedelta(seconds=10 * failures if isinstance(error, LookupError) else 999)


@task(retry=Retry(max_attempts=3, backoff=ten_seconds, jitter=0))
def lookup() -> None:
    raise KeyError("not there")


@task(timeout=timedelta(seconds=0.3), retry=Retry(max_attempts=2, backoff=ten_seconds, on=TimeoutError))
def hang() -> None:
    time.sleep(60)


ALL = (add, total, read, report, who, misbehave, lookup, hang)
