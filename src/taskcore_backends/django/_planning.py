"""Reads of PostgreSQL that keep to an index, whatever its statistics say: they may be those of a table that was empty.

Of a table that was analyzed while it had next to nothing, and is filled at once, PostgreSQL believes for a while that
reading and sorting all of it is the least work. What is read in the order of an index here has to be read so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from taskcore_backends.django._dialects import POSTGRES
from taskcore_backends.django._transaction import Statements

__all__ = ["in_order"]

_WAYS: Final = ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
"""What is not to be done where there is another way."""

_FORBID: Final = "SELECT " + ", ".join(
    f"current_setting('enable_{way}'), set_config('enable_{way}', 'off', TRUE)" for way in _WAYS
)

_RESTORE: Final = "SELECT " + ", ".join(f"set_config('enable_{way}', %s, TRUE)" for way in _WAYS)


@contextmanager
def in_order(store: Statements, *, is_callers: bool) -> Iterator[None]:
    """Have all statements of a block read by an index; inside a transaction, whose settings they are.

    They end with it, or with the block if it is the caller's; with an error its savepoint takes them back.
    """
    if store.dialect is not POSTGRES:
        yield
        return
    before = store.rows(_FORBID)[0][::2]
    yield
    if is_callers:
        store.rows(_RESTORE, before)
