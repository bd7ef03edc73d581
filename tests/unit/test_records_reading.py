"""Queries, statistics and purging of a record store."""

from datetime import timedelta

import pytest

from taskcore.protocol import (
    SCAN_LIMIT,
    Event,
    GroupQuery,
    KeepPer,
    PurgeRequest,
    Query,
    Retention,
    State,
)
from tests.unit.records_store import SECOND, Store


@pytest.fixture
def store():
    return Store()


# Reading


def test_scan_stops_at_its_limit(store):
    """A filter without an index looks at 10,000 tasks, and returns a short page with a cursor that goes on."""
    rare = store.add(name="rare")
    for _ in range(11):
        store.backend.add([store.spec() for _ in range(1000)])
    page = store.backend.find(Query(name="rare"))
    assert ((), True) == (page.items, page.cursor is not None)
    page = store.backend.find(Query(name="rare", cursor=page.cursor))
    assert [rare] == [task.id for task in page.items]
    assert None is page.cursor
    assert SCAN_LIMIT < 11_000


def test_stats_count_what_no_claim_has_moved_yet(store):
    """Tasks that have become due count as due before any claim, and the oldest of them is told."""
    start = store.clock.now()
    store.add(run_after=start + SECOND)
    store.add(run_after=start + 2 * SECOND)
    store.add(run_after=start + 3 * SECOND, priority=9)
    store.clock.advance(2 * SECOND)
    (queue,) = store.backend.stats().queues
    assert ({State.READY: 3}, 1, start + SECOND) == (queue.counts, queue.scheduled, queue.oldest_due_at)
    store.claim(0)
    assert (queue,) == store.backend.stats().queues


def test_oldest_due_is_exact(store):
    """Among priorities and within one millisecond the very oldest moment is told."""
    start = store.clock.now() - timedelta(hours=1)
    store.add(run_after=start + timedelta(microseconds=5))
    store.add(run_after=start + timedelta(microseconds=2))
    store.add(run_after=start + timedelta(microseconds=700), priority=4, max_crashes=0)
    assert start + timedelta(microseconds=2) == store.backend.stats().queues[0].oldest_due_at


# Purging


def test_members_stay_while_something_waits_for_the_group(store):
    """Members of a group whose callback is unfinished are not purged; afterwards the group goes with the last."""
    group_id, members = store.group(2)
    callback = store.add(parents=(group_id,), queue_name="callbacks")
    for task in store.claim(2):
        store.apply(Event.SUCCEED, task)
    assert 0 == store.backend.purge(PurgeRequest())
    (task,) = store.claim(queue_names=("callbacks",))
    assert callback == task.id
    store.apply(Event.SUCCEED, task)
    assert [1, 1, 1, 0] == [store.backend.purge(PurgeRequest(limit=1)) for _ in range(4)]
    assert () == store.backend.groups(GroupQuery()).items
    assert [None, None, None] == store.states(*members, callback)


def test_protected_tasks_hide_none_that_may_go(store):
    """However many tasks must stay, those behind them are purged."""
    kept = [store.add() for _ in range(600)]
    store.add(parents=tuple(kept), queue_name="children")
    gone = store.add()
    for task in store.claim(601):
        store.apply(Event.SUCCEED, task)
    assert 1 == store.backend.purge(PurgeRequest(limit=1))
    assert [State.SUCCESSFUL, None] == store.states(kept[0], gone)


def test_latest_are_kept_per_name_and_per_group(store):
    """keep_latest keeps the newest by finish of each name, or each group; tasks without a group are left alone."""
    ids = {}
    for name in ("a", "b"):
        for number in range(3):
            ids[name, number] = store.add(name=name)
            store.finish(ids[name, number])
            store.clock.advance(SECOND)
    _, members = store.group(2)
    for task in store.claim(2):
        store.apply(Event.SUCCEED, task)
        store.clock.advance(SECOND)
    assert 1 == store.backend.purge(PurgeRequest(keep_latest=1, keep_per=KeepPer.GROUP))
    assert [None, State.SUCCESSFUL] == store.states(*members)
    assert 1 == store.backend.purge(PurgeRequest(keep_latest=2, name="a"))
    assert [None, State.SUCCESSFUL, State.SUCCESSFUL] == store.states(*(ids["a", number] for number in range(3)))
    assert 1 == store.backend.purge(PurgeRequest(keep_latest=2))
    assert [None] == store.states(ids["b", 0])


def test_due_purge_takes_the_age_of_the_state(store):
    """is_due purges what its own retention says, by state, and nothing without one."""
    store.add()
    kept = store.add(retention=Retention(failed=timedelta(0)))
    gone = store.add(retention=Retention(successful=SECOND))
    for task in store.claim(3):
        store.apply(Event.SUCCEED, task)
    assert 0 == store.backend.purge(PurgeRequest(is_due=True))
    store.clock.advance(SECOND)
    assert 1 == store.backend.purge(PurgeRequest(is_due=True))
    assert [State.SUCCESSFUL, None] == store.states(kept, gone)


def test_stats_go_by_the_clock_that_was_set_back(store):
    """Tasks that were due before the clock was set back count as scheduled, before any claim too."""
    store.add()
    store.add(priority=1, max_crashes=0)
    store.clock.step(-SECOND)
    due = store.add()
    (queue,) = store.backend.stats().queues
    assert (2, store.backend.get([due])[0].run_after) == (queue.scheduled, queue.oldest_due_at)
