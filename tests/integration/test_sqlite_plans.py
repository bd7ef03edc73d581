"""No call on a SQLite file costs more because of what lies beside: 100,000 tasks each of backlog, history and future.

What a call costs is counted in steps of SQLite's own machine, so the tests do not depend on the speed of this one.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore.protocol import Change, ClaimRequest, Event, KeepPer, PurgeRequest, Query, State, TaskSpec
from taskcore.records.columns import DUE, FAILED, LATER, RUNNING, SUCCESSFUL, micros
from taskcore.testing import FakeClock
from taskcore_backends.sqlite import SQLiteBackend
from taskcore_backends.sqlite._claiming import select_due

pytestmark = pytest.mark.integration

MANY = 100_000
NUMBERS = itertools.count(1)

FILL = """
    INSERT INTO task (
        id, name, queue, rank, code, version, run_after, due, enqueued_at, changed_at, max_crashes, flags, suspect,
        lease_expires, nonce, worker_id, claimed_at, arguments
    )
    WITH RECURSIVE number (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :first + :count)
    SELECT
        printf('%032x', n), 'noop', :queue, :rank, :code, 1, :at + n, (:at + n) / 1000, :at, :at + n, 3, 0, 0,
        iif(:code = 3, :at + 1000000000, NULL), 'x', 'w', :at, '{}'
    FROM number
"""


def fill(
    backend: SQLiteBackend, code: int, count: int, *, rank: int = 0, queue: str = "default", ahead: int = 0
) -> None:
    """Put rows into the table as if tasks had come there."""
    connection = backend._sessions.current().connections.writer()
    first = next(NUMBERS) * 1_000_000
    values = {"first": first, "count": count, "code": code, "rank": rank, "queue": queue}
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(FILL, {**values, "at": micros(backend.now()) - first - 10_000_000 + ahead})
    connection.execute(
        "INSERT INTO tally VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (queue, code, count)
    )
    connection.execute("COMMIT")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """A store with a few hundred tasks in two queues."""
    backend = SQLiteBackend(tmp_path / "small.db", clock=FakeClock())
    fill(backend, DUE, 500)
    fill(backend, DUE, 500, queue="mail")
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteBackend]:
    """The same, and 100,000 each that are due, finished, failed, and of higher priority in the future."""
    backend = SQLiteBackend(tmp_path_factory.mktemp("large") / "large.db", clock=FakeClock())
    fill(backend, DUE, MANY)
    fill(backend, DUE, MANY // 10, queue="mail")
    fill(backend, SUCCESSFUL, MANY)
    fill(backend, FAILED, MANY // 10)
    fill(backend, LATER, MANY, rank=-100, ahead=3_600_000_000)
    fill(backend, RUNNING, 1000)
    yield backend
    backend.close()


def steps(backend: SQLiteBackend, work: Callable[[], object]) -> int:
    """Return how many steps SQLite's machine makes for a call."""
    connections = backend._sessions.current().connections
    reader = connections.take()
    watched: list[sqlite3.Connection] = [connections.writer(), reader]
    connections.give_back(reader)
    counted = itertools.count()
    for connection in watched:
        connection.set_progress_handler(lambda: next(counted) < 0, 1)
    try:
        work()
    finally:
        for connection in watched:
            connection.set_progress_handler(None, 1)
    return next(counted)


def request(*queue_names: str, limit: int = 20) -> ClaimRequest:
    nonce = f"n{next(NUMBERS)}"
    return ClaimRequest(
        worker_id="w", nonce=nonce, queue_names=queue_names or ("default",), limit=limit, lease=timedelta(seconds=60)
    )


def compare(small: SQLiteBackend, large: SQLiteBackend, call: Callable[[SQLiteBackend], object]) -> float:
    """Return how many times the steps of the small store the large one takes, the second time each."""
    for backend in (small, large):
        call(backend)
    return steps(large, lambda: call(large)) / steps(small, lambda: call(small))


def test_claim_costs_the_same(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """A claim of twenty does not see the backlog, the history, or the future."""
    assert compare(small, large, lambda backend: backend.claim(request())) < 1.1


def test_claim_over_queues_costs_the_same(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """A claim over several queues merges the beginnings of their indexes."""
    assert compare(small, large, lambda backend: backend.claim(request("mail", "none", "default"))) < 1.1


def test_claim_with_nothing_due_costs_the_same(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """A claim of an empty queue looks at nothing else."""
    assert compare(small, large, lambda backend: backend.claim(request("none"))) < 1.1


def test_settle_costs_the_same(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """Twenty settles with a fused claim find their rows by id."""

    def call(backend: SQLiteBackend) -> None:
        tasks = backend.claim(request())
        changes = [Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1") for task in tasks]
        backend.apply(changes, request())

    assert compare(small, large, call) < 1.1


def test_slow_path_costs_the_same(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """A retry and a cancel, made by the machine one by one, find their row by id."""

    def call(backend: SQLiteBackend) -> None:
        first, second = backend.claim(request(limit=2))
        retry = Change(task_id=first.id, event=Event.RELEASE, fence=first.fence, delay=timedelta(seconds=9))
        backend.apply([retry, Change(task_id=second.id, event=Event.CANCEL)])

    assert compare(small, large, call) < 1.1


def test_finish_of_one_of_many_parents_costs_the_same(small: SQLiteBackend) -> None:
    """What waits for two thousand others is not counted anew, nor read, each time that one of them finishes."""

    def finish_one(parents: int) -> int:
        queue = f"of-{parents}"
        at = small.now()
        ids = [f"e{next(NUMBERS):031x}" for _ in range(parents + 1)]
        specs = [TaskSpec(id=one, name="noop", queue_name=queue, enqueued_at=at) for one in ids[:-1]]
        small.add([*specs, TaskSpec(id=ids[-1], name="join", enqueued_at=at, parents=tuple(ids[:-1]))])
        first, second = small.claim(request(queue, limit=2))
        changes = [Change(task_id=one.id, event=Event.SUCCEED, fence=one.fence) for one in (first, second)]
        small.apply(changes[:1])
        return steps(small, lambda: small.apply(changes[1:]))

    assert finish_one(2000) / finish_one(20) < 1.1


def test_add_costs_the_same(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """Adds do not look at what is there."""

    def call(backend: SQLiteBackend) -> None:
        ids = [f"f{next(NUMBERS):031x}" for _ in range(20)]
        backend.add([TaskSpec(id=task_id, name="noop", enqueued_at=backend.now()) for task_id in ids])

    assert compare(small, large, call) < 1.1


def test_waits_look_at_little(small: SQLiteBackend, large: SQLiteBackend) -> None:
    """What a wait looks at does not grow, for a queue with work and one without."""
    assert compare(small, large, lambda backend: backend.wait(["default"], timedelta(0))) < 1.1
    assert compare(small, large, lambda backend: backend.wait(["none"], timedelta(0))) < 1.5


@pytest.mark.parity("DQ-34")
@pytest.mark.parametrize(
    "query",
    [
        Query(limit=20),
        Query(limit=20, is_oldest_first=True),
        Query(limit=20, states=frozenset({State.FAILED})),
        Query(limit=20, states=frozenset({State.FAILED, State.CANCELLED, State.BLOCKED})),
        Query(limit=20, group_id="none"),
        Query(limit=20, unique_key="none"),
        Query(limit=20, schedule_id="none"),
    ],
    ids=["newest", "oldest", "failed", "rare states", "group", "unique key", "schedule"],
)
def test_find_reads_its_page_only(large: SQLiteBackend, query: Query) -> None:
    """A page of twenty by an indexed filter, or by none, takes some hundred steps a row."""
    assert steps(large, lambda: large.find(query)) < 4000 + 12 * 10_000


def test_find_without_an_index_stops_at_its_limit(large: SQLiteBackend) -> None:
    """A filter that no index serves looks at 10,000 rows, and the page says where to go on."""
    query = Query(limit=20, name="nobody")
    page = large.find(query)
    assert ((), True) == (page.items, page.cursor is not None)
    assert steps(large, lambda: large.find(query)) < 1_000_000


def test_running_tasks_are_found_among_the_running(large: SQLiteBackend) -> None:
    """What a worker runs is looked for among what runs."""
    assert steps(large, lambda: large.find(Query(limit=20, worker_id="w"))) < 200_000


def test_stats_cost_little(large: SQLiteBackend) -> None:
    """Counts are kept, not counted; of due tasks the first millisecond of each priority is looked at."""
    assert steps(large, large.stats) < 50_000


@pytest.mark.parametrize(
    "ask",
    [
        PurgeRequest(is_due=True),
        PurgeRequest(finished_before=FakeClock().now() - timedelta(days=1)),
        PurgeRequest(keep_latest=1000, limit=10),
        PurgeRequest(keep_latest=5, keep_per=KeepPer.GROUP),
        PurgeRequest(ids=("a", "b")),
        PurgeRequest(group_id="none"),
    ],
    ids=["due", "age", "latest by name", "latest by group", "ids", "group"],
)
def test_purge_looks_at_what_goes(large: SQLiteBackend, ask: PurgeRequest) -> None:
    """A purge is served by an index: it never reads the whole history."""
    assert steps(large, lambda: large.purge(ask)) < 60_000


@pytest.mark.parametrize("queues", [1, 2, 5])
@pytest.mark.parametrize("suspect", [0, 1])
def test_claim_plan_scans_an_index_for_each_queue(large: SQLiteBackend, queues: int, suspect: int) -> None:
    """The plan of a claim: one search of the index for each queue, no scan of the table."""
    connection = large._sessions.current().connections.writer()
    values = {f"q{number}": "default" for number in range(queues)} | {"now": 0, "limit": 10}
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {select_due(queues, suspect=suspect)}", values)]
    index = "task_suspect" if suspect else "task_due"
    assert queues == sum(
        f"SEARCH task USING INDEX {index}" in line or f"SEARCH t USING INDEX {index}" in line for line in plan
    )
    assert [] == [line for line in plan if line.startswith(("SCAN task", "SCAN t "))]
