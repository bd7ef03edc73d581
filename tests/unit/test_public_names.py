"""Every public name has its right and its wrong use in tests/typing, which mypy and pyright check."""

import re
from pathlib import Path

import pytest

import taskcore

FOLDER = Path(__file__).parents[1] / "typing"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the uses are in the source tree")


def uses(name: str, *, wrong: bool) -> list[str]:
    """Return the lines that use a name, imports left out."""
    word = re.compile(rf"(?<![\w\"']){re.escape(name)}(?![\w\"'])")
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        body = re.split(r"^(?:def|class|async def|@|SECOND)", path.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE)[
            1
        ]
        found += [line for line in body.splitlines() if word.search(line) and ("# type: ignore" in line) is wrong]
    return found


@pytest.mark.parametrize("name", taskcore.__all__)
def test_name_has_a_right_and_a_wrong_use(name):
    """A name without both is a name whose types nobody has tried."""
    assert (True, True) == (bool(uses(name, wrong=False)), bool(uses(name, wrong=True)))
