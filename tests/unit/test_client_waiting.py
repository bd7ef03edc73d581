"""Client: waiting for results, in whatever order they come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from taskcore import (
    Capability,
    Client,
    InvalidOption,
    ResultTimeout,
    State,
    TaskCancelled,
    TaskFailed,
    TaskNotFound,
    Worker,
)
from taskcore._client._waiting import Deadline, Watch
from taskcore.errors import UndecodablePayload
from taskcore.protocol import Change, Event
from taskcore_backends.memory import MemoryBackend
from tests.unit.client_samples import HOUR, SECOND, Bench, add, fail, make_bench, meanwhile, yesterday

NOW = dt.timedelta(0)
LONG = 30 * SECOND


@pytest.fixture
def bench() -> Bench:
    return make_bench()


class Deaf(MemoryBackend):
    """A memory store that cannot wait: clients have to look by themselves."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return super().capabilities - {Capability.WAIT}

    def wait_finished(self, task_ids: Sequence[str], timeout: dt.timedelta) -> bool:
        raise AssertionError("asked to wait")


class Babbling(MemoryBackend):
    """A memory store whose hints are always wrong: it says that something has finished whenever it is asked."""

    asked = 0

    def wait_finished(self, task_ids: Sequence[str], timeout: dt.timedelta) -> bool:
        self.asked += 1
        return True


class Counting(MemoryBackend):
    """A memory store that counts how many tasks it hands out, and notes how long it is asked to wait."""

    handed_out = 0

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[dt.timedelta] = []

    def get(self, task_ids):
        self.handed_out += len(task_ids)
        return super().get(task_ids)

    def wait_finished(self, task_ids: Sequence[str], timeout: dt.timedelta) -> bool:
        self.waits.append(timeout)
        return super().wait_finished(task_ids, timeout)


@pytest.mark.parity("C35-04", "DQ-35")
def test_result_comes_by_the_annotation(bench: Bench) -> None:
    """A date comes back as a date."""
    handle = bench.client.enqueue(yesterday, dt.date(2026, 3, 1))
    bench.drain()
    assert dt.date(2026, 2, 28) == handle.result()


@pytest.mark.parity("DQ-35")
def test_result_by_the_id_is_plain_json(bench: Bench) -> None:
    """Without a definition the result is what JSON has."""
    handle = bench.client.enqueue(yesterday, dt.date(2026, 3, 1))
    bench.drain()
    assert "2026-02-28" == bench.client.handle(handle.id).result() == bench.client.result(handle.id)


def test_handle_with_its_definition_decodes(bench: Bench) -> None:
    """A handle that is told the definition decodes by it."""
    handle = bench.client.enqueue(yesterday, dt.date(2026, 3, 1))
    bench.drain()
    assert dt.date(2026, 2, 28) == bench.client.handle(handle.id, yesterday).result()


def test_result_is_waited_for(bench: Bench) -> None:
    """A result that comes while somebody waits is returned."""
    handle = bench.client.enqueue(add, 1)
    with meanwhile(bench.drain):
        assert 3 == handle.result(LONG)


def test_new_task_is_not_asked_for_before_it_has_finished() -> None:
    """The first wait for what has just been enqueued fetches the task once, at the end; a later one looks first."""
    backend = Counting()
    client = Client(backend)
    handle = client.enqueue(add, 1)
    with meanwhile(Worker(client, [add]).drain):
        handle.result(LONG)
    assert 1 == backend.handed_out
    backend.waits.clear()
    handle.result()
    assert (2, []) == (backend.handed_out, backend.waits)


def test_task_that_was_there_already_is_asked_for_at_once() -> None:
    """A call that another task stands for may have its result long since: the first wait looks first."""
    backend = Counting()
    client = Client(backend)
    call = add.using(unique_key="k", unique_until=HOUR).bind(1)
    client.enqueue_call(call)
    Worker(client, [add]).drain()
    assert (3, []) == (client.enqueue_call(call).result(), backend.waits)


def test_new_task_that_does_not_finish_in_time_is_told() -> None:
    """The first wait takes no longer than was asked for; then it looks, and says how the task stands."""
    backend = Counting()
    with pytest.raises(ResultTimeout, match="READY when last seen"):
        Client(backend).enqueue(add, 1).result(NOW)
    assert {NOW} == set(backend.waits)


def test_new_task_of_a_store_that_cannot_wait() -> None:
    """Where nobody can wait the first wait looks, too."""
    client = Client(Deaf())
    handle = client.enqueue(add, 1)
    Worker(client, [add]).drain()
    assert 3 == handle.result(LONG)


@pytest.mark.parity("DQ-07", "C35-04")
def test_failure_is_raised_with_what_was_raised(bench: Bench) -> None:
    """TaskFailed names task, exception and message, and carries the failure as data."""
    handle = bench.client.enqueue(fail, "no such order")
    bench.drain()
    with pytest.raises(TaskFailed, match="ValueError: no such order") as caught:
        handle.result()
    assert caught.value.failure is not None
    assert (handle.id, "builtins.ValueError") == (caught.value.task_id, caught.value.failure.exception_type)


def test_cancel_is_raised_with_its_reason(bench: Bench) -> None:
    """TaskCancelled says why."""
    handle = bench.client.enqueue(add, 1)
    handle.cancel()
    with pytest.raises(TaskCancelled, match="somebody cancelled it") as caught:
        handle.result()
    assert "user" == caught.value.reason


def test_dependent_of_a_failed_task_says_dependency(bench: Bench) -> None:
    """The reason of a task that never ran is another's failure."""
    child = bench.client.enqueue(add, bench.client.enqueue(fail).output)
    bench.drain()
    with pytest.raises(TaskCancelled) as caught:
        child.result()
    assert "dependency" == caught.value.reason


def test_time_that_is_over_is_told_with_the_state(bench: Bench) -> None:
    """ResultTimeout names the task and where it is."""
    handle = bench.client.enqueue(add, 1)
    with pytest.raises(ResultTimeout, match=f"{handle.id}.*READY"):
        handle.result(NOW)


def test_result_timeout_is_a_timeout_error(bench: Bench) -> None:
    """So that code that knows nothing of taskcore can catch it."""
    with pytest.raises(TimeoutError):
        bench.client.enqueue(add, 1).wait(NOW)


def test_purged_task_is_not_found(bench: Bench) -> None:
    """A result that is gone is neither waited for nor made up."""
    handle = bench.client.enqueue(add, 1)
    bench.drain()
    bench.client.purge(ids=[handle.id])
    with pytest.raises(TaskNotFound, match=handle.id):
        handle.result()


def test_task_that_is_purged_while_waited_for(bench: Bench) -> None:
    """Whoever waits for a task that is deleted is told."""
    handle = bench.client.enqueue(add, 1)

    def cancel_and_purge() -> None:
        handle.cancel()
        bench.client.purge(ids=[handle.id])

    with meanwhile(cancel_and_purge), pytest.raises((TaskNotFound, TaskCancelled)):
        handle.result(LONG)


def test_value_that_was_not_kept_is_told(bench: Bench) -> None:
    """A task that succeeded without a stored value has no result to give."""
    handle = bench.client.enqueue(add, 1)
    task = bench.claim()
    bench.backend.apply([_succeeded(task)])
    with pytest.raises(UndecodablePayload, match="not kept"):
        handle.result()


def _succeeded(task):
    return Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence)


def test_wait_returns_the_task_whatever_became_of_it(bench: Bench) -> None:
    """`wait` does not raise for a failure."""
    handle = bench.client.enqueue(fail)
    bench.drain()
    assert State.FAILED is handle.wait().state


@pytest.mark.parametrize("timeout", [5, 0.5, "5s"])
def test_timeouts_are_timedeltas(bench: Bench, timeout) -> None:
    """A bare number is refused by name."""
    with pytest.raises(InvalidOption, match="timeout"):
        bench.client.enqueue(add, 1).result(timeout)


# Many


@pytest.mark.parity("C35-08")
def test_wait_tells_apart_what_has_finished(bench: Bench) -> None:
    """When the time is over, both halves are told, in the order given."""
    done = bench.client.enqueue_many(add.bind(n) for n in range(3))
    bench.drain()
    late = bench.client.enqueue_many(add.bind(n) for n in range(2))
    waited = bench.client.wait([late[0], *done, late[1]], NOW)
    assert (done, late) == (waited.finished, waited.unfinished)


def test_wait_for_all(bench: Bench) -> None:
    """Without a limit all have finished."""
    handles = bench.client.enqueue_many(add.bind(n) for n in range(1200))
    with meanwhile(bench.drain):
        waited = bench.client.wait(handles)
    assert (handles, []) == (waited.finished, waited.unfinished)


def test_wait_for_nothing(bench: Bench) -> None:
    """Nothing to wait for is done at once."""
    assert [] == bench.client.wait([]).finished


def test_wait_for_groups_and_tasks_together(bench: Bench) -> None:
    """Handles of groups may stand among those of tasks."""
    one = bench.client.enqueue(add, 1)
    group = bench.client.group("march", [add.bind(2)])
    with meanwhile(bench.drain):
        waited = bench.client.wait([one, group])
    assert [one, group] == waited.finished


@pytest.mark.parity("C35-10")
def test_as_completed_yields_what_has_finished_first(bench: Bench) -> None:
    """The order is that of finishing, not the one given."""
    late = bench.client.enqueue(add.using(run_after=HOUR), 1)
    soon = bench.client.enqueue(add, 2)
    bench.drain()
    done = bench.client.as_completed([late, soon], LONG)
    first = next(done)
    bench.clock.advance(HOUR)
    with meanwhile(bench.drain):
        assert [soon, late] == [first, *done]


def test_as_completed_yields_all(bench: Bench) -> None:
    """However many, each comes once."""
    handles = bench.client.enqueue_many(add.bind(n) for n in range(1500))
    with meanwhile(bench.drain):
        assert set(handles) == set(bench.client.as_completed(reversed(handles), LONG))


def test_as_completed_yields_one_given_twice_twice(bench: Bench) -> None:
    """A handle that was given two times comes two times."""
    handle = bench.client.enqueue(add, 1)
    bench.drain()
    assert [handle, handle] == list(bench.client.as_completed([handle, handle]))


def test_as_completed_raises_when_the_time_is_over(bench: Bench) -> None:
    """What has finished comes first, then the error says how many have not."""
    done = bench.client.enqueue(add, 1)
    bench.drain()
    late = bench.client.enqueue(add, 1)
    found = bench.client.as_completed([late, done], NOW)
    assert done == next(found)
    with pytest.raises(ResultTimeout, match="1 of the tasks"):
        next(found)


def test_as_completed_yields_what_is_gone(bench: Bench) -> None:
    """A purged task does not hold up the others for ever; its result says that it is gone."""
    handle = bench.client.handle("0" * 32)
    assert [handle] == list(bench.client.as_completed([handle]))


def test_as_completed_looks_at_few_while_nothing_finishes() -> None:
    """Waiting for thousands does not fetch them again and again."""
    backend = Counting()
    client = Client(backend)
    handles = client.enqueue_many(add.bind(n) for n in range(5000))
    with pytest.raises(ResultTimeout):
        list(client.as_completed(handles, dt.timedelta(milliseconds=200)))
    assert backend.handed_out <= 2 * len(handles)  # once at the beginning, once at the end


# Stores that hint badly


def test_store_that_cannot_wait_is_polled() -> None:
    """Without the capability results are found all the same, and the store is not asked to wait."""
    client = Client(Deaf())
    handles = client.enqueue_many(add.bind(n) for n in range(300))
    worker = Worker(client, [add])
    with meanwhile(worker.drain):
        assert set(handles) == set(client.as_completed(handles, LONG))


def test_wrong_hints_are_not_believed() -> None:
    """A store that cries wolf is asked less and less, and never taken at its word."""
    backend = Babbling()
    handle = Client(backend).enqueue(add, 1)
    with pytest.raises(ResultTimeout):
        handle.result(dt.timedelta(milliseconds=100))
    assert 1 <= backend.asked <= 60


def test_interrupted_poll_returns_nothing(bench: Bench) -> None:
    """`interrupt` ends a poll of another thread, with nothing lost."""
    handle = bench.client.enqueue(add, 1)
    watch = Watch(bench.backend, [(handle.id, False)])
    with meanwhile(watch.interrupt):
        assert [] == watch.poll(Deadline(LONG))
    bench.drain()
    assert [handle.id] == [finish.id for finish in watch.poll(Deadline(LONG))]


def test_forgotten_ids_are_not_waited_for(bench: Bench) -> None:
    """After `forget` there is nothing to poll."""
    watch = Watch(bench.backend, [("a" * 32, False)])
    assert (["a" * 32], []) == (watch.forget(), watch.poll(Deadline(None)))


def test_discarded_id_is_not_told(bench: Bench) -> None:
    """What is discarded is not told, even when it has finished."""
    one, other = bench.client.enqueue_many([add.bind(1), add.bind(2)])
    watch = Watch(bench.backend, [(one.id, False), (other.id, False)])
    watch.discard(one.id)
    bench.drain()
    assert [other.id] == [finish.id for finish in watch.poll(Deadline(LONG))]


def test_handles_are_equal_by_id(bench: Bench) -> None:
    """Two handles of one task are equal, hash alike, and say which task they are of."""
    handle = bench.client.enqueue(add, 1)
    again = bench.client.handle(handle.id)
    assert {handle} == {again}
    assert handle.id in repr(again)


def test_group_that_has_not_finished_is_told(bench: Bench) -> None:
    """ResultTimeout of a group names the group."""
    group = bench.client.group("march", [add.bind(1)])
    with pytest.raises(ResultTimeout, match=group.id):
        group.result(NOW)
