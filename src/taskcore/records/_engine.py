"""What an engine is: an ordered record store of five methods."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from taskcore.protocol import Item, Schedule, Task
from taskcore.records._rows import EdgeRow, GroupRow, KeyRow, ParentRow, QueueRow, WorkerRow

__all__ = ["Engine", "Entry", "Parts", "Record", "Value"]

Parts: TypeAlias = tuple[str | int, ...]
"""Where a record stands in an index. Compared as Python compares tuples: part by part, a shorter one first."""

Entry: TypeAlias = tuple[str, Parts]
"""The name of an index, and the parts."""

Value: TypeAlias = Task | Item | Schedule | QueueRow | EdgeRow | GroupRow | KeyRow | ParentRow | WorkerRow
"""What a record holds: always immutable. ``dump_value`` and ``load_value`` turn it into text and back."""


class Record(NamedTuple):
    """One record: known by table and key, found again by its entries."""

    table: str
    key: str
    value: Value
    entries: tuple[Entry, ...]


class Engine(Protocol):
    """The store under a ``RecordBackend``. The package's docstring has the contract."""

    def transaction(self) -> AbstractContextManager[object]:
        """Return a context in which this thread has the whole store for itself, and which writes all or nothing.

        What is written inside is seen by later reads inside. When the block ends by an exception, nothing of it
        remains; when leaving it raises, the outcome is unknown to the caller.
        """
        ...

    def load(self, table: str, keys: Sequence[str]) -> Sequence[Value | None]:
        """Return the values of these keys, in order; ``None`` for one that is not there."""
        ...

    def range(
        self, index: str, low: Parts, high: Parts | None, limit: int, *, is_descending: bool = False
    ) -> Sequence[Parts]:
        """Return up to ``limit`` of the parts in an index from ``low`` on and below ``high`` (``None``: to the end).

        In order, or from the greatest down. ``low`` and ``high`` may be shorter than the parts that are stored.
        """
        ...

    def write(self, puts: Sequence[Record], deletes: Sequence[tuple[str, str]]) -> None:
        """Store records, and delete those of these (table, key), their entries with them.

        A record that is there already is replaced, and so are all of its entries. To delete what is not there is
        no error. No record is in both.
        """
        ...

    def now(self) -> datetime:
        """Return the store's clock: aware, in UTC."""
        ...
