"""Moments, durations and states as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from taskcore.protocol import CancelReason, State, Task

__all__ = ["REASONS", "counted", "duration_words", "moment_words", "runs_of", "size_words", "until_words"]

REASONS = {
    CancelReason.USER: "somebody cancelled it",
    CancelReason.EXPIRED: "it had not started by its expires_at",
    CancelReason.DEPENDENCY: "a task that it depends on did not succeed",
    CancelReason.REPLACED: "another call took its place",
    CancelReason.ABORTED: "its run gave it up",
}
"""Why a task is CANCELLED."""

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 group`, `2,000 groups`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def runs_of(task: Task) -> int:
    """Return the number of the current or next run, or of the last one when the task has finished."""
    is_over = task.state in (State.FAILED, State.CANCELLED)
    return task.failures + task.crashes if is_over else task.attempt


def duration_words(duration: timedelta) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `5 min 20 s`, `1.25 s`, `80 ms`."""
    rest = abs(duration)
    if rest < timedelta(milliseconds=999.5):  # what is rounded up to a second is one
        return f"{rest / timedelta(milliseconds=1):.3g} ms"
    if rest < timedelta(minutes=1):
        return f"{rest.total_seconds():.3g} s"
    rest = timedelta(seconds=round(rest.total_seconds()))
    words: list[str] = []
    for name, unit in _UNITS:
        count, rest = divmod(rest, unit)
        if count or words:
            words.append(f"{count} {name}")
    words.append(f"{rest.seconds} s")
    first, second = words[0], words[1]
    return first if second.startswith("0 ") else f"{first} {second}"


def moment_words(moment: datetime) -> str:
    """Return a moment in UTC to the second."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def until_words(moment: datetime, now: datetime) -> str:
    """Return a moment with its distance: `2026-11-20 12:00:00 UTC (in 5 min)`."""
    distance = duration_words(moment - now)
    return f"{moment_words(moment)} ({f'in {distance}' if moment > now else f'{distance} ago'})"


def size_words(size: int) -> str:
    """Return bytes as operating systems count memory: `31.2 MiB`, `1.5 GiB`."""
    megabytes = size / 2**20
    return f"{megabytes / 1024:.3g} GiB" if megabytes >= 1000 else f"{megabytes:.3g} MiB"
