"""A file of an older version is brought up to date with all that is in it; a new one has the version of today."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore.protocol import Change, ClaimRequest, Event, Group, GroupQuery, State, UniqueKey
from taskcore.testing import FakeClock
from taskcore_backends.sqlite import SQLiteBackend
from taskcore_backends.sqlite._schema import APPLICATION_ID, MIGRATIONS, VERSION

pytestmark = pytest.mark.integration

ONE, TWO, THREE, FOUR, FIVE, SIX = (f"{number:032x}" for number in range(1, 7))


def make_old(path: Path, script: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(script)
    connection.close()


def describe(path: Path) -> tuple[object, ...]:
    """Return version, application, journal, and the text of the schema."""
    connection = sqlite3.connect(path)
    try:
        pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")]
        journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    finally:
        connection.close()
    return (*pragmas, journal, rows)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as version 1 wrote it: tasks in several states, a unique key, an edge, a group, an item."""
    path = tmp_path / "old.db"
    make_old(path, (Path(__file__).parent / "test_sqlite_version_1.sql").read_text(encoding="utf-8"))
    return path


def test_new_store_is_marked(tmp_path: Path) -> None:
    """A new file says whose it is and of which version, and has a write-ahead log."""
    path = tmp_path / "queue.db"
    SQLiteBackend(path).close()
    assert (VERSION, APPLICATION_ID, "wal") == describe(path)[:3]


def test_old_store_gets_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    """After the first opening the schema is that of a store made today."""
    SQLiteBackend(tmp_path / "new.db").close()
    SQLiteBackend(old).close()
    assert describe(tmp_path / "new.db") == describe(old)


def test_old_store_keeps_its_tasks(old: Path) -> None:
    """Tasks, key, edge, group and items are there after the migration, and go on from where they were."""
    clock = FakeClock()
    backend = SQLiteBackend(old, clock=clock)
    tasks = backend.get([ONE, TWO, THREE, FOUR, FIVE, SIX])
    states = [State.RUNNING, State.READY, State.BLOCKED, State.READY, State.READY, State.RUNNING]
    assert states == [task.state for task in tasks if task is not None]
    assert (UniqueKey(key="k"), FOUR) == (tasks[3].spec.unique, backend.unique_holder("k"))
    assert 2102 == len(tasks[4].spec.arguments_json)
    assert 1 == len(backend.items(ONE).items)
    first = Change(task_id=ONE, event=Event.SUCCEED, fence=tasks[0].fence, value_json="1")
    assert State.SUCCESSFUL is backend.apply([first]).applied[0].state
    assert State.READY is backend.get([THREE])[0].state
    (group,) = backend.groups(GroupQuery(name="pair")).items
    assert Group(id="g", name="pair", created_at=clock.now(), total=2, counts={State.RUNNING: 1}) == group
    request = ClaimRequest(worker_id="w", nonce="m", queue_names=("mail",), limit=5, lease=timedelta(seconds=30))
    assert [FOUR, FIVE] == [task.id for task in backend.claim(request)]
    backend.close()


@pytest.mark.parametrize("number", range(12))
def test_many_may_open_a_store_at_once(old: Path, tmp_path: Path, number: int) -> None:
    """Openings that race make or migrate the store once, and all of them work."""
    path = old if number % 2 else tmp_path / "new.db"
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        try:
            barrier.wait()
            backend = SQLiteBackend(path)
            backend.stats()
            backend.close()
        except BaseException as error:  # whatever it is, it is the answer
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ([], VERSION) == (failures, describe(path)[0])


def test_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A step that cannot be made leaves the file at the version it had."""
    path = tmp_path / "odd.db"
    script = ";".join([*MIGRATIONS[0], "CREATE TABLE waiter (in_the_way INTEGER)"])
    make_old(path, f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1; {script};")
    with pytest.raises(Exception, match="waiter"):
        SQLiteBackend(path)
    assert 1 == describe(path)[0]


def test_file_without_a_log_gets_one(tmp_path: Path) -> None:
    """A store that was copied by other means into a file with another journal is used with a write-ahead log."""
    path = tmp_path / "queue.db"
    SQLiteBackend(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    SQLiteBackend(path).close()
    assert "wal" == describe(path)[2]
