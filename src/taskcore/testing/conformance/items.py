"""Checks of what comes with a change: items, stored once and in order, and tasks that follow in the same step."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.protocol import (
    Change,
    Event,
    Fence,
    Group,
    Item,
    ItemKind,
    OnConflict,
    Progress,
    PurgeRequest,
    State,
    Task,
    UniqueKey,
    Verdict,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, all_pages, expect


def _item(trial: Trial, task: Task, sequence: int, **options: object) -> Item:
    whole: dict[str, object] = {
        "task_id": task.id,
        "epoch": task.epoch,
        "sequence": sequence,
        "at": trial.clock.now(),
        **options,
    }
    return Item(**whole)  # type: ignore[arg-type]


def _items(trial: Trial, task_id: str, limit: int = 100) -> list[Item]:
    return all_pages(lambda cursor: trial.store.items(task_id, cursor=cursor, limit=limit))


@check()
def items_come_back_whole(trial: Trial) -> None:
    """An item is returned as it was given: kind, moment, dimensions, count, data."""
    task = trial.take(trial.add())
    given = (
        _item(trial, task, 0, dimensions={"région": "Bretagne", "": "x"}, count=1.5, data_json='{"a":  "\\u0000é"}'),
        _item(trial, task, 1, kind=ItemKind.LOG, data_json='"line"', at=trial.clock.now() + timedelta(microseconds=3)),
        _item(trial, task, 2),
    )
    trial.must(Event.HEARTBEAT, task, items=given)
    expect(list(given), _items(trial, task.id), "the items")


@check()
def items_come_with_heartbeats_and_settles(trial: Trial) -> None:
    """Items of two heartbeats and of the end of the run are all there, in order."""
    task = trial.take(trial.add())
    given = [_item(trial, task, number, count=float(number)) for number in range(4)]
    trial.must(Event.HEARTBEAT, task, items=(given[0],))
    trial.must(Event.HEARTBEAT, task, items=(given[1], given[2]))
    trial.must(Event.SUCCEED, task, items=(given[3],))
    expect(given, _items(trial, task.id), "the items")


@check()
def many_long_items_in_one_call(trial: Trial) -> None:
    """Items with long data, 20 MB in all, come back as they were: whatever a store sends at a time."""
    task = trial.take(trial.add())
    data = '"' + "x" * 400_000 + '"'
    items = tuple(_item(trial, task, number, data_json=data) for number in range(50))
    trial.must(Event.SUCCEED, task, items=items)
    expect(True, list(items) == _items(trial, task.id), "whether all items came back")


@check()
def repeated_items_are_stored_once(trial: Trial) -> None:
    """A heartbeat that is repeated after a lost reply stores its items once."""
    task = trial.take(trial.add())
    given = tuple(_item(trial, task, number) for number in range(3))
    for _ in range(2):
        trial.must(Event.HEARTBEAT, task, items=given[:2])
    trial.must(Event.HEARTBEAT, task, items=given)
    expect(list(given), _items(trial, task.id), "the items")


@check()
def repeated_settle_stores_its_items_once(trial: Trial) -> None:
    """A settle that is answered ALREADY adds nothing."""
    task = trial.take(trial.add())
    trial.must(Event.SUCCEED, task, items=(_item(trial, task, 0),))
    verdict = trial.apply(Event.SUCCEED, task, items=(_item(trial, task, 0), _item(trial, task, 1))).verdict
    expect((Verdict.ALREADY, 1), (verdict, len(_items(trial, task.id))), "the verdict and the number of items")


@check()
def items_of_all_runs_are_kept(trial: Trial) -> None:
    """A second run counts its items from 0 again; those of the first stay before them."""
    task_id = trial.add(max_attempts=2)
    first = trial.take(task_id)
    trial.must(Event.RETRY, first, items=(_item(trial, first, 0), _item(trial, first, 1)))
    second = trial.take(task_id)
    trial.must(Event.SUCCEED, second, items=(_item(trial, second, 0),))
    found = [(item.epoch, item.sequence) for item in _items(trial, task_id)]
    expect([(1, 0), (1, 1), (2, 0)], found, "epochs and sequences")


@check()
def items_are_in_order_of_their_numbers(trial: Trial) -> None:
    """Items 0 to 20 come in the order of their numbers, not of their texts, page by page."""
    task = trial.take(trial.add())
    given = tuple(_item(trial, task, number) for number in range(21))
    trial.must(Event.HEARTBEAT, task, items=given[11:])
    trial.must(Event.HEARTBEAT, task, items=given[:11])
    expect(list(range(21)), [item.sequence for item in _items(trial, task.id, limit=4)], "the sequences")


@check()
def pages_of_items_go_on_while_items_come(trial: Trial) -> None:
    """A cursor stays valid when more items are stored; nothing is shown twice or left out."""
    task = trial.take(trial.add())
    trial.must(Event.HEARTBEAT, task, items=tuple(_item(trial, task, number) for number in range(3)))
    page = trial.store.items(task.id, limit=2)
    trial.must(Event.HEARTBEAT, task, items=tuple(_item(trial, task, number) for number in range(3, 6)))
    rest = all_pages(lambda cursor: trial.store.items(task.id, cursor=cursor or page.cursor, limit=2))
    expect(list(range(6)), [item.sequence for item in (*page.items, *rest)], "the sequences")


@check()
def items_of_a_task_are_its_own(trial: Trial) -> None:
    """Items of other tasks are not shown; a task without items, or an unknown one, has none."""
    one, other = trial.take(trial.add(queue_name="1")), trial.take(trial.add(queue_name="2"))
    trial.must(Event.HEARTBEAT, one, items=(_item(trial, one, 0, count=1.0),))
    found = [len(_items(trial, task_id)) for task_id in (one.id, other.id, "0" * 32)]
    expect([1, 0, 0], found, "the numbers of items")


@check()
def items_go_with_their_task(trial: Trial) -> None:
    """Purging a task deletes its items, so that a new task of that id has none."""
    spec = trial.spec()
    trial.store.add([spec])
    task = trial.take(spec.id)
    trial.must(Event.SUCCEED, task, items=(_item(trial, task, 0),))
    trial.store.purge(PurgeRequest(ids=(spec.id,)))
    trial.store.add([spec])
    expect([], _items(trial, spec.id), "the items")


@check()
def tasks_that_follow_are_added_with_the_settle(trial: Trial) -> None:
    """Tasks that SUCCEED brings are stored in the same step, READY."""
    task = trial.take(trial.add())
    following = (trial.spec(name="next", priority=1), trial.spec(name="next"))
    trial.must(Event.SUCCEED, task, tasks=following)
    expect([spec.id for spec in following], [claimed.id for claimed in trial.claim(limit=5)], "what is claimed")


@check()
def tasks_that_follow_may_depend_on_it(trial: Trial) -> None:
    """A task that follows may name the settled task as its parent: it is READY, as the parent has succeeded."""
    task = trial.take(trial.add())
    following = trial.spec(parents=(task.id,))
    trial.must(Event.SUCCEED, task, tasks=(following,))
    expect([State.READY], trial.states(following.id), "the state of the task that follows")


@check()
def repeated_settle_adds_its_tasks_once(trial: Trial) -> None:
    """A settle that is answered ALREADY adds no task, though the first one has been purged meanwhile."""
    task = trial.take(trial.add())
    following = trial.spec(queue_name="q")
    trial.must(Event.SUCCEED, task, tasks=(following,))
    trial.finish(following.id)
    trial.store.purge(PurgeRequest(ids=(following.id,)))
    expect(Verdict.ALREADY, trial.apply(Event.SUCCEED, task, tasks=(following,)).verdict, "the verdict of the repeat")
    expect([None], trial.states(following.id), "the state of the task that followed")


@check()
def stale_settle_adds_no_tasks(trial: Trial) -> None:
    """A worker that has lost its task does not enqueue what should have followed."""
    task = trial.take(trial.add())
    following = trial.spec()
    trial.apply(Event.SUCCEED, task, fence=Fence(task.epoch, "other"), tasks=(following,))
    trial.clock.advance(LEASE)
    trial.housekeep()
    trial.apply(Event.SUCCEED, task, tasks=(following,))
    expect([None], trial.states(following.id), "the state of the task that should have followed")


@check()
def refused_settle_adds_no_tasks(trial: Trial) -> None:
    """A change that the machine refuses brings nothing."""
    task = trial.take(trial.add(max_attempts=1))
    following = trial.spec()
    expect(Verdict.REFUSED, trial.apply(Event.RETRY, task, tasks=(following,)).verdict, "the verdict")
    expect([None], trial.states(following.id), "the state of the task that should have followed")


@check()
def tasks_that_follow_are_stored_once_each(trial: Trial) -> None:
    """A task that is there already when the settle brings it stays as it is."""
    task = trial.take(trial.add())
    following = trial.spec(queue_name="q")
    trial.store.add([following])
    done = trial.finish(following.id)
    trial.must(Event.SUCCEED, task, tasks=(following,))
    expect(done, trial.get(following.id), "the task that was there")


@check()
def tasks_that_follow_count_for_their_group(trial: Trial) -> None:
    """A task that follows may be a member of a group."""
    group = Group(id=trial.spec().id, name="g", created_at=trial.clock.now())
    trial.store.add([], group=group)
    task = trial.take(trial.add())
    trial.must(Event.SUCCEED, task, tasks=(attrs.evolve(trial.spec(), group_id=group.id, group_index=0),))
    expect({State.READY: 1}, dict(trial.group(group.id).counts), "the counts of the group")


@check()
def tasks_that_cannot_follow_refuse_the_settle(trial: Trial) -> None:
    """A task that names a parent that is not there refuses the change that brings it: nothing is half done."""
    task = trial.take(trial.add())
    following = trial.spec(parents=("0" * 32,))
    answer = trial.apply(Event.SUCCEED, task, tasks=(trial.spec(), following))
    expect(Verdict.REFUSED, answer.verdict, "the verdict")
    expect((task, [task.id]), (trial.get(task.id), trial.found()), "the task, and all tasks")
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, task).verdict, "the verdict without what follows")


@check()
def tasks_that_follow_may_depend_on_each_other(trial: Trial) -> None:
    """Of two tasks that follow the second may wait for the first."""
    task = trial.take(trial.add())
    first = trial.spec()
    second = trial.spec(parents=(first.id,))
    trial.must(Event.SUCCEED, task, tasks=(first, second))
    expect([State.READY, State.BLOCKED], trial.states(first.id, second.id), "the states of the two")


@check()
def tasks_that_cannot_join_refuse_the_settle(trial: Trial) -> None:
    """A task that follows into a group that is not there, or is sealed, refuses the change that brings it."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=0))
    task = trial.take(trial.add())
    for group_id in ("0" * 32, "f" * 32):
        following = trial.spec(group_id=group_id, group_index=0)
        answer = trial.apply(Event.SUCCEED, task, tasks=(following,))
        expect(Verdict.REFUSED, answer.verdict, f"the verdict with a task that follows into group {group_id}")
    expect((task, [task.id]), (trial.get(task.id), trial.found()), "the task, and all tasks")


@check()
def unique_conflict_does_not_stop_a_settle(trial: Trial) -> None:
    """When the key of a task that follows is held, the holder stands for it, also with on_conflict RAISE."""
    holder = trial.add(unique=UniqueKey(key="k"), queue_name="q")
    task = trial.take(trial.add())
    following = trial.spec(unique=UniqueKey(key="k", on_conflict=OnConflict.RAISE))
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, task, tasks=(following,)).verdict, "the verdict")
    expect([task.id, holder], trial.found(), "all tasks")


@check()
def holder_is_no_parent_of_tasks_that_follow(trial: Trial) -> None:
    """A task that follows and waits for one whose key is held refuses the change, unless that gives the key back."""
    trial.add(unique=UniqueKey(key="k"), queue_name="q")
    task = trial.take(trial.add(unique=UniqueKey(key="own")))
    parent = trial.spec(unique=UniqueKey(key="k"))
    child, other = trial.spec(parents=(parent.id,)), trial.spec()
    answer = trial.apply(Event.SUCCEED, task, tasks=(parent, child, other))
    expect(Verdict.REFUSED, answer.verdict, "the verdict")
    expect([None, None, None], trial.store.get([parent.id, child.id, other.id]), "what was to follow")
    parent = attrs.evolve(parent, unique=UniqueKey(key="own"))
    trial.must(Event.SUCCEED, task, tasks=(parent, child, other))
    expect([State.READY, State.BLOCKED, State.READY], trial.states(parent.id, child.id, other.id), "what followed")


@check()
def stored_values_are_the_callers_no_more(trial: Trial) -> None:
    """What the caller does to its own mappings afterwards changes nothing in the store."""
    task = trial.take(trial.add())
    counters, dimensions = {"a": 1.0}, {"b": "c"}
    progress = Progress(current=1, counters=counters)
    trial.must(Event.HEARTBEAT, task, progress=progress, items=(_item(trial, task, 0, dimensions=dimensions),))
    counters["a"], dimensions["b"] = 2.0, "d"
    stored = trial.get(task.id).progress
    found = (stored and dict(stored.counters), [dict(item.dimensions) for item in _items(trial, task.id)])
    expect(({"a": 1.0}, [{"b": "c"}]), found, "counters and dimensions")


@check()
def tasks_that_follow_may_take_the_last_places(trial: Trial) -> None:
    """Two tasks that follow fill a sealed group that has two places left; three are refused."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=2))
    task = trial.take(trial.add())
    specs = tuple(trial.spec(group_id="f" * 32, group_index=index) for index in range(3))
    expect(Verdict.REFUSED, trial.apply(Event.SUCCEED, task, tasks=specs).verdict, "the verdict with three")
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, task, tasks=specs[:2]).verdict, "the verdict with two")
    expect({State.READY: 2}, dict(trial.group("f" * 32).counts), "the counts of the group")


@check()
def tasks_of_an_operator_that_cannot_be_added(trial: Trial) -> None:
    """A REQUEUE, or another change of an operator, whose tasks cannot be added is REFUSED, and the others are made."""
    other, failed = trial.add(), trial.finish(trial.add(queue_name="f"), Event.FAIL).id
    changes = [
        Change(task_id=failed, event=Event.REQUEUE, tasks=(trial.spec(parents=("0" * 32,)),)),
        Change(task_id=other, event=Event.CANCEL),
    ]
    verdicts = [answer.verdict for answer in trial.store.apply(changes).applied]
    expect([Verdict.REFUSED, Verdict.APPLIED], verdicts, "the verdicts")
    expect([State.FAILED, State.CANCELLED], trial.states(failed, other), "the states")
