"""The walls between the modules stand, and a breach of each is noticed.

`lint-imports` reads its contracts from pyproject.toml. Each test here runs it on a copy of src/ with one line added.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint(['--no-cache']))"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="the contracts are in the source tree"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources and of the contracts."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(copy: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def append(copy: Path, module: str, line: str) -> None:
    path = copy / "src" / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def test_walls_stand(copy: Path) -> None:
    """The sources as they are keep every contract."""
    assert (0, True) == ((found := lint(copy))[0], "0 broken" in found[1]), found[1]


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("taskcore/_data/_task.py", "import taskcore.protocol", "Imports point down"),
        ("taskcore/_stray.py", "", "Imports point down"),
        ("taskcore/contrib/django/admin/_live.py", "import taskcore.contrib.django.admin.tasks", "No circles"),
        ("taskcore/_machine.py", "import time", "Pure modules"),
        ("taskcore/_policy.py", "import random", "Pure modules"),
        ("taskcore/_data/_task.py", "import logging", "Pure modules"),
        ("taskcore/_client.py", "import taskcore_backends.memory", "The core knows no adapter"),
        ("taskcore_backends/memory.py", "import taskcore._data", "Adapters use only"),
        ("taskcore_backends/memory.py", "import taskcore_backends.sqlite", "Adapters do not know each other"),
        ("taskcore/_client.py", "import django", "stay in their homes"),
        ("taskcore/_worker.py", "import redis", "stay in their homes"),
        ("taskcore/_definition.py", "import cattrs", "cattrs is the codec's"),
        ("taskcore/_client.py", "import croniter", "cattrs is the codec's"),
        ("taskcore/_client.py", "import pickle", "No pickle"),
    ],
)
def test_breach_is_noticed(copy: Path, module: str, line: str, broken: str) -> None:
    """One import where it must not be, or a module without a layer, breaks the contract that is about it."""
    append(copy, module, line)
    status, text = lint(copy)
    assert 1 == status, text
    assert any(broken in row and " BROKEN" in row for row in text.splitlines()), text
