"""How much the workers do, and how long tasks take: what ``status`` says besides what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import attrs

from taskcore._client._words import counted, duration_words
from taskcore.protocol import Task, WorkerInfo, WorkerState

__all__ = ["LOOKED_AT", "Pace", "pace_of", "pace_words"]

LOOKED_AT = 50
"""How many of the newest successes the mean duration is taken of."""

_UNITS = (
    ("a second", timedelta(seconds=1)),
    ("a minute", timedelta(minutes=1)),
    ("an hour", timedelta(hours=1)),
    ("a day", timedelta(days=1)),
)


@attrs.frozen(kw_only=True)
class Pace:
    """The workers that are there, taken together, and the newest successes."""

    workers: int
    slots: int
    busy: int
    """Slots in which a task runs."""
    completed: int
    per_second: float
    """Tasks that the workers have completed for each second since each of them started."""
    successes: int
    """How many of the newest successes the mean is of; 0: there is none."""
    mean_duration: timedelta | None


def pace_of(workers: Iterable[WorkerInfo], newest: Sequence[Task], now: datetime) -> Pace:
    """Return what the live workers do, and how long the newest successes took."""
    live = [one for one in workers if one.state is not WorkerState.STOPPED and one.expires_at > now]
    took = [
        task.result.finished_at - task.result.started_at
        for task in newest
        if task.result is not None and task.result.started_at is not None
    ]
    return Pace(
        workers=len(live),
        slots=sum(one.concurrency for one in live),
        busy=sum(one.busy_slots for one in live),
        completed=sum(one.completed for one in live),
        per_second=sum(map(_rate, live)),
        successes=len(took),
        mean_duration=sum(took, timedelta(0)) / len(took) if took else None,
    )


def _rate(worker: WorkerInfo) -> float:
    """Return tasks for each second, as of the worker's last beat."""
    seconds = (worker.last_beat_at - worker.started_at).total_seconds()
    return worker.completed / seconds if seconds > 0 else 0.0


def pace_words(pace: Pace) -> str:
    """Return it as one line; empty when there is neither a worker nor a success."""
    parts = []
    if pace.workers:
        parts.append(f"{pace.busy:,} of {counted(pace.slots, 'slot')} busy")
        parts.append(f"{counted(pace.completed, 'task')} done{_rate_words(pace.per_second)}")
    if pace.mean_duration is not None:
        last = "the last success" if pace.successes == 1 else f"the last {pace.successes} successes"
        parts.append(f"{last} took {duration_words(pace.mean_duration)}{' each' if pace.successes > 1 else ''}")
    return "; ".join(parts)


def _rate_words(per_second: float) -> str:
    """Return a rate for the shortest time in which it is at least 1: `, 25.1 a minute`; nothing for none."""
    if not per_second:
        return ""
    rates = [(per_second * length.total_seconds(), unit) for unit, length in _UNITS]
    rate, unit = next((pair for pair in rates if pair[0] >= 1), rates[-1])
    return f", {rate:,.0f} {unit}" if rate >= 100 else f", {rate:.3g} {unit}"
