"""What a waiting thread looks at: is there anything to claim, has anything finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from taskcore.records.columns import duration
from taskcore_backends.django._housekeeping import FIRST_EXPIRIES, FIRST_LATER, FIRST_LEASE
from taskcore_backends.django._transaction import Statements

__all__ = ["has_finished", "look_for_tasks"]

_FIRSTS = " UNION ALL ".join(f"SELECT ({first}) AS moment" for first in (FIRST_LEASE, FIRST_LATER, *FIRST_EXPIRIES))

_TIMERS = f"SELECT min(moment) FROM ({_FIRSTS}) AS timers"

_IS_DUE = """
    SELECT EXISTS (SELECT 1 FROM taskcore_task WHERE queue_name = %s AND code = 0 AND suspect = FALSE),
        EXISTS (SELECT 1 FROM taskcore_task WHERE queue_name = %s AND code = 0 AND suspect = TRUE)
"""

_IS_OWED = "SELECT 1 FROM taskcore_owed LIMIT 1"


def look_for_tasks(store: Statements, queue_names: Sequence[str]) -> timedelta | None:
    """Return zero when a task of these queues may be claimable, else how long that can be taken for granted."""
    paused = {name for (name,) in store.rows("SELECT queue_name FROM taskcore_paused")}
    for name in queue_names:
        if name not in paused and any(store.rows(_IS_DUE, (name, name))[0]):
            return timedelta(0)
    if store.rows(_IS_OWED):
        return timedelta(0)
    moment = store.one(_TIMERS)
    return None if moment is None else duration(max(0, moment - store.now))


def has_finished(store: Statements, ids: Sequence[str]) -> bool:
    """Return whether one of these tasks and groups has finished, or is not there."""
    rows = store.many("SELECT id, code FROM taskcore_task WHERE id IN ({})", dict.fromkeys(ids))
    codes: dict[str, int] = {task_id: code for task_id, code in rows}  # noqa: C416 - rows are tuples of anything
    if any(code > 3 for code in codes.values()):
        return True
    others = [key for key in dict.fromkeys(ids) if key not in codes]
    if not others:
        return False
    sql = "SELECT id, total, successful + failed + cancelled FROM taskcore_group WHERE id IN ({})"
    groups = {row[0]: row[1] == row[2] for row in store.many(sql, others)}
    return any(groups.get(key, True) for key in others)
