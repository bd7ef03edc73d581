"""``stats``: the counts that every write keeps, and what of them depends on the moment."""

from __future__ import annotations

from datetime import datetime

from taskcore.protocol import QueueStats, State, Stats
from taskcore_backends.redis._layout import NUMBERS, STATES
from taskcore_backends.redis._link import Link
from taskcore_backends.redis._packing import moment

__all__ = ["stats"]

_LATER = NUMBERS["S"]["LATER"]


def stats(link: Link) -> Stats:
    """Answer ``Backend.stats``."""
    now, schedules, groups, paused, counts, late, due = link.read("stats")
    by_queue: dict[str, dict[int, int]] = {}
    for field, number in zip(counts[::2], counts[1::2], strict=True):
        code, _, queue = field.decode().partition(":")
        by_queue.setdefault(queue, {})[int(code)] = int(number)
    moved: dict[str, list[datetime]] = {}
    for queue, run_after in late:
        moved.setdefault(queue.decode(), []).append(moment(run_after))
    first = {queue.decode(): (oldest, early) for queue, oldest, early in due}
    is_paused = {queue.decode() for queue in paused}
    queues = [
        _queue(name, by_queue.get(name, {}), moved.get(name, []), *first.get(name, (None, 0)), name in is_paused)
        for name in sorted({*by_queue, *is_paused})
    ]
    return Stats(queues=tuple(queues), schedules=schedules, groups=groups, now=moment(now))


def _queue(
    name: str, numbers: dict[int, int], late: list[datetime], oldest: int | None, early: int, is_paused: bool
) -> QueueStats:
    counts: dict[State, int] = {}
    for code, number in numbers.items():
        counts[STATES[code]] = counts.get(STATES[code], 0) + number
    due = [*late, *([] if oldest is None else [moment(oldest)])]
    return QueueStats(
        name=name,
        counts=counts,
        scheduled=numbers.get(_LATER, 0) - len(late) + early,
        oldest_due_at=min(due, default=None),
        is_paused=is_paused,
    )
