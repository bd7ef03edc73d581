"""Many processes and threads on one SQLite file: nothing is lost, nothing runs twice, nobody hears of locks."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore.errors import BackendUnavailable
from taskcore.protocol import Change, ClaimRequest, Event, Query, State, TaskSpec
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)

COMMON = """
import json, os, secrets, sys, threading, time
from datetime import timedelta
from taskcore.protocol import Change, ClaimRequest, Event, TaskSpec
from taskcore_backends.sqlite import SQLiteBackend

def spec(backend):
    now = backend.now()
    head = f"{int(now.timestamp() * 1000):012x}7"
    return TaskSpec(id=head + secrets.token_hex(10)[1:], name="noop", enqueued_at=now)

def request(limit, lease=30.0):
    return ClaimRequest(worker_id="w", nonce=secrets.token_hex(8), queue_names=("default",), limit=limit,
                        lease=timedelta(seconds=lease))

def success(task):
    return Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1")

backend = SQLiteBackend(sys.argv[1])
"""


def start(script: str, *arguments: object, **options) -> subprocess.Popen[str]:
    """Start a Python process that has opened the store."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMON + textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=100)
    assert 0 == process.returncode
    return output


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()


def make_spec(backend: SQLiteBackend) -> TaskSpec:
    now = backend.now()
    return TaskSpec(id=f"{int(now.timestamp() * 1000):012x}{random.getrandbits(80):020x}", name="noop", enqueued_at=now)


def test_eight_processes_of_eight_threads_run_each_task_once(tmp_path: Path) -> None:
    """Threads of many processes add, claim and settle at once: no error, and each task is run exactly once."""
    path = tmp_path / "queue.db"
    SQLiteBackend(path).close()
    script = """
    ran, lock = [], threading.Lock()
    def work():
        for _ in range(20):
            backend.add([spec(backend)])
        settled = []
        misses = 0
        while misses < 3:
            reply = backend.apply(settled, request(3))
            with lock:
                ran.extend((task.id, task.epoch) for task in reply.claimed)
                assert all(applied.verdict.value == "applied" for applied in reply.applied)
            settled = [success(task) for task in reply.claimed]
            misses = 0 if settled else misses + 1
    threads = [threading.Thread(target=work) for _ in range(8)]
    failures = []
    threading.excepthook = lambda args: failures.append(repr(args.exc_value))
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    backend.close()
    assert not failures, failures
    print(json.dumps(ran))
    """
    processes = [start(script, path) for _ in range(8)]
    ran = Counter(task_id for process in processes for task_id, _epoch in json.loads(finish(process)))
    with_backend = SQLiteBackend(path)
    counts = with_backend.stats().queues[0].counts
    with_backend.close()
    assert (8 * 8 * 20, {1}) == (len(ran), set(ran.values()))
    assert {State.SUCCESSFUL: 8 * 8 * 20} == dict(counts)


@pytest.mark.parametrize("kills", [12, pytest.param(300, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])])
def test_killed_writers_lose_nothing_that_was_accepted(tmp_path: Path, kills: int) -> None:
    """Processes that add, claim and settle are killed at random: accepted tasks are there, and the file is sound."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    script = """
    from collections import deque
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    settled = []
    while True:
        new = [spec(backend) for _ in range(5)]
        backend.add(new)
        os.write(log, "".join(f"add {one.id}\\n" for one in new).encode())
        reply = backend.apply(settled, request(4, lease=0.2))
        for change, applied in zip(settled, reply.applied):
            if applied.verdict.value == "applied":
                os.write(log, f"done {change.task_id}\\n".encode())
        settled = [success(task) for task in reply.claimed]
    """
    logs = []
    for number in range(kills):
        logs.append(tmp_path / f"{number}.log")
        process = start(script, path, logs[-1])
        eventually(lambda log=logs[-1]: log.exists() and log.stat().st_size)
        time.sleep(random.uniform(0, 0.15))
        process.kill()
        process.communicate()
    assert "ok" == integrity(path)
    words = [line.split() for log in logs for line in log.read_text().splitlines() if len(line.split()) == 2]
    accepted = [task_id for kind, task_id in words if kind == "add" and len(task_id) == 32]
    done = Counter(task_id for kind, task_id in words if kind == "done")
    assert not [task_id for task_id, task in zip(accepted, backend.get(accepted), strict=True) if task is None]
    assert {1} == set(done.values())
    assert {State.SUCCESSFUL} == {task.state for task in backend.get(list(done)) if task is not None}
    counts = Counter()
    for queue in backend.stats().queues:
        counts.update({state.value: number for state, number in queue.counts.items()})
    cursor, found = None, Counter()
    while True:
        page = backend.find(Query(limit=1000, cursor=cursor))
        found.update(task.state.value for task in page.items)
        cursor = page.cursor
        if cursor is None:
            break
    assert found == counts
    backend.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_backend_goes_on_in_parent_and_child_after_a_fork(tmp_path: Path) -> None:
    """A backend in use by other threads is forked: child and parent both write, and nothing is lost."""
    path = tmp_path / "queue.db"
    script = """
    stop = threading.Event()
    added = []
    def hammer():
        while not stop.is_set():
            one = spec(backend)
            backend.add([one])
            backend.get([one.id])
            added.append(one.id)
    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads: thread.start()
    children = []
    for _ in range(6):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            mine = [spec(backend) for _ in range(30)]
            for one in mine:
                backend.add([one])
            assert all(task is not None for task in backend.get([one.id for one in mine]))
            os.write(write, json.dumps([one.id for one in mine]).encode())
            os._exit(0)
        os.close(write)
        children.append((child, read))
        time.sleep(0.02)
    for child, read in children:
        with os.fdopen(read) as pipe:
            added.extend(json.load(pipe))
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    for thread in threads: thread.join()
    backend.close()
    print(json.dumps(added))
    """
    added = json.loads(finish(start(script, path)))
    backend = SQLiteBackend(path)
    assert len(added) > 180
    assert not [task_id for task_id, task in zip(added, backend.get(added), strict=True) if task is None]
    backend.close()
    assert "ok" == integrity(path)


def test_nothing_stays_of_backends_that_were_closed(tmp_path: Path) -> None:
    """A program may open and close the store for each of its requests: what sees to forks is registered once."""

    def objects_after(rounds: int) -> int:
        for _ in range(rounds):
            SQLiteBackend(tmp_path / "queue.db").close()
        gc.collect()
        return len(gc.get_objects())

    before = objects_after(10)
    assert objects_after(100) < before + 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_that_outlives_its_parent_keeps_what_it_writes(tmp_path: Path) -> None:
    """The parent closes and goes while its child writes: its last close must not take the log from under the child."""
    path = tmp_path / "queue.db"
    script = """
    backend.add([spec(backend)])
    read, write = os.pipe()
    parent = os.getpid()
    if os.fork() == 0:
        first = [spec(backend) for _ in range(20)]
        backend.add(first)
        os.write(write, b"x")
        while os.getppid() == parent:  # until it has closed and gone
            time.sleep(0.01)
        second = [spec(backend) for _ in range(20)]
        backend.add(second)
        print(json.dumps([one.id for one in first + second]), flush=True)
        os._exit(0)
    os.read(read, 1)
    backend.close()
    os._exit(0)
    """
    added = json.loads(finish(start(script, path)))
    backend = SQLiteBackend(path)
    assert [True] * 40 == [task is not None for task in backend.get(added)]
    backend.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not stop processes")
def test_others_wait_for_a_process_that_is_stopped_inside_a_transaction(tmp_path: Path) -> None:
    """A process is stopped while it holds the lock for writing: others wait, read meanwhile, and go on after it."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    impatient = SQLiteBackend(path, busy_timeout=timedelta(milliseconds=100))
    script = """
    connection = backend._sessions.current().connections.writer()
    connection.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    sys.stdin.readline()
    connection.execute("COMMIT")
    """
    process = start(script, path, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert "held\n" == process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(backend.add([make_spec(backend)])))
    waiting.start()
    assert [None] == backend.get(["nobody"])
    with pytest.raises(BackendUnavailable, match="locked"):
        impatient.add([make_spec(backend)])
    assert not backend.wait(["default"], timedelta(milliseconds=50))
    assert waiting.is_alive()
    process.send_signal(signal.SIGCONT)
    process.communicate("go\n", timeout=20)
    waiting.join(20)
    assert 1 == len(answers)
    impatient.close()
    backend.close()


def test_threads_share_transactions(tmp_path: Path) -> None:
    """Operations that wait for the lock together are committed together."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    committer = backend._sessions.current().committer
    transactions: set[int] = set()
    barrier = threading.Barrier(9)

    def work() -> None:
        barrier.wait()
        committer.run(lambda tx: transactions.add(id(tx)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    with committer.lock:
        barrier.wait()
        eventually(lambda: len(committer._queue) == 8)
    for thread in threads:
        thread.join()
    backend.close()
    assert 1 == len(transactions)


def test_an_operation_that_fails_does_not_undo_the_others(tmp_path: Path) -> None:
    """Of operations in one transaction one raises: it alone is undone, and its caller alone hears of it."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    committer = backend._sessions.current().committer
    specs = [make_spec(backend) for _ in range(6)]
    outcomes: dict[int, str] = {}

    def work(number: int) -> None:
        def operation(tx) -> None:
            tx.execute("INSERT INTO paused (queue) VALUES (?)", (specs[number].id,))
            if number == 3:
                raise RuntimeError("three")

        try:
            committer.run(operation)
            outcomes[number] = "done"
        except RuntimeError as error:
            outcomes[number] = str(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    with committer.lock:
        for thread in threads:
            thread.start()
        eventually(lambda: len(committer._queue) == 6)
    for thread in threads:
        thread.join()
    assert {number: "three" if number == 3 else "done" for number in range(6)} == outcomes
    assert {specs[number].id for number in range(6) if number != 3} == {queue.name for queue in backend.stats().queues}
    backend.close()


def test_an_interrupted_leader_leaves_the_work_of_others_to_them(tmp_path: Path) -> None:
    """The thread that leads is interrupted: it alone hears of it, and what the others had queued is still done."""
    backend = SQLiteBackend(tmp_path / "queue.db")
    committer = backend._sessions.current().committer
    interrupts = [KeyboardInterrupt()]
    outcomes: dict[str, str] = {}

    def work(name: str) -> None:
        def operation(tx) -> None:
            tx.execute("INSERT INTO paused (queue) VALUES (?)", (name,))
            if interrupts:
                raise interrupts.pop()

        try:
            committer.run(operation)
            outcomes[name] = "done"
        except KeyboardInterrupt:
            outcomes[name] = "interrupted"

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    with committer.lock:
        for number, thread in enumerate(threads):
            thread.start()
            eventually(lambda number=number: len(committer._queue) > number)
    for thread in threads:
        thread.join()
    done = {name for name, outcome in outcomes.items() if outcome == "done"}
    assert (4, 3, done) == (len(outcomes), len(done), {queue.name for queue in backend.stats().queues})
    backend.close()


def test_a_stopped_worker_comes_too_late(tmp_path: Path) -> None:
    """A worker is stopped beyond its lease, then goes on: its result is refused as stale."""
    path = tmp_path / "queue.db"
    backend = SQLiteBackend(path)
    backend.add([make_spec(backend)])
    script = """
    (task,) = backend.claim(request(1, lease=0.2))
    print("held", flush=True)
    sys.stdin.readline()
    (applied,) = backend.apply([success(task)]).applied
    print(applied.verdict.value)
    """
    process = start(script, path, stdin=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    claim = ClaimRequest(worker_id="other", nonce="other", queue_names=("default",), limit=1, lease=SECOND * 30)
    (task,) = eventually(lambda: backend.claim(claim))
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate("go\n", timeout=20)
    change = Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json='"other"')
    assert ("stale\n", "applied") == (output, backend.apply([change]).applied[0].verdict.value)
    backend.close()
