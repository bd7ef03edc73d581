"""A MariaDB server for the tests: the one that a URL names, or one of our own from the programs on the path.

``TASKCORE_TEST_MARIADB_URL`` (``mysql://user:password@host:port/database``) names a database that may be emptied, of a
server of MySQL as well: all tests but that of a restart run on it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.servers.postgres import NoServer, free_port, other_user

__all__ = ["MariaDBServer", "find_mariadb", "mariadb_settings", "running_mariadb"]

URL = "TASKCORE_TEST_MARIADB_URL"
PATIENCE = 60.0


def find_mariadb() -> tuple[Path, Path]:
    """Return the server and the program that makes its tables; raises ``NoServer``."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    server = shutil.which("mariadbd", path=path) or shutil.which("mysqld", path=path)
    maker = shutil.which("mariadb-install-db", path=path) or shutil.which("mysql_install_db", path=path)
    if server is None or maker is None:
        raise NoServer(f"no MariaDB: set {URL}, or put mariadbd on the path (apt-get install mariadb-server)")
    return Path(server), Path(maker)


class MariaDBServer:
    """A server of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._server, maker = find_mariadb()
        self._owner = other_user("mysql", "nobody")
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        if self._owner:
            os.chown(self._data, self._owner["user"], self._owner["group"])
        done = subprocess.run(
            [
                maker,
                "--no-defaults",
                f"--datadir={self._data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            capture_output=True,
            check=False,
            cwd=self._data,
            timeout=PATIENCE,
            **self._owner,
        )
        if done.returncode:
            raise NoServer(f"mariadb-install-db failed: {done.stdout.decode()[-300:]}{done.stderr.decode()[-500:]}")

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [
            str(self._server),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--socket={self._data / 'socket'}",
            f"--pid-file={self._data / 'pid'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=128M",
            "--skip-log-bin",
            "--max-connections=200",
            "--character-set-server=latin1",  # the tables must not depend on it
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._data, **self._owner)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoServer(f"mariadbd did not start: {(self.folder / 'log').read_text()[-1000:]}")
            time.sleep(0.05)
        self._execute("CREATE DATABASE IF NOT EXISTS taskcore")

    def _answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except OSError:
            return False
        return True

    def _execute(self, sql: str) -> None:
        """Run a statement as root, with whichever driver there is."""
        try:
            import MySQLdb as driver  # type: ignore[import-untyped,unused-ignore]  # noqa: N813 - either of two
        except ImportError:
            import pymysql as driver  # type: ignore[import-untyped,unused-ignore]

        try:
            connection = driver.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=5)
        except driver.OperationalError as error:
            raise OSError(str(error)) from error
        try:
            connection.cursor().execute(sql)
        finally:
            connection.close()

    @property
    def url(self) -> str:
        """How it is reached."""
        return f"mysql://root@127.0.0.1:{self.port}/taskcore"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop: SIGTERM in order, SIGKILL as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop and start: on the same port, with the same data."""
        self.stop(how)
        self.start()


@contextmanager
def running_mariadb() -> Iterator[MariaDBServer]:
    """Give a server of our own, in a folder that goes with it; raises ``NoServer``."""
    with tempfile.TemporaryDirectory(prefix="taskcore-mariadb-") as folder:
        server = MariaDBServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def mariadb_settings(url: str) -> dict[str, Any]:
    """Return the entry of Django's ``DATABASES`` for a URL."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": unquote(parts.path).lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }
