"""A store that is empty for each test, and a way to run commands."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from taskcore.contrib.django._clients import CLIENTS
from taskcore_backends.memory import MemoryBackend
from tests.contrib import settings as site


class Ran:
    """What a command wrote, and the code that it ended with."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self):
        """What it wrote, line by line."""
        return self.out.splitlines()

    @property
    def records(self):
        """What it wrote with ``--json``."""
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def run():
    """Runs ``taskcore_…`` with its arguments."""

    def run(name, *arguments, **options):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command(f"taskcore_{name}", *arguments, stdout=out, stderr=err, **options)
        except SystemExit as stop:
            code = int(stop.code or 0)
        except CommandError as error:
            code = error.returncode
            err.write(f"{error}\n")
        return Ran(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(autouse=True)
def store():
    """The backend that stands behind the aliases."""
    CLIENTS.close()
    backend = MemoryBackend()
    tasks = {
        "default": {**site.TASKS["default"], "OPTIONS": {"storage": backend}},
        "second": {**site.TASKS["default"], "OPTIONS": {"storage": MemoryBackend()}},
    }
    with override_settings(TASKS=tasks):
        yield backend
    CLIENTS.close()
