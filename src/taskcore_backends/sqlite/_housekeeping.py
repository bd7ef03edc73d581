"""What happens by itself, seen to by every claim for all queues: leases, expiries, due tasks, keys, owed propagation.

Bounded: a claim sees to so many of each. Tasks that become due are the cheapest and may come by the hundred thousand.
"""

from __future__ import annotations

from typing import Final

from taskcore.protocol import Change, Event, Refused, lapse_event, step
from taskcore.records.columns import DUE, LATER
from taskcore_backends.sqlite._reading import COLUMNS, stored
from taskcore_backends.sqlite._relations import drain_owed, settle_relations
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["CHORES", "DUE_LIMIT", "keep_house"]

DUE_LIMIT: Final = 2000
"""How many tasks one claim promotes from later to due."""

_TIMER_LIMIT: Final = 500
"""How many leases, how many expiries and how many keys one claim sees to."""

CHORES = """
    EXISTS (SELECT 1 FROM task WHERE code = 3 AND lease_expires <= :now),
    EXISTS (SELECT 1 FROM task WHERE code = 1 AND run_after <= :now),
    EXISTS (SELECT 1 FROM task WHERE expires_at IS NOT NULL AND code < 3 AND expires_at <= :now),
    EXISTS (SELECT 1 FROM holder WHERE moment IS NOT NULL AND moment <= :now),
    EXISTS (SELECT 1 FROM owed)
"""
"""What to select to know if there is anything to see to: 0 or 1 for leases, due tasks, expiries, keys, propagation."""

_LAPSED = f"SELECT {COLUMNS} FROM task AS t WHERE code = 3 AND lease_expires <= ? ORDER BY lease_expires LIMIT ?"

_PROMOTE = """
    UPDATE task SET code = 0
    WHERE seq IN (SELECT seq FROM task WHERE code = 1 AND run_after <= ? ORDER BY run_after LIMIT ?)
    RETURNING queue
"""

_OVERDUE = f"""
    SELECT {COLUMNS} FROM task AS t
    WHERE expires_at IS NOT NULL AND code < 3 AND expires_at <= ? ORDER BY expires_at LIMIT ?
"""


def keep_house(
    tx: Transaction, *, has_lapsed: int, has_due: int, has_overdue: int, has_keys: int, has_owed: int
) -> None:
    """See to what is due by now, as ``CHORES`` tells."""
    if has_lapsed:
        _see_to(tx, _LAPSED, None)
    if has_overdue or has_lapsed:  # what has just lost its worker may be overdue
        _see_to(tx, _OVERDUE, Event.EXPIRE)
    if has_due:
        for (queue,) in tx.execute(_PROMOTE, (tx.now, DUE_LIMIT)).fetchall():
            tx.count(queue, LATER, -1)
            tx.count(queue, DUE)
            tx.due_queues.add(queue)
    if has_keys:
        tx.execute("DELETE FROM holder WHERE moment IS NOT NULL AND moment <= ?", (tx.now,))
    if has_owed:
        drain_owed(tx)
    settle_relations(tx)


def _see_to(tx: Transaction, select: str, event: Event | None) -> None:
    """Step the selected tasks, by ``event`` or else by what is to happen to a task whose lease is over."""
    for row in tx.execute(select, (tx.now, _TIMER_LIMIT)).fetchall():
        old = stored(row)
        new = step(old.task, Change(task_id=old.task.id, event=event or lapse_event(old.task)), tx.moment)
        if not isinstance(new, Refused):
            tx.write(old, new)
