"""Checks of sealing: a group is finished when all members it is to have are there and have finished, and not before."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import attrs

from taskcore.errors import InvalidInput, MissingParent
from taskcore.protocol import (
    Event,
    Group,
    OnParentFailure,
    PurgeRequest,
    State,
    UniqueKey,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._groups import add_group, counts_of, finish_of, new_id
from taskcore.testing.conformance._trial import Trial, expect, expect_raises

SECOND = timedelta(seconds=1)


@check()
def unsealed_group_is_unfinished(trial: Trial) -> None:
    """While the total is not known the group does not finish, though all its members have."""
    group_id, members = add_group(trial, 2, total=None)
    callback = trial.add(parents=(group_id,))
    for member in members:
        trial.finish(member)
    expect((False, None), finish_of(trial, group_id), "is_finished and finished_at")
    expect([State.BLOCKED], trial.states(callback), "the callback")


@check()
def sealing_a_group_of_finished_members_finishes_it(trial: Trial) -> None:
    """When the total is told after the last member has finished, the group finishes then."""
    group_id, members = add_group(trial, 2, total=None)
    callback = trial.add(parents=(group_id,))
    for member in members:
        trial.finish(member)
    trial.store.add([], group=attrs.evolve(trial.group(group_id), total=2))
    trial.housekeep()
    expect((True, trial.clock.now()), finish_of(trial, group_id), "is_finished and finished_at")
    expect([State.READY], trial.states(callback), "the callback")


@check()
def group_is_stored_in_portions(trial: Trial) -> None:
    """Members may come in several calls; the last one brings the total, and then the group can finish."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now())
    trial.store.add([], group=group)
    callback = trial.add(parents=(group.id,), queue_name="callback")
    members = []
    for index in range(4):
        spec = trial.spec(group_id=group.id, group_index=index, queue_name=f"m{index}")
        trial.store.add([spec], group=attrs.evolve(group, total=4 if index == 3 else None))
        members.append(spec.id)
        if index < 2:
            trial.finish(spec.id)
    expect([State.BLOCKED], trial.states(callback), "the callback with two unfinished members")
    trial.finish(members[2])
    trial.finish(members[3])
    expect([State.READY], trial.states(callback), "the callback at the end")


@check()
def sealed_group_stays_sealed(trial: Trial) -> None:
    """The group given again without a total keeps the total that it has."""
    group_id, _members = add_group(trial, 2)
    trial.store.add([], group=attrs.evolve(trial.group(group_id), total=None))
    expect(2, trial.group(group_id).total, "the total")


@check()
def empty_group_is_finished_at_once(trial: Trial) -> None:
    """A group with a total of 0 is finished and successful when it is stored, and lets its callback go."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=0)
    trial.store.add([], group=group)
    callback = trial.add(parents=(group.id,))
    expect((True, trial.clock.now()), finish_of(trial, group.id), "is_finished and finished_at")
    expect([State.READY], trial.states(callback), "the callback")


@check()
def sealed_group_takes_no_more_members(trial: Trial) -> None:
    """A task that wants to join when all members are there is refused: the group may have finished without it."""
    group_id, members = add_group(trial, 2)
    spec = trial.spec(group_id=group_id, group_index=2)
    expect_raises(InvalidInput, lambda: trial.store.add([spec]), "joining a sealed group")
    expect((members[::-1], {State.READY: 2}), (trial.found(), counts_of(trial, group_id)), "the tasks and the counts")


@check()
def first_of_several_that_cannot_be_added_is_named(trial: Trial) -> None:
    """One of a call is too many for its group, the group of another is not there: the first of them decides."""
    group_id, _members = add_group(trial, 1, total=2)
    for order in (1, -1):
        fits, over = (trial.spec(group_id=group_id, group_index=index) for index in (1, 2))
        lost = trial.spec(group_id=new_id(trial), group_index=0)
        specs = [fits, *[over, lost][::order]]
        error = expect_raises(InvalidInput, partial(trial.store.add, specs), "joining both")
        expect(order == -1, isinstance(error, MissingParent), "whether the missing group is what is refused")
    expect(1, len(trial.found()), "how many tasks are stored")


@check()
def group_does_not_wait_for_what_is_no_member(trial: Trial) -> None:
    """A spec whose unique key another task holds does not become a member, and the group finishes without it."""
    trial.add(unique=UniqueKey(key="k"), queue_name="outside")
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=2)
    member = trial.spec(group_id=group.id, group_index=0)
    other = trial.spec(group_id=group.id, group_index=1, unique=UniqueKey(key="k"))
    trial.store.add([member, other], group=group)
    callback = trial.add(parents=(group.id,), queue_name="callback")
    trial.finish(member.id)
    found = (trial.group(group.id).total, trial.group(group.id).is_finished, trial.states(callback))
    expect((1, True, [State.READY]), found, "total, is_finished, and the state of the callback")


@check()
def member_that_is_purged_still_counts_as_finished(trial: Trial) -> None:
    """A group that is sealed after one of its members was purged finishes with the others."""
    group_id, members = add_group(trial, 2, total=None)
    trial.finish(members[0])
    trial.store.purge(PurgeRequest(ids=(members[0],)))
    trial.store.add([], group=attrs.evolve(trial.group(group_id), total=2))
    callback = trial.add(parents=(group_id,))
    trial.finish(members[1])
    expect((True, [State.READY]), (trial.group(group_id).is_finished, trial.states(callback)), "group and callback")


@check()
def group_tells_of_members_purged_before_it_was_sealed(trial: Trial) -> None:
    """``purged`` counts members that went while the group was open, so anybody can seal it with what it has had."""
    group_id, members = add_group(trial, 3, total=None)
    for member in members:
        trial.finish(member)
    trial.store.purge(PurgeRequest(ids=tuple(members[:2])))
    group = trial.group(group_id)
    expect((2, {State.SUCCESSFUL: 1}), (group.purged, dict(group.counts)), "purged and counts")
    trial.store.add([], group=attrs.evolve(group, total=3))
    sealed = trial.group(group_id)
    expect((1, True), (sealed.total, sealed.is_finished), "total and is_finished once it is sealed with three")


@check()
def purged_of_the_caller_is_not_believed(trial: Trial) -> None:
    """How many members of a new group were purged is the store's own business, as its counts are."""
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), purged=7)
    trial.store.add([], group=group)
    expect(0, trial.group(group.id).purged, "purged")


@check()
def member_that_is_cancelled_on_arrival_finishes_the_group(trial: Trial) -> None:
    """A group that was sealed before its last member came finishes with it, if that is CANCELLED when it is added."""
    failed = trial.finish(trial.add(queue_name="f"), Event.FAIL).id
    group = Group(id=new_id(trial), name="g", created_at=trial.clock.now(), total=1)
    trial.store.add([], group=group)
    callback = trial.add(parents=(group.id,), on_parent_failure=OnParentFailure.RUN)
    trial.add(parents=(failed,), group_id=group.id, group_index=0)
    expect((True, [State.READY]), (trial.group(group.id).is_finished, trial.states(callback)), "group and callback")


@check()
def group_is_not_sealed_with_fewer_than_it_has(trial: Trial) -> None:
    """A total below the number of members is refused, and seals nothing."""
    group_id, _members = add_group(trial, 2, total=None)
    sealed = attrs.evolve(trial.group(group_id), total=1)
    expect_raises(InvalidInput, lambda: trial.store.add([], group=sealed), "sealing two members as one")
    expect(None, trial.group(group_id).total, "the total")
