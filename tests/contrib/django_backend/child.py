"""A process of its own on one of the databases: ``python -m tests.contrib.django_backend.child WHAT ALIAS``.

The entry of ``DATABASES`` comes as JSON in the environment. Its tasks write to the ledger, some of them right before
the process kills itself.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from taskcore import Client, Context, Worker, task

ROOT = Path(__file__).parents[3]
ENTRY = "TASKCORE_TESTS_DATABASE"
LEASE = timedelta(seconds=1)
READY = b"ready\n"


@task(atomic=True, takes_context=True, max_crashes=1000)
def note_or_die(context: Context, alias: str, entry: str, dies: float) -> str:
    """Write an entry; die by SIGKILL before it, or after it, in the first run or with a probability."""
    from tests.contrib.django_backend import ledger

    is_deadly = random.random() < dies if dies < 1 else context.task.crashes == 0
    is_before = int(entry) % 2 == 0
    if is_deadly and is_before:
        os.kill(os.getpid(), signal.SIGKILL)
    ledger.write(alias, entry)
    if is_deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return entry


@task(max_crashes=1000)
def square(number: int) -> int:
    """Do next to nothing."""
    return number * number


def start(alias: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start such a process; return it when it is about to work."""
    from django.db import connections

    settings = {name: connections[alias].settings_dict[name] for name in ("ENGINE", "NAME", "USER", "HOST", "PORT")}
    settings["OPTIONS"] = connections.settings[alias]["OPTIONS"]
    environment = {
        **os.environ,
        ENTRY: json.dumps({name: str(value) if name == "NAME" else value for name, value in settings.items()}),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }
    command = [sys.executable, "-m", "tests.contrib.django_backend.child", alias, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == READY
    return process


def main() -> None:
    """Work on what there is, until killed."""
    import tests.contrib.conftest  # noqa: F401 - sets Django up
    from taskcore_backends.django import DjangoBackend
    from tests.contrib.django_backend.databases import add_alias, need_mysql_driver

    alias = sys.argv[1]
    if alias == "mariadb":
        need_mysql_driver()
    add_alias(alias, json.loads(os.environ[ENTRY]))
    with Client(DjangoBackend(alias)) as client:
        os.write(sys.stdout.fileno(), READY)
        Worker(client, [note_or_die, square], concurrency=2, lease=LEASE).run(burst="burst" in sys.argv)


if __name__ == "__main__":
    main()
