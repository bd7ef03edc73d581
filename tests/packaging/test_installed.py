"""The wheel, installed alone: it imports and runs without any extra and without any tool of its developers."""

import subprocess
from pathlib import Path

import pytest

EXTRAS = ("rich", "redis", "hiredis", "django", "hypothesis", "pytest")

# Imports whatever is installed, except the homes of the extras: those say themselves what to install.
IMPORT_ALL = """
import importlib, pkgutil, sys
import taskcore, taskcore_backends
homes = ("taskcore.testing", "taskcore.contrib", "taskcore._cli._live")
homes += ("taskcore_backends.redis", "taskcore_backends.django")
seen = 0
for package in (taskcore, taskcore_backends):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(homes) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            seen += 1
print(seen)
"""

RUN_ONE = """
from taskcore import Client, Worker, task
from taskcore_backends.{module} import {backend}

@task()
def double(number: int) -> int:
    return 2 * number

client = Client({backend}({argument}))
handle = client.enqueue(double, 21)
Worker(client, [double]).run(burst=True)
print(handle.result())
"""


def run(bare_bin: Path, *command: str, cwd: Path) -> str:
    program, *arguments = command
    done = subprocess.run(
        [str(bare_bin / program), *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def python(bare_bin: Path, code: str, cwd: Path) -> str:
    return run(bare_bin, "python", "-I", "-W", "error", "-c", code, cwd=cwd).strip()


@pytest.mark.parametrize("extra", EXTRAS)
def test_no_extra_is_there(bare_bin: Path, tmp_path: Path, extra: str) -> None:
    """The environment has none of the optional libraries, so that the other tests mean something."""
    found = python(bare_bin, f"import importlib.util; print(importlib.util.find_spec({extra!r}))", tmp_path)
    assert "None" == found


@pytest.mark.parametrize("module", ["taskcore", "taskcore_backends.memory", "taskcore_backends.sqlite"])
def test_module_imports(bare_bin: Path, tmp_path: Path, module: str) -> None:
    """Each of the modules that a first program names imports on its own, without a warning."""
    assert module == python(bare_bin, f"import {module}; print({module}.__name__)", tmp_path)


def test_everything_else_imports(bare_bin: Path, tmp_path: Path) -> None:
    """No module outside the homes of the extras needs one to be imported."""
    assert int(python(bare_bin, IMPORT_ALL, tmp_path)) > 10


def test_croniter_is_loaded_late(bare_bin: Path, tmp_path: Path) -> None:
    """Only who makes a cron trigger pays for croniter."""
    assert "False" == python(bare_bin, "import sys, taskcore; print('croniter' in sys.modules)", tmp_path)


@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
def test_entry_point_loads(bare_bin: Path, tmp_path: Path, scheme: str) -> None:
    """The scheme of a URL leads to a function."""
    code = (
        "from importlib.metadata import entry_points\n"
        f"(found,) = entry_points(group='taskcore.backends', name={scheme!r})\n"
        "print(callable(found.load()))"
    )
    assert "True" == python(bare_bin, code, tmp_path)


@pytest.mark.parametrize(
    ("module", "backend", "argument"), [("memory", "MemoryBackend", ""), ("sqlite", "SQLiteBackend", "'tasks.db'")]
)
def test_a_task_runs(bare_bin: Path, tmp_path: Path, module: str, backend: str, argument: str) -> None:
    """A first program works with what the wheel alone brings."""
    (tmp_path / "first.py").write_text(RUN_ONE.format(module=module, backend=backend, argument=argument))
    assert "42" == run(bare_bin, "python", "-W", "error", "first.py", cwd=tmp_path).strip()


@pytest.mark.parametrize("command", [("taskcore",), ("python", "-m", "taskcore")], ids=" ".join)
def test_command_line_answers(bare_bin: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Both spellings of the command line say what they can do, without rich."""
    assert "worker" in run(bare_bin, *command, "--help", cwd=tmp_path)
