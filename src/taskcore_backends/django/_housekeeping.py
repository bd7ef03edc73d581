"""What happens by itself, seen to by every claim for all queues: leases, expiries, due tasks, keys, owed propagation.

Bounded: a claim sees to so many of each. What another transaction is seeing to already is left to it.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs

from taskcore.protocol import PROPAGATION_LIMIT, Change, Event, Refused, lapse_event, step
from taskcore.records.columns import BLOCKED, DUE, LATER
from taskcore_backends.django._reading import COLUMNS
from taskcore_backends.django._relations import drain_owed, settle_relations
from taskcore_backends.django._transaction import Transaction

__all__ = [
    "DUE_LIMIT",
    "EXISTS",
    "FIRST_EXPIRIES",
    "FIRST_LATER",
    "FIRST_LEASE",
    "MOMENTS",
    "Chores",
    "compact_tally",
    "keep_house",
]

DUE_LIMIT: Final = 2000
"""How many tasks one claim promotes from later to due, and how many keys it forgets: all at once."""

_TIMER_LIMIT: Final = 100
"""How many leases and how many expiries one claim sees to: each task takes some round trips."""

FIRST_LEASE: Final = "SELECT lease_expires FROM taskcore_task WHERE code = 3 ORDER BY lease_expires LIMIT 1"
"""What comes first is the first entry of an index, whatever the statistics of the planner say: in order, not the least
of all, for which PostgreSQL reads them all when it takes them to be few."""

FIRST_LATER: Final = "SELECT run_after FROM taskcore_task WHERE code = 1 ORDER BY run_after LIMIT 1"

FIRST_EXPIRIES: Final = tuple(
    f"SELECT expires_at FROM taskcore_task WHERE code = {code} AND code < 3 AND expires_at IS NOT NULL "
    "ORDER BY expires_at LIMIT 1"
    for code in (DUE, LATER, BLOCKED)
)

_FIRST_KEY: Final = "SELECT moment FROM taskcore_unique WHERE moment IS NOT NULL ORDER BY moment LIMIT 1"

EXISTS: Final = (
    f"coalesce(({FIRST_LEASE}) <= {{now}}, FALSE)",
    f"coalesce(({FIRST_LATER}) <= {{now}}, FALSE)",
    " OR ".join(f"coalesce(({first}) <= {{now}}, FALSE)" for first in FIRST_EXPIRIES),
    f"coalesce(({_FIRST_KEY}) <= {{now}}, FALSE)",
    "EXISTS (SELECT 1 FROM taskcore_owed)",
)
"""Whether there is anything to see to: leases, due tasks, expiries, keys, owed propagation."""

MOMENTS: Final = 6
"""How many places these have for the moment."""

_LAPSED = f"""
    SELECT {COLUMNS} FROM taskcore_task AS t WHERE t.code = 3 AND t.lease_expires <= %s
    ORDER BY t.lease_expires LIMIT %s
"""

_OVERDUE = f"""
    SELECT {COLUMNS} FROM taskcore_task AS t
    WHERE t.code IN (0, 1, 2) AND t.code < 3 AND t.expires_at IS NOT NULL AND t.expires_at <= %s
    ORDER BY t.expires_at LIMIT %s
"""

_LATE = "SELECT id, queue_name FROM taskcore_task WHERE code = 1 AND run_after <= %s ORDER BY run_after LIMIT %s"


@attrs.frozen
class Chores:
    """What there is to see to."""

    has_lapsed: bool
    has_due: bool
    has_overdue: bool
    has_keys: bool
    has_owed: bool


def keep_house(tx: Transaction, chores: Chores) -> None:
    """See to what is due by now."""
    tx.budget = PROPAGATION_LIMIT
    if chores.has_lapsed:
        _see_to(tx, _LAPSED, None)
    if chores.has_overdue or chores.has_lapsed:  # what has just lost its worker may be overdue
        _see_to(tx, _OVERDUE, Event.EXPIRE)
    if chores.has_due:
        rows = tx.rows(f"{_LATE} {tx.dialect.lock_free}", (tx.now, DUE_LIMIT))
        tx.run_many(
            "UPDATE taskcore_task SET code = 0 WHERE id IN ({}) AND code + 0 = 1", sorted(row[0] for row in rows)
        )
        tx.due_queues.update(row[1] for row in rows)
    if chores.has_keys:
        sql = "SELECT unique_key FROM taskcore_unique WHERE moment IS NOT NULL AND moment <= %s LIMIT %s"
        keys = tx.rows(f"{sql} {tx.dialect.lock_free}", (tx.now, DUE_LIMIT))
        tx.run_many("DELETE FROM taskcore_unique WHERE unique_key IN ({})", [key for (key,) in keys])
    if chores.has_owed:
        drain_owed(tx)
    settle_relations(tx)


def _see_to(tx: Transaction, select: str, event: Event | None) -> None:
    """Step the selected tasks, by ``event`` or else by what is to happen to a task whose lease is over."""
    for old in tx.stored(tx.rows(f"{select} {tx.dialect.lock_free}", (tx.now, _TIMER_LIMIT))):
        new = step(old.task, Change(task_id=old.task.id, event=event or lapse_event(old.task)), tx.moment)
        if not isinstance(new, Refused):
            tx.write(old, new)


_TALLIES = 5000


def compact_tally(tx: Transaction) -> None:
    """Put the oldest rows of the tally together; with every beat of a worker."""
    rows = tx.rows(
        f"SELECT id, queue_name, code, number FROM taskcore_tally ORDER BY id LIMIT %s {tx.dialect.lock_free}",
        (_TALLIES,),
    )
    sums: Counter[tuple[str, int]] = Counter()
    for _id, queue_name, code, number in rows:
        sums[queue_name, code] += number
    if len(rows) > 2 * len(sums):
        tx.run_many("DELETE FROM taskcore_tally WHERE id IN ({})", [row[0] for row in rows])
        for (queue_name, code), number in sums.items():
            tx.count(queue_name, code, number)
