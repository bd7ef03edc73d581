"""``taskcore_worker`` as a process of its own: it stops when told to, and starts again when the code changes."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import eventually

EXAMPLE = Path(__file__).parents[3] / "examples" / "django_site"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the example is in the source tree"),
    pytest.mark.skipif(sys.platform == "win32", reason="ends with SIGTERM"),
    pytest.mark.timeout(180),
]


class Site:
    """A copy of the example site with a database of its own."""

    def __init__(self, folder):
        self.folder = folder / "site"
        self.log = folder / "worker.log"
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns("*.db*", "__pycache__"))
        inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        self.environment = {**inherited, "DEMO_DATABASE": str(folder / "demo.db"), "PYTHONUNBUFFERED": "1"}

    def run(self, *arguments):
        """Run a command to its end; return its code and what it wrote."""
        done = subprocess.run(
            [sys.executable, self.folder / "manage.py", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @contextlib.contextmanager
    def working(self, *arguments):
        """Run a worker, its log in a file, until the block ends; then SIGTERM."""
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, self.folder / "manage.py", "taskcore_worker", *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                eventually(lambda: self.logged(r"Worker (\w+) runs \d+ tasks"))
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def logged(self, pattern):
        """What a pattern finds in the worker's log."""
        return re.findall(pattern, self.log.read_text())


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    code, out = site.run("migrate", "-v", "0")
    assert 0 == code, out
    return site


def test_a_worker_stops_with_sigterm(site):
    """It runs what others enqueue meanwhile; its code is 0."""
    with site.working("--no-reload", "--concurrency", "2") as process:
        code, out = site.run("taskcore_start", "count_orders", "--wait", "60s", "--json")
        assert (0, "SUCCESSFUL") == (code, json.loads(out)["state"])
    assert 0 == process.returncode
    assert [] != site.logged(r"market\.tasks\.count_orders\) succeeded")
    assert [] != site.logged(r"Worker \w+ finished after 1 tasks")


def test_children_run_what_a_process_executor_is_given(site):
    """Django's and taskcore's own, with the settings that ``manage.py`` names."""
    with site.working("--no-reload", "--executor", "processes", "--concurrency", "1"):
        code, out = site.run("taskcore_start", "count_orders", "--wait", "60s", "--json")
        assert (0, "SUCCESSFUL") == (code, json.loads(out)["state"])
        code, out = site.run("taskcore_start", "charge", "--args", "[1]", "--wait", "60s", "--json")
        assert (4, "builtins.ConnectionError") == (code, json.loads(out)["failure"]["exception_type"])


def test_a_worker_starts_again_when_the_code_changes(site):
    """So it does while DEBUG is on; the first one says goodbye."""
    with site.working("--concurrency", "1"):
        (first,) = site.logged(r"Worker (\w+) runs")

        def has_changed():
            with (site.folder / "market" / "places.py").open("a") as file:
                file.write("\n# changed\n")  # again and again: the reloader may not have looked for the first time
            return bool(site.logged(r"places\.py changed"))

        eventually(has_changed)
        second = eventually(lambda: site.logged(r"Worker (\w+) runs")[1:])[0]
        assert first != second
    assert [] != site.logged(rf"Worker {first} finished")
