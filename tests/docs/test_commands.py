"""The shell lines of the README and of docs/ name only files, sessions, extras and commands that exist."""

import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.docs.markdown_blocks import PAGES, ROOT, blocks_of

SHELL = frozenset({"console", "sh", "bash", "shell"})
# What a reader's machine has, or what an earlier line of a page installs.
FOREIGN = frozenset({"cd", "git", "kill", "docker", "systemctl", "createdb", "export", "redis-server"})
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")


def commands_of(page: Path) -> list[str]:
    """Give each command of the page's shell blocks; a continued line is one, and what a command prints is none."""
    found: list[str] = []
    for block in blocks_of(page, SHELL):
        lines = block.text.replace("\\\n", " ").splitlines()
        prompted = any(line.startswith("$ ") for line in lines)
        asked = [line.removeprefix("$ ") for line in lines if not prompted or line.startswith("$ ")]
        for line in asked:
            found.extend(part.strip() for part in re.split(r"&&|\|\||[|;&]", line.partition(" #")[0]) if part.strip())
    return [command for command in found if not command.startswith("#")]


def extras_of(words: list[str]) -> set[str]:
    named = [re.search(r"\[(.+)\]", word) for word in words]
    return {extra for match in named if match for extra in match[1].split(",")}


def complaint_about_taskcore(words: list[str]) -> str | None:
    """Ask the command line itself whether it knows the command that these words name."""
    sub = next((word for word in words if re.fullmatch(r"[a-z]+", word)), None)
    return None if is_command(sub) else f"taskcore has no command {sub}"


@cache
def is_command(sub: str | None) -> bool:
    asked = [*([sub] if sub else []), "--help"]
    done = subprocess.run([sys.executable, "-m", "taskcore", *asked], capture_output=True, check=False, timeout=60)
    return 0 == done.returncode


def complaint_about_python(words: list[str]) -> str | None:
    if not words:
        return None
    if "-m" != words[0]:
        program = next((word for word in words if word.endswith(".py")), None)
        exists = program is None or "/" not in program or (ROOT / program).is_file()
        return None if exists else f"no file {program}"
    return complaint_about([words[1], *words[2:]])


def complaint_about(words: list[str]) -> str | None:
    """Say what is wrong with a command, None if nothing is."""
    match words:
        case ["python" | "python3", *rest]:
            return complaint_about_python(rest)
        case ["pip", "install", *rest]:
            unknown = {extra for extra in extras_of(rest) if not re.search(rf"^{extra} = \[", PYPROJECT, re.MULTILINE)}
            return f"no extra {unknown}" if unknown else None
        case ["nox", *rest]:
            sessions = [word for word in rest if re.fullmatch(r"[a-z]+", word)]
            missing = [name for name in sessions if f"def {name}(" not in NOXFILE]
            return f"no session {missing}" if missing else None
        case ["taskcore", *rest]:
            return complaint_about_taskcore(rest)
        case ["pytest" | "venv" | "build", *_]:
            return None
        case [name, *_]:
            return None if name in FOREIGN or shutil.which(name) else f"no command {name}"
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=lambda page: page.stem)
def test_commands_exist(page: Path) -> None:
    """Every shell line of the page can be typed."""
    complaints = [(command, complaint_about(shlex.split(command))) for command in commands_of(page)]
    assert [] == [(command, complaint) for command, complaint in complaints if complaint]


def test_readme_names_both_commands() -> None:
    """The README says how to run the main job and the checks, and CI calls the same line."""
    commands = commands_of(ROOT / "README.md")
    assert ["python examples/fingerprint_tree.py DIR"] == [each for each in commands if "fingerprint_tree" in each]
    assert ["python -m pip install nox", "python -m nox"] == [each for each in commands if each.endswith(" nox")]
    assert "python -m nox" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        "python examples/missing.py DIR",
        "python -m nox -s missing",
        'python -m pip install ".[missing]"',
        "python -m taskcore missing",
        "no-such-program --help",
    ],
)
def test_wrong_commands_are_noticed(command: str) -> None:
    """A line that names what does not exist is complained about."""
    assert complaint_about(shlex.split(command)) is not None
