"""``stats``: the counts that every write keeps, and what of them depends on the moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from taskcore.protocol import SCAN_LIMIT, QueueStats, State, Stats
from taskcore.records.columns import DUE, LATER, STATES, micros, optional_moment
from taskcore_backends.sqlite._connections import Reader

__all__ = ["stats"]

_LATE = "SELECT queue, count(*), min(run_after) FROM task WHERE code = 1 AND run_after <= ? GROUP BY queue"

_FIRST_OF_RANK = """
    SELECT rank, due FROM task WHERE code = 0 AND suspect = {suspect} AND queue = ? AND rank > ?
    ORDER BY rank, due LIMIT 1
"""

_OLDEST_OF_RANK = """
    SELECT min(run_after) FROM (
        SELECT run_after FROM task WHERE code = 0 AND suspect = {suspect} AND queue = ? AND rank = ? AND due = ?
        LIMIT ?
    ) WHERE run_after <= ?
"""

_EARLY_OF_RANK = """
    SELECT count(*) FROM task WHERE code = 0 AND suspect = {suspect} AND queue = ? AND rank = ? AND due > ?
"""


def stats(reader: Reader, now: datetime) -> Stats:
    """Answer ``Backend.stats``."""
    counts: dict[str, dict[int, int]] = {}
    for queue, code, number in reader.execute("SELECT queue, code, n FROM tally WHERE n <> 0"):
        counts.setdefault(queue, {})[code] = number
    late = {queue: (number, oldest) for queue, number, oldest in reader.execute(_LATE, (micros(now),))}
    paused = {queue for (queue,) in reader.execute("SELECT queue FROM paused")}
    queues = [
        _queue_stats(
            reader, name, counts.get(name, {}), micros(now), *late.get(name, (0, None)), is_paused=name in paused
        )
        for name in sorted({*counts, *paused})
    ]
    (schedules,), (groups,) = reader.execute(
        "SELECT count(*) FROM schedule UNION ALL SELECT count(*) FROM team"
    ).fetchall()
    return Stats(queues=tuple(queues), schedules=schedules, groups=groups, now=now)


def _queue_stats(
    reader: Reader, name: str, numbers: dict[int, int], now: int, late: int, oldest_late: int | None, *, is_paused: bool
) -> QueueStats:
    by_state: dict[State, int] = {}
    for code, number in numbers.items():
        by_state[STATES[code]] = by_state.get(STATES[code], 0) + number
    oldest_due, early = _due(reader, name, now) if DUE in numbers else (None, 0)
    oldest = [moment for moment in (oldest_late, oldest_due) if moment is not None]
    return QueueStats(
        name=name,
        counts=by_state,
        scheduled=numbers.get(LATER, 0) - late + early,
        oldest_due_at=optional_moment(min(oldest, default=None)),
        is_paused=is_paused,
    )


def _due(reader: Reader, queue: str, now: int) -> tuple[int | None, int]:
    """Return the least run_after of the due tasks of a queue, and how many are not due, as the clock was set back.

    Only the first of each priority is looked at, and those that are not due.
    """
    found: list[int] = []
    early = 0
    for suspect in (0, 1):
        row: Any = (-1000,)
        while row := reader.execute(_FIRST_OF_RANK.format(suspect=suspect), (queue, row[0])).fetchone():
            rank, due = row
            sql = _OLDEST_OF_RANK.format(suspect=suspect)
            (oldest,) = reader.execute(sql, (queue, rank, due, SCAN_LIMIT, now)).fetchone()
            if oldest is not None:
                found.append(oldest)
            early += reader.execute(_EARLY_OF_RANK.format(suspect=suspect), (queue, rank, now // 1000)).fetchone()[0]
    return min(found, default=None), early
