"""What a source has: schedules and waiting tasks, in the words of taskcore."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import attrs

from taskcore._client import ScheduleOptions
from taskcore.protocol import Trigger

__all__ = ["FoundSchedule", "FoundTask", "Source"]


@attrs.frozen(kw_only=True)
class FoundSchedule:
    """A schedule of another scheduler."""

    name: str
    task_name: str
    """As the other scheduler knows it."""
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = attrs.field(factory=dict)
    trigger: Trigger | None = None
    """``None``: ``problem`` says why there is none."""
    options: ScheduleOptions = attrs.field(factory=ScheduleOptions)
    queue_name: str | None = None
    priority: int | None = None
    problem: str | None = None
    """Why it cannot be taken over."""
    notes: tuple[str, ...] = ()
    """What is left out."""
    retire: Callable[[], object]
    """Switch it off where it is."""


@attrs.frozen(kw_only=True)
class FoundTask:
    """A task that waits in another queue."""

    id: str
    task_name: str
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = attrs.field(factory=dict)
    queue_name: str = "default"
    priority: int = 0
    run_after: datetime | None = None


@attrs.frozen(kw_only=True)
class Source:
    """One of the packages that can be taken over from."""

    name: str
    """As it is called on PyPI."""
    app: str
    """As it stands in ``INSTALLED_APPS``."""
    schedules: Callable[[datetime], Iterator[FoundSchedule]] | None = None
    """Read the schedules; given the present moment."""
    tasks: Callable[[], Iterator[FoundTask]] | None = None
    """Read the tasks that wait."""
    forget_tasks: Callable[[Sequence[str]], object] | None = None
    """Delete tasks by their ids, once they wait here."""
