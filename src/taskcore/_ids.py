"""Task ids: 32 hex digits that sort by the moment they were made for.

The layout is UUID version 7 (RFC 9562, section 5.7): 12 digits of Unix milliseconds, the version, 3 digits that count
within a millisecond, then randomness. So the order of ids is the order of enqueueing, a range of time is a range of
ids, and the newest page of a million tasks is one end of an index. Tasks that a schedule makes have the same layout
with version 8 and hashed tails (``slot_id``), so that two schedulers make the same id for one slot.
"""

from __future__ import annotations

import hashlib
import os
import threading
from datetime import datetime, timedelta, timezone
from random import Random

__all__ = ["IdSource", "first_id_at", "slot_id"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def _milliseconds(moment: datetime) -> int:
    return max(0, (moment - _EPOCH) // _MILLISECOND)


class IdSource:
    """Makes ids that strictly increase within one process, also when the clock steps back; one for each client."""

    __slots__ = ("_count", "_last", "_lock", "_pid", "_random")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._count = 0
        self._pid = 0
        self._random = Random()

    def new(self, now: datetime) -> str:
        """Return a new id for ``now``."""
        with self._lock:
            self._begin(_milliseconds(now))
            return self._next()

    def many(self, now: datetime, count: int) -> list[str]:
        """Return ``count`` new ids for ``now``, in increasing order."""
        with self._lock:
            self._begin(_milliseconds(now))
            return [self._next() for _ in range(count)]

    def _begin(self, moment: int) -> None:
        """Go on to a moment, in milliseconds."""
        if self._pid != os.getpid():  # a forked child must not repeat its parent's ids
            self._pid = os.getpid()
            self._random.seed(os.urandom(32))
        if moment > self._last:
            self._last, self._count = moment, 0

    def _next(self) -> str:
        count = self._count
        if count > 0xFFF:
            self._last, count = self._last + 1, 0
        self._count = count + 1
        return f"{self._last:012x}7{count:03x}{0x8000000000000000 | self._random.getrandbits(62):016x}"


def first_id_at(moment: datetime) -> str:
    """Return the lowest id that a task made at ``moment`` or later can have: the bound of a range of time."""
    return f"{_milliseconds(moment):012x}" + "0" * 20


def slot_id(schedule_id: str, generation: int, slot: datetime) -> str:
    """Return the one id of the task that a schedule enqueues for ``slot``: the same on every machine.

    ``generation`` rises with each edit of the schedule, so an edited schedule may use the same moment again.
    """
    digest = hashlib.sha256(f"{schedule_id}:{generation}:{slot.astimezone(timezone.utc).isoformat()}".encode())
    return f"{_milliseconds(slot):012x}8{digest.hexdigest()[:19]}"
