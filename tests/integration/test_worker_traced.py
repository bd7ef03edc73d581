"""A worker whose threads are traced, as by a debugger or by coverage, while it interrupts what overruns a timeout."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = """
import os, sys, threading, time
from datetime import timedelta
from taskcore import Client, SoftTimeout, Worker, task
from taskcore_backends.memory import MemoryBackend

SHORT, SOON = timedelta(seconds=0.05), timedelta(seconds=30)

@task(soft_timeout=SHORT)
def softened() -> str:
    try:
        while True:
            time.sleep(0.001)
    except SoftTimeout:
        return "softened"

@task(soft_timeout=SHORT)
def late() -> str:
    time.sleep(0.1)
    return "late"

@task(timeout=SHORT)
def stuck() -> None:
    time.sleep(600)

@task
def quick() -> str:
    return "quick"

def trace(frame, event, argument):
    return trace

sys.settrace(trace)
threading.settrace(trace)
client = Client(MemoryBackend())
with Worker(client, [softened, late, stuck, quick], concurrency=3) as worker:
    for definition in TASKS:
        handle = client.enqueue(definition)
        print(handle.wait(SOON).state.value, flush=True)
        print(client.enqueue(quick).result(SOON), flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("task", "state"),
    [("softened", "SUCCESSFUL"), ("late", "FAILED"), ("stuck", "FAILED")],
)
def test_other_tasks_go_on(tmp_path: Path, task: str, state: str) -> None:
    """After an exception in a thread's own code, at its end, and for a thread that never comes back."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("TASKS", f"[{task}]"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert [state, "quick"] == done.stdout.split(), done.stderr
