"""``MemoryBackend``: tasks in the memory of this process. For tests, for scripts, and as the measure of all others.

It is a ``RecordBackend`` over an engine of dicts and sorted lists. Values are immutable, so the objects themselves
are kept; what could not be stored elsewhere is refused here too.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from threading import RLock
from types import TracebackType
from typing import TypeAlias

from taskcore.errors import InvalidOption
from taskcore.protocol import Clock, SystemClock
from taskcore.records import INDEXES, TABLES, Entry, Parts, Record, RecordBackend, Value

__all__ = ["MemoryBackend", "MemoryEngine", "from_url"]


class SortedIndex:
    """Parts in order, in buckets. Changes are gathered, and made when somebody asks for a range that they touch.

    Most entries come and go between two looks at where they stand (a lease that ends well, a task that is claimed at
    once), and what was gathered is mostly one run of neighbours: then it costs one move of memory, not one search each.
    """

    BUCKET = 1000
    """A bucket of twice as many parts is split."""

    GATHERED = 20_000
    """So many changes are made at once, also if nobody asks."""

    FEW = 16
    """So many newcomers are put into a bucket one by one; for more the bucket is sorted."""

    __slots__ = ("_added", "_buckets", "_lasts", "_least", "_removed")

    def __init__(self) -> None:
        self._buckets: list[list[Parts]] = []
        self._lasts: list[Parts] = []
        self._added: dict[Parts, None] = {}
        self._removed: dict[Parts, None] = {}
        self._least: Parts = ()
        """No greater than any of those added; worthless when none are."""

    def add(self, parts: Parts) -> None:
        """Add parts that are not there."""
        if self._removed and parts in self._removed:
            del self._removed[parts]
            return
        added = self._added
        if not added or parts < self._least:
            self._least = parts
        added[parts] = None
        if len(added) > self.GATHERED:
            self._settle()

    def remove(self, parts: Parts) -> None:
        """Remove parts that are there."""
        if parts in self._added:
            del self._added[parts]
            return
        self._removed[parts] = None
        if len(self._removed) > self.GATHERED:
            self._settle()

    def range(self, low: Parts, high: Parts | None, limit: int, *, is_descending: bool) -> list[Parts]:
        """Return up to ``limit`` parts from ``low`` on and below ``high``, in order or from the greatest down."""
        buckets, added = self._buckets, self._added
        if high is not None and not (buckets and buckets[0][0] < high) and not (added and self._least < high):
            return []
        if added or self._removed:
            self._settle()
        return self._descend(low, high, limit) if is_descending else self._ascend(low, high, limit)

    def _ascend(self, low: Parts, high: Parts | None, limit: int) -> list[Parts]:
        found: list[Parts] = []
        first = bisect_left(self._lasts, low) if low else 0
        for number in range(first, len(self._buckets)):
            bucket = self._buckets[number]
            start = bisect_left(bucket, low) if number == first else 0
            stop = min(len(bucket), start + limit - len(found))
            if high is not None and bucket[stop - 1] >= high:
                found += bucket[start : bisect_left(bucket, high, 0, stop)]
                break
            found += bucket[start:stop]
            if len(found) >= limit:
                break
        return found

    def _descend(self, low: Parts, high: Parts | None, limit: int) -> list[Parts]:
        found: list[Parts] = []
        buckets = self._buckets
        number = len(buckets) - 1 if high is None else min(bisect_left(self._lasts, high), len(buckets) - 1)
        while number >= 0 and len(found) < limit:
            bucket = buckets[number]
            stop = len(bucket) if high is None or bucket[-1] < high else bisect_left(bucket, high)
            first = bisect_left(bucket, low)
            start = max(first, stop - limit + len(found))
            found += bucket[start:stop][::-1]
            if first:
                break
            number -= 1
        return found

    def _settle(self) -> None:
        """Make the changes that were gathered."""
        if self._removed:
            gone = sorted(self._removed)
            self._removed = {}
            self._take_out(gone)
        if self._added:
            new = sorted(self._added)
            self._added = {}
            self._put_in(new)

    def _take_out(self, gone: list[Parts]) -> None:
        buckets, lasts = self._buckets, self._lasts
        at, end = 0, len(gone)
        while at < end:
            number = bisect_left(lasts, gone[at])
            bucket = buckets[number]
            start = stop = bisect_left(bucket, gone[at])
            while at < end and stop < len(bucket) and bucket[stop] == gone[at]:
                stop += 1
                at += 1
            del bucket[start:stop]
            if not bucket:
                del buckets[number], lasts[number]
            else:
                lasts[number] = bucket[-1]

    def _put_in(self, new: list[Parts]) -> None:
        buckets, lasts = self._buckets, self._lasts
        at, end = 0, len(new)
        while at < end:
            number = bisect_left(lasts, new[at])
            if number == len(buckets):
                if not buckets:
                    buckets.append([])
                    lasts.append(())
                number = len(buckets) - 1
                stop = end
            else:
                stop = bisect_left(new, lasts[number], at)
            bucket = buckets[number]
            is_behind = not bucket or bucket[-1] < new[at]
            if is_behind:
                bucket += new[at:stop]
            elif stop - at <= self.FEW:
                for parts in new[at:stop]:
                    insort(bucket, parts)
            else:
                bucket += new[at:stop]
                bucket.sort()
            at = stop
            lasts[number] = bucket[-1]
            if len(bucket) >= 2 * self.BUCKET:
                self._split(number)

    def _split(self, number: int) -> None:
        bucket = self._buckets[number]
        pieces = [bucket[start : start + self.BUCKET] for start in range(0, len(bucket), self.BUCKET)]
        self._buckets[number : number + 1] = pieces
        self._lasts[number : number + 1] = [piece[-1] for piece in pieces]


_Before: TypeAlias = tuple[str, str, "Value | None", tuple[Entry, ...]]
"""A table, a key, and what was there before it was written."""


class MemoryEngine:
    """The engine of ``MemoryBackend``: one lock, and a list of what to put back if a transaction fails.

    Values and entries are kept apart: tuples of texts and numbers are nothing that the garbage collector has to
    follow, while a tuple of both would be one thing more to follow for every task.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.now = (clock or SystemClock()).now
        self._lock = RLock()
        self._values: dict[str, dict[str, Value]] = {table: {} for table in TABLES}
        self._entries: dict[str, dict[str, tuple[Entry, ...]]] = {table: {} for table in TABLES}
        self._indexes = {index: SortedIndex() for index in INDEXES}
        self._undo: list[_Before] = []

    def transaction(self) -> MemoryEngine:
        """Return the engine itself: its ``with`` block is the transaction."""
        return self

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            undo = self._undo
            if undo:
                self._undo = []
                if kind is not None:
                    self._roll_back(undo)
        finally:
            self._lock.release()

    def _roll_back(self, undo: list[_Before]) -> None:
        for table, key, value, entries in reversed(undo):
            if value is None:
                self.write((), ((table, key),))
            else:
                self.write((Record(table, key, value, entries),), ())
        self._undo = []

    def load(self, table: str, keys: Sequence[str]) -> list[Value | None]:
        """Return the values of these keys."""
        return list(map(self._values[table].get, keys))

    def range(
        self, index: str, low: Parts, high: Parts | None, limit: int, *, is_descending: bool = False
    ) -> list[Parts]:
        """Return the parts of an index between two bounds."""
        return self._indexes[index].range(low, high, limit, is_descending=is_descending)

    def write(self, puts: Sequence[Record], deletes: Sequence[tuple[str, str]]) -> None:
        """Put and delete records, and note what was there before."""
        undo, indexes = self._undo, self._indexes
        for table, key, value, entries in puts:
            values, places = self._values[table], self._entries[table]
            before = values.get(key)
            values[key] = value
            if before is None:
                undo.append((table, key, None, ()))
                for index, parts in entries:
                    indexes[index].add(parts)
            else:
                old = places[key]
                undo.append((table, key, before, old))
                for entry in old:
                    if entry not in entries:
                        indexes[entry[0]].remove(entry[1])
                for entry in entries:
                    if entry not in old:
                        indexes[entry[0]].add(entry[1])
            places[key] = entries
        for table, key in deletes:
            before = self._values[table].pop(key, None)
            if before is not None:
                old = self._entries[table].pop(key)
                undo.append((table, key, before, old))
                for index, parts in old:
                    indexes[index].remove(parts)


class MemoryBackend(RecordBackend):
    """A backend whose tasks live and die with this object. Threads may share it, processes cannot."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(MemoryEngine(clock), url="memory:", poll=None)


def from_url(url: str) -> MemoryBackend:
    """Return a new, empty backend for ``memory:``; raises ``InvalidOption`` for any other URL."""
    if url not in ("memory:", "memory://"):
        raise InvalidOption(f"The URL of a memory backend is 'memory:', with nothing behind it, not {url!r}.")
    return MemoryBackend()
