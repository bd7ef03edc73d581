"""A site with its worker, and a browser that looks at it: one of each for all tests here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "django_site"
CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")


def what_is_missing():
    """Say why there can be no browser; nothing when there can."""
    if find_spec("selenium") is None:
        return "selenium is not installed"
    if CHROMIUM is None or DRIVER is None:
        return "no chromium with chromedriver on the path (Debian: chromium, chromium-driver)"
    return None if EXAMPLE.is_dir() else "the example is in the source tree"


def require_browser():
    """Skip where there is no browser; fail where there has to be one."""
    missing = what_is_missing()
    if missing and os.environ.get("TASKCORE_REQUIRE_BROWSER"):
        pytest.fail(f"TASKCORE_REQUIRE_BROWSER is set, but {missing}")
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Where the site is."""
    require_browser()
    home = tmp_path_factory.mktemp("browsed")
    paths = [str(ROOT), str(EXAMPLE), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "DEMO_DATABASE": str(home / "site.db"),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONUTF8": "1",
    }
    processes = []

    def start(what):
        with (home / f"{what}.log").open("w") as log:
            command = [sys.executable, "-m", "tests.contrib.django_browser.site", what]
            made = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        processes.append(made)
        return made

    try:
        where = start("serve").stdout.readline().strip()
        assert where, (home / "serve.log").read_text()
        start("worker")
        yield where
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate(timeout=30)


@pytest.fixture(scope="session")
def chromium(address, tmp_path_factory):
    """The browser, in which the operator is logged in."""
    from tests.contrib.django_browser.pages import Browser

    browser = Browser(address, CHROMIUM, DRIVER, tmp_path_factory.mktemp("profile"))
    try:
        browser.log_in("demo", "demo")
        yield browser
    finally:
        browser.driver.quit()


@pytest.fixture
def browser(chromium):
    """The browser; at the end nothing may have been said in its console."""
    chromium.complaints()
    yield chromium
    assert [] == chromium.complaints()


@pytest.fixture
def pictures(tmp_path):
    """Where pictures go: those of the documentation are renewed when TASKCORE_PICTURES is set."""
    if not os.environ.get("TASKCORE_PICTURES"):
        return tmp_path
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    return folder
