"""Checks of groups without members: they are purged, too, after a day and when nothing waits for them."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.protocol import Event, Group, GroupQuery, PurgeRequest
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import Trial, all_pages, expect

DAY = timedelta(days=1)


def _purged(trial: Trial, **options: object) -> int:
    return trial.store.purge(PurgeRequest(**options))  # type: ignore[arg-type]


def _groups(trial: Trial) -> list[str]:
    return sorted(group.id for group in all_pages(lambda cursor: trial.store.groups(GroupQuery(cursor=cursor))))


def _empty_group(trial: Trial, letter: str, total: int | None = 0) -> str:
    group = Group(id=letter * 32, name="g", created_at=trial.clock.now(), total=total)
    trial.store.add([], group=group)
    return group.id


@check()
def groups_that_had_no_member_go_after_a_day(trial: Trial) -> None:
    """A group sealed without members goes a day after its finish, one that was left open a day after it came."""
    for letter, total in (("a", 0), ("b", None)):
        _empty_group(trial, letter, total)
    trial.clock.advance(DAY - timedelta(milliseconds=1))
    expect((0, ["a" * 32, "b" * 32]), (_purged(trial, is_due=True), _groups(trial)), "a millisecond before")
    trial.clock.advance(timedelta(milliseconds=1))
    expect((0, []), (_purged(trial, is_due=True), _groups(trial)), "after a day; only tasks are counted")


@check()
def group_sealed_after_its_members_were_purged_goes(trial: Trial) -> None:
    """A group whose members were purged while it was open stays until it is sealed, and goes a day after that."""
    group_id = _empty_group(trial, "a", total=None)
    member = trial.add(group_id=group_id, group_index=0)
    trial.finish(member)
    expect(1, _purged(trial, ids=(member,)), "how many were purged")
    trial.clock.advance(30 * DAY)
    _purged(trial, is_due=True)
    trial.store.add([], group=attrs.evolve(trial.group(group_id), total=1))
    _purged(trial, is_due=True)
    expect(True, trial.group(group_id).is_finished, "whether the group, just sealed, is there and finished")
    trial.clock.advance(DAY)
    _purged(trial, is_due=True)
    expect([], _groups(trial), "the groups a day later")


@check()
def empty_group_that_is_waited_for_stays(trial: Trial) -> None:
    """As long as an unfinished task was enqueued to wait for it, a group without members stays, open or not."""
    waited, open_ = _empty_group(trial, "a"), _empty_group(trial, "b", total=None)
    callback, blocked = trial.add(parents=(waited,)), trial.add(parents=(open_,), queue_name="b")
    trial.clock.advance(2 * DAY)
    _purged(trial, is_due=True)
    expect([waited, open_], _groups(trial), "the groups while tasks wait")
    trial.finish(callback)
    trial.must(Event.CANCEL, blocked)
    _purged(trial, is_due=True)
    expect([], _groups(trial), "the groups when these have finished")


@check()
def groups_with_members_stay(trial: Trial) -> None:
    """However old, a group with a member stays, finished or not, and so does one that gets its first member late."""
    finished, late = _empty_group(trial, "a", total=None), _empty_group(trial, "b", total=None)
    trial.finish(trial.add(group_id=finished, group_index=0))
    trial.clock.advance(2 * DAY)
    trial.add(group_id=late, group_index=0)
    trial.store.add([], group=attrs.evolve(trial.group(finished), total=1))
    trial.clock.advance(2 * DAY)
    expect((0, [finished, late]), (_purged(trial, is_due=True), _groups(trial)), "what went, and the groups")


@check()
def empty_groups_go_in_portions(trial: Trial) -> None:
    """A purge takes as many empty groups as its limit says, and only one that asks for all that is due takes any."""
    letters = "abcde"
    for letter in letters:
        _empty_group(trial, letter)
        trial.clock.advance(timedelta(minutes=1))
    trial.clock.advance(2 * DAY)
    for options in ({}, {"is_due": True, "name": "task"}, {"keep_latest": 0}, {"group_id": "a" * 32}):
        _purged(trial, **options)
    expect(5, len(_groups(trial)), "how many groups are there after purges of something else")
    _purged(trial, is_due=True, limit=2)
    expect([letter * 32 for letter in letters[2:]], _groups(trial), "the groups after the two oldest went")
