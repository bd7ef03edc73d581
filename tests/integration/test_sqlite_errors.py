"""What is wrong with a file is said in words, nothing is half-written, and the backend goes on once it is mended."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore.errors import (
    BackendClosed,
    BackendCorrupt,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    BackendVersionError,
    InvalidInput,
    InvalidOption,
    TaskcoreError,
)
from taskcore.protocol import Change, ClaimRequest, Event, PurgeRequest, Query, State, TaskSpec
from taskcore_backends.sqlite import SQLiteBackend, from_url
from taskcore_backends.sqlite._schema import VERSION
from tests.waiting import eventually

pytestmark = pytest.mark.integration


def make_spec(backend: SQLiteBackend, size: int = 10) -> TaskSpec:
    now = backend.now()
    task_id = f"{int(now.timestamp() * 1000):012x}{random.getrandbits(80):020x}"
    return TaskSpec(id=task_id, name="noop", enqueued_at=now, arguments_json='{"a":["' + "x" * size + '"]}')


def a_request() -> ClaimRequest:
    nonce = f"{random.getrandbits(80):020x}"
    return ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=1, lease=timedelta(minutes=1))


def raw(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_directory_is_no_file(tmp_path: Path) -> None:
    """A directory in the place of the file is refused by name."""
    with pytest.raises(InvalidInput, match="is a directory"):
        SQLiteBackend(tmp_path)


def test_name_too_long_for_a_file(tmp_path: Path) -> None:
    """A path that the system cannot have is refused, whichever part of it is too long."""
    for path in (tmp_path / ("n" * 300), tmp_path / ("n" * 300) / "queue.db"):
        with pytest.raises(InvalidInput):
            SQLiteBackend(path)


def test_parent_directory_has_to_be_there(tmp_path: Path) -> None:
    """A file in a directory that does not exist is refused, and no directory is made."""
    with pytest.raises(InvalidInput, match="create it first"):
        SQLiteBackend(tmp_path / "missing" / "queue.db")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["", ":memory:", b"bytes.db", "nul\0.db"])
def test_what_is_no_path_of_a_file_is_refused(path) -> None:
    """A store is a file: nothing else is taken for one."""
    with pytest.raises(InvalidInput, match="path"):
        SQLiteBackend(path)


@pytest.mark.parametrize(
    "options",
    [
        {"synchronous": "OFF"},
        {"busy_timeout": 5},
        {"busy_timeout": timedelta(0)},
        {"poll_interval": timedelta(seconds=-1)},
    ],
)
def test_bad_options_are_refused_by_name(tmp_path: Path, options) -> None:
    """An option out of its range is named."""
    with pytest.raises(InvalidOption, match=next(iter(options))):
        SQLiteBackend(tmp_path / "queue.db", **options)


def test_text_file_is_no_store(tmp_path: Path) -> None:
    """A file of other bytes is refused and left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 500)
    before = path.read_bytes()
    with pytest.raises(BackendCorrupt, match=r"notes\.txt"):
        SQLiteBackend(path)
    assert before == path.read_bytes()


def test_database_of_another_application_is_no_store(tmp_path: Path) -> None:
    """A database with other tables is refused, and nothing of it is changed."""
    path = tmp_path / "other.db"
    raw(path, "CREATE TABLE task (id TEXT)", "INSERT INTO task VALUES ('mine')")
    before = path.read_bytes()
    with pytest.raises(BackendCorrupt, match="tables that are not taskcore's"):
        SQLiteBackend(path)
    assert (before, ["other.db"]) == (path.read_bytes(), [entry.name for entry in tmp_path.iterdir()])


def test_newer_store_is_refused_unchanged(tmp_path: Path) -> None:
    """A store of a later version says which one it is, and that this taskcore is to be upgraded."""
    path = tmp_path / "queue.db"
    SQLiteBackend(path).close()
    raw(path, f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(BackendVersionError, match=f"version {VERSION + 1}.*upgrade taskcore"):
        SQLiteBackend(path)
    assert before == path.read_bytes()


def test_damaged_file_is_reported(tmp_path: Path) -> None:
    """Pages that were overwritten make what reads them raise BackendCorrupt."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    specs = [make_spec(backend, 500) for _ in range(400)]
    ids = [spec.id for spec in specs]
    backend.add(specs)
    backend.close()
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 2)
        file.write(random.Random(1).randbytes(size // 2))
    damaged = SQLiteBackend(path)
    with pytest.raises(BackendCorrupt, match="damaged"):
        damaged.find(Query(limit=1000))
    with pytest.raises(BackendCorrupt, match="damaged"):
        damaged.purge(PurgeRequest(ids=tuple(ids), states=frozenset({State.CANCELLED})))
    damaged.close()


def test_full_store_takes_nothing_in_part_and_goes_on_with_room(tmp_path: Path) -> None:
    """Without a page left an add raises BackendFull and stores nothing; with room the same add is made."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    kept = make_spec(backend)
    backend.add([kept])
    connection = backend._sessions.current().connections.writer()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    specs = [make_spec(backend, 1000) for _ in range(100)]
    with pytest.raises(BackendFull, match="no room left"):
        backend.add(specs)
    assert [kept.id] == [task.id for task in backend.find(Query()).items]
    backend._sessions.current().connections.writer().execute("PRAGMA max_page_count = 1000000")
    assert 100 == len(backend.add(specs))
    assert 101 == len(backend.find(Query(limit=200)).items)
    backend.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no RLIMIT_FSIZE")
def test_limit_on_the_size_of_files_is_a_full_store(tmp_path: Path) -> None:
    """Past RLIMIT_FSIZE adds raise BackendFull; what was accepted is there, and raising the limit mends it."""
    path = tmp_path / "queue.db"
    script = """
    import random, resource, sys
    from pathlib import Path
    from taskcore.errors import BackendFull
    from taskcore.protocol import Query, TaskSpec
    from taskcore_backends.sqlite import SQLiteBackend

    backend = SQLiteBackend(sys.argv[1])
    def make():
        now = backend.now()
        text = '"' + "x" * 900 + '"'
        return TaskSpec(id=f"{random.getrandbits(128):032x}", name="n", enqueued_at=now, arguments_json=text)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    accepted, refused = [], None
    while refused is None and len(accepted) < 100_000:
        specs = [make() for _ in range(20)]
        try:
            backend.add(specs)
        except BackendFull as error:
            refused = specs
        else:
            accepted += [spec.id for spec in specs]
    assert refused is not None
    assert all(task is not None for task in backend.get(accepted))
    assert not any(backend.get([spec.id for spec in refused]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    backend.add(refused)
    assert all(backend.get(accepted + [spec.id for spec in refused]))
    backend.close()
    print("ok")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ("ok\n", "") == (done.stdout, done.stderr)


def as_nobody(work: Callable[[], str]) -> str:
    """Return what ``work`` returns in a child without rights on others' files: this may be root, who has them all."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(write, work().encode())
        except BaseException as error:  # told to the parent, whatever it is
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.skipif(sys.platform == "win32", reason="other permissions on Windows")
@pytest.mark.parametrize("mode", [0o555, 0o777], ids=["folder too", "folder writable"])
def test_read_only_file_is_refused_for_writing(mode: int) -> None:
    """A file without the right to write it raises BackendReadOnly, when it is opened or when it is written."""
    folder = Path(tempfile.mkdtemp())
    path = folder / "queue.db"

    def work() -> str:
        try:
            SQLiteBackend(path).pause("default")
        except BackendReadOnly as error:
            return str(error)
        return "not refused"

    try:
        backend = SQLiteBackend(path)
        backend.add([make_spec(backend)])
        backend.close()
        path.chmod(0o444)
        folder.chmod(mode)
        answer = as_nobody(work)
        assert (True, True) == (str(path) in answer, "permissions" in answer), answer
    finally:
        folder.chmod(0o777)
        shutil.rmtree(folder)


def test_closed_backend_refuses_every_call(tmp_path: Path) -> None:
    """After close every method says so, and closing again does nothing."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    backend.close()
    backend.close()
    for call in (
        backend.now,
        backend.stats,
        backend.wake,
        lambda: backend.get(["x"]),
        lambda: backend.pause("q"),
        lambda: backend.wait(["q"], timedelta(0)),
        lambda: backend.wait_finished(["q"], timedelta(0)),
    ):
        with pytest.raises(BackendClosed):
            call()


def test_store_that_stays_locked_is_unavailable(tmp_path: Path) -> None:
    """Beyond busy_timeout a write raises BackendUnavailable, and works once the lock is gone."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path, busy_timeout=timedelta(milliseconds=50))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendUnavailable, match="locked by another process"):
        backend.add([make_spec(backend)])
    other.execute("ROLLBACK")
    other.close()
    assert 1 == len(backend.add([make_spec(backend)]))
    backend.close()


STAYS_IN_PLACE = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move files that are in use")
GONE = "moved, deleted or replaced"


@STAYS_IN_PLACE
def test_file_that_was_moved_away_is_missed(tmp_path: Path) -> None:
    """A file that is not there any more is not written in secret, nor made anew; put back, it is used again."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    kept, late, refused = (make_spec(backend) for _ in range(3))
    backend.add([kept])
    path.rename(tmp_path / "elsewhere.db")
    for spec in (late, refused):
        with pytest.raises(BackendUnavailable, match=GONE):
            backend.add([spec])
    with pytest.raises(BackendUnavailable, match=GONE):
        backend.get([kept.id])
    assert not path.exists()
    (tmp_path / "elsewhere.db").rename(path)
    assert [kept, late, None] == [task and task.spec for task in backend.get([kept.id, late.id, refused.id])]
    backend.close()


@STAYS_IN_PLACE
@pytest.mark.parametrize("is_replaced", [False, True], ids=["deleted", "replaced"])
def test_no_write_into_a_file_that_is_gone_is_answered(tmp_path: Path, is_replaced: bool) -> None:
    """From the moment the file is deleted no call that writes returns as if what it wrote were kept."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    backend.add([make_spec(backend)])
    (task,) = backend.claim(a_request())
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink()
    if is_replaced:
        SQLiteBackend(path).close()
    writes = (
        lambda: backend.add([make_spec(backend)]),
        lambda: backend.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence)]),
        lambda: backend.claim(a_request()),
        lambda: backend.pause("default"),
    )
    for write in writes:
        with pytest.raises(BackendUnavailable, match=GONE):
            write()
    backend.close()
    if is_replaced:
        assert () == SQLiteBackend(path).find(Query()).items


@STAYS_IN_PLACE
def test_no_thread_is_answered_when_the_file_is_gone(tmp_path: Path) -> None:
    """Of writes that many threads make in one transaction none is answered as kept, nor made a second time."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    backend.add([make_spec(backend)])
    path.unlink()
    committer = backend._sessions.current().committer
    answers: list[object] = []
    attempts: list[int] = []

    def write(number: int) -> None:
        try:
            answers.append(committer.run(lambda _tx: attempts.append(number)))
        except BackendUnavailable as error:
            answers.append(type(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    with committer.lock:
        for thread in threads:
            thread.start()
        eventually(lambda: len(committer._queue) == len(threads))
    for thread in threads:
        thread.join(10)
    backend.close()
    assert ([BackendUnavailable] * 8, list(range(8))) == (answers, sorted(attempts))


@STAYS_IN_PLACE
@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_log_that_is_gone_is_missed(tmp_path: Path, monkeypatch, ending: str) -> None:
    """What SQLite keeps beside the file is part of the store: writes are refused when it is deleted while in use."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    backend.add([make_spec(backend)])
    path.with_name(path.name + ending).unlink()
    monkeypatch.setattr("taskcore_backends.sqlite._connections.time.monotonic", lambda: time.perf_counter() + 10**6)
    with pytest.raises(BackendUnavailable, match="end all programs"):
        backend.add([make_spec(backend)])
    backend.close()
    assert 2 == len(SQLiteBackend(path).find(Query()).items)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/queue.db",
        "memory:",
        "sqlite:///a.db?synchronous=OFF",
        "sqlite:///a.db?speed=1",
        "sqlite:///a.db#x",
    ],
)
def test_bad_urls_are_refused(url: str) -> None:
    """A URL of another form or with other options is refused."""
    with pytest.raises(TaskcoreError, match=r"sqlite:///file\.db|synchronous"):
        from_url(url)


def test_url_opens_the_same_store(tmp_path: Path) -> None:
    """The URL of a backend opens its file again, with what was set, whatever characters the path has."""
    folder = tmp_path / "a folder with % and ?"
    folder.mkdir()
    backend = SQLiteBackend(folder / "queue #1.db", synchronous="FULL")
    spec = make_spec(backend)
    backend.add([spec])
    again = from_url(backend.url)
    assert (backend.url, spec) == (again.url, again.get([spec.id])[0].spec)
    again.close()
    backend.close()


def test_relative_url_is_relative_to_the_current_directory(tmp_path: Path, monkeypatch) -> None:
    """sqlite:///name is a file beside the current directory; the URL it gives back is absolute."""
    monkeypatch.chdir(tmp_path)
    backend = from_url("sqlite:///queue.db")
    assert (True, f"sqlite:///{tmp_path}/queue.db") == ((tmp_path / "queue.db").exists(), backend.url)
    backend.close()
