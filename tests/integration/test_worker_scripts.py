"""Programs of one file that enqueue and work: what their own module is called differs from process to process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RETRIED_ON = '''
import sys
from datetime import timedelta
from taskcore import Client, Retry, TaskFailed, Worker, constant, task
from taskcore_backends.sqlite import SQLiteBackend


class Flaky(Exception):
    """Lives in the script itself."""


ONCE_MORE = Retry(max_attempts=2, backoff=constant(timedelta(0)), on=Flaky)


@task(retry=ONCE_MORE)
def by_definition() -> None:
    raise Flaky


@task
def by_call() -> None:
    raise Flaky


if __name__ == "__main__":
    client = Client(SQLiteBackend("queue.db"))
    handles = [client.enqueue(by_definition), client.enqueue(by_call.using(retry=ONCE_MORE))]
    Worker(client, [by_definition, by_call], executor=sys.argv[1], concurrency=1).run(burst=True)
    for handle in handles:
        task = handle.refresh()
        print(task.failures, task.result.failure.exception_type)
'''


FORKS = """
import asyncio, os, sys, time, warnings
from taskcore import Client, Worker, task
from taskcore_backends.sqlite import SQLiteBackend

warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, from Python 3.12 on


@task
def forks(how: str) -> str:
    pid = os.fork()
    if pid == 0:
        if how == "exits":
            sys.exit(7)
        if how == "raises":
            raise ValueError("in the copy")
        return "the copy"
    return f"{how} {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"


@task
async def forks_later() -> str:
    await asyncio.sleep(0)
    pid = os.fork()
    if pid == 0:
        return "the copy"
    return f"returns {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"


@task
def fine() -> str:
    return "fine"


if __name__ == "__main__":
    client = Client(SQLiteBackend("queue.db"))
    calls = [forks.bind("returns"), forks.bind("exits"), forks.bind("raises"), forks_later.bind(), fine.bind()]
    handles = client.enqueue_many(calls)
    Worker(client, [forks, forks_later, fine], executor=sys.argv[1], concurrency=1).run(burst=True)
    for handle in handles:
        print(handle.result(), handle.refresh().epoch)
"""

ENDS_ITS_PIPE = """
import os
from taskcore import Client, Worker, task
from taskcore_backends.sqlite import SQLiteBackend


@task(max_crashes=1)
def closes_all() -> None:
    os.closerange(3, 200)


@task
def fine() -> str:
    return "fine"


if __name__ == "__main__":
    client = Client(SQLiteBackend("queue.db"))
    bad, good = client.enqueue(closes_all), client.enqueue(fine)
    Worker(client, [closes_all, fine], executor="processes", concurrency=1).run(burst=True)
    print(bad.refresh().state.value, bad.refresh().crashes, good.result())
"""


def run_script(folder: Path, text: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of one file in its folder; taskcore is where this process has it from."""
    script = folder / "the_script.py"
    script.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_exception_of_the_script_itself_is_retried(tmp_path, executor):
    """In the script it is ``__main__.Flaky``, in a child of the worker it is not: both mean the same class."""
    done = run_script(tmp_path, RETRIED_ON, executor)
    assert ["2 the_script.Flaky"] * 2 == done.stdout.splitlines(), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_copy_that_a_task_forks_is_no_second_worker(tmp_path, executor):
    """However the copy leaves the function: the outcome is that of the process that was given the task."""
    done = run_script(tmp_path, FORKS, executor)
    wanted = ["returns 0 1", "exits 7 1", "raises 1 1", "returns 0 1", "fine 1"]
    assert wanted == done.stdout.splitlines(), done.stderr


def test_a_task_whose_child_can_never_tell_is_poison(tmp_path):
    """It closes the pipe that its outcome would go through: a crash, counted, not a run that is forgotten for ever."""
    done = run_script(tmp_path, ENDS_ITS_PIPE)
    assert ["FAILED 2 fine"] == done.stdout.splitlines(), done.stderr
