"""Checks of groups: counts that every transition keeps, sealing, and one callback that is let go once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from taskcore.protocol import (
    CancelReason,
    Change,
    Event,
    Group,
    GroupQuery,
    OnParentFailure,
    PurgeRequest,
    State,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._groups import add_group, counts_of, finish_of, new_id
from taskcore.testing.conformance._trial import LEASE, Trial, all_pages, expect

SECOND = timedelta(seconds=1)


def _expect_recount(trial: Trial, group_id: str, what: str) -> None:
    states = Counter(trial.get(task_id).state for task_id in trial.found(group_id=group_id))
    expect(dict(states), counts_of(trial, group_id), f"the counts of the group {what}")


@check()
def group_is_stored(trial: Trial) -> None:
    """A group comes back with its name, its time and its total, and counts its members by state."""
    group_id, members = add_group(trial, 3)
    group = trial.group(group_id)
    found = (group.name, group.created_at, group.total, group.finished_at, dict(group.counts))
    expect(("a group", trial.clock.now(), 3, None, {State.READY: 3}), found, "the group")
    expect(members, trial.found(group_id=group_id)[::-1], "the members that find() lists")


@check()
def counts_of_the_caller_are_not_believed(trial: Trial) -> None:
    """The counts of a group that is given to ``add`` are the store's own business."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), counts={State.FAILED: 7})
    trial.store.add([], group=group)
    expect({}, counts_of(trial, group.id), "the counts")


@check()
def every_transition_is_counted(trial: Trial) -> None:
    """Claims, retries, releases, crashes, cancels, finishes and requeues move a member from count to count."""
    group_id, members = add_group(trial, 6)
    for member, event in zip(
        members, (Event.SUCCEED, Event.FAIL, Event.RETRY, Event.RELEASE, Event.ABORT), strict=False
    ):
        task = trial.take(member)
        _expect_recount(trial, group_id, "after a claim")
        trial.must(event, task)
        _expect_recount(trial, group_id, f"after {event.value}")
    trial.take(members[5])
    trial.clock.advance(LEASE)
    trial.housekeep()
    _expect_recount(trial, group_id, "after a lost worker")
    trial.must(Event.CANCEL, members[5])
    _expect_recount(trial, group_id, "after CANCEL")
    trial.must(Event.REQUEUE, members[1])
    _expect_recount(trial, group_id, "after REQUEUE")


@check()
def blocked_and_cancelled_members_are_counted(trial: Trial) -> None:
    """Members that are BLOCKED or CANCELLED when they are added count as that."""
    failed, open_ = trial.add(queue_name="f"), trial.add(queue_name="o")
    trial.finish(failed, Event.FAIL)
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=3)
    specs = [
        trial.spec(group_id=group.id, group_index=index, parents=parents)
        for index, parents in enumerate(((), (open_,), (failed,)))
    ]
    trial.store.add(specs, group=group)
    wanted = {State.READY: 1, State.BLOCKED: 1, State.CANCELLED: 1}
    expect(wanted, counts_of(trial, group.id), "the counts")


@check()
def repeated_add_counts_once(trial: Trial) -> None:
    """The same call repeated after a lost reply does not count the members twice."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=2)
    specs = [trial.spec(group_id=group.id, group_index=index) for index in range(2)]
    trial.store.add(specs, group=group)
    trial.store.add(specs, group=group)
    expect({State.READY: 2}, counts_of(trial, group.id), "the counts")


@check()
def finished_group_says_when(trial: Trial) -> None:
    """A sealed group finishes with its last member, at that moment."""
    group_id, members = add_group(trial, 2)
    trial.finish(members[0])
    expect((False, None), finish_of(trial, group_id), "is_finished and finished_at after the first member")
    trial.clock.advance(SECOND)
    trial.finish(members[1])
    expect((True, trial.clock.now()), finish_of(trial, group_id), "is_finished and finished_at after the last member")
    expect(True, trial.group(group_id).is_successful, "is_successful")


@check()
def callback_waits_for_every_member(trial: Trial) -> None:
    """A task that depends on a group is BLOCKED until the last member has finished."""
    group_id, members = add_group(trial, 3)
    callback = trial.add(parents=(group_id,))
    states = []
    for member in members:
        states += trial.states(callback)
        trial.finish(member)
    expect([State.BLOCKED] * 3, states, "the callback before each finish")
    expect([State.READY], trial.states(callback), "the callback after the last")


@check()
def retry_of_a_member_is_no_finish(trial: Trial) -> None:
    """While a member waits for its retry the group is unfinished."""
    group_id, members = add_group(trial, 1)
    callback = trial.add(parents=(group_id,))
    trial.finish(members[0], Event.RETRY)
    expect([State.BLOCKED], trial.states(callback), "the callback after the RETRY")
    trial.finish(members[0])
    expect([State.READY], trial.states(callback), "the callback after the success")


@check()
def callback_in_the_call_that_stores_the_group(trial: Trial) -> None:
    """Members and the callback may come in one call with the group."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=2)
    members = [trial.spec(group_id=group.id, group_index=index, queue_name=f"m{index}") for index in range(2)]
    callback = trial.spec(parents=(group.id,))
    trial.store.add([*members, callback], group=group)
    expect([State.BLOCKED], trial.states(callback.id), "the callback at first")
    for member in members:
        trial.finish(member.id)
    expect([State.READY], trial.states(callback.id), "the callback at the end")


@check()
def callback_of_a_finished_group(trial: Trial) -> None:
    """A task that is added when the group has finished does not wait."""
    group_id, members = add_group(trial, 1)
    trial.finish(members[0])
    expect([State.READY], trial.states(trial.add(parents=(group_id,))), "the callback")


@check()
def failed_member_fails_the_group(trial: Trial) -> None:
    """When a member has failed, the callback is CANCELLED, reason dependency, or runs anyway if it says so."""
    for event in (Event.FAIL, Event.ABORT):
        group_id, members = add_group(trial, 2)
        minds = trial.add(parents=(group_id,))
        runs = trial.add(parents=(group_id,), on_parent_failure=OnParentFailure.RUN)
        trial.finish(members[0], event)
        expect([State.BLOCKED], trial.states(runs), f"the callback that runs anyway, after {event.value} of one")
        trial.finish(members[1])
        task = trial.get(minds)
        expect((State.CANCELLED, CancelReason.DEPENDENCY), (task.state, task.reason), "the callback that minds")
        expect([State.READY], trial.states(runs), "the callback that runs anyway, at the end")


@check()
def callback_added_to_a_failed_group(trial: Trial) -> None:
    """A task that depends on a group that has finished with a failure is CANCELLED at once, or runs anyway."""
    group_id, members = add_group(trial, 1)
    trial.finish(members[0], Event.FAIL)
    minds = trial.add(parents=(group_id,))
    runs = trial.add(parents=(group_id,), on_parent_failure=OnParentFailure.RUN)
    expect([State.CANCELLED, State.READY], trial.states(minds, runs), "the two callbacks")


@check()
def members_that_never_start_finish_the_group(trial: Trial) -> None:
    """Members that are cancelled or expire while they wait count as finished."""
    group_id, members = add_group(trial, 2, expires_at=trial.clock.now() + SECOND)
    callback = trial.add(parents=(group_id,), on_parent_failure=OnParentFailure.RUN)
    trial.must(Event.CANCEL, members[0])
    trial.clock.advance(SECOND)
    trial.housekeep()
    expect(({State.CANCELLED: 2}, True), (counts_of(trial, group_id), trial.group(group_id).is_finished), "the group")
    expect([State.READY], trial.states(callback), "the callback")


@check()
def group_lets_go_once(trial: Trial) -> None:
    """A member that is requeued and finishes again does not finish the group a second time."""
    group_id, members = add_group(trial, 2)
    callback = trial.add(parents=(group_id,), on_parent_failure=OnParentFailure.RUN)
    trial.finish(members[0], Event.FAIL)
    trial.finish(members[1])
    first = trial.group(group_id).finished_at
    done = trial.finish(callback)
    trial.clock.advance(SECOND)
    trial.must(Event.REQUEUE, members[0])
    trial.finish(members[0])
    trial.housekeep()
    expect(done, trial.get(callback), "the callback")
    expect((first, {State.SUCCESSFUL: 2}), (trial.group(group_id).finished_at, counts_of(trial, group_id)), "the group")


@check()
def callback_is_let_go_once(trial: Trial) -> None:
    """The version of the callback rises by one when the group finishes: it is written once."""
    group_id, members = add_group(trial, 3)
    callback = trial.add(parents=(group_id,))
    for member in members:
        trial.finish(member)
    trial.housekeep(times=3)
    expect(2, trial.get(callback).version, "the version of the callback")


@check()
def group_waits_for_many_members(trial: Trial) -> None:
    """300 members, settled in one call, let the callback go."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=300)
    trial.store.add([trial.spec(group_id=group.id, group_index=n) for n in range(300)], group=group)
    callback = trial.add(parents=(group.id,), queue_name="callback")
    tasks = trial.claim(limit=300)
    trial.store.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence) for task in tasks])
    expect([State.READY], trial.states(callback), "the callback")
    expect({State.SUCCESSFUL: 300}, counts_of(trial, group.id), "the counts")


@check()
def several_callbacks(trial: Trial) -> None:
    """Every task that depends on the group is let go, and those that wait for other things too go on waiting."""
    group_id, members = add_group(trial, 1)
    other = trial.add(queue_name="other")
    callbacks = [trial.add(parents=(group_id,)), trial.add(parents=(group_id,)), trial.add(parents=(group_id, other))]
    trial.finish(members[0])
    expect([State.READY, State.READY, State.BLOCKED], trial.states(*callbacks), "the callbacks")


@check()
def groups_are_listed(trial: Trial) -> None:
    """``groups`` lists all, newest id first, page by page, those of a name, and those of some ids that are there."""
    ids = [new_id(trial) for _ in range(5)]
    for number, group_id in enumerate(ids):
        trial.store.add([], group=Group(id=group_id, name=f"n{number % 2}", created_at=trial.clock.now()))
    every = all_pages(lambda cursor: trial.store.groups(GroupQuery(cursor=cursor, limit=2)))
    expect(ids[::-1], [group.id for group in every], "all groups")
    named = all_pages(lambda cursor: trial.store.groups(GroupQuery(name="n1", cursor=cursor, limit=1)))
    expect([ids[3], ids[1]], [group.id for group in named], "the groups of a name")
    some = trial.store.groups(GroupQuery(ids=(ids[0], "0" * 32, ids[4]))).items
    expect({ids[0], ids[4]}, {group.id for group in some}, "the groups of some ids")


@check()
def group_goes_with_its_last_member(trial: Trial) -> None:
    """A group is purged when its last member is, not before."""
    group_id, members = add_group(trial, 2)
    for member in members:
        trial.finish(member)
    trial.store.purge(PurgeRequest(ids=(members[0],)))
    expect(1, len(trial.store.groups(GroupQuery(ids=(group_id,))).items), "how many groups after the first purge")
    trial.store.purge(PurgeRequest(ids=(members[1],)))
    expect(0, len(trial.store.groups(GroupQuery(ids=(group_id,))).items), "how many groups after the second purge")


@check()
def children_of_a_group_are_listed(trial: Trial) -> None:
    """``children`` of a group are the tasks that wait for it."""
    group_id, _members = add_group(trial, 2)
    callbacks = [trial.add(parents=(group_id,)) for _ in range(2)]
    expect(callbacks, [task.id for task in trial.store.children(group_id).items], "the children of the group")
