"""Tasks for workers that are killed. Each run writes a line when it begins and one when it ends, to one log file."""

import os
import time
from datetime import timedelta

from taskcore import Context, Retry, constant, task


def note(log: str, *words: object) -> None:
    """Append one line, in one write, so that lines of different processes never mix."""
    line = " ".join(str(word) for word in (*words, os.getpid(), f"{time.time():.6f}")) + "\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


@task(takes_context=True)
def work(ctx: Context, log: str, seconds: float) -> int:
    note(log, "start", ctx.task.id, ctx.task.epoch)
    time.sleep(seconds)
    note(log, "end", ctx.task.id, ctx.task.epoch)
    return ctx.task.epoch


@task(takes_context=True, retry=Retry(max_attempts=2, backoff=constant(timedelta(0)), jitter=0))
def flaky(ctx: Context, log: str) -> int:
    """Fails at its first failure's run, so that failures and crashes can be told apart."""
    note(log, "start", ctx.task.id, ctx.task.epoch)
    if not ctx.task.failures:
        raise ValueError("once")
    note(log, "end", ctx.task.id, ctx.task.epoch)
    return ctx.task.epoch


@task(takes_context=True, max_crashes=1)
def poison(ctx: Context, log: str) -> None:
    note(log, "start", ctx.task.id, ctx.task.epoch)
    os._exit(9)


@task(takes_context=True, max_crashes=0)
def once(ctx: Context, log: str, seconds: float) -> None:
    note(log, "start", ctx.task.id, ctx.task.epoch)
    time.sleep(seconds)


@task(takes_context=True)
def stubborn(ctx: Context, log: str, seconds: float) -> str:
    """Runs on whatever is wished, without ever asking."""
    note(log, "start", ctx.task.id, ctx.task.epoch)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    note(log, "end", ctx.task.id, ctx.task.epoch)
    return "done"


@task(takes_context=True)
def obedient(ctx: Context, log: str, seconds: float) -> str:
    """Asks every 10 ms whether to stop."""
    note(log, "start", ctx.task.id, ctx.task.epoch)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check()
        time.sleep(0.01)
    return "done"


@task(takes_context=True, timeout=timedelta(seconds=0.4))
def overrun(ctx: Context, log: str) -> None:
    note(log, "start", ctx.task.id, ctx.task.epoch)
    time.sleep(60)


@task(soft_timeout=timedelta(seconds=0.2), timeout=timedelta(seconds=30))
def soften() -> str:
    try:
        time.sleep(60)
    except Exception as error:
        return type(error).__name__
    return "slept"


@task
def process_id() -> int:
    return os.getpid()


leaked: list[bytes] = []


@task
def leak(megabytes: int) -> int:
    """Takes memory that its process never gives back."""
    leaked.append(b"x" * (megabytes * 2**20))
    return os.getpid()


ALL = (work, flaky, poison, once, stubborn, obedient, overrun, soften, process_id, leak)
