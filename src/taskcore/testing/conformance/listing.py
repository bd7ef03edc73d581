"""Checks of long lists and of several filters at once: nothing is left out where one piece of a list ends."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import combinations

import attrs

from taskcore.protocol import (
    SCAN_LIMIT,
    Event,
    Group,
    GroupQuery,
    Item,
    Page,
    PurgeRequest,
    Query,
    ScheduleQuery,
    State,
    Task,
    UniqueKey,
    WorkerInfo,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import schedule
from taskcore.testing.conformance._trial import Trial, all_pages, expect

MINUTE = timedelta(minutes=1)
MANY = 450
GROUP = "f" * 32
SCHEDULE = "e" * 32


@check()
def every_pair_of_filters_must_match(trial: Trial) -> None:
    """Of tasks that have one of two things, or both, only those that have both are found."""
    now = trial.clock.now()
    trial.store.add([], group=Group(id=GROUP, name="g", created_at=now))
    given: dict[str, tuple[dict[str, object], dict[str, object]]] = {
        "queue_name": ({"queue_name": "q"}, {"queue_name": "q"}),
        "name": ({"name": "n"}, {"name": "n"}),
        "group_id": ({"group_id": GROUP, "group_index": 0}, {"group_id": GROUP}),
        "schedule_id": ({"schedule_id": SCHEDULE, "slot": now}, {"schedule_id": SCHEDULE}),
        "unique_key": ({"unique": UniqueKey(key="k")}, {"unique_key": "k"}),
    }
    ids: dict[tuple[str, ...], str] = {}
    for names in [(name,) for name in given] + list(combinations(given, 2)):
        options = {key: value for name in names for key, value in given[name][0].items()}
        ids[names] = trial.add(**options)
        trial.must(Event.CANCEL, ids[names])  # gives the unique key back
    for names in combinations(given, 2):
        asked = {key: value for name in names for key, value in given[name][1].items()}
        expect([ids[names]], trial.found(**asked), f"the tasks found by {names}")
        asked["states"] = frozenset({State.READY})
        expect([], trial.found(**asked), f"the READY tasks found by {names}")


@check()
def worker_and_other_filters(trial: Trial) -> None:
    """The tasks of a worker are found together with other filters, a range of time, and page by page."""
    ids = []
    for number in range(6):
        ids.append(trial.take(trial.add(queue_name=f"q{number}", name=f"n{number % 2}"), worker_id="me").id)
        trial.clock.advance(timedelta(milliseconds=1))
    trial.take(trial.add(queue_name="other"), worker_id="other")
    moments = [trial.get(task_id).spec.enqueued_at for task_id in ids]
    expect(ids[::-1], trial.found(worker_id="me", limit=2), "by the worker, in pages of two")
    expect(ids, trial.found(worker_id="me", limit=4, is_oldest_first=True), "the oldest first")
    expect(ids[1::2][::-1], trial.found(worker_id="me", name="n1"), "by worker and name")
    expect([ids[2]], trial.found(worker_id="me", queue_name="q2"), "by worker and queue")
    expect([], trial.found(worker_id="me", states=frozenset({State.READY})), "by worker, READY")
    between = trial.found(worker_id="me", enqueued_from=moments[1], enqueued_until=moments[4])
    expect(ids[3:0:-1], between, "by worker and time")


@check()
def time_and_pages(trial: Trial) -> None:
    """A range of time keeps its bounds on every page, in both directions."""
    moments, ids = [], []
    for _ in range(9):
        moments.append(trial.clock.now())
        ids.append(trial.add())
        trial.clock.advance(timedelta(milliseconds=1))
    bounds = {"enqueued_from": moments[2], "enqueued_until": moments[7], "limit": 2}
    expect(ids[6:1:-1], trial.found(**bounds), "the newest first")
    expect(ids[2:7], trial.found(**bounds, is_oldest_first=True), "the oldest first")
    expect([], trial.found(enqueued_from=moments[5], enqueued_until=moments[5]), "an empty range")
    expect([], trial.found(enqueued_from=moments[6], enqueued_until=moments[3]), "a range that ends before it begins")


@check()
def long_lists_of_tasks(trial: Trial) -> None:
    """Of 450 tasks each is found once, with filters and without, in small pages and in one, both ways."""
    trial.store.add([], group=Group(id=GROUP, name="g", created_at=trial.clock.now()))
    parent = trial.add(queue_name="parent", name="parent")
    specs = [
        trial.spec(name=f"n{number % 3}", parents=(parent,), group_id=GROUP, group_index=number)
        for number in range(MANY)
    ]
    trial.store.add(specs)
    ids = [spec.id for spec in specs]
    for limit in (70, 1000):
        expect(ids, trial.found(group_id=GROUP, limit=limit, is_oldest_first=True), f"by group, {limit} a page")
        expect(ids[2::3][::-1], trial.found(name="n2", limit=limit), f"by name, {limit} a page")
        blocked = trial.found(states=frozenset({State.BLOCKED}), limit=limit)
        expect(ids[::-1], blocked, f"by state, {limit} a page")
        everything = trial.found(limit=limit, is_oldest_first=True)
        expect([parent, *ids], everything, f"all tasks, {limit} a page")
        children = all_pages(partial(_children, trial, parent, limit))
        expect(ids, [task.id for task in children], f"the children, {limit} a page")


@check()
def rare_tasks_in_a_long_list(trial: Trial) -> None:
    """A query that has to look at more than SCAN_LIMIT tasks leads to all that match, by pages that may be short."""
    first = trial.add(name="rare")
    for _ in range(SCAN_LIMIT // 1000 + 1):
        trial.store.add([trial.spec() for _ in range(1000)])
    last = trial.add(name="rare")
    expect([last, first], trial.found(name="rare"), "the rare tasks, the newest first")
    expect([first, last], trial.found(name="rare", is_oldest_first=True), "the rare tasks, the oldest first")


@check()
def long_lists_of_other_things(trial: Trial) -> None:
    """Of 450 items, groups, schedules and workers each is listed once, in order."""
    now = trial.clock.now()
    task = trial.take(trial.add())
    given = tuple(Item(task_id=task.id, epoch=1, sequence=number, at=now) for number in range(MANY))
    trial.must(Event.HEARTBEAT, task, items=given)
    for limit in (70, 1000):
        items = all_pages(partial(_items, trial, task.id, limit))
        expect(list(given), items, f"the items, {limit} a page")
    for number in range(MANY):
        trial.store.add([], group=Group(id=f"{number:032x}", name="g", created_at=now))
        name = f"{number:05}"
        new = schedule(trial, name=name, next_slot=now + number * MINUTE)
        trial.store.put_schedule(new, expected_revision=None)
        trial.store.beat(_worker(trial, name))
        trial.clock.advance(timedelta(milliseconds=1))
    groups = all_pages(lambda cursor: trial.store.groups(GroupQuery(name="g", cursor=cursor, limit=70)))
    expect([f"{number:032x}" for number in reversed(range(MANY))], [group.id for group in groups], "the groups")
    names = [f"{number:05}" for number in range(MANY)]
    every = all_pages(lambda cursor: trial.store.schedules(ScheduleQuery(cursor=cursor, limit=70)))
    expect(names, [one.name for one in every], "the schedules")
    due = ScheduleQuery(due_by=now + 300 * MINUTE, limit=70)
    found = all_pages(lambda cursor: trial.store.schedules(attrs.evolve(due, cursor=cursor)))
    expect(names[:301], [one.name for one in found], "the schedules that are due")
    expect(names[::-1], [worker.id for worker in trial.store.workers()], "the workers")


def _children(trial: Trial, parent_id: str, limit: int, cursor: str | None) -> Page[Task]:
    return trial.store.children(parent_id, cursor, limit)


def _items(trial: Trial, task_id: str, limit: int, cursor: str | None) -> Page[Item]:
    return trial.store.items(task_id, cursor=cursor, limit=limit)


def _worker(trial: Trial, worker_id: str) -> WorkerInfo:
    now = trial.clock.now()
    return WorkerInfo(
        id=worker_id,
        hostname="h",
        pid=1,
        queue_names=("q",),
        task_names=("n",),
        concurrency=1,
        executor="threads",
        started_at=now,
        last_beat_at=now,
        expires_at=now + MINUTE,
    )


@check()
def many_items_go_with_their_task(trial: Trial) -> None:
    """Purging a task with 1,200 items leaves none of them."""
    spec = trial.spec()
    trial.store.add([spec])
    task = trial.take(spec.id)
    items = tuple(Item(task_id=task.id, epoch=1, sequence=number, at=trial.clock.now()) for number in range(1200))
    trial.must(Event.SUCCEED, task, items=items)
    trial.store.purge(PurgeRequest())
    trial.store.add([spec])
    expect((), trial.store.items(spec.id, limit=5000).items, "the items of a new task of that id")


@check()
def child_with_many_parents(trial: Trial) -> None:
    """A task that waits for 250 others is let go by the last of them, and leaves nothing behind when it is purged."""
    parents = [trial.spec(queue_name="p") for _ in range(250)]
    trial.store.add(parents)
    child = trial.add(parents=tuple(spec.id for spec in parents))
    claimed = trial.claim("p", limit=250)
    for task in claimed[:-1]:
        trial.must(Event.SUCCEED, task)
    expect([State.BLOCKED], trial.states(child), "the child before the last finish")
    trial.must(Event.SUCCEED, claimed[-1])
    expect([State.READY], trial.states(child), "the child after the last finish")
    trial.finish(child)
    expect(251, trial.store.purge(PurgeRequest()), "how many are purged")
    expect((), trial.store.find(Query()).items, "all tasks")
