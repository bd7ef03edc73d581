"""Client: explain says why a task is not running, in words and as data."""

from __future__ import annotations

import pytest

from taskcore import Group, Hindrance, Phase, WorkerInfo, WorkerState
from taskcore._ids import IdSource
from tests.unit.client_samples import HOUR, SECOND, Bench, add, fail, flaky, make_bench, total


@pytest.fixture
def bench() -> Bench:
    return make_bench()


def beat(bench: Bench, **changes) -> None:
    now = bench.clock.now()
    fields = {
        "id": "w1",
        "hostname": "here",
        "pid": 1,
        "queue_names": ("default",),
        "task_names": (add.name, fail.name),
        "concurrency": 2,
        "executor": "threads",
        "started_at": now,
        "last_beat_at": now,
        "expires_at": now + 30 * SECOND,
    }
    bench.backend.beat(WorkerInfo(**{**fields, **changes}))


def why(bench: Bench, task_id: str) -> dict[Hindrance, str]:
    return {reason.hindrance: reason.text for reason in bench.client.explain(task_id).reasons}


def test_nothing_is_wrong_with_a_task_that_will_run(bench: Bench) -> None:
    """A task that a free worker knows has no reason against it."""
    beat(bench)
    assert {} == why(bench, bench.client.enqueue(add, 1).id)


def test_no_worker_at_all(bench: Bench) -> None:
    """The first thing that people forget."""
    text = why(bench, bench.client.enqueue(add, 1).id)[Hindrance.NO_WORKER]
    assert "No live worker serves queue 'default'; there is no live worker at all." == text


def test_no_worker_for_the_queue(bench: Bench) -> None:
    """The queues that are served are named."""
    beat(bench, queue_names=("mail",))
    text = why(bench, bench.client.enqueue(add, 1).id)[Hindrance.NO_WORKER]
    assert "No live worker serves queue 'default'; the live ones serve 'mail'." == text


def test_lost_worker_serves_nothing(bench: Bench) -> None:
    """A worker that has not beaten in time does not count."""
    beat(bench)
    bench.clock.advance(31 * SECOND)
    assert [Hindrance.NO_WORKER] == list(why(bench, bench.client.enqueue(add, 1).id))


def test_worker_does_not_know_the_name(bench: Bench) -> None:
    """A worker that was not told the task leaves it alone."""
    beat(bench, task_names=("other",))
    assert add.name in why(bench, bench.client.enqueue(add, 1).id)[Hindrance.UNKNOWN_NAME]


@pytest.mark.parametrize("state", [WorkerState.PAUSED, WorkerState.STOPPING])
def test_workers_do_not_start_tasks(bench: Bench, state: WorkerState) -> None:
    """Paused and stopping workers are there, and start nothing."""
    beat(bench, state=state)
    assert state.value in why(bench, bench.client.enqueue(add, 1).id)[Hindrance.WORKERS_PAUSED]


def test_workers_are_busy(bench: Bench) -> None:
    """All slots taken: how many are due is told."""
    beat(bench, running=("a", "b"))
    assert "All 2 slots" in why(bench, bench.client.enqueue(add, 1).id)[Hindrance.WORKERS_BUSY]


def test_worker_with_many_in_hand_takes_no_slots_of_another(bench: Bench) -> None:
    """A worker with processes names short tasks by the chunk as running: an idle one beside it is free all the same."""
    beat(bench, running=tuple("abcdefgh"))
    beat(bench, id="idle")
    assert Hindrance.WORKERS_BUSY not in why(bench, bench.client.enqueue(add, 1).id)


def test_queue_is_paused(bench: Bench) -> None:
    """A paused queue is named."""
    beat(bench)
    bench.client.pause("default")
    assert {Hindrance.QUEUE_PAUSED: "Queue 'default' is paused: resume it."} == why(
        bench, bench.client.enqueue(add, 1).id
    )


def test_not_due(bench: Bench) -> None:
    """The moment is told, with its distance."""
    beat(bench)
    handle = bench.client.enqueue(add.using(run_after=HOUR), 1)
    assert {Hindrance.NOT_DUE: "It is not due until 2026-01-01 13:00:00 UTC (in 1 h)."} == why(bench, handle.id)


def test_retrying_tells_the_last_exception(bench: Bench) -> None:
    """What waits for another try says after what."""
    handle = bench.client.enqueue(flaky)
    bench.drain()
    assert "after builtins.ConnectionError: no line" in why(bench, handle.id)[Hindrance.NOT_DUE]


def test_blocked_by_tasks(bench: Bench) -> None:
    """Parents that have not finished are named with their states, those that have are not."""
    done = bench.client.enqueue(add, 1)
    bench.drain()
    open_ones = bench.client.enqueue_many(add.bind(n) for n in range(12))
    child = bench.client.enqueue(total, [one.output for one in (done, *open_ones)])
    text = why(bench, child.id)[Hindrance.BLOCKED]
    assert f"task {add.name} {open_ones[0].id}, which is READY" in text
    assert text.endswith("; 2 more.")
    assert done.id not in text


def test_blocked_by_a_group(bench: Bench) -> None:
    """How many of its members have finished is told."""
    group = bench.client.group("march", [add.bind(1), add.using(run_after=HOUR).bind(2)], then=add.bind(0))
    bench.drain()
    assert group.callback is not None
    assert "group 'march'" in why(bench, group.callback.id)[Hindrance.BLOCKED]
    assert "1 of 2 tasks have finished" in why(bench, group.callback.id)[Hindrance.BLOCKED]


def test_blocked_by_a_group_that_is_not_sealed(bench: Bench) -> None:
    """A group whose storing was interrupted never finishes, and explain says so."""
    ids, now = IdSource(), bench.clock.now()
    group_id = ids.new(now)
    bench.backend.add([], group=Group(id=group_id, name="march", created_at=now))
    handle = bench.client.enqueue(add.using(depends_on=group_id), 1)
    assert "has not come to the end" in why(bench, handle.id)[Hindrance.BLOCKED]


def test_overdue(bench: Bench) -> None:
    """A task that nobody cancelled yet will be."""
    handle = bench.client.enqueue(add.using(expires_at=HOUR), 1)
    bench.clock.advance(2 * HOUR)
    assert "It will be cancelled, not run." in why(bench, handle.id)[Hindrance.OVERDUE]


def test_suspect_waits_for_an_empty_worker(bench: Bench) -> None:
    """At-most-once tasks are not run beside others."""
    beat(bench)
    handle = bench.client.enqueue(add.using(max_crashes=0), 1)
    assert "may run only once" in why(bench, handle.id)[Hindrance.SUSPECT]


def test_running_task_names_its_worker(bench: Bench) -> None:
    """The summary of a running task says who holds it until when."""
    handle = bench.client.enqueue(add, 1)
    bench.claim("w7")
    assert "Worker w7 holds it until 2026-01-01 12:00:30 UTC (in 30 s)." in bench.client.explain(handle.id).summary


def test_lapsed_lease(bench: Bench) -> None:
    """A running task whose worker is lost waits for the next claim of any worker."""
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    bench.clock.advance(31 * SECOND)
    assert "start one" in why(bench, handle.id)[Hindrance.LEASE_LAPSED]
    beat(bench, id="w2")
    explanation = bench.client.explain(handle.id)
    assert Phase.LAPSED is explanation.phase
    assert "next claim of any worker" in why(bench, handle.id)[Hindrance.LEASE_LAPSED]


def test_silent_worker(bench: Bench) -> None:
    """A worker that stopped beating while its lease still holds is told apart."""
    beat(bench, expires_at=bench.clock.now() + SECOND)
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    bench.clock.advance(2 * SECOND)
    assert "last beat" in why(bench, handle.id)[Hindrance.WORKER_SILENT]


def test_wanted_cancel(bench: Bench) -> None:
    """A cancel that the worker has not obeyed yet."""
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    handle.cancel()
    assert "(ask)" in why(bench, handle.id)[Hindrance.CANCEL_WANTED]


def test_successful(bench: Bench) -> None:
    """What has succeeded needs no reason."""
    handle = bench.client.enqueue(add, 1)
    bench.drain()
    assert {Hindrance.FINISHED: "It succeeded at 2026-01-01 12:00:00 UTC."} == why(bench, handle.id)


def test_failed(bench: Bench) -> None:
    """The exception is told, and what to do."""
    handle = bench.client.enqueue(fail)
    bench.drain()
    text = why(bench, handle.id)[Hindrance.FINISHED]
    assert "It failed for good: builtins.ValueError: boom. Requeue it to run it again." == text


def test_cancelled_because_of_a_parent(bench: Bench) -> None:
    """The parent that failed is named."""
    parent = bench.client.enqueue(fail)
    child = bench.client.enqueue(add, parent.output)
    bench.drain()
    text = why(bench, child.id)[Hindrance.PARENT_FAILED]
    assert f"It depends on task {fail.name} {parent.id}, which is FAILED. Requeue it with its parents." == text


def test_cancelled_because_of_a_group(bench: Bench) -> None:
    """So is a group with a member that failed."""
    group = bench.client.group("march", [fail.bind()], then=add.bind(0))
    bench.drain()
    assert group.callback is not None
    assert "1 of them without success" in why(bench, group.callback.id)[Hindrance.PARENT_FAILED]


def test_key_is_held_by_another(bench: Bench) -> None:
    """A finished task whose key another has taken cannot be requeued."""
    once = add.using(unique_key="k")
    first = bench.client.enqueue(once, 1)
    first.cancel()
    second = bench.client.enqueue(once, 1)
    assert second.id in why(bench, first.id)[Hindrance.KEY_HELD]


def test_counts_of_tries_are_words(bench: Bench) -> None:
    """The summary says how often it has failed."""
    handle = bench.client.enqueue(flaky)
    for _ in range(2):
        bench.drain()
        bench.clock.advance(HOUR)
    assert "It has failed twice." in bench.client.explain(handle.id).summary


def test_explanation_prints_as_lines(bench: Bench) -> None:
    """A summary, and a line for each reason."""
    bench.client.pause("default")
    lines = str(bench.client.explain(bench.client.enqueue(add, 1).id)).splitlines()
    assert (3, ["- ", "- "]) == (len(lines), [line[:2] for line in lines[1:]])
