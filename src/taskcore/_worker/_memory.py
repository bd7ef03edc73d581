"""How much memory a process has, as the operating system says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["CAN_TELL", "resident_memory"]

CAN_TELL = sys.platform != "win32"
"""Whether this platform tells it without help from outside the standard library."""

_STATM = Path("/proc/self/statm")


def resident_memory() -> int:
    """Return the bytes of physical memory that this process has now; where that is not told, the most it ever had."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows does not tell a process its memory without more than Python brings.")
    if _STATM.exists():
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # noqa: PLC0415 - not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
