"""What a program puts around its tasks: before and after a run, where it runs; and after the store has answered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import pytest

from taskcore import Event, State, TaskOutcome, Worker, current_context, task
from tests.unit.client_samples import HOUR, Bench, add, fail, flaky, make_bench

P = ParamSpec("P")
R = TypeVar("R")


@pytest.fixture
def bench() -> Bench:
    return make_bench()


def watched(told: list[tuple[str, str]]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that notes when a run begins and ends, with the id of its task."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def around(*args: P.args, **kwargs: P.kwargs) -> R:
            task_id = current_context().task.id
            told.append(("begins", task_id))
            try:
                return function(*args, **kwargs)
            finally:
                told.append(("ends", task_id))

        return around

    return decorate


@pytest.mark.parity("DQ-38")
def test_a_decorator_stands_around_each_run(bench: Bench) -> None:
    """It runs where the function does, knows the task, and leaves signature and result as they are."""
    told: list[tuple[str, str]] = []

    @task
    @watched(told)
    def double(number: int) -> int:
        return 2 * number

    handle = bench.client.enqueue(double, number=4)
    assert [] == told
    Worker(bench.client, [double]).drain()
    assert ([("begins", handle.id), ("ends", handle.id)], 8) == (told, handle.result())


@pytest.mark.parity("DQ-37", "DQ-38")
def test_a_reporter_of_errors_is_a_hook(bench: Bench) -> None:
    """It is told of each run that failed, tried again or not, with the traceback and the task."""
    reports: list[tuple[str, Event, str]] = []

    def report(outcome: TaskOutcome) -> None:
        if outcome.failure is not None:
            last_line = outcome.failure.traceback.strip().splitlines()[-1]
            reports.append((outcome.task.name, outcome.event, last_line))

    bench.client.enqueue(add, 1)
    bench.client.enqueue(fail, "no such order")
    bench.client.enqueue(flaky)
    Worker(bench.client, [add, fail, flaky], on_outcome=report).drain()
    bench.clock.advance(HOUR)
    Worker(bench.client, [add, fail, flaky], on_outcome=report).drain()
    retried = (flaky.name, Event.RETRY, "ConnectionError: no line")
    assert [(fail.name, Event.FAIL, "ValueError: no such order"), retried, retried] == reports


@pytest.mark.parity("DQ-25", "DQ-38")
def test_a_hook_of_a_worker_may_enqueue(bench: Bench) -> None:
    """After the store has answered; what it enqueues is a task like any other."""
    seen = []

    def follow(outcome: TaskOutcome) -> None:
        if outcome.task.name == fail.name and outcome.state is State.FAILED:
            seen.append(bench.client.enqueue(add, 1, 1))

    bench.client.enqueue(fail)
    assert 2 == Worker(bench.client, [add, fail], on_outcome=follow).drain()
    assert [2] == [handle.result() for handle in seen]
