"""What a waiting thread looks at: is there anything to claim, has anything finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from taskcore.records.columns import RUNNING, duration
from taskcore_backends.sqlite._connections import Reader

__all__ = ["has_finished", "look_for_tasks"]

_TIMERS = """
    SELECT min(moment) FROM (
        SELECT * FROM (SELECT lease_expires AS moment FROM task WHERE code = 3 ORDER BY lease_expires LIMIT 1)
        UNION ALL
        SELECT * FROM (SELECT run_after FROM task WHERE code = 1 ORDER BY run_after LIMIT 1)
        UNION ALL
        SELECT * FROM (
            SELECT expires_at FROM task WHERE expires_at IS NOT NULL AND code < 3 ORDER BY expires_at LIMIT 1
        )
    )
"""

_IS_DUE = """
    SELECT
        EXISTS (SELECT 1 FROM task WHERE queue = ? AND code = 0 AND suspect = 0)
        OR EXISTS (SELECT 1 FROM task WHERE queue = ? AND code = 0 AND suspect = 1)
"""

_FINISHED = """
    SELECT EXISTS (
        SELECT 1 FROM json_each(?) AS wanted
        LEFT JOIN task AS t ON t.id = wanted.value
        LEFT JOIN team AS g ON t.id IS NULL AND g.id = wanted.value
        WHERE iif(t.id IS NULL, g.id IS NULL OR g.total = g.successful + g.failed + g.cancelled, t.code > 3)
    )
"""


def look_for_tasks(reader: Reader, queue_names: Sequence[str], now: int) -> timedelta | None:
    """Return zero when a task of these queues may be claimable, else how long that can be taken for granted."""
    paused = {name for (name,) in reader.execute("SELECT queue FROM paused")}
    for name in queue_names:
        if name not in paused and reader.execute(_IS_DUE, (name, name)).fetchone()[0]:
            return timedelta(0)
    if reader.execute("SELECT 1 FROM owed").fetchone() is not None:
        return timedelta(0)
    (moment,) = reader.execute(_TIMERS).fetchone()
    return None if moment is None else duration(max(0, moment - now))


def has_finished(reader: Reader, ids: Sequence[str]) -> bool:
    """Return whether one of these tasks and groups has finished, or is not there."""
    if len(ids) == 1:  # what is waited for most: one task
        row = reader.execute("SELECT code FROM task WHERE id = ?", (ids[0],)).fetchall()
        if row:
            return bool(row[0][0] > RUNNING)
    return bool(ids) and bool(reader.execute(_FINISHED, (json.dumps(list(ids)),)).fetchall()[0][0])
