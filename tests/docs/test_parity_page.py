"""The parity page says what its words and the markers of the tests say, and no line is kept quiet about."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import taskcore
from tests.docs.markdown_blocks import ROOT

SCRIPT = ROOT / "docs" / "generate_parity.py"
WORDS = (ROOT / "docs" / "parity.toml").read_text(encoding="utf-8")

NUMBER_OF_LINES = {"DQ": 40, "DCR": 18, "C35": 10, "DJC": 18, "SCR": 20}
"""How many lines the list of each system has: none may fall off the page."""

SMALL = """\
[owed]

[AB]
title = "A system"

[AB.01]
kind = "S"
says = "It does one thing."
met = "So does `Client.get`."

[AB.02]
kind = "X"
says = "Its successor does another."
met = "So could we."

[AB.03]
kind = "R"
says = "It does what nobody wants."
waived = "Nobody wants it."
"""


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_parity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project: words, and one test that shows a line."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "docs" / "parity.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "tests" / "unit" / "test_one.py").write_text(marked("AB-01"), encoding="utf-8")
    return tmp_path


def marked(*ids: str) -> str:
    return f"import pytest\n\n@pytest.mark.parity({', '.join(map(repr, ids))})\ndef test_one(): ...\n"


def lines_of(generator: ModuleType) -> list:
    markers = generator.markers_in(ROOT / "tests")
    return [line for system in generator.systems_of(WORDS, markers) for line in system.lines]


def test_page_is_current(generator, capsys):
    """What is committed is what the script would write, and it has nothing to complain about."""
    assert (0, "") == (generator.main(["--check"]), capsys.readouterr().err)


def test_no_line_has_fallen_off(generator):
    """Each system has all of its lines, numbered from 1 on."""
    ids = [line.id for line in lines_of(generator)]
    assert [f"{prefix}-{n:02}" for prefix, last in NUMBER_OF_LINES.items() for n in range(1, last + 1)] == ids


NAME = re.compile(r"`(@?\w+(?:\.\w+)*)(?:\(.*?\))?`")


def resolves(name: str) -> bool:
    """Tell whether a dotted name that begins with a public name of taskcore leads somewhere."""
    first, *rest = name.split(".")
    if first not in taskcore.__all__:
        return True
    found: object = getattr(taskcore, first)
    for part in rest:
        if isinstance(found, type) and attrs.has(found) and part in attrs.fields_dict(found):
            return True
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_names_exist(generator):
    """Each name of taskcore's that a line is met by is there."""
    names = {name for line in lines_of(generator) for name in NAME.findall(line.met)}
    assert len(names) > 60
    assert set() == {name for name in names if not resolves(name)}
    assert not resolves("Client.fetch_all")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("docs/parity.toml", SMALL.replace("one thing", "two things"), "run docs/generate_parity.py"),
        ("docs/parity.toml", SMALL.replace('kind = "R"', 'kind = "Z"'), "AB-03 is of the kind 'Z'"),
        ("docs/parity.toml", SMALL.replace('waived = "Nobody wants it."', ""), "AB-03: nothing meets it"),
        ("docs/parity.toml", SMALL.replace("waived", "met"), "AB-03: no test shows it"),
        ("docs/parity.toml", SMALL.replace("[owed]", '[owed]\nAB-09 = "x"'), "AB-09 is owed"),
        ("tests/unit/test_one.py", marked("AB-02"), "AB-01: no test shows it"),
        ("tests/unit/test_one.py", marked("AB-01", "AB-02"), "run docs/generate_parity.py"),
        ("tests/unit/test_two.py", marked("CD-01"), "test_two.py::test_one shows CD-01"),
        ("tests/unit/test_two.py", "import pytest\n\nmark = pytest.mark.parity('AB-01')\n", "test_two.py:3"),
        ("tests/unit/test_two.py", marked("AB-01").replace("'AB-01'", "ID"), "test_two.py:3"),
    ],
)
def test_check_notices(generator, tree, name, text, words, capsys):
    """Words or markers that changed, and what a line lacks, are told by name."""
    assert 0 == generator.main([], tree)
    assert 0 == generator.main(["--check"], tree)
    (tree / name).write_text(text, encoding="utf-8")
    assert 1 == generator.main(["--check"], tree)
    assert words in capsys.readouterr().err


def test_what_is_owed_is_said(generator, tree):
    """A line that is owed needs no test yet, and the page says what is missing."""
    (tree / "docs" / "parity.toml").write_text(SMALL.replace("[owed]", '[owed]\nAB-01 = "the rest"'), encoding="utf-8")
    assert 0 == generator.main([], tree)
    page = (tree / "docs" / "parity.md").read_text(encoding="utf-8")
    assert "So does `Client.get`. | 1; **owed:** the rest |" in page
    assert "- `AB-01`: `unit/test_one.py::test_one`\n" in page
    assert "| [A system](#a-system) | 3 | 1 | 1 | 1 | 0 |" in page


def test_markers_are_found_wherever_they_hold(generator, tmp_path):
    """Those of a test, of one of its parameters, of its class, and of its file."""
    (tmp_path / "test_all.py").write_text(
        "import pytest\n"
        'pytestmark = [pytest.mark.slow, pytest.mark.parity("AB-01")]\n'
        '@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.parity("AB-02"))])\n'
        "async def test_one(n): ...\n"
        '@pytest.mark.parity("AB-03")\n'
        "class TestTwo:\n"
        '    @pytest.mark.parity("AB-04")\n'
        "    def test_two(self): ...\n",
        encoding="utf-8",
    )
    markers = generator.markers_in(tmp_path)
    one, two = "test_all.py::test_one", "test_all.py::TestTwo::test_two"
    assert {"AB-01": (one, two), "AB-02": (one,), "AB-03": (two,), "AB-04": (two,)} == markers.places
    assert () == markers.unreadable


def test_unknown_arguments_are_a_usage_error(generator, capsys):
    """Nothing is written then."""
    assert 2 == generator.main(["--write"])
    assert "usage" in capsys.readouterr().err
