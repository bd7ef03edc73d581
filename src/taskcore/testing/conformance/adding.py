"""Checks of ``add`` and ``get``: what is accepted is stored whole, once, or not at all."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.errors import MissingParent, UniqueConflict
from taskcore.protocol import (
    Added,
    AddVerdict,
    CancelReason,
    Event,
    Failure,
    Group,
    KeepPer,
    OnConflict,
    OnParentFailure,
    Progress,
    PurgeRequest,
    Retention,
    Retry,
    State,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    accept,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import Trial, expect, expect_raises


def _whole_spec(trial: Trial) -> TaskSpec:
    """Return a spec with a value of its own in every field; its parent and its group are stored."""
    parent = trial.add()
    now = trial.clock.now()
    odd = timedelta(days=3, microseconds=123_457)
    trial.store.add([], group=Group(id="f" * 32, name="grüppe", created_at=now))
    return trial.spec(
        name="packages.module.tâche",
        queue_name="mail/ünïcode 1",
        priority=-100,
        arguments_json='{"a": [1, "é😀\\u0000\\"", [1.5, null]],  "k": {"x": true}}',
        run_after=now + odd,
        expires_at=now + 2 * odd,
        timeout=timedelta(milliseconds=1500),
        soft_timeout=timedelta(microseconds=1),
        max_attempts=None,
        retry=Retry(max_attempts=None, jitter=0.25, on=(ValueError,), not_on=("a.B",), until=timedelta(hours=1)),
        max_crashes=0,
        unique=UniqueKey(key="kéy", until=UniqueUntil.MOMENT, moment=now + odd, on_conflict=OnConflict.RESCHEDULE),
        parents=(parent, "f" * 32),
        on_parent_failure=OnParentFailure.RUN,
        group_id=None,
        schedule_id="e" * 32,
        slot=now - odd,
        retention=Retention(successful=timedelta(0), failed=odd, cancelled=None, keep_latest=7, keep_per=KeepPer.GROUP),
        label="a läbel",
        metadata_json='{"m":  1}',
    )


@check()
def first_state_is_that_of_accept(trial: Trial) -> None:
    """A new task is as ``accept`` makes it: READY, version 1, epoch 0, due at once by the store's clock."""
    spec = trial.spec()
    trial.store.add([spec])
    expect(accept(spec, trial.clock.now()), trial.get(spec.id), "the new task")


@check()
def every_field_of_a_spec_comes_back(trial: Trial) -> None:
    """The whole spec is returned as it was given: texts to the character, moments to the microsecond."""
    spec = _whole_spec(trial)
    trial.store.add([spec])
    stored = trial.get(spec.id).spec
    for field in attrs.fields(TaskSpec):
        expect(getattr(spec, field.name), getattr(stored, field.name), f"TaskSpec.{field.name}")


@check()
def place_in_a_group_comes_back(trial: Trial) -> None:
    """group_id and group_index are returned as given."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now()))
    task = trial.get(trial.add(group_id="f" * 32, group_index=3))
    expect(("f" * 32, 3), (task.spec.group_id, task.spec.group_index), "the group and the place in it")


@check()
def long_texts_come_back(trial: Trial) -> None:
    """Arguments of 200 kB are returned to the character."""
    text = '{"a": ["' + "å€😀 " * 25_000 + '"]}'
    expect(text, trial.get(trial.add(arguments_json=text)).spec.arguments_json, "the arguments")


@check()
def many_long_texts_in_one_call(trial: Trial) -> None:
    """A call of many tasks with long arguments, 20 MB in all, is stored as it is: whatever a store sends at a time."""
    arguments = '{"a":["' + "x" * 400_000 + '"]}'
    specs = [trial.spec(arguments_json=arguments) for _ in range(50)]
    trial.store.add(specs)
    found = [task and task.spec.arguments_json for task in trial.store.get([spec.id for spec in specs])]
    expect(True, found == [arguments] * 50, "whether all arguments came back")


@check()
def run_after_is_kept(trial: Trial) -> None:
    """A task for later is READY with the moment asked for, to the microsecond."""
    moment = trial.clock.now() + timedelta(hours=1, microseconds=1)
    task = trial.get(trial.add(run_after=moment))
    expect((State.READY, moment), (task.state, task.run_after), "state and run_after")


@check()
def same_id_is_already(trial: Trial) -> None:
    """The same spec again is answered ALREADY with its id, and stored once."""
    spec = trial.spec()
    trial.store.add([spec])
    before = trial.get(spec.id)
    expect([Added(AddVerdict.ALREADY, spec.id)], trial.store.add([spec]), "the second answer")
    expect([before], [trial.get(task_id) for task_id in trial.found()], "all tasks")


@check()
def same_id_is_already_whatever_became_of_it(trial: Trial) -> None:
    """Repeated after the task has run, the call changes nothing."""
    spec = trial.spec()
    trial.store.add([spec])
    done = trial.finish(spec.id)
    expect([Added(AddVerdict.ALREADY, spec.id)], trial.store.add([spec]), "the answer after it has finished")
    expect(done, trial.get(spec.id), "the finished task")


@check()
def same_id_twice_in_one_call_is_stored_once(trial: Trial) -> None:
    """A spec that stands twice in one call is ADDED, then ALREADY."""
    spec = trial.spec()
    added = trial.store.add([spec, spec])
    expect([AddVerdict.ADDED, AddVerdict.ALREADY], [one.verdict for one in added], "the verdicts")
    expect([spec.id], trial.found(), "all tasks")


@check()
def repeat_of_a_unique_task_is_already(trial: Trial) -> None:
    """A repeat after a lost reply does not conflict with the key that the task itself took."""
    for policy in OnConflict:
        spec = trial.spec(unique=UniqueKey(key=policy.value, on_conflict=policy))
        trial.store.add([spec])
        before = trial.get(spec.id)
        answer = trial.store.add([spec])
        expect([Added(AddVerdict.ALREADY, spec.id)], answer, f"the second answer with on_conflict {policy.value}")
        expect(before, trial.get(spec.id), f"the task after the repeat with on_conflict {policy.value}")


@check()
def repeat_is_already_when_the_parent_is_gone(trial: Trial) -> None:
    """A repeat is ALREADY, not MissingParent, when the parent was purged after both had finished."""
    from_before = trial.add()
    spec = trial.spec(parents=(from_before,))
    trial.store.add([spec])
    trial.finish(from_before)
    trial.finish(spec.id)
    trial.store.purge(_purge_of(from_before))
    expect([None], trial.states(from_before), "the state of the purged parent")
    expect([Added(AddVerdict.ALREADY, spec.id)], trial.store.add([spec]), "the answer to the repeat")


@check()
def answers_are_in_the_order_of_the_specs(trial: Trial) -> None:
    """Each spec has its answer at its own place, whatever the verdicts."""
    known = trial.spec()
    holder = trial.spec(unique=UniqueKey(key="k"))
    trial.store.add([known, holder])
    fresh, rival = trial.spec(), trial.spec(unique=UniqueKey(key="k"))
    wanted = [
        Added(AddVerdict.EXISTING, holder.id),
        Added(AddVerdict.ADDED, fresh.id),
        Added(AddVerdict.ALREADY, known.id),
    ]
    expect(wanted, trial.store.add([rival, fresh, known]), "the answers")


@check()
def nothing_at_all_can_be_added(trial: Trial) -> None:
    """No specs, no answers."""
    expect([], trial.store.add([]), "the answer of add([])")


@check()
def many_tasks_are_added_in_one_call(trial: Trial) -> None:
    """1,500 tasks in one call are all stored."""
    specs = [trial.spec() for _ in range(1500)]
    added = trial.store.add(specs)
    expect([Added(AddVerdict.ADDED, spec.id) for spec in specs], added, "the answers")
    stored = trial.store.get([spec.id for spec in specs])
    expect(specs, [task and task.spec for task in stored], "the stored specs")


@check()
def missing_parent_stores_nothing(trial: Trial) -> None:
    """A parent that is not stored is told by id, and none of the call's tasks is stored."""
    there, gone = trial.add(), "0" * 32
    specs = [trial.spec(), trial.spec(parents=(there, gone)), trial.spec()]
    error = expect_raises(MissingParent, lambda: trial.store.add(specs), "adding with a missing parent")
    expect((gone,), error.parent_ids, "MissingParent.parent_ids")
    expect([there], trial.found(), "all tasks")


@check()
def missing_group_stores_nothing(trial: Trial) -> None:
    """A group_id that is not stored is refused as a missing parent is."""
    specs = [trial.spec(), trial.spec(group_id="0" * 32, group_index=0)]
    error = expect_raises(MissingParent, lambda: trial.store.add(specs), "adding to a missing group")
    expect(("0" * 32,), error.parent_ids, "MissingParent.parent_ids")
    expect([], trial.found(), "all tasks")


@check()
def unique_conflict_stores_nothing(trial: Trial) -> None:
    """With on_conflict RAISE the holder is told, and none of the call's tasks is stored."""
    holder = trial.add(unique=UniqueKey(key="k"))
    specs = [trial.spec(), trial.spec(unique=UniqueKey(key="k", on_conflict=OnConflict.RAISE)), trial.spec()]
    error = expect_raises(UniqueConflict, lambda: trial.store.add(specs), "adding with a held key")
    expect(("k", holder), (error.unique_key, error.task_id), "unique_key and task_id of the conflict")
    expect([holder], trial.found(), "all tasks")


@check()
def refused_call_leaves_no_key_behind(trial: Trial) -> None:
    """A call that raises has taken no unique key and counted for no group."""
    group = Group(id="f" * 32, name="g", created_at=trial.clock.now())
    trial.store.add([], group=group)
    specs = [
        trial.spec(unique=UniqueKey(key="k"), group_id=group.id, group_index=0),
        trial.spec(parents=("0" * 32,)),
    ]
    expect_raises(MissingParent, lambda: trial.store.add(specs), "adding with a missing parent")
    expect(None, trial.store.unique_holder("k"), "the holder of the key")
    expect({}, dict(trial.group(group.id).counts), "the counts of the group")


@check()
def get_answers_in_order(trial: Trial) -> None:
    """``get`` returns tasks in the order of the ids, None for one that is not there, and one twice if asked twice."""
    first, second = trial.add(), trial.add()
    got = trial.store.get([second, "0" * 32, first, second])
    expect([second, None, first, second], [task and task.id for task in got], "the ids returned")


@check()
def get_of_many_ids(trial: Trial) -> None:
    """``get`` takes 2,500 ids at once, known or not."""
    known = [trial.add() for _ in range(3)]
    unknown = [f"{number:032x}" for number in range(2500)]
    got = trial.store.get([*unknown, *known])
    expect([None] * 2500 + known, [task and task.id for task in got], "the ids returned")


@check()
def task_comes_back_whole_after_every_kind_of_run(trial: Trial) -> None:
    """Result, attempts, failure and its causes, progress and reason are returned as ``step`` made them."""
    task_id = trial.add(max_attempts=5)
    trial.finish(task_id, Event.RETRY, failure=_failure(), started_at=trial.clock.now(), progress=_progress())
    trial.clock.advance(timedelta(seconds=1, microseconds=7))
    running = trial.take(task_id)
    trial.must(Event.CANCEL, task_id, reason=CancelReason.REPLACED)
    task = trial.must(Event.FAIL, running, failure=_failure(), started_at=trial.clock.now())
    result = task.result
    expect(_failure(), result and result.failure, "the failure of the result")
    expect([_failure(), _failure()], [attempt.failure for attempt in task.attempts], "the failures of the attempts")
    expect([Event.RETRY, Event.FAIL], [attempt.event for attempt in task.attempts], "the events of the attempts")
    expect(_progress(), task.progress, "the progress")
    expect(trial.clock.now(), task.attempts[1].ended_at, "when the second attempt ended")


def _failure() -> Failure:
    cause = Failure(exception_type="builtins.KeyError", message="'ü'")
    return Failure(exception_type="a.B", message="bäd\n", traceback="line 1\n\tline 2 😀", cause=cause)


def _progress() -> Progress:
    return Progress(current=1.5, total=None, message="hälf", counters={"ok": 1, "bad": 0.5})


def _purge_of(*task_ids: str) -> PurgeRequest:
    return PurgeRequest(ids=task_ids)
