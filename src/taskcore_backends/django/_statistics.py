"""``stats``: finished tasks from the tally, the others counted now, each state by an index of its own."""

from __future__ import annotations

from typing import Any

from taskcore.protocol import SCAN_LIMIT, QueueStats, State, Stats
from taskcore.records.columns import DUE, LATER, STATES, optional_moment
from taskcore_backends.django._reading import Row
from taskcore_backends.django._transaction import Statements

__all__ = ["stats"]

_COUNTS = """
    SELECT kind, queue_name, code, number, moment FROM (
        SELECT 'state' AS kind, queue_name, code, sum(number) AS number, 0 AS moment
        FROM taskcore_tally GROUP BY queue_name, code
        UNION ALL
        SELECT 'state', queue_name, 0, count(*), 0 FROM taskcore_task WHERE code = 0 AND suspect = FALSE
        GROUP BY queue_name
        UNION ALL
        SELECT 'state', queue_name, 0, count(*), 0 FROM taskcore_task WHERE code = 0 AND suspect = TRUE
        GROUP BY queue_name
        UNION ALL
        SELECT 'state', queue_name, 1, count(*), 0 FROM taskcore_task WHERE code = 1 GROUP BY queue_name
        UNION ALL
        SELECT 'state', queue_name, 2, count(*), 0 FROM taskcore_task WHERE code = 2 GROUP BY queue_name
        UNION ALL
        SELECT 'state', queue_name, 3, count(*), 0 FROM taskcore_task WHERE code = 3 GROUP BY queue_name
        UNION ALL
        SELECT 'late', queue_name, 1, count(*), min(run_after) FROM taskcore_task WHERE code = 1 AND run_after <= %s
        GROUP BY queue_name
        UNION ALL
        SELECT 'paused', queue_name, 0, 1, 0 FROM taskcore_paused
        UNION ALL
        SELECT 'schedules', '', 0, count(*), 0 FROM taskcore_schedule
        UNION ALL
        SELECT 'groups', '', 0, count(*), 0 FROM taskcore_group
    ) AS counted WHERE number <> 0
"""

_RANKS = """
    SELECT queue_name, suspect, precedence, min(due), sum(CASE WHEN due > %s THEN 1 ELSE 0 END)
    FROM taskcore_task WHERE code = 0 GROUP BY queue_name, suspect, precedence
"""

_OLDEST = """
    SELECT %s AS queue_name, min(run_after) AS oldest FROM (
        SELECT run_after FROM taskcore_task
        WHERE code = 0 AND suspect = {suspect} AND queue_name = %s AND precedence = %s AND due = %s LIMIT %s
    ) AS first_{number} WHERE run_after <= %s
"""

_AT_ONCE = 100
"""How many places in the order of claims one statement looks at."""


def stats(store: Statements) -> Stats:
    """Answer ``Backend.stats``: three statements, however many queues there are."""
    counts: dict[str, dict[int, int]] = {}
    late: dict[str, tuple[int, int | None]] = {}
    others: dict[str, int] = {}
    paused: set[str] = set()
    for kind, queue, code, number, moment in store.rows(_COUNTS, (store.now,)):
        if kind == "state":
            by_code = counts.setdefault(queue, {})
            by_code[code] = by_code.get(code, 0) + int(number)
        elif kind == "late":
            late[queue] = int(number), moment
        elif kind == "paused":
            paused.add(queue)
        else:
            others[kind] = int(number)
    due = _due(store) if any(DUE in by_code for by_code in counts.values()) else {}
    queues = [
        _queue_stats(
            name, counts.get(name, {}), late.get(name, (0, None)), due.get(name, (0, None)), is_paused=name in paused
        )
        for name in sorted({*counts, *paused})
    ]
    return Stats(
        queues=tuple(queues),
        schedules=others.get("schedules", 0),
        groups=others.get("groups", 0),
        now=store.moment,
    )


def _queue_stats(
    name: str,
    numbers: dict[int, int],
    late: tuple[int, int | None],
    due: tuple[int, int | None],
    *,
    is_paused: bool,
) -> QueueStats:
    """Return one queue; ``late`` and ``due`` are how many tasks stand with the others, and the oldest that is due."""
    by_state: dict[State, int] = {}
    for code, number in numbers.items():
        by_state[STATES[code]] = by_state.get(STATES[code], 0) + number
    oldest = [moment for _, moment in (late, due) if moment is not None]
    return QueueStats(
        name=name,
        counts=by_state,
        scheduled=numbers.get(LATER, 0) - late[0] + due[0],
        oldest_due_at=optional_moment(min(oldest, default=None)),
        is_paused=is_paused,
    )


def _due(store: Statements) -> dict[str, tuple[int, int | None]]:
    """Return for each queue how many tasks are not due, as the clock was set back, and the least run_after of the due.

    However many queues and priorities there are, that is two statements: the index has milliseconds, and only the
    first rows by it are read for more.
    """
    early: dict[str, int] = {}
    first: dict[str, int] = {}
    ranks: list[Row] = store.rows(_RANKS, (store.now // 1000,))
    for queue, _suspect, _precedence, due, number in ranks:
        early[queue] = early.get(queue, 0) + int(number)
        first[queue] = min(due, first.get(queue, due))
    places = [(rank[0], bool(rank[1]), rank[2], rank[3]) for rank in ranks if rank[3] == first[rank[0]]]
    oldest: dict[str, int] = {}
    for start in range(0, len(places), _AT_ONCE):
        scans: list[str] = []
        parameters: list[Any] = []
        for number, (queue, suspect, precedence, due) in enumerate(places[start : start + _AT_ONCE]):
            scans.append(_OLDEST.format(suspect=str(suspect).upper(), number=number))
            parameters += [queue, queue, precedence, due, SCAN_LIMIT, store.now]
        for queue, moment in store.rows(" UNION ALL ".join(scans), parameters):
            if moment is not None:
                oldest[queue] = min(moment, oldest.get(queue, moment))
    return {queue: (number, oldest.get(queue)) for queue, number in early.items()}
