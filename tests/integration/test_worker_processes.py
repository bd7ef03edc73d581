"""Child processes do what threads do: arguments, results, exceptions, progress, items and log lines cross the pipe."""

import logging
import multiprocessing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from taskcore import Client, ItemKind, State, Worker, WorkerExit
from taskcore.errors import WorkerBroken
from taskcore_backends.memory import MemoryBackend
from tests.integration.process_tasks import ALL, Reading, add, hang, lookup, misbehave, read, report, total, who
from tests.integration.worker_tasks import poison
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SOON = timedelta(seconds=20)


@pytest.fixture
def client():
    return Client(MemoryBackend())


@pytest.fixture
def worker(client):
    with Worker(client, ALL, executor="processes", concurrency=2, capture_logs=True, grace=timedelta(0)) as worker:
        yield worker


def test_values_come_back_as_what_they_were(client, worker):
    """The child decodes and encodes by the annotations of the function."""
    at = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    expected = Reading(at.astimezone(timezone.utc), Path("folder/x"), (1, 2))
    assert expected == client.enqueue(read, Path("folder"), at).result(SOON)


def test_outputs_of_parents_are_handed_on(client, worker):
    """The parent process reads them, the child puts them in their places."""
    one, two = client.enqueue(add, 1, 2), client.enqueue(add, 3, 4)
    group = client.group("g", [add.bind(n, n) for n in range(3)], then=total.bind)
    assert 10 == client.enqueue(total, [one.output, two.output]).result(SOON)
    assert group.callback is not None
    assert 6 == group.callback.result(SOON)


def test_news_of_a_running_task_reach_the_store(client, worker, tmp_path):
    """Progress, items and log lines are there while it runs, each once in the end; what it enqueued comes with it."""
    gate = tmp_path / "gate"
    handle = client.enqueue(report, str(gate))
    eventually(lambda: handle.refresh().progress is not None and len(client.items(handle.id).items) == 2)
    gate.touch()
    made = handle.result(SOON)
    assert 23 == client.handle(made).result(SOON)
    items = client.items(handle.id).items
    assert [(ItemKind.ITEM, 1), (ItemKind.LOG, None), (ItemKind.ITEM, 2)] == [(item.kind, item.count) for item in items]
    progress = handle.refresh().progress
    assert progress is not None
    assert (1, 2, "half", {"rows": 3}) == (
        progress.current,
        progress.total,
        progress.message,
        dict(progress.counters),
    )


def test_a_task_runs_in_the_main_thread_of_its_child_with_its_context(client, worker):
    """So that signals and libraries that insist on the main thread work."""
    handle = client.enqueue(who)
    assert f"{handle.id} True" == handle.result(SOON)


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("snooze", State.READY, "taskcore.Snooze"),
        ("abort", State.CANCELLED, "taskcore.Abort"),
        ("exit", State.FAILED, "builtins.SystemExit"),
        ("chain", State.FAILED, "builtins.ValueError"),
        ("object", State.FAILED, "taskcore.errors.NotEncodable"),
    ],
)
def test_each_way_to_end_is_told_as_it_was(client, worker, kind, state, words):
    """Control flow and exceptions cross as data."""
    handle = client.enqueue(misbehave, kind)
    eventually(lambda: handle.refresh().attempts)
    seen = handle.refresh()
    failure = seen.attempts[0].failure
    assert failure is not None
    assert (state, words) == (seen.state, failure.exception_type)
    assert (failure.cause is not None) is (kind == "chain")


def test_a_backoff_function_is_asked_where_the_exception_is(client, worker):
    """In the child: the parent never sees the exception itself."""
    handle = client.enqueue(lookup)
    eventually(lambda: handle.refresh().failures)
    seen = handle.refresh()
    assert 9 < (seen.run_after - seen.changed_at).total_seconds() <= 10


def test_a_hard_timeout_may_be_tried_again(client, worker):
    """The child is dead, so there can be no second run beside it."""
    handle = client.enqueue(hang)
    eventually(lambda: handle.refresh().failures)
    assert (State.READY, 0) == (handle.refresh().state, handle.refresh().crashes)
    assert 3 == client.enqueue(add, 1, 2).result(SOON)


def test_a_run_that_is_killed_began_when_its_child_was_ready(client, monkeypatch):
    """What a child takes to start is no part of the run that its timeout ends."""
    monkeypatch.setenv("TASKCORE_TESTS_SLOW_CHILDREN", "1")
    handle = client.enqueue(hang)
    with Worker(client, ALL, executor="processes", concurrency=1, grace=timedelta(0)):
        eventually(lambda: handle.refresh().failures)
    (attempt,) = handle.refresh().attempts
    assert attempt.started_at is not None
    assert timedelta(seconds=0.2) < attempt.started_at - attempt.claimed_at


def test_no_child_is_left_when_a_run_has_ended(client):
    """Each is joined."""
    client.enqueue_many(add.bind(n, n) for n in range(100))
    worker = Worker(client, ALL, executor="processes", concurrency=2)
    assert WorkerExit.FINISHED is worker.run(burst=True)
    assert [] == [child for child in multiprocessing.active_children() if child.name == "taskcore-child"]


def test_the_log_of_a_child_that_dies_names_how(client, caplog):
    """The line says which task went with it, and how the process ended."""
    caplog.set_level(logging.INFO, "taskcore.worker")
    handle = client.enqueue(poison, "/dev/null")
    Worker(client, [poison], executor="processes", concurrency=1).run(burst=True)
    assert State.FAILED is handle.refresh().state
    lost = [record for record in caplog.records if getattr(record, "outcome", "") in ("RECLAIM", "ABANDON")]
    assert ["RECLAIM", "ABANDON"] == [record.outcome for record in lost]
    assert all("exit code 9" in record.getMessage() for record in lost)


def test_tasks_that_a_child_cannot_import_stop_the_worker(client, monkeypatch):
    """Three children in a row did not come up: ``run`` says so, and the task is still there."""
    handle = client.enqueue(add, 1, 2)
    worker = Worker(client, [add], executor="processes", concurrency=1)
    monkeypatch.setenv("TASKCORE_TESTS_BREAK_CHILDREN", "1")
    with pytest.raises(WorkerBroken, match="no licence"):
        worker.run(burst=True)
    assert (State.READY, 0) == (handle.refresh().state, handle.refresh().crashes)
