"""What the tests of the command line have in common: a SQLite file, and a way to run a command on it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import attrs
import pytest

from taskcore import Client, Worker
from taskcore._cli import main
from taskcore_backends.sqlite import SQLiteBackend
from tests.unit.client_samples import TASKS

ROOT = Path(__file__).parents[2]

METADATA = "Metadata-Version: 2.1\nName: taskcore-adapters-for-tests\nVersion: 0\n"
ENTRY_POINTS = """\
[taskcore.backends]
memory = taskcore_backends.memory:from_url
sqlite = taskcore_backends.sqlite:from_url
broken = taskcore_no_such_module:from_url
"""

MODULE = """\
from taskcore import task

@task
def add(a: int, b: int = 2) -> int:
    return a + b

@task
def fail() -> None:
    raise ValueError("boom")

some = [add]
none = []
number = 5
"""


def install_adapters(folder: Path) -> None:
    """Write the entry points that an installed taskcore brings, for tests of a tree that is not installed."""
    info = folder / "taskcore_adapters_for_tests-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA, encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")


@attrs.frozen
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@attrs.frozen
class Shell:
    """A folder with a store and a module of tasks."""

    folder: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'tasks.db'}"

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None, tty: bool = False) -> Done:
        """Run a command in this process."""
        out, err = Screen() if tty else io.StringIO(), io.StringIO()
        given = {"TASKCORE_URL": self.url} if environment is None else environment
        code = main(list(arguments), out=out, err=err, environment=given)
        return Done(code, out.getvalue(), err.getvalue())

    def client(self) -> Client:
        """Return a client of the store, to be closed."""
        return Client(SQLiteBackend(self.folder / "tasks.db"))

    def drain(self) -> None:
        """Run what is due."""
        with self.client() as client:
            Worker(client, TASKS).drain()

    def process(self, *arguments: str, stdout: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        path = os.pathsep.join(entry for entry in (str(ROOT / "src"), str(self.folder)) if entry)
        return subprocess.Popen(
            [sys.executable, "-m", "taskcore", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "TASKCORE_URL": self.url, "PYTHONIOENCODING": "utf-8"},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def make_shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell in an empty folder, which the process is in then."""
    install_adapters(folder)
    (folder / "shop_tasks.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "shop_tasks", raising=False)
    return Shell(folder)
