"""``stats``: finished tasks from the tally, the others counted now, each state by an index of its own."""

from __future__ import annotations

from typing import Any

from taskcore.protocol import SCAN_LIMIT, QueueStats, State, Stats
from taskcore_backends.django._codes import DUE, LATER, STATES, optional_moment
from taskcore_backends.django._transaction import Statements

__all__ = ["COUNTS", "stats"]

COUNTS = """
    SELECT queue_name, code, number FROM (
        SELECT queue_name, code, sum(number) AS number FROM taskcore_tally GROUP BY queue_name, code
        UNION ALL
        SELECT queue_name, 0, count(*) FROM taskcore_task WHERE code = 0 AND suspect = FALSE GROUP BY queue_name
        UNION ALL
        SELECT queue_name, 0, count(*) FROM taskcore_task WHERE code = 0 AND suspect = TRUE GROUP BY queue_name
        UNION ALL
        SELECT queue_name, 1, count(*) FROM taskcore_task WHERE code = 1 GROUP BY queue_name
        UNION ALL
        SELECT queue_name, 2, count(*) FROM taskcore_task WHERE code = 2 GROUP BY queue_name
        UNION ALL
        SELECT queue_name, 3, count(*) FROM taskcore_task WHERE code = 3 GROUP BY queue_name
    ) AS counted WHERE number <> 0
"""

_LATE = """
    SELECT queue_name, count(*), min(run_after) FROM taskcore_task WHERE code = 1 AND run_after <= %s
    GROUP BY queue_name
"""

_FIRST_OF_RANK = """
    SELECT precedence, due FROM taskcore_task
    WHERE code = 0 AND suspect = {suspect} AND queue_name = %s AND precedence > %s
    ORDER BY precedence, due LIMIT 1
"""

_OLDEST_OF_RANK = """
    SELECT min(run_after) FROM (
        SELECT run_after FROM taskcore_task
        WHERE code = 0 AND suspect = {suspect} AND queue_name = %s AND precedence = %s AND due = %s LIMIT %s
    ) AS first WHERE run_after <= %s
"""

_EARLY_OF_RANK = """
    SELECT count(*) FROM taskcore_task
    WHERE code = 0 AND suspect = {suspect} AND queue_name = %s AND precedence = %s AND due > %s
"""


def stats(store: Statements) -> Stats:
    """Answer ``Backend.stats``."""
    counts: dict[str, dict[int, int]] = {}
    for queue, code, number in store.rows(COUNTS):
        by_code = counts.setdefault(queue, {})
        by_code[code] = by_code.get(code, 0) + int(number)
    late = {queue: (number, oldest) for queue, number, oldest in store.rows(_LATE, (store.now,))}
    paused = {queue for (queue,) in store.rows("SELECT queue_name FROM taskcore_paused")}
    queues = [
        _queue_stats(store, name, counts.get(name, {}), *late.get(name, (0, None)), is_paused=name in paused)
        for name in sorted({*counts, *paused})
    ]
    sql = "SELECT (SELECT count(*) FROM taskcore_schedule), (SELECT count(*) FROM taskcore_group)"
    schedules, groups = store.rows(sql)[0]
    return Stats(queues=tuple(queues), schedules=schedules, groups=groups, now=store.moment)


def _queue_stats(
    store: Statements, name: str, numbers: dict[int, int], late: int, oldest_late: int | None, *, is_paused: bool
) -> QueueStats:
    by_state: dict[State, int] = {}
    for code, number in numbers.items():
        by_state[STATES[code]] = by_state.get(STATES[code], 0) + number
    oldest_due, early = _due(store, name) if DUE in numbers else (None, 0)
    oldest = [moment for moment in (oldest_late, oldest_due) if moment is not None]
    return QueueStats(
        name=name,
        counts=by_state,
        scheduled=numbers.get(LATER, 0) - late + early,
        oldest_due_at=optional_moment(min(oldest, default=None)),
        is_paused=is_paused,
    )


def _due(store: Statements, queue: str) -> tuple[int | None, int]:
    """Return the least run_after of the due tasks of a queue, and how many are not due, as the clock was set back.

    Only the first of each priority is looked at, and those that are not due.
    """
    found: list[int] = []
    early = 0
    for suspect in ("FALSE", "TRUE"):
        rows: Any = store.rows(_FIRST_OF_RANK.format(suspect=suspect), (queue, -1000))
        while rows:
            precedence, due = rows[0]
            sql = _OLDEST_OF_RANK.format(suspect=suspect)
            oldest = store.one(sql, (queue, precedence, due, SCAN_LIMIT, store.now))
            if oldest is not None:
                found.append(oldest)
            sql = _EARLY_OF_RANK.format(suspect=suspect)
            early += store.one(sql, (queue, precedence, store.now // 1000))
            rows = store.rows(_FIRST_OF_RANK.format(suspect=suspect), (queue, precedence))
    return min(found, default=None), early
