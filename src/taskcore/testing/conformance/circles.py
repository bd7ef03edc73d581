"""Checks that nothing waits for itself: whatever would close a circle of tasks and groups is refused."""

from __future__ import annotations

from functools import partial

import attrs

from taskcore.errors import InvalidInput
from taskcore.protocol import Event, Group, OnParentFailure, State, TaskSpec, Verdict
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._groups import add_group, new_id
from taskcore.testing.conformance._parents import add_parent
from taskcore.testing.conformance._trial import Trial, expect, expect_raises, in_threads

RUN = OnParentFailure.RUN


def _refuses_as_it_stands(trial: Trial, event: Event, task_id: str, **options: object) -> None:
    before = trial.get(task_id)
    try:
        verdict = trial.apply(event, task_id, **options).verdict
    except InvalidInput:  # at the door, where the spec itself tells
        verdict = Verdict.REFUSED
    expect((Verdict.REFUSED, before), (verdict, trial.get(task_id)), f"verdict of {event.value}, and the task")


def _with_parents(trial: Trial, task_id: str, *parents: str) -> TaskSpec:
    return attrs.evolve(trial.get(task_id).spec, parents=parents, on_parent_failure=RUN)


def _open_group(trial: Trial) -> tuple[Group, str]:
    """Store a group that members can still join, and its callback; return both."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now())
    trial.store.add([], group=group)
    return group, trial.add(parents=(group.id,), queue_name="callback", on_parent_failure=RUN)


@check()
def replace_does_not_make_a_circle(trial: Trial) -> None:
    """REPLACE with a parent that itself waits for the task is REFUSED: neither would ever run."""
    task_id = trial.add()
    child = trial.add(parents=(task_id,))
    grandchild = trial.add(parents=(child,))
    for parent in (task_id, child, grandchild):
        _refuses_as_it_stands(trial, Event.REPLACE, task_id, spec=_with_parents(trial, task_id, parent))


@check()
def replace_does_not_make_a_circle_through_a_group(trial: Trial) -> None:
    """REPLACE of a member with a parent that waits for its group is REFUSED."""
    group_id, (member,) = add_group(trial, 1)
    callback = trial.add(parents=(group_id,))
    for parent in (callback, group_id):
        _refuses_as_it_stands(trial, Event.REPLACE, member, spec=_with_parents(trial, member, parent))


@check()
def replace_may_wait_for_what_others_wait_for(trial: Trial) -> None:
    """A parent that something waits for, and one that waits for something else, close no circle."""
    top, task_id = add_parent(trial), trial.add()
    middle, other = trial.add(parents=(top,)), trial.add(parents=(top,))
    trial.must(Event.REPLACE, task_id, spec=_with_parents(trial, task_id, top, middle))
    trial.must(Event.REPLACE, other, spec=_with_parents(trial, other, task_id))
    expect([State.BLOCKED] * 2, trial.states(task_id, other), "the states")


@check()
def replaces_at_once_make_no_circle(trial: Trial) -> None:
    """Of three tasks that threads make wait for each other, round in a circle, at most two do so."""
    for _ in range(5):
        ids = [trial.add() for _ in range(3)]
        waits = [(one, _with_parents(trial, one, other)) for one, other in zip(ids, [*ids[1:], ids[0]], strict=True)]
        in_threads([partial(trial.apply, Event.REPLACE, one, spec=spec) for one, spec in waits])
        blocked = trial.states(*ids).count(State.BLOCKED)
        expect((True, True), (blocked >= 1, blocked <= 2), f"whether one or two wait: {blocked} do")


@check()
def member_does_not_wait_for_the_callback_of_its_group(trial: Trial) -> None:
    """A task that wants to join a group, and to wait for what waits for the group, is refused and not stored."""
    group, callback = _open_group(trial)
    after_it = trial.add(parents=(callback,))
    other_group, (member,) = add_group(trial, 1, parents=(after_it,))
    stored = trial.found()
    for parent in (callback, after_it, member, other_group):
        spec = trial.spec(group_id=group.id, group_index=0, parents=(parent,))
        expect_raises(InvalidInput, partial(trial.store.add, [spec]), f"adding a member that waits for {parent}")
    expect((stored, {}), (trial.found(), dict(trial.group(group.id).counts)), "the tasks, and the members")


@check()
def member_and_callback_of_one_call(trial: Trial) -> None:
    """Two specs of one call that would wait for each other over a group are refused."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now())
    callback = trial.spec(parents=(group.id,))
    member = trial.spec(group_id=group.id, group_index=0, parents=(callback.id,))
    expect_raises(InvalidInput, lambda: trial.store.add([callback, member], group=group), "adding both")
    expect([], trial.found(), "the tasks")


@check()
def callback_that_comes_between_members_of_one_call(trial: Trial) -> None:
    """Members may wait for each other in one call, until one waits for what has come to wait for the group."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now())
    outside = add_parent(trial)
    first, second = (trial.spec(group_id=group.id, group_index=index, parents=(outside,)) for index in range(2))
    third = trial.spec(group_id=group.id, group_index=2, parents=(first.id, second.id))
    callback = trial.spec(parents=(group.id,))
    later = trial.spec(parents=(callback.id, outside))
    last = trial.spec(group_id=group.id, group_index=3, parents=(later.id,))
    specs = [first, second, third, callback, later]
    expect_raises(InvalidInput, lambda: trial.store.add([*specs, last], group=group), "adding them with the last one")
    task = trial.take(trial.add())
    trial.store.add([], group=group)
    answer = trial.apply(Event.SUCCEED, task, tasks=(*specs, last))
    expect(Verdict.REFUSED, answer.verdict, "a settle that brings them with the last one")
    trial.must(Event.SUCCEED, task, tasks=tuple(specs))
    expect([State.BLOCKED] * 5, trial.states(*(spec.id for spec in specs)), "all but the last one")


@check()
def member_may_wait_for_a_callback_that_is_through(trial: Trial) -> None:
    """What has finished waits for nothing, so a member may be enqueued after it."""
    group, callback = _open_group(trial)
    trial.must(Event.CANCEL, callback)
    member = trial.add(group_id=group.id, group_index=0, parents=(callback,), on_parent_failure=RUN)
    expect([State.READY], trial.states(member), "the member")


@check()
def settle_does_not_bring_a_circle(trial: Trial) -> None:
    """A settle with new tasks that would wait for each other, or for what waits for them, is REFUSED as a whole."""
    group, callback = _open_group(trial)
    new = trial.spec(parents=(group.id,), queue_name="new")
    task = trial.take(trial.add())
    for parent in (callback, new.id):
        member = trial.spec(group_id=group.id, group_index=0, parents=(parent,))
        answer = trial.apply(Event.SUCCEED, task, tasks=(new, member))
        expect((Verdict.REFUSED, task), (answer.verdict, trial.get(task.id)), f"SUCCEED with a child of {parent}")
    expect([None], trial.states(new.id), "the other new task")


def _failed_member_after_a_callback(trial: Trial) -> tuple[Group, str, str]:
    """Store an open group, its callback, which waits, and a member that failed and was told to wait for that one."""
    group, callback = _open_group(trial)
    member = trial.add(group_id=group.id, group_index=0)
    trial.must(Event.CANCEL, callback)
    trial.must(Event.REPLACE, member, spec=_with_parents(trial, member, callback))
    trial.must(Event.REQUEUE, callback)
    trial.finish(member, Event.FAIL)
    expect([State.BLOCKED, State.FAILED], trial.states(callback, member), "callback and member")
    return group, callback, member


@check()
def requeue_does_not_make_a_circle_over_a_callback(trial: Trial) -> None:
    """REQUEUE of a member whose parent waits for the group is REFUSED, until that parent has finished."""
    group, callback, member = _failed_member_after_a_callback(trial)
    _refuses_as_it_stands(trial, Event.REQUEUE, member)
    trial.store.add([], group=attrs.evolve(group, total=1))
    trial.housekeep()
    trial.finish(callback)
    trial.must(Event.REQUEUE, member)
    trial.finish(member)
    expect([State.SUCCESSFUL] * 2, trial.states(callback, member), "callback and member in the end")


@check()
def requeue_of_another_member_is_as_ever(trial: Trial) -> None:
    """A member that waits for nothing is requeued though the callback waits for its group; so is the callback."""
    group_id, members = add_group(trial, 2)
    callback = trial.add(parents=(group_id,), queue_name="callback")
    trial.finish(members[0], Event.FAIL)
    trial.must(Event.REQUEUE, members[0])
    trial.must(Event.CANCEL, callback)
    trial.must(Event.REQUEUE, callback)
    expect([State.READY, State.BLOCKED], trial.states(members[0], callback), "member and callback")
    for member in members:
        trial.finish(member)
    expect([State.READY], trial.states(callback), "the callback after all members")


@check()
def requeue_before_all_children_were_let_go(trial: Trial) -> None:
    """A child that a finish has not reached yet still waits: its parent is not requeued to wait for it."""
    parent = trial.add(queue_name="parent")
    child = trial.add(id="f" * 32, queue_name="child", parents=(parent,), on_parent_failure=RUN)
    trial.finish(parent, Event.FAIL)
    trial.finish(child, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    trial.must(Event.REPLACE, parent, spec=_with_parents(trial, parent, child))
    trial.must(Event.REQUEUE, child)
    trial.store.add([trial.spec(parents=(parent,), on_parent_failure=RUN) for _ in range(150)])
    trial.finish(parent, Event.FAIL)
    expect([State.BLOCKED], trial.states(child), "the child, which comes last")
    _refuses_as_it_stands(trial, Event.REQUEUE, parent)
    trial.housekeep(2)
    expect([State.READY], trial.states(child), "the child once it was let go")
    trial.must(Event.REQUEUE, parent)
    trial.finish(child)
    expect([State.READY], trial.states(parent), "the parent after its child")
