"""Programs of one file that enqueue and work: what their own module is called differs from process to process."""

import os
import subprocess
import sys

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


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_exception_of_the_script_itself_is_retried(tmp_path, executor):
    """In the script it is ``__main__.Flaky``, in a child of the worker it is not: both mean the same class."""
    script = tmp_path / "flaky_script.py"
    script.write_text(RETRIED_ON, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run(
        [sys.executable, str(script), executor],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ["2 flaky_script.Flaky"] * 2 == done.stdout.splitlines(), done.stderr
