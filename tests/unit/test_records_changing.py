"""Changes and what follows from them: order, new tasks, owed propagation; the order and bounds of claims."""

from datetime import timedelta

import attrs
import pytest

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    AddVerdict,
    CancelReason,
    Change,
    Event,
    Item,
    OnConflict,
    OnParentFailure,
    Progress,
    PurgeRequest,
    State,
    UniqueKey,
    UniqueUntil,
    Verdict,
)
from tests.unit.records_store import LEASE, SECOND, Store


@pytest.fixture
def store():
    return Store()


# Applying


def test_changes_of_one_call_see_each_other(store):
    """Changes are made in order: the second one for a task meets what the first one left."""
    task_id = store.add()
    cancel = Change(task_id=task_id, event=Event.CANCEL)
    requeue = Change(task_id=task_id, event=Event.REQUEUE)
    verdicts = [one.verdict for one in store.backend.apply([cancel, requeue, cancel, cancel]).applied]
    assert [Verdict.APPLIED, Verdict.APPLIED, Verdict.APPLIED, Verdict.ALREADY] == verdicts


def test_new_tasks_that_cannot_be_added_refuse_the_change(store):
    """A settle whose new tasks have a missing parent is REFUSED and changes nothing; others of the call are made."""
    first, second = store.add(), store.add()
    tasks = store.claim(2)
    reply = store.backend.apply(
        [
            Change(
                task_id=first,
                event=Event.SUCCEED,
                fence=tasks[0].fence,
                tasks=(store.spec(), store.spec(parents=("gone",))),
            ),
            Change(task_id=second, event=Event.SUCCEED, fence=tasks[1].fence, tasks=(store.spec(parents=(second,)),)),
        ]
    )
    assert [Verdict.REFUSED, Verdict.APPLIED] == [one.verdict for one in reply.applied]
    assert [State.RUNNING, State.SUCCESSFUL] == store.states(first, second)
    assert 1 == store.count_of(State.READY)


def test_conflict_of_a_new_task_does_not_hold_up_the_settle(store):
    """A task enqueued by a settle never raises UniqueConflict: the holder stands for it."""
    store.add(unique=UniqueKey(key="k"), queue_name="other")
    task_id = store.add()
    (task,) = store.claim()
    spec = store.spec(unique=UniqueKey(key="k", on_conflict=OnConflict.RAISE))
    assert Verdict.APPLIED is store.apply(Event.SUCCEED, task, tasks=(spec,)).verdict
    assert [State.SUCCESSFUL, None] == store.states(task_id, spec.id)


def test_amend_keeps_what_the_store_keeps_beside_the_task(store):
    """AMEND and RESCHEDULE with other parents, another key or group are REFUSED."""
    parent, task_id = store.add(), store.add()
    spec = store.backend.get([task_id])[0].spec
    for event in (Event.AMEND, Event.RESCHEDULE):
        for options in ({"parents": (parent,)}, {"unique": UniqueKey(key="k")}, {"group_id": "g"}):
            assert Verdict.REFUSED is store.apply(event, task_id, spec=attrs.evolve(spec, **options)).verdict


def test_stored_data_does_not_follow_the_callers_dict(store):
    """A dict of counters or dimensions that the caller goes on changing is stored as it was."""
    task_id = store.add()
    (task,) = store.claim()
    counters, dimensions = {"a": 1.0}, {"d": "x"}
    item = Item(task_id=task_id, epoch=1, sequence=0, at=store.clock.now(), dimensions=dimensions)
    store.apply(Event.HEARTBEAT, task, progress=Progress(current=1, counters=counters), items=(item,))
    counters["a"] = 2.0
    dimensions["d"] = "y"
    assert {"a": 1.0} == store.backend.get([task_id])[0].progress.counters
    assert {"d": "x"} == store.backend.items(task_id).items[0].dimensions


def test_run_anyway_children_of_a_failed_parent_can_be_requeued(store):
    """A task that runs whatever becomes of its parents is requeued although one has failed; others are not."""
    parent = store.add()
    anyway = store.add(parents=(parent,), on_parent_failure=OnParentFailure.RUN)
    minds = store.add(parents=(parent,))
    store.finish(parent, Event.FAIL)
    store.finish(anyway, Event.FAIL)
    verdicts = [store.apply(Event.REQUEUE, task_id).verdict for task_id in (anyway, minds)]
    assert [Verdict.APPLIED, Verdict.REFUSED] == verdicts


# Propagation


def test_rest_of_the_dependents_is_owed_to_claims(store):
    """A finish lets go 100 dependents; each claim after that as many more."""
    parent = store.add()
    store.backend.add([store.spec(parents=(parent,), queue_name="children") for _ in range(2 * PROPAGATION_LIMIT + 50)])
    store.finish(parent)
    counts = [store.count_of(State.READY)]
    for _ in range(3):
        store.claim(queue_names=("none",))
        counts.append(store.count_of(State.READY))
    assert [100, 200, 250, 250] == counts


def test_chain_of_cancels_is_bounded_too(store):
    """A failure cancels 100 tasks of a chain of 250; claims cancel the rest."""
    ids = [store.add()]
    for _ in range(250):
        ids.append(store.add(parents=(ids[-1],)))
    store.finish(ids[0], Event.FAIL)
    counts = [store.count_of(State.CANCELLED)]
    for _ in range(3):
        store.claim()
        counts.append(store.count_of(State.CANCELLED))
    assert [100, 200, 250, 250] == counts
    assert {CancelReason.DEPENDENCY} == {task.reason for task in store.backend.get(ids[1:])}


def test_parent_requeued_while_it_owes_is_waited_for_again(store):
    """Dependents that were not let go yet when the parent is requeued wait for its next finish."""
    parent = store.add()
    for _ in range(150):
        store.add(parents=(parent,), queue_name="children")
    store.finish(parent, Event.FAIL)
    assert 50 == store.count_of(State.BLOCKED)
    store.apply(Event.REQUEUE, parent)
    store.claim(queue_names=("none",))
    assert 50 == store.count_of(State.BLOCKED)
    store.finish(parent)
    assert (0, 50) == (store.count_of(State.BLOCKED), store.count_of(State.READY))


def test_task_with_many_parents_waits_for_all(store):
    """A task with 300 parents is let go by the last one."""
    parents = tuple(store.add() for _ in range(300))
    child = store.add(parents=parents, queue_name="children")
    tasks = store.claim(300)
    for task in tasks[:-1]:
        store.apply(Event.SUCCEED, task)
    assert [State.BLOCKED] == store.states(child)
    store.apply(Event.SUCCEED, tasks[-1])
    assert [State.READY] == store.states(child)


# Claiming


def test_suspect_ends_the_batch(store):
    """A claim returns tasks in the order of claims up to the first suspect; a suspect at the head comes alone."""
    first = store.add()
    suspect = store.add(max_crashes=0)
    last = store.add()
    claimed = [[task.id for task in store.claim(10)] for _ in range(4)]
    assert [[first], [suspect], [last], []] == claimed


def test_overdue_tasks_do_not_shorten_a_batch(store):
    """Tasks found overdue by a claim are expired, and others are claimed in their place, also beyond housekeeping."""
    soon = store.clock.now() + SECOND
    store.backend.add([store.spec(expires_at=soon, priority=1) for _ in range(600)])
    good = store.add()
    store.clock.advance(SECOND)
    assert [good] == [task.id for task in store.claim(10)]
    assert 600 == store.count_of(State.CANCELLED)


def test_clock_set_back_hides_no_task(store):
    """Tasks that were due before the clock was set back wait again, and hide none that is due."""
    ids = [store.add(priority=1) for _ in range(50)]
    store.clock.step(-timedelta(hours=1))
    due = store.add()
    assert [due] == [task.id for task in store.claim(10)]
    assert 50 == store.backend.stats().queues[0].scheduled
    store.clock.advance(timedelta(hours=1))
    assert sorted(ids) == sorted(task.id for task in store.claim(100))


def test_claim_of_nothing_keeps_house(store):
    """A limit of 0 claims nothing, and does the housekeeping."""
    task_id = store.add()
    store.claim()
    store.clock.advance(LEASE)
    assert [] == store.claim(0)
    assert [State.READY] == store.states(task_id)


def test_unique_key_of_a_purged_task_is_held_to_its_moment(store):
    """A window of time outlives the task that took it; its end is noticed by claims."""
    moment = store.clock.now() + timedelta(hours=1)
    unique = UniqueKey(key="k", until=UniqueUntil.MOMENT, moment=moment)
    task_id = store.add(unique=unique)
    store.finish(task_id)
    store.backend.purge(PurgeRequest())
    (answer,) = store.backend.add([store.spec(unique=unique)])
    assert (AddVerdict.EXISTING, task_id) == (answer.verdict, answer.task_id)
    store.clock.set(moment)
    assert None is store.backend.unique_holder("k")
    store.claim()
    assert AddVerdict.ADDED is store.backend.add([store.spec(unique=UniqueKey(key="k"))])[0].verdict


def test_lost_task_that_is_overdue_is_expired_at_once(store):
    """One claim sees that the lease is over and that it is too late for another run, whatever queue it is for."""
    task_id = store.add(expires_at=store.clock.now() + SECOND)
    store.claim()
    store.clock.advance(LEASE)
    store.claim(queue_names=("other",))
    (task,) = store.backend.get([task_id])
    assert (State.CANCELLED, CancelReason.EXPIRED, 1) == (task.state, task.reason, task.crashes)
