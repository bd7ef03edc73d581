"""What the wheel and the sdist hold, and what their metadata say."""

import re
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).parents[2]
RUN_TIME = {"attrs", "cattrs", "croniter", "typing-extensions", "tzdata"}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def raw_metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


@pytest.fixture(scope="module")
def metadata(raw_metadata: str) -> Message:
    return Parser().parsestr(raw_metadata)


def test_wheel_holds_the_two_packages_only(names: set[str]) -> None:
    """Nothing but the two import packages and the metadata is installed."""
    tops = {name.partition("/")[0] for name in names}
    assert {"taskcore", "taskcore_backends"} == {top for top in tops if not top.endswith(".dist-info")}


def test_wheel_holds_every_source_file(names: set[str]) -> None:
    """Every file below src/ is in the wheel, data files too."""
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "egg-info" not in path.as_posix()
    }
    assert set() == wanted - names


def test_wheel_holds_no_test(names: set[str]) -> None:
    """No test, benchmark, example or setting of a tool is installed."""
    pattern = re.compile(r"(^|/)(tests?|benchmarks|examples|docs)/|(^|/)(test_[^/]*|conftest|noxfile)\.py$|\.pyc$")
    assert [] == sorted(name for name in names if pattern.search(name))


@pytest.mark.parametrize("package", ["taskcore", "taskcore_backends"])
def test_both_packages_are_typed(names: set[str], package: str) -> None:
    """A type checker reads the annotations of an installed package only beside a py.typed file."""
    assert f"{package}/py.typed" in names


def test_metadata_is_valid(raw_metadata: str) -> None:
    """A package index accepts the metadata: every field is known and well formed."""
    assert "taskcore" == Metadata.from_email(raw_metadata, validate=True).name


def test_description_is_the_readme(metadata: Message) -> None:
    """The page of the package shows the README, as Markdown."""
    assert "text/markdown" == metadata["Description-Content-Type"]
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() == str(metadata.get_payload()).strip()


def test_version_is_written_once(metadata: Message) -> None:
    """The version of the distribution is the one of _version.py, and the changelog has a heading for it."""
    text = (ROOT / "src/taskcore/_version.py").read_text(encoding="utf-8")
    version = re.findall(r'__version__ = "(.+)"', text)
    assert [metadata["Version"]] == version
    assert f"\n## {version[0]}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_run_time_dependencies_are_few(metadata: Message) -> None:
    """Nothing is required beyond the four libraries, and the zones on Windows."""
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert RUN_TIME == {re.split(r"[^A-Za-z0-9-]", line)[0] for line in required}
    assert ["tzdata"] == [line[:6] for line in required if "sys_platform == 'win32'" in line.replace('"', "'")]


def test_every_supported_python_is_named(metadata: Message) -> None:
    """The classifiers begin with the version that requires-python asks for."""
    assert ">=3.10" == metadata["Requires-Python"]
    named = [line.rpartition(" ")[2] for line in metadata.get_all("Classifier", []) if re.search(r":: 3\.\d+$", line)]
    assert ["3.10", "3.11", "3.12", "3.13"] == named


def test_sdist_can_be_tested(sdist: Path) -> None:
    """Who packages the sdist finds in it what the checks need, and nothing of a checkout's own."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "pyproject.toml",
        "noxfile.py",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "tests/conftest.py",
        "docs/conf.py",
    }
    assert set() == wanted - names
    assert [] == sorted(name for name in names if re.search(r"(^|/)(\.git|\.ci|\.nox|_build|__pycache__|dist)/", name))
