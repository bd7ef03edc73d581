"""An AsyncClient that was used before its process forked, as web servers do that load the program first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, os, warnings
from datetime import timedelta
from taskcore import AsyncClient, Worker, task
from taskcore_backends.sqlite import SQLiteBackend

warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, from Python 3.12 on


@task
def add(a: int, b: int) -> int:
    return a + b


async def use(a: int) -> int:
    handle = await client.enqueue(add, a, 1)
    await client.run(lambda sync: Worker(sync, [add]).drain())
    return await handle.result(timedelta(seconds=20))


client = AsyncClient(SQLiteBackend("queue.db"))
assert asyncio.run(use(1)) == 2
pid = os.fork()
who, answer = "parent" if pid else "child", asyncio.run(use(10))
os.write(1, f"{who} {answer}\\n".encode())  # in one piece: both write at once
asyncio.run(client.close())
if pid:
    print("code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_an_async_client_works_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    """Its threads stay behind in the parent: the child starts its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ["child 11", "code 0", "parent 11"] == sorted(done.stdout.splitlines()), done.stderr
