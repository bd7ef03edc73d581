"""Client: what operators do to tasks, one by one and in bulk, and to queues and workers."""

from __future__ import annotations

import datetime as dt

import pytest

from taskcore import (
    BackendClosed,
    CancelLevel,
    CancelReason,
    Client,
    InvalidInput,
    InvalidOption,
    OnParentFailure,
    PayloadTooLarge,
    Query,
    RefusedChange,
    State,
    TaskNotFound,
    WorkerInfo,
)
from taskcore.protocol import Applied, ApplyReply, Change, Event, Order, Verdict
from taskcore_backends.memory import MemoryBackend
from tests.unit.client_samples import HOUR, SECOND, Bench, add, fail, flaky, make_bench, total

NOBODY = "0" * 32


@pytest.fixture
def bench() -> Bench:
    return make_bench()


class Contended(MemoryBackend):
    """A memory store in which somebody else changes each task just before a change with a version comes."""

    rivals = 1

    def apply(self, changes, claim=None):
        if self.rivals and changes and changes[0].version is not None:
            self.rivals -= 1
            (task,) = self.get([changes[0].task_id])
            assert task is not None
            super().apply([Change(task_id=task.id, event=Event.AMEND, spec=task.spec)])
        return super().apply(changes, claim)


# Cancel


def test_waiting_task_is_cancelled_at_once(bench: Bench) -> None:
    """A cancel of a task that waits needs no worker."""
    handle = bench.client.enqueue(add, 1)
    assert bench.client.cancel(handle.id)
    assert (State.CANCELLED, CancelReason.USER) == (handle.state, handle.refresh().reason)


@pytest.mark.parity("DJC-14")
def test_running_task_is_asked(bench: Bench) -> None:
    """A cancel of a running task is a wish, with its level."""
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    assert handle.cancel(CancelLevel.KILL)
    assert (State.RUNNING, CancelLevel.KILL) == (handle.state, handle.refresh().cancel_level)


def test_cancel_twice_says_yes_twice(bench: Bench) -> None:
    """Repeating a cancel is no error."""
    handle = bench.client.enqueue(add, 1)
    assert [True, True] == [handle.cancel(), handle.cancel()]


def test_finished_task_cannot_be_cancelled(bench: Bench) -> None:
    """The answer is no, and nothing is changed."""
    handle = bench.client.enqueue(add, 1)
    bench.drain()
    assert (False, State.SUCCESSFUL) == (handle.cancel(), handle.state)


@pytest.mark.parity("DCR-15", "C35-08")
@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.cancel(NOBODY),
        lambda client: client.reschedule(NOBODY, priority=1),
        lambda client: client.amend(NOBODY, metadata={}),
        lambda client: client.replace(NOBODY, add.bind(1)),
        lambda client: client.requeue(NOBODY),
        lambda client: client.get(NOBODY),
        lambda client: client.explain(NOBODY),
        lambda client: client.handle(NOBODY).refresh(),
        lambda client: client.group_handle(NOBODY).refresh(),
    ],
)
def test_unknown_id_is_told(bench: Bench, act) -> None:
    """TaskNotFound carries the id."""
    with pytest.raises(TaskNotFound) as caught:
        act(bench.client)
    assert NOBODY == caught.value.task_id


# Reschedule, amend, replace


@pytest.mark.parity("DQ-17")
def test_reschedule_moves_what_is_given(bench: Bench) -> None:
    """What is not given stays as it is."""
    handle = bench.client.enqueue(add.using(run_after=HOUR, priority=3), 1)
    task = bench.client.reschedule(handle.id, queue_name="mail")
    assert ("mail", 3, bench.clock.now() + HOUR) == (task.queue_name, task.priority, task.run_after)


@pytest.mark.parametrize("later", [2 * HOUR, dt.datetime(2026, 1, 1, 14, 0, tzinfo=dt.timezone.utc)])
def test_reschedule_takes_a_moment_or_a_delay(bench: Bench, later) -> None:
    """A timedelta counts from the store's now."""
    handle = bench.client.enqueue(add, 1)
    assert bench.clock.now() + 2 * HOUR == bench.client.reschedule(handle.id, run_after=later).run_after


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"queue_name": ""}, "queue_name"),
        ({"run_after": 5}, "run_after"),
        ({"run_after": dt.datetime(2026, 1, 1)}, "run_after"),
    ],
)
def test_reschedule_refuses_what_cannot_be(bench: Bench, change, named) -> None:
    """Each option is checked by name."""
    handle = bench.client.enqueue(add, 1)
    with pytest.raises(InvalidOption, match=named):
        bench.client.reschedule(handle.id, **change)


@pytest.mark.parity("DCR-07")
@pytest.mark.parametrize(
    "act",
    [
        lambda client, handle: client.reschedule(handle.id, priority=1),
        lambda client, handle: client.amend(handle.id, metadata={"a": 1}),
        lambda client, handle: client.replace(handle.id, add.bind(2)),
    ],
)
def test_running_task_is_not_edited(bench: Bench, act) -> None:
    """What runs is refused, with the state."""
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    with pytest.raises(RefusedChange, match="RUNNING"):
        act(bench.client, handle)


def test_edit_is_made_again_after_a_lost_race() -> None:
    """When somebody else was faster, the edit is made on what they left."""
    backend = Contended()
    client = Client(backend)
    handle = client.enqueue(add, 1)
    assert (5, 0) == (client.reschedule(handle.id, priority=5).priority, backend.rivals)


def test_edit_gives_up_when_it_always_loses() -> None:
    """An edit does not go on for ever."""
    backend = Contended()
    backend.rivals = 1000
    client = Client(backend)
    handle = client.enqueue(add, 1)
    with pytest.raises(RefusedChange, match="changed by others"):
        client.reschedule(handle.id, priority=5)


@pytest.mark.parity("DQ-17", "DCR-07")
def test_amended_arguments_run(bench: Bench) -> None:
    """The task runs with what was put in the place of its arguments; the rest stays."""
    handle = bench.client.enqueue(add.using(priority=4), 1)
    task = bench.client.amend(handle.id, add.bind(10, b=20))
    bench.drain()
    assert (30, 4) == (handle.result(), task.priority)


def test_amended_metadata_leaves_the_arguments(bench: Bench) -> None:
    """Metadata alone can be changed."""
    handle = bench.client.enqueue(add, 1)
    task = bench.client.amend(handle.id, metadata={"ticket": 7})
    assert ('{"ticket":7}', '{"a":[1]}') == (task.spec.metadata_json, task.spec.arguments_json)


def test_amend_to_another_task_is_refused(bench: Bench) -> None:
    """Another function is a replacement, not an amendment."""
    handle = bench.client.enqueue(add, 1)
    with pytest.raises(InvalidInput, match="replace"):
        bench.client.amend(handle.id, fail.bind())


def test_amend_to_other_parents_is_refused(bench: Bench) -> None:
    """Amending does not look at dependencies again, so it cannot bring new ones."""
    handle, other = bench.client.enqueue_many([add.bind(1), add.bind(2)])
    with pytest.raises(InvalidInput, match="depends on"):
        bench.client.amend(handle.id, add.bind(other.output))


@pytest.mark.parametrize("metadata", [None, ["a"]])
def test_amend_needs_something_to_change(bench: Bench, metadata) -> None:
    """Nothing given, or metadata that is no mapping, is refused."""
    handle = bench.client.enqueue(add, 1)
    with pytest.raises(InvalidInput, match="metadata"):
        bench.client.amend(handle.id, metadata=metadata)


def test_amended_metadata_is_limited(bench: Bench) -> None:
    """Metadata over the client's limit is refused."""
    handle = bench.client.enqueue(add, 1)
    with pytest.raises(PayloadTooLarge):
        bench.client.amend(handle.id, metadata={"a": "x" * 1_000_001})


def test_replaced_task_is_the_other_call(bench: Bench) -> None:
    """It keeps its id, so what depends on it gets the new call's value."""
    handle = bench.client.enqueue(add.using(run_after=HOUR), 1)
    child = bench.client.enqueue(add, handle.output, 0)
    bench.client.replace(handle.id, total.bind([1, 2, 3]))
    bench.drain()
    assert 6 == child.result()


# Requeue


@pytest.mark.parity("DQ-08", "DCR-10")
def test_requeued_task_runs_again(bench: Bench) -> None:
    """Its counters begin again."""
    handle = bench.client.enqueue(fail)
    bench.drain()
    task = bench.client.requeue(handle.id)
    assert (State.READY, 0) == (task.state, task.failures)


def test_requeue_takes_a_delay(bench: Bench) -> None:
    """The second run can be later."""
    handle = bench.client.enqueue(fail)
    bench.drain()
    assert bench.clock.now() + HOUR == bench.client.requeue(handle.id, run_after=HOUR).run_after


def test_waiting_task_is_not_requeued(bench: Bench) -> None:
    """Only what has failed or was cancelled is."""
    handle = bench.client.enqueue(add, 1)
    with pytest.raises(RefusedChange, match="READY"):
        bench.client.requeue(handle.id)


def test_requeue_below_a_failed_parent_is_refused(bench: Bench) -> None:
    """A task whose parent has failed cannot run."""
    child = bench.client.enqueue(add, bench.client.enqueue(fail).output)
    bench.drain()
    with pytest.raises(RefusedChange):
        bench.client.requeue(child.id)


def test_requeue_with_parents_goes_all_the_way_up(bench: Bench) -> None:
    """Grandparents are requeued before parents, parents before the task."""
    first = bench.client.enqueue(fail)
    second = bench.client.enqueue(add, first.output)
    third = bench.client.enqueue(add, second.output)
    bench.drain()
    task = bench.client.requeue(third.id, with_parents=True)
    assert [State.READY, State.BLOCKED, State.BLOCKED] == [first.state, second.state, task.state]


def test_requeue_with_parents_reaches_into_groups(bench: Bench) -> None:
    """Of a group that is waited for, the members that failed are requeued."""
    group = bench.client.group("march", [add.bind(1), fail.bind()], then=total.bind)
    bench.drain()
    assert group.callback is not None
    bench.client.requeue(group.callback.id, with_parents=True)
    assert [State.SUCCESSFUL, State.READY] == [task.state for task in group.tasks()]
    assert State.BLOCKED is group.callback.state


def test_dependents_stay_cancelled(bench: Bench) -> None:
    """A requeue alone does not touch what was cancelled because of the task."""
    parent = bench.client.enqueue(fail)
    child = bench.client.enqueue(add, parent.output)
    bench.drain()
    bench.client.requeue(parent.id)
    assert State.CANCELLED is child.state


def test_requeue_with_dependents_goes_all_the_way_down(bench: Bench) -> None:
    """What was cancelled because of it waits again, over any number of steps."""
    parent = bench.client.enqueue(fail)
    child = bench.client.enqueue(add, parent.output)
    grandchild = bench.client.enqueue(add, child.output)
    bench.drain()
    bench.client.requeue(parent.id, with_dependents=True)
    assert [State.BLOCKED, State.BLOCKED] == [child.state, grandchild.state]


def test_requeue_with_dependents_leaves_what_others_hold_up(bench: Bench) -> None:
    """A dependent that has another failed parent stays cancelled."""
    one, other = bench.client.enqueue(fail), bench.client.enqueue(fail)
    child = bench.client.enqueue(add, one.output, other.output)
    bench.drain()
    bench.client.requeue(one.id, with_dependents=True)
    assert State.CANCELLED is child.state


def test_requeue_with_dependents_leaves_what_a_user_cancelled(bench: Bench) -> None:
    """Somebody's own cancel is not undone."""
    parent = bench.client.enqueue(fail)
    child = bench.client.enqueue(add.using(on_parent_failure=OnParentFailure.RUN), parent.output)
    child.cancel()
    bench.drain()
    bench.client.requeue(parent.id, with_dependents=True)
    assert State.CANCELLED is child.state


def test_group_callback_fires_after_a_repaired_member(bench: Bench) -> None:
    """A member that is requeued with its dependents lets the callback run in the end."""
    group = bench.client.group("march", [add.bind(1), flaky.bind()], then=total.bind)
    for _ in range(3):
        bench.drain()
        bench.clock.advance(HOUR)
    (_, bad) = group.tasks()
    bench.client.requeue(bad.id, run_after=HOUR, with_dependents=True)
    bench.client.replace(bad.id, add.bind(5))
    bench.drain()
    assert group.callback is not None
    assert 10 == group.callback.result()


# In bulk


@pytest.mark.parity("C35-10")
def test_cancel_all_that_match(bench: Bench) -> None:
    """Unfinished tasks that match are cancelled, over many batches; the rest stays."""
    bench.client.enqueue_many(add.using(queue_name="mail").bind(n) for n in range(1200))
    other = bench.client.enqueue(add, 1)
    count = bench.client.cancel_all(queue_name="mail")
    assert (1200, 0, State.READY) == (count.changed, count.unchanged, other.state)


def test_cancel_all_leaves_finished_ones(bench: Bench) -> None:
    """Finished tasks are not even met."""
    bench.client.enqueue(add, 1)
    bench.drain()
    assert 0 == bench.client.cancel_all().changed


def test_cancel_all_of_finished_states_does_nothing(bench: Bench) -> None:
    """A query for states that cannot be cancelled matches nothing, not everything."""
    handle = bench.client.enqueue(add, 1)
    count = bench.client.cancel_all(states=[State.FAILED])
    assert (0, 0, State.READY) == (count.changed, count.unchanged, handle.state)


@pytest.mark.parity("DJC-14")
def test_cancel_all_takes_a_level(bench: Bench) -> None:
    """Running ones are asked as hard as is said."""
    handle = bench.client.enqueue(add, 1)
    bench.claim()
    bench.client.cancel_all(Query(), level=CancelLevel.TERMINATE)
    assert CancelLevel.TERMINATE is handle.refresh().cancel_level


@pytest.mark.parity("DQ-08")
def test_requeue_all_that_match(bench: Bench) -> None:
    """Failed and cancelled tasks that match run again, after the delay."""
    bench.client.enqueue_many(fail.bind() for _ in range(700))
    bench.client.enqueue(add, 1).cancel()
    bench.drain()
    count = bench.client.requeue_all(states=[State.FAILED], delay=HOUR)
    waiting = bench.client.stats().queues[0]
    assert (700, 700, 1) == (count.changed, waiting.scheduled, waiting.counts[State.CANCELLED])


def test_requeue_all_counts_what_was_refused(bench: Bench) -> None:
    """A task whose parent has failed is met and stays."""
    bench.client.enqueue(add, bench.client.enqueue(fail).output)
    bench.drain()
    count = bench.client.requeue_all(name=add.name)
    assert (0, 1) == (count.changed, count.unchanged)


# Purge


def test_purge_without_filters_goes_by_retention(bench: Bench) -> None:
    """Only what its own retention lets go is deleted."""
    kept = bench.client.enqueue(add, 1)
    bench.client.enqueue(add.using(save=False), 1)
    bench.drain()
    assert 1 == bench.client.purge()
    assert State.SUCCESSFUL is kept.state


@pytest.mark.parity("DJC-09", "SCR-19")
def test_purge_by_age(bench: Bench) -> None:
    """`older_than` counts from the finish."""
    bench.client.enqueue(add, 1)
    bench.drain()
    bench.clock.advance(HOUR)
    young = bench.client.enqueue(add, 1)
    bench.drain()
    assert (1, State.SUCCESSFUL) == (bench.client.purge(older_than=HOUR / 2), young.state)


@pytest.mark.parity("DCR-15")
def test_purge_repeats_batches_until_done(bench: Bench) -> None:
    """However many there are, one call deletes them."""
    bench.client.enqueue_many(add.bind(n) for n in range(2500))
    bench.drain()
    assert 2500 == bench.client.purge(states=[State.SUCCESSFUL])


def test_purge_can_be_bounded(bench: Bench) -> None:
    """`at_most` stops early."""
    bench.client.enqueue_many(add.bind(n) for n in range(1500))
    bench.drain()
    assert 1200 == bench.client.purge(name=add.name, at_most=1200)


@pytest.mark.parity("DQ-05")
def test_purge_keeps_the_latest(bench: Bench) -> None:
    """The newest n of each name stay."""
    bench.client.enqueue_many(add.bind(n) for n in range(10))
    bench.drain()
    assert 7 == bench.client.purge(keep_latest=3)


def test_purge_of_an_empty_list_deletes_nothing(bench: Bench) -> None:
    """No ids means no tasks, not every task."""
    handle = bench.client.enqueue(add, 1)
    bench.drain()
    assert (0, State.SUCCESSFUL) == (bench.client.purge(ids=[]), handle.state)


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"states": [State.READY]}, "states"),
        ({"queue": "mail"}, "queue"),
        ({"finished_before": dt.datetime(2026, 1, 1)}, "finished_before"),
        ({"keep_latest": -1}, "keep_latest"),
        ({"name": "x", "at_most": 0}, "at_most"),
    ],
)
def test_purge_refuses_what_cannot_be(bench: Bench, filters, named) -> None:
    """A wrong filter is named, and nothing is deleted."""
    bench.client.enqueue(add, 1)
    bench.drain()
    with pytest.raises(InvalidInput, match=named):
        bench.client.purge(**filters)
    assert 1 == len(bench.client.find().items)


# Queues, workers, the client itself


def test_paused_queue_starts_nothing(bench: Bench) -> None:
    """Until it is resumed."""
    bench.client.enqueue(add, 1)
    bench.client.pause("default")
    paused = bench.drain()
    bench.client.resume("default")
    assert (0, 1) == (paused, bench.drain())


@pytest.mark.parametrize("name", ["", None, 5])
def test_pause_needs_a_name(bench: Bench, name) -> None:
    """A queue without a name is refused."""
    with pytest.raises(InvalidOption, match="queue_name"):
        bench.client.pause(name)


def info(bench: Bench, **changes) -> WorkerInfo:
    now = bench.clock.now()
    fields = {
        "id": "w1",
        "hostname": "here",
        "pid": 1,
        "queue_names": ("default",),
        "task_names": (add.name,),
        "concurrency": 2,
        "executor": "threads",
        "started_at": now,
        "last_beat_at": now,
        "expires_at": now + 30 * SECOND,
    }
    return WorkerInfo(**{**fields, **changes})


@pytest.mark.parity("DJC-15")
@pytest.mark.parametrize(
    ("method", "order"), [("stop_worker", Order.STOP), ("pause_worker", Order.PAUSE), ("resume_worker", Order.RUN)]
)
def test_worker_is_told_with_its_next_beat(bench: Bench, method, order) -> None:
    """An order is answered to the worker's beat."""
    bench.backend.beat(info(bench))
    assert getattr(bench.client, method)("w1")
    assert order is bench.backend.beat(info(bench))


def test_order_to_an_unknown_worker(bench: Bench) -> None:
    """The answer is no."""
    assert not bench.client.stop_worker("nobody")


@pytest.mark.parity("C35-10", "DJC-07")
def test_workers_are_listed(bench: Bench) -> None:
    """What has beaten is there."""
    bench.backend.beat(info(bench))
    assert ["w1"] == [worker.id for worker in bench.client.workers()]


def test_client_closes_its_backend_at_the_end_of_a_with(bench: Bench) -> None:
    """After the block the store is closed."""
    with bench.client as client:
        client.enqueue(add, 1)
    with pytest.raises(BackendClosed):
        client.stats()


def test_client_says_which_store_it_is_of(bench: Bench) -> None:
    """For logs and debuggers."""
    assert "<Client of memory:>" == repr(bench.client)


def test_verdict_of_a_change_that_is_refused_is_told() -> None:
    """The reason that the store gives reaches the error's text."""

    class Refusing(MemoryBackend):
        def apply(self, changes, claim=None):
            one = Applied(changes[0].task_id, Verdict.REFUSED, State.FAILED, 3, None, "because of the weather")
            return ApplyReply((one,))

    client = Client(Refusing())
    handle = client.enqueue(add, 1)
    with pytest.raises(RefusedChange, match="FAILED: because of the weather"):
        client.requeue(handle.id)
