"""Every Python block of the README and of docs/ runs, page by page, as one file that a reader saves.

A block with `file="shop.py"` on its opening line is another file, saved beside it before the page runs.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import pytest_plugins
from tests.docs.markdown_blocks import PAGES, Block, blocks_of

PYTHON = frozenset({"python"})
# Other spellings would be shown as Python and escape the run.
ALIASES = frozenset({"py", "py3", "python3", "pycon", "{code}", "{code-block}", "{doctest}", "{testcode}"})

NEEDS = {"admin": "django", "django": "django", "redis": "redis"}
"""What the blocks of a page import that need not be installed; `nox -s django` runs those of Django."""

REDIS_PORT = re.compile(r"\b6379\b")
"""Where a page's blocks expect Redis; they run with the port of a server of the test's own in its place."""


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks_of(page, PYTHON) if block.reason_not_to_run is None and block.file_name is None]


def save_files(page: Path, folder: Path) -> None:
    """Write the blocks that are files of their own; several of one name are one file."""
    for block in blocks_of(page, PYTHON):
        if block.file_name is not None:
            path = folder / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{block.text}\n")


def source_of(blocks: list[Block]) -> str:
    """Put the blocks into one file in which each line has the number that it has on the page."""
    lines: list[str] = []
    for block in blocks:
        lines.extend([""] * (block.line - 1 - len(lines)))
        lines.extend(block.text.splitlines())
    return "\n".join(lines) + "\n"


def defines_tests(source: str) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in ast.parse(source).body)


def run(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """The port of an empty server."""
    from tests.servers.redis_server import Server

    server = Server(tmp_path / "redis-server")
    yield server.port
    server.stop()


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=lambda page: page.stem)
def test_blocks_run_in_order(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The blocks of a page run in one namespace, and the tests that they define pass."""
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem])
    source = source_of(runnable(page))
    if page.stem == "redis":
        source = REDIS_PORT.sub(str(request.getfixturevalue("redis_port")), source)
    program = tmp_path / f"{page.stem.lower()}_page.py"
    program.write_text(source, encoding="utf-8")
    save_files(page, tmp_path)
    run(program.name, cwd=tmp_path)
    if defines_tests(source):
        own = tmp_path / "tests"
        own.mkdir()
        plugins = [word for plugin in ("no:cacheprovider", *pytest_plugins) for word in ("-p", plugin)]
        run("-m", "pytest", "-q", *plugins, "-o", "addopts=", f"../{program.name}", cwd=own)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_does_not_run_says_why(page: Path) -> None:
    """A Python block is either run or says on its opening line, in words, why not."""
    unexplained = [block.place for block in blocks_of(page, PYTHON) if "" == (block.reason_not_to_run or "-").strip()]
    assert [] == unexplained
    assert [] == [block.place for block in blocks_of(page, ALIASES)]


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    """A traceback names the line of the page, and fences inside longer fences are text."""
    page = tmp_path / "page.md"
    page.write_text("# T\n\n```python\na = 1\n```\n\n````text\n```python\nb\n```\n````\n\n```python\nc = a\n```\n")
    source = source_of(runnable(page))
    assert ["", "", "", "a = 1", *[""] * 9, "c = a"] == source.splitlines()


def test_a_block_can_be_a_file(tmp_path: Path) -> None:
    """A block with a file's name is no part of the program, but there to be imported by it."""
    page = tmp_path / "page.md"
    page.write_text('```python file="shop.py"\na = 1\n```\n\n```python\nimport shop\n```\n')
    save_files(page, tmp_path)
    assert "a = 1\n" == (tmp_path / "shop.py").read_text()
    assert ["import shop"] == [block.text for block in runnable(page)]


def test_a_broken_block_is_noticed(tmp_path: Path) -> None:
    """A block that raises fails its page."""
    (tmp_path / "page.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(pytest.fail.Exception, match="ended with 3"):
        run("page.py", cwd=tmp_path)
