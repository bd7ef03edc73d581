"""``RecordBackend``: every semantic of the ``Backend`` protocol over an engine of five methods.

The quickest way to a backend of your own: write an ``Engine`` (about 100 lines), and prove it with
``taskcore.testing.conformance``. The memory backend is made so.

The contract of an engine
-------------------------
It keeps *records*: each has a table, a key, a value, and index entries that say where it is found.

- ``transaction()`` gives a context. Inside it the thread has the store for itself, and sees what it has written; at
  its end all of that is there for everybody, or, after an exception, nothing. Transactions are never nested, and the
  other methods but ``now`` are called only inside one.
- ``load(table, keys)`` returns the values of these keys in order, ``None`` where there is no record.
- ``range(index, low, high, limit, is_descending=False)`` returns at most ``limit`` of the parts in an index that are
  ``>= low`` and ``< high``, in order, or from the greatest down. ``high=None`` is the end of the index.
- ``write(puts, deletes)`` stores records, each in place of the one of the same table and key and of its entries, and
  deletes those named by (table, key).
- ``now()`` is the clock of the store.

An entry is an index and its *parts*: a tuple of texts and whole numbers, of a fixed shape in each index, and different
for every record of the index. Parts compare as Python compares tuples: by the first that differs, a shorter tuple
before a longer one that begins with it; texts by code points. ``low`` and ``high`` are often shorter than what is
stored. An engine never looks into values, and never makes entries.

A value is immutable data: an engine that lives in memory keeps the object, another one ``dump_value(value)``, a text,
and gives back ``load_value(table, text)``. Tables and indexes are listed in ``TABLES`` and ``INDEXES``.

A backend that implements the protocol directly refuses bad input with the same ``check_`` functions, and has the time
of its server through a ``ServerClock``.

What the engine raises reaches the caller as it is: raise ``BackendUnavailable`` and its like. Waiting threads of this
process are woken without the engine's help; writes of other processes are noticed by polling.
"""

from __future__ import annotations

from taskcore._codec import dump_data, load_data
from taskcore._signal import Signal
from taskcore.records._backend import RecordBackend
from taskcore.records._checks import (
    check_changes,
    check_filter,
    check_group,
    check_ids,
    check_limit,
    check_moment,
    check_spec,
    check_text,
)
from taskcore.records._circles import CIRCLE, Joining, Waiting, closes_circle
from taskcore.records._cursors import item_cursor, place_of_item, place_of_slot, schedule_cursor
from taskcore.records._engine import Engine, Entry, Parts, Record, Value
from taskcore.records._joining import refuse_joining
from taskcore.records._moments import (
    EPOCH,
    duration,
    micros,
    moment,
    optional_duration,
    optional_micros,
    optional_moment,
    span,
)
from taskcore.records._parents import Outcome, refuse_missing
from taskcore.records._plain import is_plain
from taskcore.records._problems import (
    OTHER_BONDS,
    Look,
    find_problem,
    has_same_bonds,
    replacement_problem,
    requeue_problem,
    unique_conflict,
)
from taskcore.records._request_checks import (
    check_claim,
    check_group_query,
    check_order,
    check_purge,
    check_query,
    check_schedule,
    check_schedule_query,
    check_worker,
)
from taskcore.records._server_clock import ServerClock
from taskcore.records._tables import INDEXES, TABLES, dump_value, load_value

__all__ = [
    "CIRCLE",
    "EPOCH",
    "INDEXES",
    "OTHER_BONDS",
    "TABLES",
    "Engine",
    "Entry",
    "Joining",
    "Look",
    "Outcome",
    "Parts",
    "Record",
    "RecordBackend",
    "ServerClock",
    "Signal",
    "Value",
    "Waiting",
    "check_changes",
    "check_claim",
    "check_filter",
    "check_group",
    "check_group_query",
    "check_ids",
    "check_limit",
    "check_moment",
    "check_order",
    "check_purge",
    "check_query",
    "check_schedule",
    "check_schedule_query",
    "check_spec",
    "check_text",
    "check_worker",
    "closes_circle",
    "dump_data",
    "dump_value",
    "duration",
    "find_problem",
    "has_same_bonds",
    "is_plain",
    "item_cursor",
    "load_data",
    "load_value",
    "micros",
    "moment",
    "optional_duration",
    "optional_micros",
    "optional_moment",
    "place_of_item",
    "place_of_slot",
    "refuse_joining",
    "refuse_missing",
    "replacement_problem",
    "requeue_problem",
    "schedule_cursor",
    "span",
    "unique_conflict",
]
