"""The public names of taskcore: all there, each imported only when it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import taskcore

SOURCE = Path(taskcore.__file__)


def _annotated_imports() -> dict[str, str]:
    """Return what type checkers see: each name with the module it comes from."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    return {
        alias.name: str(node.module) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("name", taskcore.__all__)
def test_name_is_what_type_checkers_see(name: str) -> None:
    """At run time a name comes from the very module that its import for type checkers says."""
    module = __import__(_annotated_imports()[name], fromlist=[name])
    assert getattr(module, name) is getattr(taskcore, name)


def test_all_names_are_listed() -> None:
    """What type checkers see, what `__all__` says and what `dir` shows are one list."""
    names = sorted(taskcore.__all__)
    assert names == sorted(_annotated_imports())
    assert set(names) <= set(dir(taskcore))


def test_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = taskcore.Nonsense  # type: ignore[attr-defined]


def _loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after some code."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    source = str(SOURCE.parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r})\n{program}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        # Measuring the child would load what is looked for.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
    )
    return set(done.stdout.split())


def test_import_loads_nothing_else() -> None:
    """`import taskcore` alone loads no other module of its own, nor what those need."""
    loaded = _loaded("import taskcore")
    assert {"taskcore"} == {name for name in loaded if name.startswith("taskcore")}
    assert not loaded & {"attrs", "cattrs", "croniter", "asyncio"}


def test_croniter_is_loaded_by_cron_alone() -> None:
    """All public names together do without it."""
    assert "croniter" not in _loaded("from taskcore import *")


def test_client_does_without_asyncio_and_processes() -> None:
    """A program that only enqueues does not pay for event loops and worker processes."""
    assert not _loaded("from taskcore import Client, task, Retry") & {
        "asyncio",
        "multiprocessing",
        "importlib.metadata",
    }
