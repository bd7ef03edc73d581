"""A bell that other processes of this machine can ring: one datagram socket, and the addresses of others.

A Unix socket in a private directory where there are such sockets, else UDP on the loopback. A datagram carries the
token of the address and says nothing but "look again", so a false one costs a look at most; one without the token is
ignored. Addresses come out of the store, which others may have written: only those of the expected form are rung.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

__all__ = ["Doorbell", "ring"]

_PREFIX = "taskcore-bell-"
_LONGEST_PATH = 100
_SWEPT_AT_ONCE = 100
_UNIX = re.compile(rf"unix:([0-9a-f]{{16}}):(/(?:[^\0]*/)?{_PREFIX}[^/\0]+/bell)")
_UDP = re.compile(r"udp:([0-9a-f]{16}):([0-9]{1,5})")


class Doorbell:
    """A socket to be rung at. ``address`` is what is given to others; one thread waits at it."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        self._folder: Path | None = None
        self._pid = os.getpid()
        self._socket, self.address = self._bind()

    def _bind(self) -> tuple[socket.socket, str]:
        if _has_unix_datagrams():
            _sweep(Path(tempfile.gettempdir()))
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # only its owner may enter
            path = folder / "bell"
            if len(os.fsencode(path)) <= _LONGEST_PATH:
                bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                try:
                    bell.bind(str(path))
                    path.chmod(0o600)
                except OSError:
                    bell.close()
                else:
                    self._folder = folder
                    return bell, f"unix:{self._token}:{path}"
            shutil.rmtree(folder, ignore_errors=True)
        bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bell.bind(("127.0.0.1", 0))
        except OSError:
            bell.close()
            raise
        return bell, f"udp:{self._token}:{bell.getsockname()[1]}"

    def wait(self, timeout: float | None) -> bool:
        """Wait until somebody rings, at most ``timeout`` seconds; return whether somebody did."""
        is_rung = False
        self._socket.settimeout(timeout)  # select() would know no descriptor beyond 1,023
        for _ in range(1000):
            try:
                datagram = self._socket.recv(64)
            except OSError:
                break
            self._socket.settimeout(0)
            is_rung = is_rung or datagram == self._token.encode()
        return is_rung

    def ring(self) -> None:
        """Ring this very bell: the thread that waits at it looks up."""
        ring([self.address])

    def close(self) -> None:
        """Take the bell down; in a child that was forked the parent's stays."""
        self._socket.close()
        if self._folder is not None and self._pid == os.getpid():
            shutil.rmtree(self._folder, ignore_errors=True)


def _has_unix_datagrams() -> bool:
    return hasattr(socket, "AF_UNIX") and sys.platform != "win32"  # Windows has such sockets, not for datagrams


def _sweep(folder: Path) -> None:
    """Delete bells at which nobody sits any more: their processes were killed. Only this user's own."""
    for other in islice(folder.glob(f"{_PREFIX}*"), _SWEPT_AT_ONCE):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as visitor:
            if other.lstat().st_uid == os.getuid():
                try:
                    visitor.connect(str(other / "bell"))
                except ConnectionRefusedError:
                    shutil.rmtree(other, ignore_errors=True)


def ring(addresses: Iterable[str]) -> None:
    """Ring at each address. Nobody there, no room left or no right to: all the same, it was a hint."""
    for address in addresses:
        found = _UNIX.fullmatch(address)
        if found is not None and _has_unix_datagrams():
            _send(socket.AF_UNIX, found[2], found[1])
        elif (found := _UDP.fullmatch(address)) is not None and int(found[2]) < 65536:
            _send(socket.AF_INET, ("127.0.0.1", int(found[2])), found[1])


def _send(family: int, target: str | tuple[str, int], token: str) -> None:
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(token.encode(), target)
