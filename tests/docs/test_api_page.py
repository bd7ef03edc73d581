"""The API page names every public name, once, and the tutorial's table every option of a task."""

import re
from importlib import import_module

import pytest

from taskcore._options import OptionKeywords
from tests.docs.markdown_blocks import ROOT, blocks_of

MODULES = (
    "taskcore",
    "taskcore.clock",
    "taskcore.errors",
    "taskcore.protocol",
    "taskcore.records",
    "taskcore.testing",
    "taskcore.testing.conformance",
    "taskcore.testing.faults",
    "taskcore.testing.stateful",
    "taskcore_backends.memory",
    "taskcore_backends.sqlite",
)
DIRECTIVE = re.compile(r"^\.\. (?:auto)?(?:class|data|exception|function):: ([\w.]+)", re.MULTILINE)


def described() -> list[str]:
    """Give what the page describes, with its module."""
    blocks = blocks_of(ROOT / "docs" / "api.md", frozenset({"{eval-rst}"}))
    return [name for block in blocks for name in DIRECTIVE.findall(block.text)]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_described(module: str) -> None:
    """Each name is described under its module, or under another one that exports the same thing."""
    known = [resolved(name) for name in described()]
    public = import_module(module)
    assert [] == [name for name in public.__all__ if not any(getattr(public, name) is one for one in known)]


def test_nothing_is_described_twice() -> None:
    """A second description would compete with the first for every link."""
    names = described()
    assert sorted(set(names)) == sorted(names)


def test_what_is_described_is_public() -> None:
    """Each name on the page is in the ``__all__`` of the module it is described under."""
    private = [
        name for name in described() if name.rpartition(".")[2] not in import_module(name.rpartition(".")[0]).__all__
    ]
    assert [] == private


def test_every_option_is_in_the_table() -> None:
    """The tutorial's table of options has each keyword of ``@task`` and ``.using``."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", (ROOT / "docs" / "tutorial.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert set() == set(OptionKeywords.__annotations__) - named


def resolved(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)
