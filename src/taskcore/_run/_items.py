"""How many items a run may have, and how many go to the store in one call, however fast they come or long it is away.

A store takes what one call brings in one atomic step, so that must stay small; and what a run leaves is kept for good.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskcore._data import Item
from taskcore.errors import InvalidInput

__all__ = ["Allowance", "Load"]

_A_RUN = 100_000
_BYTES_A_RUN = 100_000_000
_A_CALL = 1000
_BYTES_A_CALL = 1_000_000


def _size_of(item: Item) -> int:
    """Return about how many bytes an item takes."""
    size = 100 if item.data_json is None else 100 + len(item.data_json)
    return size + sum(len(name) + len(value) for name, value in item.dimensions.items())


class Allowance:
    """What is left of the items that one run may add."""

    __slots__ = ("_bytes", "_items")

    def __init__(self) -> None:
        self._items = _A_RUN
        self._bytes = _BYTES_A_RUN

    def take(self, item: Item) -> None:
        """Count an item. Raises InvalidInput when it is one too many."""
        size = _size_of(item)
        if self._items < 1 or self._bytes < size:
            raise InvalidInput(
                f"A run adds at most {_A_RUN:,} items, and {_BYTES_A_RUN // 10**6} MB of them: task {item.task_id} has "
                "reached that. Sum them up in fewer items, or have more tasks do the work."
            )
        self._items -= 1
        self._bytes -= size


class Load:
    """What one call of a store takes of items: a thousand, and about a megabyte, of whatever tasks."""

    __slots__ = ("_bytes", "_items")

    def __init__(self) -> None:
        self._items = _A_CALL
        self._bytes = _BYTES_A_CALL

    def take(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return as many of the first of these as fit; one at least goes into an empty load."""
        if not items:
            return ()
        count = 0
        for item in items[: self._items]:
            size = _size_of(item)
            if size > self._bytes and (count or self._items < _A_CALL):
                break
            self._bytes -= size
            count += 1
        self._items -= count
        return tuple(items[:count])
