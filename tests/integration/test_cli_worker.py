"""What ``taskcore worker`` ends with, for whatever supervises it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from taskcore import State, task
from tests.unit.cli_bench import Shell, make_shell
from tests.waiting import eventually

pytestmark = pytest.mark.integration

TASKS = """\
import time
from datetime import timedelta

from taskcore import task

@task
def sleep() -> None:
    time.sleep(60)

@task(timeout=timedelta(seconds=0.2))
def overrun() -> None:
    time.sleep(60)
"""


@task(name="sleepy.sleep")
def sleep() -> None: ...


@task(name="sleepy.overrun")
def overrun() -> None: ...


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "sleepy.py").write_text(TASKS, encoding="utf-8")
    return make_shell(tmp_path, monkeypatch)


def test_a_worker_that_lost_its_threads_asks_to_be_started_again(shell):
    """Its only thread is lost to a task that overran its timeout: the code is 75."""
    with shell.client() as client:
        client.enqueue(overrun)
    with shell.process("worker", "--tasks", "sleepy", "--concurrency", "1", "--grace", "1s") as process:
        _, err = process.communicate(timeout=60)
    assert 75 == process.returncode, err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program could heed")
def test_a_worker_says_that_it_left_something_running(shell):
    """Told to stop while a thread runs on beyond the grace, it ends with 5; the task is left to its lease."""
    with (
        shell.client() as client,
        shell.process("worker", "--tasks", "sleepy", "--concurrency", "1", "--grace", "0.1s") as process,
    ):
        handle = client.enqueue(sleep)
        eventually(lambda: handle.refresh().state is State.RUNNING)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert (5, State.RUNNING) == (process.returncode, handle.refresh().state), err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program could heed")
def test_a_worker_that_is_idle_stops_in_order(shell):
    """Told to stop with nothing in hand, it ends with 0."""
    with shell.client() as client, shell.process("worker", "--tasks", "sleepy") as process:
        eventually(client.workers)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert 0 == process.returncode, err
