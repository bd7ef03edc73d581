"""``phase``: the word for where a task stands at a moment, finer than its state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from taskcore import CancelLevel, Phase, State, phase
from tests.unit.client_samples import HOUR, Bench, add, fail, flaky, make_bench


@pytest.fixture
def bench() -> Bench:
    return make_bench()


def running(bench: Bench) -> str:
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    return handle.id


def cancelling(bench: Bench) -> str:
    task_id = running(bench)
    bench.client.cancel(task_id, CancelLevel.ASK)
    return task_id


def lapsed(bench: Bench) -> str:
    task_id = cancelling(bench)
    bench.clock.advance(HOUR)
    return task_id


def drained(bench: Bench, task_id: str) -> str:
    bench.drain()
    return task_id


def cancelled(bench: Bench) -> str:
    handle = bench.client.enqueue(add, 1)
    handle.cancel()
    return handle.id


STANDINGS: list[tuple[Phase, State, Callable[[Bench], str]]] = [
    (Phase.READY, State.READY, lambda bench: bench.client.enqueue(add, 1).id),
    (Phase.SCHEDULED, State.READY, lambda bench: bench.client.enqueue(add.using(run_after=HOUR), 1).id),
    (Phase.RETRYING, State.READY, lambda bench: drained(bench, bench.client.enqueue(flaky).id)),
    (
        Phase.BLOCKED,
        State.BLOCKED,
        lambda bench: bench.client.enqueue(add, bench.client.enqueue(add, 1).output).id,
    ),
    (Phase.RUNNING, State.RUNNING, running),
    (Phase.CANCELLING, State.RUNNING, cancelling),
    (Phase.LAPSED, State.RUNNING, lapsed),
    (Phase.SUCCESSFUL, State.SUCCESSFUL, lambda bench: drained(bench, bench.client.enqueue(add, 1).id)),
    (Phase.FAILED, State.FAILED, lambda bench: drained(bench, bench.client.enqueue(fail).id)),
    (Phase.CANCELLED, State.CANCELLED, cancelled),
]


@pytest.mark.parity("C35-01", "C35-03", "DCR-17")
@pytest.mark.parametrize(("word", "state", "stand"), STANDINGS, ids=[row[0].value for row in STANDINGS])
def test_where_a_task_stands_has_a_word(bench: Bench, word, state, stand) -> None:
    """The state is what is stored; the word depends on the moment as well."""
    task = bench.client.get(stand(bench))
    assert (word, state) == (phase(task, bench.clock.now()), task.state)


@pytest.mark.parity("C35-01")
def test_every_word_is_reached() -> None:
    """Each phase and each state stands in the table above."""
    assert (set(Phase), set(State)) == ({row[0] for row in STANDINGS}, {row[1] for row in STANDINGS})
