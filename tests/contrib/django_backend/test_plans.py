"""With 300,000 finished and 50,000 future tasks no claim reads one of them, nor does what is asked all the time.

What the backend says to the database is recorded while it does its work, and explained, or counted, afterwards.
"""

import json
import time
from datetime import timedelta

import pytest
from django.db import connections, transaction

from taskcore.protocol import SCAN_LIMIT, Change, ClaimRequest, Event, PurgeRequest, Query, State, TaskSpec
from taskcore_backends.django import DjangoBackend

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FINISHED, FUTURE, READY = 300_000, 50_000, 20_000
MOST_ROWS = 3000
"""How many rows a statement that takes ten tasks may look at, with all that it looks at besides."""

COLUMNS = """
    id, name, queue_name, precedence, code, version, run_after, due, enqueued_at, changed_at, max_attempts, max_crashes,
    epoch, failures, crashes, releases, flags, suspect, arguments
"""
HOUR = 3_600_000_000
HOURS = timedelta(hours=1)
FORBIDS = "set_config('enable_seqscan', 'off'"
TEN = " UNION ALL ".join(f"SELECT {digit} AS n" for digit in range(10))
TENS = " CROSS JOIN ".join(f"({TEN}) AS d{place}" for place in range(6))
DIGITS = " + ".join(f"d{place}.n * {10**place}" for place in range(6))
SERIES = {
    "sqlite": "WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < %s) SELECT g FROM s",
    "postgres": "SELECT generate_series(1, %s) AS g",
    "mariadb": f"SELECT {DIGITS} + 1 AS g FROM {TENS} WHERE {DIGITS} < %s",
}
HEX = {
    "sqlite": "printf('%%032x', %s + g)",
    "postgres": "lpad(to_hex(%s + g), 32, '0')",
    "mariadb": "lpad(hex(%s + g), 32, '0')",
}


def fill(alias, code, count, first_id, delay):
    """Insert so many tasks with a code."""
    now = time.time_ns() // 1000 + delay
    sql = f"""
        INSERT INTO taskcore_task ({COLUMNS})
        SELECT {HEX[alias]}, 'task', CASE WHEN g %% 2 = 0 THEN 'a' ELSE 'b' END, 0, {code}, 1, {now} + g,
            ({now} + g) / 1000, {now}, {now}, 1, 3, 0, 0, 0, 0, 0, FALSE, '{{}}' FROM ({SERIES[alias]}) AS series
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, (first_id, count))


class Recorder:
    """Keeps what is said to a database."""

    def __init__(self, alias):
        self.alias, self.said = alias, []

    def __call__(self, execute, sql, parameters, many, context):
        self.said.append((sql, parameters))
        return execute(sql, parameters, many, context)

    def of(self, call):
        """Return what one call says."""
        self.said = []
        with connections[self.alias].execute_wrapper(self):
            call()
        return [(sql, values) for sql, values in self.said if "taskcore_task" in sql]

    @property
    def settings(self):
        """Return what it said to the planner."""
        return [sql for sql, _values in self.said if FORBIDS in sql]


@pytest.fixture(scope="module")
def filled():
    return set()


@pytest.fixture
def backend(request, databases, filled):
    """A backend whose database is full of what must not be read; its planner has not been told."""
    alias = request.param
    database = databases[alias]
    if alias not in filled:
        database.empty()
        if alias == "postgres":  # what other tests have left in the file would be all that the planner knows
            with connections[alias].cursor() as cursor:
                cursor.execute("TRUNCATE taskcore_task")
        finished = FINISHED // 3 if alias == "mariadb" else FINISHED  # each row is in all of its indexes there
        for code, count, first_id, delay in ((4, finished, 10**9, -HOUR), (1, FUTURE, 2 * 10**9, HOUR)):
            fill(alias, code, count, first_id, delay)
        fill(alias, 0, READY, 3 * 10**9, -HOUR)
        filled.add(alias)
    made = DjangoBackend(alias)
    yield made
    made.close()


STATISTICS = {"none": (0, -1), "of_nothing": (513, 0), "of_eleven": (513, 11)}
"""What PostgreSQL believes of the table: pages and rows, when it was last looked at by a vacuum."""


def believe(alias, pages, rows):
    """Have PostgreSQL believe this of the table and its indexes; columns were never looked at."""
    with connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = 'taskcore_task'::regclass")
        cursor.execute(
            """
            UPDATE pg_class SET relpages = least(%s, CASE relkind WHEN 'i' THEN 2 ELSE 1000 END), reltuples = %s
            WHERE oid = 'taskcore_task'::regclass
                OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'taskcore_task'::regclass)
            """,
            (pages, rows),
        )


@pytest.fixture
def statistics(request, backend):
    """What the planner believes, for one test."""
    if backend.alias == "postgres":
        believe(backend.alias, *STATISTICS[request.param])
    yield
    if backend.alias == "postgres":
        believe(backend.alias, *STATISTICS["none"])


def pytest_generate_tests(metafunc):
    if "statistics" not in metafunc.fixturenames:
        return
    mariadb = pytest.param("mariadb", "none", marks=pytest.mark.servers)
    postgres = [pytest.param("postgres", known, marks=pytest.mark.servers) for known in STATISTICS]
    metafunc.parametrize(
        ("backend", "statistics"), [("sqlite", "none"), *postgres, mariadb], indirect=True, scope="function"
    )


def request_for(*queue_names, limit=10):
    return ClaimRequest(
        worker_id="w",
        nonce=f"{time.monotonic_ns()}",
        queue_names=queue_names,
        limit=limit,
        lease=timedelta(hours=1),
    )


def claim_and_settle(backend):
    claimed = backend.claim(request_for("a"))
    changes = [Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1") for task in claimed]
    backend.apply(changes, request_for("a"))


def claim_beside_a_suspect(backend):
    now = backend.now()
    spec = TaskSpec(id=f"{time.monotonic_ns():032x}", name="s", enqueued_at=now, queue_name="a", max_crashes=0)
    backend.add([spec])
    backend.claim(request_for("a"))


CALLS = {
    "claim_one_queue": lambda backend: backend.claim(request_for("a")),
    "claim_two_queues": lambda backend: backend.claim(request_for("a", "b")),
    "claim_an_empty_queue": lambda backend: backend.claim(request_for("c")),
    "claim_and_settle": claim_and_settle,
    "claim_beside_a_suspect": claim_beside_a_suspect,
    "look": lambda backend: backend.wait(["c"], timedelta(0)),
    "find_failed": lambda backend: backend.find(Query(states=frozenset({State.FAILED}))),
    "find_running_of_a_worker": lambda backend: backend.find(Query(worker_id="w")),
    "find_newest": lambda backend: backend.find(Query()),
    "find_oldest_page": lambda backend: backend.find(Query(is_oldest_first=True, limit=1000)),
    "find_by_name": lambda backend: backend.find(Query(name="task", limit=10)),
    "find_running": lambda backend: backend.find(Query(states=frozenset({State.RUNNING}))),
    "purge_by_age": lambda backend: backend.purge(PurgeRequest(finished_before=backend.now() - 2 * HOURS, limit=10)),
    "purge_by_ids": lambda backend: backend.purge(PurgeRequest(ids=tuple(f"{number:032x}" for number in range(9)))),
    "purge_what_is_due": lambda backend: backend.purge(PurgeRequest(is_due=True)),
}


@pytest.mark.parametrize("call", list(CALLS))
def test_only_what_is_needed_is_read(backend, call, statistics):
    """No statement reads the finished or the future tasks, or all that are ready, with statistics that are stale."""
    recorder = Recorder(backend.alias)
    said = recorder.of(lambda: CALLS[call](backend))
    assert said
    for sql, values in said:
        READ[backend.alias](backend.alias, sql, values, recorder.settings)


@pytest.mark.servers
def test_suspects_of_another_queue_are_in_nobodys_way(postgres, filled):
    """A claim on PostgreSQL stays one statement while tasks that run at most once wait in a queue that is not asked."""
    filled.discard(postgres.alias)
    made = DjangoBackend(postgres.alias)
    now = made.now()
    made.add([TaskSpec(id="s", name="s", enqueued_at=now, queue_name="unserved", max_crashes=0)])
    made.add([TaskSpec(id="t", name="t", enqueued_at=now, queue_name="a")])
    claimed = []
    said = Recorder(postgres.alias).of(lambda: claimed.extend(made.claim(request_for("a"))))
    assert (["t"], 1) == ([task.id for task in claimed], len(said))
    made.close()


def sqlite_reads(alias, sql, values, _settings):
    """Fail if a plan goes through the whole table."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        plan = [row[-1] for row in cursor.fetchall()]
    whole = [step for step in plan if step.startswith("SCAN") and step.split()[1] in ("taskcore_task", "t")]
    assert [] == [step for step in whole if "USING" not in step], "\n".join([sql, *plan])


def postgres_reads(alias, sql, values, settings):
    """Fail if a plan has looked at more rows of tasks than it needs."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        for setting in settings:
            cursor.execute(setting)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
        found = cursor.fetchone()[0]
        transaction.set_rollback(True, using=alias)
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    open_nodes, rows = [plan], 0
    while open_nodes:
        node = open_nodes.pop()
        open_nodes += node.get("Plans", [])
        if node.get("Relation Name") == "taskcore_task" or "taskcore_task" in node.get("Index Name", ""):
            seen = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            rows += node["Actual Loops"] * seen
    assert rows <= MOST_ROWS, f"{rows} rows\n{sql}\n{json.dumps(plan, indent=1)}"


def mariadb_reads(alias, sql, values, _settings):
    """Fail if the storage engine was asked for more rows than are needed; an INSERT cannot be said twice."""
    if sql.lstrip().startswith("INSERT"):
        return
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("FLUSH STATUS")
        cursor.execute(sql, values)
        cursor.fetchall()
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%%'")
        rows = sum(int(count) for _name, count in cursor.fetchall())
        transaction.set_rollback(True, using=alias)
    allowed = 2 * (SCAN_LIMIT if "AS found" in sql else 0) + 2 * MOST_ROWS  # what it is to join it reads as a whole
    assert rows <= allowed, f"{rows} rows\n{sql}"


READ = {"sqlite": sqlite_reads, "postgres": postgres_reads, "mariadb": mariadb_reads}
