"""Starting, killing and reading what workers in processes of their own have done."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = timedelta(seconds=45)
"""How long a test waits for what needs a Python process to start, or two one after the other: on a machine with eight
times as much to do as it has cores, each takes five seconds. Less than the minute that the longest tasks run."""


@attrs.frozen
class WorkerProcess:
    """A worker that runs until it is told otherwise. Its log goes to a file."""

    process: "subprocess.Popen[str]"
    words: Path

    @property
    def log(self) -> str:
        return self.words.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)


class Crew:
    """Workers on one SQLite file in one directory, or on a server; all are killed at the end."""

    def __init__(self, directory: Path, url: str | None = None) -> None:
        self.directory = directory
        self.url = url
        self.path = directory / "tasks.db"
        self.events = str(directory / "events.log")
        self.all: list[WorkerProcess] = []

    def start(self, *, burst: bool = False, **options: object) -> WorkerProcess:
        words = self.directory / f"worker-{len(self.all)}.log"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
        store = {"path": str(self.path)} if self.url is None else {"url": self.url}
        order = {**store, "options": {"lease": 1, **options}, "burst": burst}
        with words.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.worker_main", json.dumps(order)],
                cwd=self.directory,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=out,
                text=True,
            )
        made = WorkerProcess(process, words)
        self.all.append(made)
        return made

    def freeze(self, worker: WorkerProcess) -> None:
        """Stop a worker with SIGSTOP, not in the middle of a write: until it goes on nobody could write to the file."""
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=0)) as connection:
            while True:
                worker.signal(signal.SIGSTOP)
                os.waitid(os.P_PID, worker.process.pid, os.WSTOPPED | os.WNOWAIT)
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    worker.signal(signal.SIGCONT)
                    time.sleep(0.01)
                else:
                    connection.execute("ROLLBACK")
                    return

    def kill_all(self) -> None:
        for worker in self.all:
            if worker.process.poll() is None:
                worker.kill()

    def runs(self) -> "dict[str, list[Run]]":
        """What the tasks wrote down, by task, in the order in which they began."""
        begun: dict[tuple[str, int], Run] = {}
        if not Path(self.events).exists():
            return {}
        for line in Path(self.events).read_text().splitlines():
            word, task_id, epoch, pid, moment = line.split()
            key = (task_id, int(epoch))
            if word == "start":
                assert key not in begun, f"{key} began twice"
                begun[key] = Run(task_id, int(epoch), int(pid), float(moment))
            else:
                begun[key] = attrs.evolve(begun[key], ended=float(moment))
        by_task: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(begun.values(), key=lambda run: run.began):
            by_task[run.task_id].append(run)
        return by_task


@attrs.frozen
class Run:
    """One run of one task, as the task itself saw it."""

    task_id: str
    epoch: int
    pid: int
    began: float
    ended: float | None = None


def overlaps(runs: list[Run]) -> Iterator[tuple[Run, Run]]:
    """Yield pairs of runs of one task that were both going on at a time."""
    for before, after in pairwise(runs):
        if before.ended is not None and after.began < before.ended:
            yield before, after
