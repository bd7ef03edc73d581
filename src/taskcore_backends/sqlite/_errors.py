"""What SQLite says when something is wrong, as the errors of taskcore.

By the words of the message: the numbers of errors come with Python 3.11, and the words have been the same for decades.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

from taskcore.errors import (
    BackendCorrupt,
    BackendError,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    InvalidInput,
)

__all__ = ["is_busy", "translate"]

_BUSY = ("database is locked", "database table is locked", "database schema is locked", "locking protocol")
_CORRUPT = ("malformed", "not a database", "unsupported file format", "no such table", "no such column")
_FULL = ("database or disk is full", "string or blob too big")
_READ_ONLY = ("readonly", "read-only")


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection holds a lock, so that the same can be tried again."""
    return _says(error, _BUSY)


def _says(error: sqlite3.Error, words: tuple[str, ...]) -> bool:
    text = str(error)
    return any(word in text for word in words)


def translate(error: sqlite3.Error, path: Path) -> BackendError | InvalidInput:
    """Return the error to raise in the place of one of ``sqlite3``."""
    if _says(error, _FULL) or (_says(error, ("disk I/O error",)) and _is_out_of_room(path)):
        return BackendFull(f"{path}: no room left ({error}). Nothing was half-written; free some, then repeat.")
    if is_busy(error):
        return BackendUnavailable(f"{path} is locked by another process ({error}): nothing was done, try again.")
    if _says(error, _READ_ONLY):
        return BackendReadOnly(f"{path} cannot be written ({error}): see the permissions of the file and its folder.")
    if _says(error, _CORRUPT):
        return BackendCorrupt(f"{path} is no store of taskcore, or is damaged ({error}): restore it from a copy.")
    if _says(error, ("unable to open",)):
        if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            return BackendReadOnly(f"{path} cannot be opened for writing ({error}): see the permissions of its folder.")
        return BackendUnavailable(f"{path} cannot be opened ({error}).")
    return BackendUnavailable(f"{path}: {error}.")


def _is_out_of_room(path: Path) -> bool:
    """Return whether a failed write can be for want of room: a full disk, or the limit of this process on files."""
    try:
        found = os.statvfs(path.parent)
        if found.f_bavail * found.f_frsize < 1 << 20:
            return True
        limit = _file_size_limit()
        sizes = [other.stat().st_size for other in path.parent.glob(f"{path.name}*")]
    except (AttributeError, OSError):
        return False
    return limit is not None and bool(sizes) and max(sizes) + (1 << 16) > limit


def _file_size_limit() -> int | None:
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - there is none on Windows

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
