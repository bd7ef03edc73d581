"""Checks of what operators do: cancel, reschedule, amend, replace, requeue, with the version they have seen."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.protocol import (
    CancelLevel,
    CancelReason,
    Event,
    Failure,
    Group,
    State,
    Task,
    UniqueKey,
    Verdict,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, expect

MINUTE = timedelta(minutes=1)


def _claimed(trial: Trial, *queue_names: str) -> list[str]:
    return [task.id for task in trial.claim(*queue_names, limit=10)]


@check()
def waiting_tasks_are_cancelled_at_once(trial: Trial) -> None:
    """CANCEL of a READY, scheduled or BLOCKED task ends it, with the reason given, user if none is."""
    ready = trial.add()
    later = trial.add(run_after=trial.clock.now() + MINUTE)
    blocked = trial.add(parents=(later,))
    for task_id, reason in ((blocked, None), (later, CancelReason.REPLACED), (ready, CancelReason.USER)):
        task = trial.must(Event.CANCEL, task_id, reason=reason)
        found = (task.state, task.reason, task.cancel_level)
        expect((State.CANCELLED, reason or CancelReason.USER, None), found, "state, reason and level")
    trial.clock.advance(MINUTE)
    expect([], _claimed(trial), "what is claimed")


@check()
def running_task_is_only_told(trial: Trial) -> None:
    """CANCEL of a RUNNING task leaves it with its holder: only the level and the reason are noted."""
    task = trial.take(trial.add())
    after = trial.must(Event.CANCEL, task.id, level=CancelLevel.ASK, reason=CancelReason.USER)
    wanted = attrs.evolve(task, version=task.version + 1, cancel_level=CancelLevel.ASK, reason=CancelReason.USER)
    expect(wanted, after, "the task")


@check()
def cancel_level_only_rises(trial: Trial) -> None:
    """A higher level takes the place of a lower one, never the other way round."""
    task = trial.take(trial.add())
    asked = (CancelLevel.TERMINATE, CancelLevel.ASK, CancelLevel.KILL, CancelLevel.TERMINATE, None)
    levels = [trial.must(Event.CANCEL, task.id, level=level).cancel_level for level in asked]
    wanted = [CancelLevel.TERMINATE] * 2 + [CancelLevel.KILL] * 3
    expect(wanted, levels, "the levels after each cancel")


@check()
def wanted_cancel_outlives_heartbeats(trial: Trial) -> None:
    """Neither START nor heartbeats nor progress make the wanted cancel forgotten."""
    task = trial.take(trial.add())
    trial.must(Event.CANCEL, task.id, level=CancelLevel.KILL)
    trial.must(Event.START, task)
    trial.must(Event.HEARTBEAT, task, extend=LEASE)
    answer = trial.apply(Event.HEARTBEAT, task, extend=LEASE)
    expect(CancelLevel.KILL, answer.cancel_level, "the level that the heartbeat hears of")


@check()
def success_wins_over_a_wanted_cancel(trial: Trial) -> None:
    """A task that returns although its cancel is wanted is SUCCESSFUL, and nothing is left of the cancel."""
    task = trial.take(trial.add())
    trial.must(Event.CANCEL, task.id)
    after = trial.must(Event.SUCCEED, task)
    expect((State.SUCCESSFUL, None, None), (after.state, after.cancel_level, after.reason), "the task")


@check()
def wanted_cancel_wins_over_everything_else(trial: Trial) -> None:
    """RETRY, RELEASE and RECLAIM of a task whose cancel is wanted end it CANCELLED, with the reason of the cancel."""
    for event in (Event.RETRY, Event.RELEASE, Event.RECLAIM, Event.ABANDON, Event.ABORT):
        task = trial.take(trial.add(max_attempts=5))
        trial.must(Event.CANCEL, task.id, reason=CancelReason.REPLACED)
        after = trial.must(event, task)
        found = (after.state, after.reason, after.cancel_level)
        expect((State.CANCELLED, CancelReason.REPLACED, None), found, f"the task after {event.value}")


@check()
def cancelled_task_is_already(trial: Trial) -> None:
    """CANCEL of a CANCELLED task is ALREADY; of a SUCCESSFUL or FAILED one it is REFUSED."""
    cancelled = trial.add()
    trial.must(Event.CANCEL, cancelled)
    successful, failed = trial.add(queue_name="s"), trial.add(queue_name="f")
    trial.finish(successful)
    trial.finish(failed, Event.FAIL)
    verdicts = [trial.apply(Event.CANCEL, task_id).verdict for task_id in (cancelled, successful, failed)]
    expect([Verdict.ALREADY, Verdict.REFUSED, Verdict.REFUSED], verdicts, "the verdicts")


@check()
def requeued_task_wants_no_cancel(trial: Trial) -> None:
    """A cancel of the run before says nothing to the next one."""
    task_id = trial.add()
    running = trial.take(task_id)
    trial.must(Event.CANCEL, task_id)
    trial.must(Event.ABORT, running)
    trial.must(Event.REQUEUE, task_id)
    task = trial.take(task_id)
    expect((None, None), (task.cancel_level, task.reason), "level and reason")


@check()
def version_is_compared(trial: Trial) -> None:
    """An operator's change with another version than the stored one is REFUSED; with that one it is made."""
    for event in (Event.CANCEL, Event.RESCHEDULE, Event.AMEND, Event.REPLACE):
        task = trial.get(trial.add())
        options = {} if event is Event.CANCEL else {"spec": attrs.evolve(task.spec, priority=3)}
        for version in (task.version - 1, task.version + 1):
            answer = trial.apply(event, task.id, version=version, **options)
            expect(Verdict.REFUSED, answer.verdict, f"{event.value} with version {version}")
        expect(task, trial.get(task.id), f"the task after two refused {event.value}")
        trial.must(event, task.id, version=task.version, **options)


@check()
def version_of_a_requeue_is_compared(trial: Trial) -> None:
    """Of two operators who requeue what they have seen, the second one is refused."""
    task = trial.finish(trial.add(), Event.FAIL)
    trial.must(Event.REQUEUE, task.id, version=task.version)
    trial.finish(task.id, Event.FAIL)
    expect(Verdict.REFUSED, trial.apply(Event.REQUEUE, task.id, version=task.version).verdict, "the second verdict")


@check()
def version_of_a_running_task_is_compared(trial: Trial) -> None:
    """CANCEL with the version from before the claim is REFUSED."""
    task = trial.get(trial.add())
    running = trial.take(task.id)
    expect(Verdict.REFUSED, trial.apply(Event.CANCEL, task.id, version=task.version).verdict, "the verdict")
    expect(running, trial.get(task.id), "the task")


@check()
def every_write_raises_the_version(trial: Trial) -> None:
    """Each of claim, START, HEARTBEAT, RETRY, RESCHEDULE, claim and SUCCEED raises the version by one."""
    task_id = trial.add(max_attempts=2)
    versions = [trial.get(task_id).version]
    task = trial.take(task_id)
    versions.append(task.version)
    versions += [trial.must(event, task).version for event in (Event.START, Event.HEARTBEAT, Event.RETRY)]
    versions.append(trial.must(Event.RESCHEDULE, task_id, spec=task.spec).version)
    task = trial.take(task_id)
    versions += [task.version, trial.must(Event.SUCCEED, task).version]
    expect(list(range(1, 9)), versions, "the versions")


def _rescheduled(trial: Trial, task_id: str, **options: object) -> Task:
    return trial.must(Event.RESCHEDULE, task_id, spec=attrs.evolve(trial.get(task_id).spec, **options))  # type: ignore[arg-type]


@check()
def task_is_moved_to_an_earlier_moment(trial: Trial) -> None:
    """A task for tomorrow that is rescheduled for now is claimed now."""
    task_id = trial.add(run_after=trial.clock.now() + timedelta(days=1))
    expect([], _claimed(trial), "what is claimed before")
    _rescheduled(trial, task_id, run_after=trial.clock.now())
    expect([task_id], _claimed(trial), "what is claimed after")


@check()
def task_is_moved_to_a_later_moment(trial: Trial) -> None:
    """A task that is due and is rescheduled for later is not claimed before, and then it is."""
    task_id = trial.add()
    _rescheduled(trial, task_id, run_after=trial.clock.now() + MINUTE)
    expect([], _claimed(trial), "what is claimed before the new moment")
    trial.clock.advance(MINUTE)
    expect([task_id], _claimed(trial), "what is claimed at the new moment")


@check()
def reschedule_by_a_delay(trial: Trial) -> None:
    """RESCHEDULE with a delay counts from the store's now."""
    task_id = trial.add()
    task = trial.must(Event.RESCHEDULE, task_id, spec=trial.get(task_id).spec, delay=MINUTE)
    expect(trial.clock.now() + MINUTE, task.run_after, "run_after")


@check()
def new_priority_counts(trial: Trial) -> None:
    """A task whose priority was raised is claimed before those that were ahead of it."""
    first, second, third = trial.add(), trial.add(), trial.add()
    _rescheduled(trial, third, priority=1)
    _rescheduled(trial, first, priority=-1)
    expect([third, second, first], _claimed(trial), "the order of the claim")


@check()
def task_is_moved_to_another_queue(trial: Trial) -> None:
    """A task that was moved is claimed from its new queue only, and counted there."""
    task_id = trial.add(queue_name="old")
    _rescheduled(trial, task_id, queue_name="new")
    queues = {queue.name: dict(queue.counts) for queue in trial.store.stats().queues}
    expect({"new": {State.READY: 1}}, queues, "the counts by queue")
    expect(([], [task_id]), (_claimed(trial, "old"), _claimed(trial, "new")), "what is claimed from old and new")


@check()
def amend_changes_the_arguments_only(trial: Trial) -> None:
    """AMEND puts another spec in place and leaves the moment and the state as they are."""
    moment = trial.clock.now() + MINUTE
    task = trial.get(trial.add(run_after=moment))
    spec = attrs.evolve(task.spec, arguments_json='{"a":[2]}', metadata_json='{"m":1}')
    after = trial.must(Event.AMEND, task.id, spec=spec)
    expect(attrs.evolve(task, spec=spec, version=2), after, "the task")
    trial.clock.advance(MINUTE)
    expect(spec, trial.take(task.id).spec, "the spec that the worker gets")


@check()
def amended_expiry_counts(trial: Trial) -> None:
    """A task whose expiry was amended expires at the new moment and not at the old one."""
    now = trial.clock.now()
    longer, shorter = trial.add(expires_at=now + MINUTE), trial.add(expires_at=now + 10 * MINUTE)
    for task_id, expiry in ((longer, now + 10 * MINUTE), (shorter, now + MINUTE)):
        trial.must(Event.AMEND, task_id, spec=attrs.evolve(trial.get(task_id).spec, expires_at=expiry))
    trial.clock.advance(MINUTE)
    trial.housekeep()
    expect([State.READY, State.CANCELLED], trial.states(longer, shorter), "the states")


@check()
def what_runs_or_has_finished_is_not_rewritten(trial: Trial) -> None:
    """RESCHEDULE, AMEND and REPLACE of a RUNNING or finished task are REFUSED and change nothing."""
    running = trial.take(trial.add())
    finished = [trial.finish(trial.add(queue_name="q"), event) for event in (Event.SUCCEED, Event.FAIL, Event.ABORT)]
    for task in (running, *finished):
        for event in (Event.RESCHEDULE, Event.AMEND, Event.REPLACE):
            answer = trial.apply(event, task.id, spec=attrs.evolve(task.spec, priority=9))
            expect(Verdict.REFUSED, answer.verdict, f"{event.value} of a task that is {task.state.value}")
        expect(task, trial.get(task.id), f"the task that is {task.state.value}")


@check()
def spec_of_another_task_is_refused(trial: Trial) -> None:
    """A new spec has to keep the id of the task."""
    task = trial.get(trial.add())
    for event in (Event.RESCHEDULE, Event.AMEND, Event.REPLACE):
        answer = trial.apply(event, task.id, spec=attrs.evolve(task.spec, id="1" * 32))
        expect(Verdict.REFUSED, answer.verdict, f"{event.value} with another id")
    expect((task, [None]), (trial.get(task.id), trial.states("1" * 32)), "the task, and the state of the other id")


@check()
def requeue_begins_again(trial: Trial) -> None:
    """A requeued task is READY and due, without result, failures, crashes, progress; its epoch and attempts stay."""
    task_id = trial.add(max_attempts=2)
    trial.finish(task_id, Event.RETRY)
    boom = Failure(exception_type="E", message="m")
    failed = trial.finish(task_id, Event.FAIL, failure=boom)
    trial.clock.advance(MINUTE)
    task = trial.must(Event.REQUEUE, task_id)
    wanted = attrs.evolve(
        failed,
        state=State.READY,
        version=failed.version + 1,
        run_after=trial.clock.now(),
        changed_at=trial.clock.now(),
        failures=0,
        result=None,
    )
    expect(wanted, task, "the requeued task")
    expect(3, trial.take(task_id).epoch, "the epoch of the next claim")


@check()
def requeue_with_a_delay(trial: Trial) -> None:
    """A requeue may ask for a later moment."""
    task_id = trial.add()
    trial.finish(task_id, Event.FAIL)
    task = trial.must(Event.REQUEUE, task_id, delay=MINUTE)
    expect(trial.clock.now() + MINUTE, task.run_after, "run_after")
    expect([], _claimed(trial), "what is claimed before")


@check()
def requeue_keeps_the_spec(trial: Trial) -> None:
    """A requeue runs what was asked for, and waits for the parents of that; a spec that comes with it plays no part."""
    parent = trial.add(queue_name="p")
    task_id = trial.add(queue_name="q", parents=(parent,))
    trial.finish(parent, Event.FAIL)
    task = trial.get(task_id)
    other = attrs.evolve(task.spec, arguments_json="[]", parents=())
    answer = trial.apply(Event.REQUEUE, task_id, spec=other)
    expect((Verdict.REFUSED, task), (answer.verdict, trial.get(task_id)), "the requeue of a child of a failed parent")
    trial.must(Event.REQUEUE, parent)
    requeued = trial.must(Event.REQUEUE, task_id, spec=other)
    expect((State.BLOCKED, task.spec), (requeued.state, requeued.spec), "the requeued task")
    trial.finish(parent)
    expect([task_id], _claimed(trial, "q"), "what is claimed after the parent has succeeded")


@check()
def requeue_of_what_has_not_failed_is_refused(trial: Trial) -> None:
    """SUCCESSFUL, READY, BLOCKED and RUNNING tasks cannot be requeued."""
    done = trial.finish(trial.add(queue_name="q"))
    running = trial.take(trial.add(queue_name="q"))
    blocked = trial.get(trial.add(parents=(running.id,)))
    for task in (done, running, blocked, trial.get(trial.add())):
        verdict = trial.apply(Event.REQUEUE, task.id).verdict
        expect((Verdict.REFUSED, task), (verdict, trial.get(task.id)), f"REQUEUE of a {task.state.value} task")


@check()
def requeued_task_may_be_settled_by_its_new_holder_only(trial: Trial) -> None:
    """A worker from before the requeue is STALE."""
    task_id = trial.add()
    first = trial.take(task_id)
    trial.must(Event.FAIL, first)
    trial.must(Event.REQUEUE, task_id)
    second = trial.take(task_id)
    expect(Verdict.STALE, trial.apply(Event.SUCCEED, first).verdict, "the verdict of the first holder")
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, second).verdict, "the verdict of the second holder")


@check()
def bonds_are_not_amended(trial: Trial) -> None:
    """AMEND and RESCHEDULE do not change parents, unique key or group, which the store keeps apart: REPLACE does."""
    task = trial.get(trial.add(unique=UniqueKey(key="k")))
    parent = trial.add(queue_name="p")
    for options in ({"parents": (parent,)}, {"unique": None}, {"unique": UniqueKey(key="l")}):
        for event in (Event.AMEND, Event.RESCHEDULE):
            answer = trial.apply(event, task.id, spec=attrs.evolve(task.spec, **options))
            expect(Verdict.REFUSED, answer.verdict, f"the verdict of {event.value} with {options}")
    holders = [trial.store.unique_holder(key) for key in "kl"]
    expect((task, [task.id, None]), (trial.get(task.id), holders), "the task, and the holders of the keys")


@check()
def replace_takes_another_key(trial: Trial) -> None:
    """REPLACE gives the old unique key back and takes the new one, and is REFUSED when another task holds that."""
    task = trial.get(trial.add(unique=UniqueKey(key="old")))
    trial.add(unique=UniqueKey(key="taken"))
    taken = attrs.evolve(task.spec, unique=UniqueKey(key="taken"))
    expect(Verdict.REFUSED, trial.apply(Event.REPLACE, task.id, spec=taken).verdict, "REPLACE with a key that is held")
    expect(task, trial.get(task.id), "the task")
    trial.must(Event.REPLACE, task.id, spec=attrs.evolve(task.spec, unique=UniqueKey(key="new")))
    holders = [trial.store.unique_holder(key) for key in ("old", "new")]
    expect([None, task.id], holders, "the holders of the old and of the new key")


@check()
def replace_of_a_waiting_task_lets_it_run(trial: Trial) -> None:
    """A BLOCKED task that is replaced by a call without parents is READY, and its old parent has no say any more."""
    parent = trial.add(queue_name="p")
    task = trial.get(trial.add(parents=(parent,)))
    trial.must(Event.REPLACE, task.id, spec=attrs.evolve(task.spec, parents=()))
    expect([State.READY], trial.states(task.id), "the state")
    trial.finish(parent, Event.FAIL)
    expect([task.id], _claimed(trial), "what is claimed after the old parent has failed")


@check()
def replace_keeps_the_group_or_is_refused(trial: Trial) -> None:
    """A task stays in its group: REPLACE by a spec of another group, or of none, is REFUSED."""
    for group_id in ("e" * 32, "f" * 32):
        trial.store.add([], group=Group(id=group_id, name="g", created_at=trial.clock.now()))
    task = trial.get(trial.add(group_id="e" * 32, group_index=0))
    for group in (("f" * 32, 0), (None, None)):
        spec = attrs.evolve(task.spec, group_id=group[0], group_index=group[1])
        expect(Verdict.REFUSED, trial.apply(Event.REPLACE, task.id, spec=spec).verdict, f"REPLACE into group {group}")
    expect(task, trial.get(task.id), "the task")
