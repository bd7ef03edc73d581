"""The tables and indexes of a record store, and how their values travel as text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from taskcore._codec import dump_data, load_data
from taskcore.protocol import Item, Schedule, Task
from taskcore.records._engine import Value
from taskcore.records._rows import EdgeRow, GroupRow, KeyRow, ParentRow, QueueRow, WorkerRow

__all__ = ["INDEXES", "TABLES", "dump_value", "load_value"]

TABLES: Mapping[str, type[Value]] = MappingProxyType(
    {
        "tasks": Task,
        "groups": GroupRow,
        "items": Item,
        "schedules": Schedule,
        "queues": QueueRow,
        "edges": EdgeRow,
        "parents": ParentRow,
        "keys": KeyRow,
        "workers": WorkerRow,
    }
)
"""By table: the class of its values."""

INDEXES = (
    "children",
    "claims",
    "empty_groups",
    "finished",
    "group_names",
    "groups",
    "held",
    "items",
    "keys_of",
    "members",
    "owed",
    "parents",
    "purgeable",
    "queues",
    "schedules",
    "slots",
    "slots_of",
    "states",
    "suspects",
    "timers",
    "workers",
)
"""Every index there is; what stands in it is told in ``_entries``."""


def dump_value(value: Value) -> str:
    """Return the text of a value, for an engine that cannot keep objects; raises ``NotEncodable``."""
    return dump_data(value)


def load_value(table: str, text: str) -> Value:
    """Return the value of a table from its text; raises ``UndecodablePayload``, ``BackendVersionError``."""
    return load_data(TABLES[table], text)
