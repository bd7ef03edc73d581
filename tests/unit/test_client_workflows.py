"""What is made of tasks, dependencies and groups: chains, one function over many arguments, hooks, and their counts."""

from __future__ import annotations

import datetime as dt
from itertools import islice, pairwise
from typing import Any

import pytest

from taskcore import (
    Call,
    Client,
    Handle,
    Retention,
    State,
    TaskDefinition,
    TaskFailed,
    TaskNotFound,
    UniqueConflict,
    Worker,
    task,
)
from tests.unit.client_samples import HOUR, TASKS, Bench, add, fail, flaky, make_bench, total


@pytest.fixture
def bench() -> Bench:
    return make_bench()


def drain(bench: Bench, *tasks: TaskDefinition[..., Any]) -> int:
    return Worker(bench.client, tasks or TASKS).drain()


def chain(client: Client, *calls: Call[str]) -> list[Handle[str]]:
    """Enqueue calls so that each begins when the one before has succeeded."""
    handles: list[Handle[str]] = []
    for call in calls:
        handles.append(client.enqueue_call(call.using(depends_on=handles[-1:])))
    return handles


@pytest.mark.parity("DQ-35", "DQ-36")
def test_a_chain_runs_in_order(bench: Bench) -> None:
    """However urgent its later ones are: each waits for the one before it."""
    ran = []

    @task
    def note(word: str) -> str:
        ran.append(word)
        return word

    handles = chain(bench.client, note.bind("one"), note.using(priority=50).bind("two"), note.bind("three"))
    assert [State.READY, State.BLOCKED, State.BLOCKED] == [handle.state for handle in handles]
    assert 3 == drain(bench, note)
    assert ["one", "two", "three"] == ran
    assert ["one", "two", "three"] == [handle.result() for handle in handles]


@pytest.mark.parity("DQ-35")
def test_a_chain_hands_on_its_values(bench: Bench) -> None:
    """Each link takes what the one before it returned."""
    last = bench.client.enqueue(add, 0, 1)
    for _ in range(4):
        last = bench.client.enqueue(add, last.output, 1)
    drain(bench)
    assert 5 == last.result()


@pytest.mark.parity("DQ-35")
def test_a_chain_ends_with_what_fails(bench: Bench) -> None:
    """What comes after a link that failed does not run; how far it came is what its tasks say."""
    first = bench.client.enqueue(add, 1)
    broken = bench.client.enqueue(fail.using(depends_on=first))
    last = bench.client.enqueue(add.using(depends_on=broken), 2)
    assert 2 == drain(bench)
    assert [State.SUCCESSFUL, State.FAILED, State.CANCELLED] == [one.state for one in (first, broken, last)]


@pytest.mark.parity("DQ-35", "C35-10")
def test_one_function_over_many_arguments(bench: Bench) -> None:
    """A group of its calls: the values come in the order of the arguments, as one result."""
    group = bench.client.group("floor", (add.bind(number, 0) for number in (3, 1, 2)), then=total.bind)
    drain(bench)
    assert [3, 1, 2] == group.result()
    assert group.callback is not None
    assert 6 == group.callback.result()


@pytest.mark.parity("DQ-35", "C35-10")
def test_a_group_counts_what_became_of_its_members(bench: Bench) -> None:
    """All of them, those that failed, those that wait; and the failures themselves can be read."""
    group = bench.client.group("march", [add.bind(1), fail.bind(), flaky.bind(), add.bind(2)])
    drain(bench)
    seen = group.refresh()
    assert (4, {State.SUCCESSFUL: 2, State.FAILED: 1, State.READY: 1}) == (seen.total, seen.counts)
    assert (False, False) == (seen.is_finished, seen.is_successful)
    failed = bench.client.find(group_id=group.id, states=[State.FAILED]).items
    assert ["builtins.ValueError"] == [one.result.failure.exception_type for one in failed]


@pytest.mark.parity("DQ-35")
def test_the_first_of_a_group_can_be_waited_for(bench: Bench) -> None:
    """As many as are wanted, in the order in which they finish; the others are not waited for."""
    late = add.using(run_after=HOUR)
    group = bench.client.group("march", [late.bind(1), add.bind(2), late.bind(3), add.bind(4)])
    drain(bench)
    first_two = islice(bench.client.as_completed(group.handles()), 2)
    assert {4, 6} == {handle.result() for handle in first_two}


@pytest.mark.parity("DQ-35", "DJC-02")
def test_a_group_is_deleted_with_its_tasks(bench: Bench) -> None:
    """By its id; tasks beside it stay."""
    group = bench.client.group("march", [add.bind(1), fail.bind()])
    beside = bench.client.enqueue(add, 1)
    drain(bench)
    assert 2 == bench.client.purge(group_id=group.id)
    with pytest.raises(TaskNotFound):
        group.refresh()
    assert 3 == beside.result()


@pytest.mark.parity("DQ-35")
def test_the_length_of_a_queue(bench: Bench) -> None:
    """What may begin now is told apart from what waits for its moment."""
    bench.client.enqueue_many(add.bind(number) for number in range(5))
    bench.client.enqueue(add.using(run_after=HOUR), 1)
    (queue,) = bench.client.stats().queues
    assert (5, 1) == (queue.counts[State.READY] - queue.scheduled, queue.scheduled)


@pytest.mark.parity("DQ-35")
def test_a_result_that_is_kept_for_an_hour(bench: Bench) -> None:
    """A retention lets go of it when nobody needs it any more."""
    handle = bench.client.enqueue(add.using(retention=Retention(successful=HOUR)), 1)
    drain(bench)
    assert 0 == bench.client.purge()
    bench.clock.advance(HOUR)
    assert 1 == bench.client.purge()
    with pytest.raises(TaskNotFound):
        handle.result()


@pytest.mark.parity("DQ-25", "DQ-36", "DQ-38")
def test_a_hook_is_a_task_that_depends_on_another(bench: Bench) -> None:
    """With ``on_parent_failure="run"`` it is told of failures, too, as None; it is stored, so it is never lost."""
    told = set()

    @task(on_parent_failure="run")
    def hook(word: str, outcome: int | None) -> None:
        told.add((word, outcome))

    bench.client.enqueue(hook, "well", bench.client.enqueue(add, 1).output)
    bench.client.enqueue(hook, "badly", bench.client.enqueue(fail).output)
    drain(bench, *TASKS, hook)
    assert {("well", 3), ("badly", None)} == told


@pytest.mark.parity("DQ-36")
def test_a_task_has_a_name_for_people(bench: Bench) -> None:
    """Beside that of its function, which workers go by."""
    handle = bench.client.enqueue(add.using(label="sum for March"), 1)
    assert (add.name, "sum for March") == (handle.refresh().name, handle.refresh().spec.label)


@pytest.mark.parity("DQ-08")
def test_a_requeued_task_keeps_its_options(bench: Bench) -> None:
    """Id, arguments, group and all that was asked for stay, and the runs it has had; what had become of it goes."""
    options = fail.using(priority=9, queue_name="default", timeout=HOUR, label="l", metadata={"a": 1}, save=False)
    group = bench.client.group("march", [options.bind("once")])
    drain(bench)
    (before,) = group.tasks()
    after = bench.client.requeue(before.id)
    assert (before.spec, before.attempts, State.READY, None) == (after.spec, after.attempts, after.state, after.result)


@pytest.mark.parity("SCR-20")
def test_one_large_task_at_a_time(bench: Bench) -> None:
    """A key lets nobody start a second one, from whatever program, and names the one that is there."""
    large = add.using(unique_key="scrape", on_conflict="raise")
    first = bench.client.enqueue(large, 1)
    bench.claim()
    with pytest.raises(UniqueConflict) as caught:
        bench.client.enqueue(large, 2)
    assert first.id == caught.value.task_id


@pytest.mark.parity("C35-03", "C35-05", "DCR-13", "DQ-34", "DJC-08")
def test_each_change_of_state_has_its_moment(bench: Bench) -> None:
    """Enqueued, due, begun and finished are told apart, and the last change of the state is the task's own."""
    begin = bench.clock.now()
    handle = bench.client.enqueue(flaky.using(run_after=HOUR))
    seen = handle.refresh()
    assert (State.READY, begin, begin, begin + HOUR) == (
        seen.state,
        seen.spec.enqueued_at,
        seen.changed_at,
        seen.run_after,
    )
    for hours in (1, 2, 3):
        bench.clock.set(begin + hours * HOUR)
        drain(bench)
        assert bench.clock.now() == handle.refresh().changed_at
    ended = handle.refresh()
    assert ended.result is not None
    assert (State.FAILED, begin, begin + 3 * HOUR, begin + 3 * HOUR) == (
        ended.state,
        ended.spec.enqueued_at,
        ended.result.started_at,
        ended.result.finished_at,
    )


@pytest.mark.parity("SCR-15", "DQ-40")
def test_each_run_that_went_wrong_is_kept(bench: Bench) -> None:
    """With its moments, its worker and what it raised, also when a later one succeeds."""
    handle = bench.client.enqueue(flaky)
    for _ in range(3):
        drain(bench)
        bench.clock.advance(HOUR)
    attempts = handle.refresh().attempts
    assert ["no line"] * 3 == [attempt.failure.message for attempt in attempts]
    assert [HOUR, HOUR] == [b.claimed_at - a.claimed_at for a, b in pairwise(attempts)]
    with pytest.raises(TaskFailed, match="no line"):
        handle.result()


@pytest.mark.parity("C35-08")
def test_what_is_due_is_told_from_what_is_not(bench: Bench) -> None:
    """By the moment alone: nothing is claimed early."""
    soon = bench.client.enqueue(add.using(run_after=dt.timedelta(seconds=1)), 1)
    assert 0 == drain(bench)
    bench.clock.advance(dt.timedelta(seconds=1))
    assert (1, 3) == (drain(bench), soon.result())
