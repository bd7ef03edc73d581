"""The main job of the README: it is killed half way, started again, and finishes with each file done and none lost."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from taskcore import Client, State
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="kills a group of processes with SIGKILL"),
]

PROGRAM = Path(__file__).parents[2] / "examples" / "fingerprint_tree.py"
FILES = 2_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of files, three of each content, one of its own, and one that is empty."""
    root = tmp_path / "tree"
    for number in range(FILES - 1):
        folder = root / f"folder {number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number} ä.txt").write_text(f"{number // 3}\n" * 50, encoding="utf-8")
    (root / "empty").touch()
    return root


def start(tree: Path, where: Path, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, PROGRAM, tree, "--processes", "2"],
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        start_new_session=True,
    )


def done(where: Path) -> int:
    """How many files are done, by what the store says."""
    if not (where / "fingerprints.db").exists():
        return 0
    with Client(SQLiteBackend(where / "fingerprints.db")) as client:
        return sum(queue.counts.get(State.SUCCESSFUL, 0) for queue in client.stats().queues)


def test_names_that_are_no_text_and_paths_without_end_are_fingerprinted(tmp_path):
    """Linux lets a name be any bytes, and a path be thousands of them."""
    deep = tmp_path / "tree" / Path(*["a folder of many" * 5] * 6)
    deep.mkdir(parents=True)
    (deep / "plain").write_text("1\n")
    (deep / "two\nlines \x1b[31m").write_text("2\n")
    try:
        Path(os.fsdecode(os.fsencode(deep) + b"/caf\xe9")).write_text("3\n")
    except OSError:
        pytest.skip("this file system wants names to be text")
    process = start(tmp_path / "tree", tmp_path)
    output, _ = process.communicate(timeout=120)
    assert 0 == process.returncode, output
    assert "3 files, 6 bytes, 3 lines" in output, output
    assert "caf\\xe9" in output, output
    assert "two\\nlines \\x1b[31m" in output, output


def test_an_output_without_unicode_gets_escapes(tmp_path):
    """Where the console knows no umlaut the summary is printed all the same."""
    (tmp_path / "tree").mkdir()
    for name in ("ä", "ö"):
        (tmp_path / "tree" / name).write_text("same\n", encoding="utf-8")
    process = start(tmp_path / "tree", tmp_path, PYTHONIOENCODING="ascii")
    output, _ = process.communicate(timeout=120)
    assert 0 == process.returncode, output
    assert "2 \\xd7 5 bytes" in output, output
    assert "tree/\\xe4" in output, output


@pytest.mark.timeout(180)
def test_killed_half_way_it_finishes_what_is_left(tree, tmp_path):
    """Parent and children are killed with SIGKILL; what was done stays done, the rest is done by a second start."""
    first = start(tree, tmp_path)
    eventually(lambda: done(tmp_path) >= FILES // 4)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert -signal.SIGKILL == first.returncode
    before = done(tmp_path)
    assert before < FILES, "it was over before it was killed"

    second = start(tree, tmp_path)
    output, _ = second.communicate(timeout=120)
    assert 0 == second.returncode, output
    assert f"{FILES:,} files" in output, output
    assert "duplicates: 1,332 copies of 666 files" in output, output
    with Client(SQLiteBackend(tmp_path / "fingerprints.db")) as client:
        tasks = list(client.iterate())
        results = [client.result(found.id) for found in tasks]
    assert {State.SUCCESSFUL} == {found.state for found in tasks}
    assert sorted(map(str, (path for path in tree.rglob("*") if path.is_file()))) == sorted(
        result["path"] for result in results
    )
    assert all(hashlib.sha256(Path(result["path"]).read_bytes()).hexdigest() == result["sha256"] for result in results)
