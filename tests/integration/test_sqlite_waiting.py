"""Waits on a SQLite file end at once when another thread or process writes, and cost next to nothing until then."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore.protocol import Change, ClaimRequest, Event, Task, TaskSpec
from taskcore_backends.sqlite import SQLiteBackend
from taskcore_backends.sqlite._doorbell import Doorbell, ring
from tests.waiting import eventually

pytestmark = pytest.mark.integration

LONG = timedelta(seconds=20)


def make_spec(backend: SQLiteBackend, **options) -> TaskSpec:
    now = backend.now()
    task_id = f"{int(now.timestamp() * 1000):012x}{random.getrandbits(80):020x}"
    return TaskSpec(id=task_id, name="noop", enqueued_at=now, **options)


def claim(backend: SQLiteBackend) -> list[Task]:
    nonce = f"{random.getrandbits(64):x}"
    return backend.claim(
        ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=10, lease=timedelta(seconds=30))
    )


def notes(backend: SQLiteBackend) -> list[tuple[int, str]]:
    connection = backend._sessions.current().connections.take()
    try:
        return connection.execute("SELECT kind, topic FROM waiter ORDER BY kind, topic").fetchall()
    finally:
        backend._sessions.current().connections.give_back(connection)


def start(script: str, path: Path, *arguments: object) -> subprocess.Popen[str]:
    common = "import sys, time\nfrom datetime import timedelta\nfrom taskcore_backends.sqlite import SQLiteBackend\n"
    return subprocess.Popen(
        [sys.executable, "-c", common + textwrap.dedent(script), str(path), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


WORKER = """
backend = SQLiteBackend(sys.argv[1], doorbell=sys.argv[2] == "bell")
backend.wait(["default"], timedelta(milliseconds=1))
for line in sys.stdin:
    print("ready", flush=True)
    found = backend.wait(["default"], timedelta(seconds=20))
    print(found, time.time(), flush=True)
"""


def measure(path: Path, kind: str, rounds: int) -> list[float]:
    """Return how many seconds after an add another process, that waits for it, wakes."""
    backend = SQLiteBackend(path, doorbell=False)
    process = start(WORKER, path, kind)
    assert process.stdin is not None
    assert process.stdout is not None
    delays = []
    for _ in range(rounds):
        process.stdin.write("go\n")
        process.stdin.flush()
        process.stdout.readline()
        time.sleep(random.uniform(0.02, 0.04))
        spec = make_spec(backend)
        started = time.time()
        backend.add([spec])
        found, moment = process.stdout.readline().split()
        assert "True" == found
        delays.append(float(moment) - started)
        claim(backend)
    process.communicate(timeout=20)
    backend.close()
    return delays


def test_doorbell_wakes_another_process_within_milliseconds(tmp_path: Path) -> None:
    """A process that waits for a queue wakes when another one adds to it: in the median below the time of a poll."""
    delays = measure(tmp_path / "queue.db", "bell", 15)
    assert statistics.median(delays) < 0.010, delays


def test_without_doorbell_another_process_is_noticed_by_polling(tmp_path: Path) -> None:
    """Without a doorbell the version of the file is looked at every 15 ms."""
    delays = measure(tmp_path / "queue.db", "none", 8)
    assert statistics.median(delays) < 0.060, delays


def test_thread_of_the_same_process_wakes_at_once(tmp_path: Path) -> None:
    """A thread that waits for a queue wakes by an add of another thread of the same backend."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    delays = []
    for _ in range(15):
        woken: list[float] = []
        thread = threading.Thread(
            target=lambda woken=woken: (backend.wait(["default"], LONG), woken.append(time.perf_counter()))
        )
        thread.start()
        time.sleep(0.02)
        started = time.perf_counter()
        backend.add([make_spec(backend)])
        thread.join()
        delays.append(woken[0] - started)
        claim(backend)
    backend.close()
    assert statistics.median(delays) < 0.010, delays


def test_finish_in_another_process_ends_the_wait_for_it(tmp_path: Path) -> None:
    """wait_finished ends when another process settles the task."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    other = SQLiteBackend(path)
    spec = make_spec(backend)
    backend.add([spec])
    (task,) = claim(other)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(backend.wait_finished([spec.id], LONG)))
    thread.start()
    eventually(lambda: notes(other))
    assert [(1, spec.id)] == notes(other)
    other.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1")])
    thread.join()
    assert ([True], []) == (answers, notes(other))
    other.close()
    backend.close()


def test_who_waits_for_many_is_rung_at_any_finish(tmp_path: Path) -> None:
    """A wait for a thousand tasks leaves one note, and ends when another opening settles one of them."""
    path = tmp_path / "queue.db"
    backend, other = SQLiteBackend(path), SQLiteBackend(path)
    specs = [make_spec(backend) for _ in range(1000)]
    backend.add(specs)
    task = claim(other)[0]
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(backend.wait_finished([spec.id for spec in specs], LONG)))
    thread.start()
    eventually(lambda: notes(other))
    assert [(2, "")] == notes(other)
    other.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1")])
    thread.join()
    assert [True] == answers
    other.close()
    backend.close()


def test_nothing_that_happens_between_look_and_wait_is_missed(tmp_path: Path) -> None:
    """Adds that race with the beginning of a wait end it, every time: no wait lasts until its timeout."""
    path = tmp_path / "queue.db"
    backend, other = SQLiteBackend(path), SQLiteBackend(path)
    lengths = []
    for _ in range(150):
        thread = threading.Thread(target=lambda: other.add([make_spec(other)]))
        thread.start()
        started = time.perf_counter()
        assert backend.wait(["default"], LONG)
        lengths.append(time.perf_counter() - started)
        thread.join()
        claim(backend)
    assert max(lengths) < 2, sorted(lengths)[-5:]
    other.close()
    backend.close()


@pytest.mark.parametrize("doorbell", [True, False])
def test_nothing_is_missed_while_the_first_wait_begins(tmp_path: Path, doorbell: bool) -> None:
    """Adds that race with the first wait of a new backend, which has everything to set up, end it too."""
    path = tmp_path / "queue.db"
    other = SQLiteBackend(path)
    lengths = []
    for _ in range(40):
        backend = SQLiteBackend(path, doorbell=doorbell)
        thread = threading.Thread(target=lambda: (time.sleep(random.uniform(0, 0.004)), other.add([make_spec(other)])))
        thread.start()
        started = time.perf_counter()
        assert backend.wait(["default"], LONG)
        lengths.append(time.perf_counter() - started)
        thread.join()
        claim(backend)
        backend.close()
    assert max(lengths) < 2, sorted(lengths)[-5:]
    other.close()


def test_delay_that_ends_ends_the_wait(tmp_path: Path) -> None:
    """A wait ends when a task becomes due, though nobody writes then."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    backend.add([make_spec(backend, run_after=backend.now() + timedelta(milliseconds=150))])
    started = time.perf_counter()
    assert backend.wait(["default"], LONG)
    assert 0.1 < time.perf_counter() - started < 5
    backend.close()


def test_idle_wait_costs_next_to_nothing(tmp_path: Path) -> None:
    """Two seconds of waits cost below one hundredth of them in processor time."""
    script = """
    backend = SQLiteBackend(sys.argv[1])
    backend.wait(["default"], timedelta(seconds=0.2))
    before = time.process_time()
    for _ in range(4):
        backend.wait(["default"], timedelta(seconds=0.5))
    print((time.process_time() - before) / 2)
    """
    output, _ = start(script, tmp_path / "queue.db").communicate(timeout=30)
    assert float(output) < 0.01


def test_note_of_a_process_that_is_gone_is_dropped(tmp_path: Path) -> None:
    """A process was killed while it waited: the first write that would ring it deletes its note."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    process = start(WORKER, path, "bell")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    process.stdout.readline()
    eventually(lambda: notes(backend))
    process.kill()
    process.communicate()
    before = notes(backend)
    backend.add([make_spec(backend)])
    assert ([(0, "default")], []) == (before, notes(backend))
    backend.close()


def test_idle_worker_notes_its_wait_once(tmp_path: Path) -> None:
    """Waits that follow one another with nothing between leave the note of the first where it is."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    committer = backend._sessions.current().committer
    backend.wait(["default"], timedelta(milliseconds=5))
    commits: list[object] = []
    committer._after_commit = commits.append
    for _ in range(5):
        backend.wait(["default"], timedelta(milliseconds=5))
    assert ([], [(0, "default")]) == (commits, notes(backend))
    backend.close()


def test_close_takes_notes_and_bell_away(tmp_path: Path) -> None:
    """After close no note is left, and nothing of the bell in the directory for temporary files."""
    path = tmp_path / "queue.db"
    backend, other = SQLiteBackend(path), SQLiteBackend(path)
    backend.wait(["default"], timedelta(milliseconds=5))
    folder = backend._sessions.current().waiting._bell._folder
    backend.close()
    assert ([], False) == (notes(other), folder.exists())
    other.close()


def test_close_ends_a_wait(tmp_path: Path) -> None:
    """A wait of another thread ends when the backend is closed."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(backend.wait(["default"], LONG)))
    thread.start()
    eventually(lambda: notes(backend))
    started = time.perf_counter()
    backend.close()
    thread.join()
    assert (True, [False]) == (time.perf_counter() - started < 5, answers)


# The bell


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_bell_is_for_its_owner_only() -> None:
    """Socket and directory can be reached by nobody else."""
    bell = Doorbell()
    folder = bell._folder
    assert folder is not None
    modes = (folder.stat().st_mode & 0o777, (folder / "bell").stat().st_mode & 0o777)
    bell.close()
    assert (0o700, 0o600) == modes


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_bells_of_killed_processes_are_swept_away(tmp_path: Path, monkeypatch) -> None:
    """A new bell removes those at which nobody sits any more, and leaves those in use."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living, dead = Doorbell(), Doorbell()
    dead._socket.close()
    new = Doorbell()
    assert {living._folder, new._folder} == set(tmp_path.iterdir())
    living.close()
    new.close()


def test_longest_timeout_can_be_waited_for(tmp_path: Path) -> None:
    """A wait without an end in sight begins as any other, and a wake ends it."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(backend.wait(["default"], timedelta.max)))
    thread.start()
    eventually(lambda: notes(backend))
    backend.wake()
    thread.join(10)
    backend.close()
    assert [False] == answers


def test_ring_is_heard() -> None:
    """Who rings at the address ends the wait."""
    bell = Doorbell()
    ring([bell.address])
    heard = (bell.wait(5), bell.wait(0))
    bell.close()
    assert (True, False) == heard


def test_bell_is_heard_in_a_process_with_many_files_open() -> None:
    """A server may have more descriptors open than ``select`` knows numbers for: 1,024."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 1200:
        pytest.skip("this process may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 1200), limits[1]))
    with contextlib.ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        while files.enter_context(Path(os.devnull).open("rb")).fileno() < 1024:
            pass
        bell = Doorbell()
        files.callback(bell.close)
        ring([bell.address])
        assert (True, False) == (bell.wait(5), bell.wait(0))


def test_bell_on_the_loopback_where_there_are_no_unix_sockets(monkeypatch) -> None:
    """Without Unix sockets a datagram on 127.0.0.1 does the same."""
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    bell = Doorbell()
    ring([bell.address])
    heard = (bell.address.partition(":")[0], bell.wait(5))
    bell.close()
    assert ("udp", True) == heard


def test_datagram_without_the_token_is_ignored(monkeypatch) -> None:
    """Whoever may send to the loopback cannot make believe that there is news."""
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    bell = Doorbell()
    port = int(bell.address.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(50):
            stranger.sendto(os.urandom(40), ("127.0.0.1", port))
    heard = bell.wait(0.2)
    bell.close()
    assert not heard


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:x",
        "unix:0123456789abcdef:/run/systemd/notify",
        "unix:0123456789abcdef:relative/taskcore-bell-x/bell",
        "udp:0123456789abcdef:99999",
        "udp:0123456789abcdef:0",
        "udp:nothex:80",
        "udp:0123456789abcdef:80\n",
    ],
)
def test_addresses_of_another_form_are_not_rung(address: str, monkeypatch) -> None:
    """What stands in the store is rung only when it has the form of a bell's address."""
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(socket.socket, "sendto", lambda *arguments: sent.append(arguments))
    ring([address])
    assert [] == [arguments for arguments in sent if arguments[-1] != ("127.0.0.1", 0)]
