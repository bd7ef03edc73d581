"""Checks of ``find`` and ``stats``: filters, pages without gaps or doubles, and counts that are true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import attrs

from taskcore.protocol import (
    Event,
    Group,
    PurgeRequest,
    Query,
    Schedule,
    State,
    UniqueKey,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import schedule
from taskcore.testing.conformance._trial import LEASE, Trial, all_pages, expect

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@check()
def newest_first(trial: Trial) -> None:
    """Without filters every task is found, the newest id first; or the oldest, if asked."""
    ids = [trial.add() for _ in range(4)]
    expect(ids[::-1], trial.found(), "the newest first")
    expect(ids, trial.found(is_oldest_first=True), "the oldest first")


@check()
def nothing_found(trial: Trial) -> None:
    """A query that matches nothing returns an empty last page."""
    trial.add()
    page = trial.store.find(Query(name="unknown"))
    expect(((), None), (page.items, page.cursor), "items and cursor")


@check()
def found_tasks_are_whole(trial: Trial) -> None:
    """``find`` returns what ``get`` returns."""
    task = trial.finish(trial.add(label="l", metadata_json='{"m":1}'), Event.FAIL)
    expect((task,), trial.store.find(Query()).items, "the tasks found")


@check()
def filter_by_state(trial: Trial) -> None:
    """One state, several, or any, as the query says."""
    ready, failed = trial.add(), trial.add(queue_name="f")
    trial.finish(failed, Event.FAIL)
    running = trial.take(trial.add(queue_name="r")).id
    found = {state: trial.found(states=frozenset({state})) for state in State}
    nothing: dict[State, list[str]] = {state: [] for state in State}
    wanted = nothing | {State.READY: [ready], State.FAILED: [failed], State.RUNNING: [running]}
    expect(wanted, found, "the tasks by state")
    both = trial.found(states=frozenset({State.RUNNING, State.READY}))
    expect([running, ready], both, "the tasks of two states")


@check()
def filter_by_state_follows_changes(trial: Trial) -> None:
    """A task is found by the state that it has now, and by no other, through a whole life."""
    task_id = trial.add(max_attempts=2)
    steps: list[Callable[[], object]] = [
        lambda: trial.finish(task_id, Event.RETRY),
        lambda: trial.take(task_id),
        lambda: trial.must(Event.FAIL, trial.get(task_id)),
        lambda: trial.must(Event.REQUEUE, task_id),
        lambda: trial.must(Event.CANCEL, task_id),
    ]
    for number, make in enumerate(steps):
        make()
        now = trial.get(task_id).state
        for state in State:
            wanted = [task_id] if state is now else []
            expect(wanted, trial.found(states=frozenset({state})), f"{state.value} tasks after step {number}")


@check()
def each_filter_alone(trial: Trial) -> None:
    """Queue, name, group, schedule, unique key: each finds the tasks that have it, to the character."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now()))
    options: dict[str, tuple[dict[str, object], object]] = {
        "queue_name": ({"queue_name": "Q ü"}, "Q ü"),
        "name": ({"name": "a.Name"}, "a.Name"),
        "group_id": ({"group_id": "f" * 32, "group_index": 0}, "f" * 32),
        "schedule_id": ({"schedule_id": "e" * 32, "slot": trial.clock.now()}, "e" * 32),
        "unique_key": ({"unique": UniqueKey(key="K ")}, "K "),
    }
    ids = {key: trial.add(**given) for key, (given, _asked) in options.items()}
    trial.add(queue_name="q ü", name="a.name", unique=UniqueKey(key="K"))
    for key, (_given, asked) in options.items():
        expect([ids[key]], trial.found(**{key: asked}), f"the tasks found by {key}")


@check()
def unique_key_finds_former_holders_too(trial: Trial) -> None:
    """Tasks that were enqueued with a key are found by it whether or not they hold it."""
    first = trial.add(unique=UniqueKey(key="k"))
    trial.finish(first)
    second = trial.add(unique=UniqueKey(key="k"))
    expect([second, first], trial.found(unique_key="k"), "the tasks found")


@check()
def filter_by_worker(trial: Trial) -> None:
    """The tasks that run on a worker are found by its id, and no longer when they have finished."""
    mine, other = trial.add(queue_name="m"), trial.add(queue_name="o")
    task = trial.take(mine, worker_id="me")
    trial.take(other, worker_id="somebody")
    expect([mine], trial.found(worker_id="me"), "the tasks of the worker")
    trial.must(Event.SUCCEED, task)
    expect([], trial.found(worker_id="me"), "the tasks of the worker after the finish")


@check()
def filter_by_time(trial: Trial) -> None:
    """``enqueued_from`` is inclusive, ``enqueued_until`` exclusive, to the millisecond."""
    moments, ids = [], []
    for _ in range(4):
        moments.append(trial.clock.now())
        ids.append(trial.add())
        trial.clock.advance(SECOND)
    expect(ids[:0:-1], trial.found(enqueued_from=moments[1]), "from the second on")
    expect(ids[1::-1], trial.found(enqueued_until=moments[2]), "before the third")
    expect([ids[1]], trial.found(enqueued_from=moments[1], enqueued_until=moments[2]), "only the second")
    expect([], trial.found(enqueued_from=trial.clock.now()), "from now on")


@check()
def all_filters_must_match(trial: Trial) -> None:
    """A task that matches one filter and not the other is not found."""
    both = trial.add(name="n", queue_name="q")
    trial.add(name="n")
    trial.add(queue_name="q")
    expect([both], trial.found(name="n", queue_name="q"), "the tasks of that name and queue")
    expect([both], trial.found(name="n", queue_name="q", states=frozenset({State.READY})), "and state")
    expect([], trial.found(name="n", queue_name="q", states=frozenset({State.FAILED})), "of another state")


@check()
def pages_have_no_gaps_and_no_doubles(trial: Trial) -> None:
    """Pages of one, three and seven together are the whole, with and without filters, in both directions."""
    ids = [trial.add(name=f"n{number % 2}", queue_name=f"q{number % 3}") for number in range(20)]
    for limit in (1, 3, 7):
        expect(ids[::-1], trial.found(limit=limit), f"all tasks in pages of {limit}")
        expect(ids, trial.found(limit=limit, is_oldest_first=True), f"the oldest first in pages of {limit}")
        expect(ids[1::2][::-1], trial.found(limit=limit, name="n1"), f"those of a name in pages of {limit}")
        some = trial.found(limit=limit, name="n0", queue_name="q0", states=frozenset({State.READY}))
        expect(ids[::6][::-1], some, f"those of a name, queue and state in pages of {limit}")


@check()
def pages_are_not_longer_than_asked(trial: Trial) -> None:
    """No page has more tasks than the limit."""
    for _ in range(7):
        trial.add()
    pages = [trial.store.find(Query(limit=3))]
    while pages[-1].cursor is not None:
        pages.append(trial.store.find(Query(limit=3, cursor=pages[-1].cursor)))
    expect(True, all(len(page.items) <= 3 for page in pages), "whether no page is longer than 3")
    expect(7, sum(len(page.items) for page in pages), "how many are on all pages")


@check()
def pages_go_on_while_tasks_are_added(trial: Trial) -> None:
    """Newer tasks that come between two pages neither shift the next page nor show a task twice."""
    ids = [trial.add() for _ in range(6)]
    found: list[str] = []
    page = trial.store.find(Query(limit=2))
    while True:
        found += [task.id for task in page.items]
        if page.cursor is None:
            break
        trial.add()
        page = trial.store.find(Query(limit=2, cursor=page.cursor))
    expect(ids[::-1], found, "the tasks of all pages")


@check()
def oldest_first_pages_reach_tasks_that_are_added(trial: Trial) -> None:
    """With the oldest first, tasks that come while one reads are on the later pages."""
    ids = [trial.add() for _ in range(4)]
    page = trial.store.find(Query(limit=2, is_oldest_first=True))
    ids.append(trial.add())
    rest = all_pages(
        lambda cursor: trial.store.find(Query(limit=2, is_oldest_first=True, cursor=cursor or page.cursor))
    )
    expect(ids, [task.id for task in (*page.items, *rest)], "the tasks of all pages")


@check()
def pages_go_on_when_tasks_change_or_go(trial: Trial) -> None:
    """A cursor stays valid when the last task of its page has changed its state or was purged."""
    ids = [trial.add(queue_name=f"q{number}") for number in range(6)]
    query = Query(limit=2, states=frozenset({State.READY}))
    page = trial.store.find(query)
    trial.finish(ids[4])
    trial.store.purge(PurgeRequest(ids=(ids[4],)))
    trial.take(ids[0])
    rest = all_pages(lambda cursor: trial.store.find(Query(limit=2, states=query.states, cursor=cursor or page.cursor)))
    expect(ids[3:0:-1], [task.id for task in rest], "the tasks of the later pages")


@check()
def purged_tasks_are_not_found(trial: Trial) -> None:
    """What is purged is found by no filter."""
    gone = trial.finish(trial.add(name="n", unique=UniqueKey(key="k"))).id
    trial.store.purge(PurgeRequest())
    found = [trial.found(), trial.found(name="n"), trial.found(unique_key="k")]
    found.append(trial.found(states=frozenset({State.SUCCESSFUL})))
    expect([[]] * 4, found, f"what is found of {gone}")


def _queues(trial: Trial) -> dict[str, dict[State, int]]:
    return {queue.name: dict(queue.counts) for queue in trial.store.stats().queues}


@check()
def stats_of_an_empty_store(trial: Trial) -> None:
    """An empty store has no queues, no schedules, no groups, and a clock."""
    stats = trial.store.stats()
    found = (stats.queues, stats.schedules, stats.groups, stats.now)
    expect(((), 0, 0, trial.clock.now()), found, "the stats")


@check()
def stats_count_by_queue_and_state(trial: Trial) -> None:
    """Each queue with tasks is there, with the states that it has tasks in."""
    trial.add(queue_name="a")
    trial.add(queue_name="a")
    trial.finish(trial.add(queue_name="b"))
    trial.take(trial.add(queue_name="c"))
    wanted = {"a": {State.READY: 2}, "b": {State.SUCCESSFUL: 1}, "c": {State.RUNNING: 1}}
    expect(wanted, _queues(trial), "the counts")


@check()
def stats_follow_every_change(trial: Trial) -> None:
    """After each of many changes the counts are those that ``find`` would give."""
    parent = trial.add(max_attempts=3)
    trial.add(parents=(parent,))
    trial.add(expires_at=trial.clock.now() + MINUTE, queue_name="x")

    def compare(what: str) -> None:
        states = Counter((task.queue_name, task.state) for task in trial.store.find(Query()).items)
        counted = {(name, state): count for name, counts in _queues(trial).items() for state, count in counts.items()}
        expect(dict(states), counted, f"the counts after {what}")

    compare("add")
    for event in (Event.RETRY, Event.RELEASE, Event.RECLAIM, Event.FAIL):
        task = trial.take(parent)
        compare("claim")
        trial.must(event, task)
        compare(event.value)
    trial.must(Event.REQUEUE, parent)
    compare("REQUEUE")
    trial.take(parent)
    trial.clock.advance(MINUTE)
    trial.housekeep()
    compare("housekeeping")
    trial.must(Event.CANCEL, parent)
    compare("CANCEL")
    trial.store.purge(PurgeRequest())
    compare("purge")


@check()
def stats_leave_empty_queues_out(trial: Trial) -> None:
    """A queue whose last task was purged is gone; a paused one stays."""
    trial.finish(trial.add(queue_name="gone"))
    trial.finish(trial.add(queue_name="paused"))
    trial.store.pause("paused")
    trial.store.purge(PurgeRequest())
    expect([("paused", True)], [(queue.name, queue.is_paused) for queue in trial.store.stats().queues], "the queues")


@check()
def stats_tell_what_is_scheduled_and_what_is_due(trial: Trial) -> None:
    """``scheduled`` counts READY tasks that are not due; ``oldest_due_at`` is the moment of the one due longest."""
    now = trial.clock.now()
    for delay in (-2 * MINUTE, -MINUTE, MINUTE, 2 * MINUTE):
        trial.add(run_after=now + delay)
    queue = trial.store.stats().queues[0]
    expect((2, now - 2 * MINUTE, {State.READY: 4}), (queue.scheduled, queue.oldest_due_at, dict(queue.counts)), "now")
    trial.claim(limit=2)
    trial.clock.advance(MINUTE)
    queue = trial.store.stats().queues[0]
    expect((1, now + MINUTE), (queue.scheduled, queue.oldest_due_at), "when two have run and the third is due")


@check()
def stats_without_a_due_task(trial: Trial) -> None:
    """Where no task is due, there is no oldest."""
    trial.add(run_after=trial.clock.now() + MINUTE)
    queue = trial.store.stats().queues[0]
    expect((1, None), (queue.scheduled, queue.oldest_due_at), "scheduled and oldest_due_at")


@check()
def stats_count_schedules_and_groups(trial: Trial) -> None:
    """The numbers of schedules and of groups are there."""
    stored: Schedule = schedule(trial)
    trial.store.put_schedule(stored, expected_revision=None)
    for number in range(2):
        trial.store.add([], group=Group(id=f"{number:032x}", name="g", created_at=trial.clock.now()))
    stats = trial.store.stats()
    expect((1, 2), (stats.schedules, stats.groups), "schedules and groups")


@check()
def lapsed_task_is_running_for_all_that_ask(trial: Trial) -> None:
    """Reading changes nothing: a lapsed task is RUNNING in ``get``, ``find`` and ``stats`` until somebody claims."""
    task = trial.take(trial.add())
    trial.clock.advance(10 * LEASE)
    found = (trial.get(task.id), trial.found(states=frozenset({State.RUNNING})), _queues(trial))
    expect((task, [task.id], {"default": {State.RUNNING: 1}}), found, "what is read")


@check()
def scheduled_follows_every_change(trial: Trial) -> None:
    """``scheduled`` counts what is not due at the moment, whether or not a claim has looked at it since."""
    task_id = trial.add(max_attempts=5)

    def scheduled() -> list[int]:
        before = trial.store.stats().queues[0].scheduled
        trial.housekeep()
        return [before, trial.store.stats().queues[0].scheduled]

    found = [scheduled()]
    trial.finish(task_id, Event.RETRY, delay=MINUTE)
    found.append(scheduled())
    trial.clock.advance(MINUTE)
    found.append(scheduled())
    later = attrs.evolve(trial.get(task_id).spec, run_after=trial.clock.now() + MINUTE)
    trial.must(Event.RESCHEDULE, task_id, spec=later)
    found.append(scheduled())
    trial.must(Event.RESCHEDULE, task_id, spec=attrs.evolve(later, queue_name="other"))
    found.append(scheduled())
    trial.must(Event.CANCEL, task_id)
    found.append(scheduled())
    trial.must(Event.REQUEUE, task_id, delay=MINUTE)
    found.append(scheduled())
    wanted = [[0, 0], [1, 1], [0, 0], [1, 1], [1, 1], [0, 0], [1, 1]]
    expect(wanted, found, "scheduled before and after housekeeping, after each change")


@check()
def oldest_due_task_of_all(trial: Trial) -> None:
    """``oldest_due_at`` is that of the task due longest, whatever its priority, and whether or not it is a suspect."""
    now = trial.clock.now()
    trial.add(priority=5, run_after=now - MINUTE)
    trial.add(priority=5, run_after=now - 2 * MINUTE)
    trial.add(priority=-5, run_after=now - 3 * MINUTE)
    expect(now - 3 * MINUTE, trial.store.stats().queues[0].oldest_due_at, "the oldest of three")
    trial.add(priority=0, run_after=now - 4 * MINUTE, max_crashes=0)
    expect(now - 4 * MINUTE, trial.store.stats().queues[0].oldest_due_at, "the oldest, which is a suspect")


@check()
def stats_after_the_clock_was_set_back(trial: Trial) -> None:
    """Tasks that were due, and are not any more by the clock that was set back, are scheduled."""
    trial.add(priority=1)
    trial.add(max_crashes=0)
    trial.clock.step(-MINUTE)
    trial.add(run_after=trial.clock.now())
    queue = trial.store.stats().queues[0]
    expect((2, trial.clock.now()), (queue.scheduled, queue.oldest_due_at), "scheduled and oldest_due_at")
