"""Checks of unique keys: one holder at a time, held as long as its scope says, with an answer by policy."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import attrs

from taskcore.errors import InvalidInput, MissingParent
from taskcore.protocol import (
    Added,
    AddVerdict,
    CancelReason,
    Event,
    Group,
    OnConflict,
    State,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    Verdict,
)
from taskcore.testing.conformance._check import check, family
from taskcore.testing.conformance._trial import LEASE, Trial, expect, expect_raises, in_threads

MINUTE = timedelta(minutes=1)


def _key(
    until: UniqueUntil = UniqueUntil.FINISHED,
    on_conflict: OnConflict = OnConflict.RETURN_EXISTING,
    key: str = "k",
) -> UniqueKey:
    return UniqueKey(key=key, until=until, on_conflict=on_conflict)


def _moment(trial: Trial, key: str = "k") -> UniqueKey:
    return UniqueKey(key=key, until=UniqueUntil.MOMENT, moment=trial.clock.now() + MINUTE)


def _rival(trial: Trial, **options: object) -> Added:
    """Add another task with the key; return the answer."""
    return trial.store.add([trial.spec(**{"unique": _key(), **options})])[0]


def _expect_held(trial: Trial, holder: str, what: str) -> None:
    expect(holder, trial.store.unique_holder("k"), f"the holder of the key {what}")
    expect(Added(AddVerdict.EXISTING, holder), _rival(trial), f"the answer to another task {what}")


def _expect_free(trial: Trial, what: str) -> None:
    expect(None, trial.store.unique_holder("k"), f"the holder of the key {what}")
    expect(AddVerdict.ADDED, _rival(trial).verdict, f"the answer to another task {what}")


@check()
def second_task_is_answered_with_the_first(trial: Trial) -> None:
    """With RETURN_EXISTING the holder's id is answered, and nothing is stored."""
    holder = trial.add(unique=_key())
    _expect_held(trial, holder, "while it waits")
    expect([holder], trial.found(), "all tasks")


@check()
def key_is_held_in_every_unfinished_state(trial: Trial) -> None:
    """BLOCKED, READY, RUNNING, waiting for a retry, and lapsed: the key is held."""
    parent = trial.add()
    holder = trial.add(unique=_key(), parents=(parent,), max_attempts=3)
    _expect_held(trial, holder, "while it is blocked")
    trial.finish(parent)
    _expect_held(trial, holder, "while it is ready")
    task = trial.take(holder)
    _expect_held(trial, holder, "while it runs")
    trial.must(Event.RETRY, task, delay=MINUTE)
    _expect_held(trial, holder, "while it waits for its retry")
    trial.clock.advance(MINUTE)
    trial.take(holder)
    trial.clock.advance(LEASE)
    _expect_held(trial, holder, "while it is lapsed")
    trial.housekeep()
    _expect_held(trial, holder, "when it is reclaimed")


def _given_back(trial: Trial, event: Event) -> None:
    holder = trial.add(unique=_key())
    if event is Event.CANCEL:
        trial.must(event, holder)
    else:
        trial.finish(holder, event)
    _expect_free(trial, f"after {event.value}")


GIVEN_BACK = family(
    _given_back,
    (Event.SUCCEED, Event.FAIL, Event.ABORT, Event.CANCEL),
    "key_is_given_back_after_{}",
    "A key held until the task finishes is free after {}.",
)


@check()
def key_is_given_back_by_housekeeping(trial: Trial) -> None:
    """A task that expires, or is quarantined, gives its key back too."""
    overdue = trial.add(unique=_key(key="overdue"), expires_at=trial.clock.now() + MINUTE)
    lost = trial.add(unique=_key(key="lost"), max_crashes=0, queue_name="other")
    trial.must(Event.START, trial.take(lost))
    trial.clock.advance(MINUTE)
    trial.housekeep()
    expect([State.CANCELLED, State.FAILED], trial.states(overdue, lost), "the states")
    holders = [trial.store.unique_holder(key) for key in ("overdue", "lost")]
    expect([None, None], holders, "the holders of the keys")


@check()
def started_key_ends_at_the_first_claim(trial: Trial) -> None:
    """A key held until the start is held while the task waits, and free once it is claimed."""
    holder = trial.add(unique=_key(UniqueUntil.STARTED))
    _expect_held(trial, holder, "before the claim")
    trial.take(holder)
    _expect_free(trial, "after the claim")


@check()
def started_key_is_never_taken_again(trial: Trial) -> None:
    """A retry, a release or a requeue of a task that had started does not take the key again."""
    holder = trial.add(unique=_key(UniqueUntil.STARTED), max_attempts=3)
    for event in (Event.RETRY, Event.RELEASE, Event.FAIL):
        trial.finish(holder, event)
        expect(None, trial.store.unique_holder("k"), f"the holder of the key after {event.value}")
    trial.must(Event.REQUEUE, holder)
    _expect_free(trial, "after REQUEUE")


@check()
def started_key_of_a_later_task_stays(trial: Trial) -> None:
    """The end of a task that gave its key up at the start does not free the key of the one that has it now."""
    first = trial.add(unique=_key(UniqueUntil.STARTED), priority=1)
    running = trial.take(first)
    second = trial.add(unique=_key(UniqueUntil.STARTED))
    trial.must(Event.SUCCEED, running)
    _expect_held(trial, second, "after the first one finished")


@check()
def moment_key_is_held_after_the_finish(trial: Trial) -> None:
    """A key held until a moment stays held when its task has finished before."""
    holder = trial.add(unique=_moment(trial))
    trial.finish(holder)
    _expect_held(trial, holder, "after the finish, before the moment")
    trial.clock.advance(MINUTE)
    _expect_free(trial, "at the moment")


@check()
def moment_key_ends_at_its_moment(trial: Trial) -> None:
    """A key held until a moment is free then, though its task still waits."""
    holder = trial.add(unique=_moment(trial))
    trial.clock.advance(MINUTE - timedelta(milliseconds=1))
    _expect_held(trial, holder, "a millisecond before the moment")
    trial.clock.advance(timedelta(milliseconds=1))
    _expect_free(trial, "at the moment")


@check()
def end_of_a_task_does_not_free_the_key_of_its_successor(trial: Trial) -> None:
    """When the moment has passed and another task holds the key, the first one's end leaves it alone."""
    first = trial.add(unique=_moment(trial), priority=1)
    running = trial.take(first)
    trial.clock.advance(MINUTE)
    second = trial.add(unique=_key())
    trial.must(Event.HEARTBEAT, running, extend=LEASE)
    trial.must(Event.SUCCEED, running)
    _expect_held(trial, second, "after the first one finished")


@check()
def two_in_one_call_meet_each_other(trial: Trial) -> None:
    """Of two specs with one key in one call the first is stored, and stands for the second."""
    first, second = trial.spec(unique=_key()), trial.spec(unique=_key())
    wanted = [Added(AddVerdict.ADDED, first.id), Added(AddVerdict.EXISTING, first.id)]
    expect(wanted, trial.store.add([first, second]), "the answers")


@check()
def keys_are_compared_to_the_character(trial: Trial) -> None:
    """Keys that differ by case, accent, a trailing space or their end are different keys."""
    keys = ["key", "KEY", "kéy", "key ", " key", "key\n", "ke", "key" * 80, "key" * 80 + "!", "ké", "kе"]  # noqa: RUF001 - a Cyrillic letter
    for key in keys:
        trial.add(unique=_key(key=key))
    holders = {trial.store.unique_holder(key) for key in keys}
    expect(len(keys), len(holders - {None}), "how many keys are held, each by a task of its own")


@check()
def replace_puts_the_new_call_in_place(trial: Trial) -> None:
    """With REPLACE a waiting holder becomes the new call; it keeps its id and the moment it was enqueued."""
    holder = trial.add(unique=_key(), arguments_json='{"a":[1]}', label="old")
    trial.clock.advance(MINUTE)
    later = trial.clock.now() + MINUTE
    new = trial.spec(
        unique=_key(on_conflict=OnConflict.REPLACE),
        name="other",
        arguments_json='{"a":[2]}',
        priority=5,
        queue_name="q",
        run_after=later,
    )
    expect([Added(AddVerdict.REPLACED, holder)], trial.store.add([new]), "the answer")
    task = trial.get(holder)
    spec = task.spec
    found = (spec.name, spec.arguments_json, spec.priority, spec.queue_name, spec.label, task.run_after, task.version)
    expect(("other", '{"a":[2]}', 5, "q", None, later, 2), found, "the task")
    expect((holder, trial.clock.now() - MINUTE), (spec.id, spec.enqueued_at), "id and moment of enqueueing")
    expect([holder], trial.found(), "all tasks")


@check()
def replaced_task_is_claimed_as_the_new_one(trial: Trial) -> None:
    """After REPLACE the task is in the new queue with the new priority, and no longer in the old queue."""
    holder = trial.add(unique=_key())
    _rival(trial, unique=_key(on_conflict=OnConflict.REPLACE), queue_name="new")
    expect([], trial.claim(), "what is claimed from the old queue")
    expect([holder], [task.id for task in trial.claim("new")], "what is claimed from the new queue")


@check()
def replace_keeps_the_group(trial: Trial) -> None:
    """A member that is replaced stays the member that it was, and the group counts it once."""
    group = Group(id="f" * 32, name="g", created_at=trial.clock.now())
    trial.store.add([], group=group)
    holder = trial.add(unique=_key(), group_id=group.id, group_index=4)
    _rival(trial, unique=_key(on_conflict=OnConflict.REPLACE))
    spec = trial.get(holder).spec
    expect((group.id, 4), (spec.group_id, spec.group_index), "the group and the place in it")
    expect({State.READY: 1}, dict(trial.group(group.id).counts), "the counts of the group")


@check()
def replace_brings_its_own_parents(trial: Trial) -> None:
    """The replacement waits for its own parents, not for those of the call before."""
    old, new = trial.add(queue_name="p"), trial.add(queue_name="p")
    holder = trial.add(unique=_key(), parents=(old,))
    _rival(trial, unique=_key(on_conflict=OnConflict.REPLACE), parents=(new,))
    trial.must(Event.SUCCEED, trial.claim("p")[0])
    expect([State.SUCCESSFUL, State.BLOCKED], trial.states(old, holder), "the states once the old parent finished")
    trial.must(Event.SUCCEED, trial.claim("p")[0])
    expect([State.READY], trial.states(holder), "the state once the new parent finished")


@check()
def replace_keeps_those_who_wait_for_it(trial: Trial) -> None:
    """A task that depends on the replaced one is let go when the new call has finished."""
    holder = trial.add(unique=_key())
    child = trial.add(parents=(holder,))
    _rival(trial, unique=_key(on_conflict=OnConflict.REPLACE))
    expect([State.BLOCKED], trial.states(child), "the child after the replacement")
    trial.finish(holder)
    expect([State.READY], trial.states(child), "the child after the finish")


@check()
def reschedule_moves_the_holder(trial: Trial) -> None:
    """With RESCHEDULE a waiting holder gets the new moment, priority and queue, and keeps its own arguments."""
    holder = trial.add(unique=_key(), arguments_json='{"a":[1]}')
    later = trial.clock.now() + MINUTE
    new = trial.spec(
        unique=_key(on_conflict=OnConflict.RESCHEDULE),
        arguments_json='{"a":[2]}',
        run_after=later,
        priority=5,
        queue_name="q",
    )
    expect([Added(AddVerdict.RESCHEDULED, holder)], trial.store.add([new]), "the answer")
    task = trial.get(holder)
    found = (task.spec.arguments_json, task.run_after, task.priority, task.queue_name, task.state)
    expect(('{"a":[1]}', later, 5, "q", State.READY), found, "the task")


@check()
def running_holder_is_returned_as_it_is(trial: Trial) -> None:
    """REPLACE and RESCHEDULE do not touch a holder that runs: it is answered as EXISTING."""
    holder = trial.add(unique=_key())
    running = trial.take(holder)
    for policy in (OnConflict.REPLACE, OnConflict.RESCHEDULE):
        answer = _rival(trial, unique=_key(on_conflict=policy), priority=5)
        expect(Added(AddVerdict.EXISTING, holder), answer, f"the answer with {policy.value}")
    expect(running, trial.get(holder), "the running task")


@check()
def finished_holder_is_returned_as_it_is(trial: Trial) -> None:
    """REPLACE and RESCHEDULE do not touch a holder that has finished and holds its key until a moment."""
    holder = trial.add(unique=_moment(trial))
    done = trial.finish(holder)
    for policy in (OnConflict.REPLACE, OnConflict.RESCHEDULE):
        answer = _rival(trial, unique=_key(on_conflict=policy))
        expect(Added(AddVerdict.EXISTING, holder), answer, f"the answer with {policy.value}")
    expect(done, trial.get(holder), "the finished task")


@check()
def requeue_takes_the_key_again(trial: Trial) -> None:
    """A requeued task holds its key, held until the finish, as before."""
    holder = trial.add(unique=_key())
    trial.finish(holder, Event.FAIL)
    trial.must(Event.REQUEUE, holder)
    _expect_held(trial, holder, "after the requeue")


@check()
def requeue_is_refused_while_another_holds_the_key(trial: Trial) -> None:
    """A task whose key is held by another cannot be requeued; nothing changes."""
    first = trial.add(unique=_key())
    failed = trial.finish(first, Event.FAIL)
    second = trial.add(unique=_key())
    expect(Verdict.REFUSED, trial.apply(Event.REQUEUE, first).verdict, "the verdict")
    expect(failed, trial.get(first), "the failed task")
    _expect_held(trial, second, "after the refused requeue")


@check()
def requeue_without_a_claim_to_the_key(trial: Trial) -> None:
    """A task whose key was for its first start, or until a moment that has passed, is requeued whoever has it now."""
    for unique in (_key(UniqueUntil.STARTED), _moment(trial)):
        first = trial.add(unique=unique)
        trial.finish(first, Event.FAIL)
        trial.clock.advance(MINUTE)
        trial.housekeep()
        second = trial.add(unique=_key(), queue_name="later")
        trial.must(Event.REQUEUE, first)
        _expect_held(trial, second, "after the requeue of the first")
        trial.finish(first)
        _expect_held(trial, second, "after the first one finished")
        trial.must(Event.CANCEL, second)


@check()
def one_of_many_threads_gets_the_key(trial: Trial) -> None:
    """Of eight threads that add a task with one key at once, one is ADDED and the others are answered with it."""
    specs: list[TaskSpec] = [trial.spec(unique=_key()) for _ in range(8)]
    answers = [one[0] for one in in_threads([partial(trial.store.add, [spec]) for spec in specs])]
    added = [answer.task_id for answer in answers if answer.verdict is AddVerdict.ADDED]
    expect(1, len(added), "how many were added")
    expect(set(added), {answer.task_id for answer in answers}, "the ids answered")


@check()
def replace_with_a_missing_parent(trial: Trial) -> None:
    """A replacement that depends on what is not there raises MissingParent, and leaves the holder as it is."""
    holder = trial.get(trial.add(unique=_key()))
    new = trial.spec(unique=_key(on_conflict=OnConflict.REPLACE), parents=("0" * 32,))
    expect_raises(MissingParent, lambda: trial.store.add([new]), "replacing by a call with a missing parent")
    expect(holder, trial.get(holder.id), "the holder")


@check()
def replace_with_a_parent_that_waits_for_the_holder(trial: Trial) -> None:
    """A replacement that would wait for itself is refused, and leaves the holder as it is."""
    holder = trial.get(trial.add(unique=_key()))
    child = trial.add(parents=(holder.id,))
    new = trial.spec(unique=_key(on_conflict=OnConflict.REPLACE), parents=(child,))
    expect_raises(InvalidInput, lambda: trial.store.add([new]), "replacing by a call that waits for the holder")
    expect(holder, trial.get(holder.id), "the holder")


@check()
def replace_with_a_failed_parent(trial: Trial) -> None:
    """A replacement whose parent has failed is CANCELLED, reason dependency, and gives the key back."""
    failed = trial.finish(trial.add(queue_name="f"), Event.FAIL).id
    holder = trial.add(unique=_key())
    new = trial.spec(unique=_key(on_conflict=OnConflict.REPLACE), parents=(failed,))
    expect([Added(AddVerdict.REPLACED, holder)], trial.store.add([new]), "the answer")
    task = trial.get(holder)
    expect((State.CANCELLED, CancelReason.DEPENDENCY), (task.state, task.reason), "state and reason")
    _expect_free(trial, "after the replacement was cancelled")


@check()
def refused_replace_keeps_key_and_parents(trial: Trial) -> None:
    """REPLACE with an old version changes nothing: the key, the parents and the group stay."""
    old, new = trial.add(queue_name="old"), trial.add(queue_name="new")
    holder = trial.get(trial.add(unique=_key(), parents=(old,)))
    other = attrs.evolve(holder.spec, unique=_key(key="other"), parents=(new,))
    expect(Verdict.REFUSED, trial.apply(Event.REPLACE, holder.id, spec=other, version=99).verdict, "the verdict")
    holders = [trial.store.unique_holder(key) for key in ("k", "other")]
    expect(([holder.id, None], holder), (holders, trial.get(holder.id)), "the holders of the keys, and the task")
    trial.finish(old)
    expect([State.READY], trial.states(holder.id), "the state once the old parent has finished")
