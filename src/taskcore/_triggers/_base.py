"""What all triggers of taskcore have in common: the contract of ``next_after``, and previews."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

from taskcore._data import Trigger
from taskcore._triggers._wall import EARLIEST, as_utc
from taskcore.errors import InvalidSchedule

__all__ = ["MAX_PREVIEW", "BuiltInTrigger", "JSONValue", "anchored", "preview", "unless_same"]

JSONValue = str | int | None
"""What the plain-data form of a trigger is made of."""

MAX_PREVIEW = 10_000
"""The most slots that one preview gives."""


def preview(trigger: Trigger, after: datetime, count: int) -> tuple[datetime, ...]:
    """Return the first ``count`` slots of any trigger strictly after ``after``, fewer when there are no more.

    Raises InvalidSchedule when ``after`` is naive, or ``count`` is below 0 or above 10,000.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_PREVIEW:
        raise InvalidSchedule(f"count is {count!r}: a preview has 0 to {MAX_PREVIEW:,} slots.")
    slots: list[datetime] = []
    slot: datetime | None = as_utc(after, "after")
    while len(slots) < count and slot is not None:
        slot = trigger.next_after(slot)
        if slot is not None:
            slots.append(slot)
    return tuple(slots)


def anchored(trigger: Trigger, moment: datetime) -> Trigger:
    """Return the trigger with ``moment`` for its anchor, when it needs one and was given none; any other as it is."""
    return trigger.anchored(moment) if isinstance(trigger, BuiltInTrigger) else trigger


def unless_same(trigger: Trigger, old: Trigger) -> Trigger:
    """Return ``old`` when ``trigger`` is the same but for an anchor that it was not given; else ``trigger``.

    So asking for ``every(timedelta(minutes=10))`` again does not move a schedule that was made of it.
    """
    return old if isinstance(trigger, BuiltInTrigger) and trigger.with_anchor_of(old) == old else trigger


class BuiltInTrigger(ABC):
    """When a schedule fires, as an immutable value that can be stored: equal ones have the same slots.

    Made by ``once``, ``every``, ``daily`` and its like, and ``cron``.
    """

    __slots__ = ()

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first slot strictly after ``moment``, aware and in UTC; ``None`` after the last one (year 9999).

        It depends on ``moment`` alone, never on a clock or on what was asked before. Raises InvalidSchedule when
        ``moment`` is naive.
        """
        after = as_utc(moment, "moment")
        try:
            return self._next_after(max(after, EARLIEST))
        except OverflowError:  # past the last moment that a datetime can hold
            return None

    def preview(self, after: datetime, count: int) -> tuple[datetime, ...]:
        """Return the first ``count`` slots strictly after ``after``, fewer when there are no more.

        Raises InvalidSchedule when ``after`` is naive, or ``count`` is below 0 or above 10,000.
        """
        return preview(self, after, count)

    def anchored(self, moment: datetime) -> BuiltInTrigger:
        """Return the trigger with ``moment`` for its anchor, when it needs one and was given none; else itself."""
        as_utc(moment, "moment")
        return self

    def with_anchor_of(self, other: object) -> BuiltInTrigger:
        """Return the trigger with the anchor of another of its kind, when it was given none; else itself."""
        return self

    @abstractmethod
    def describe(self) -> str:
        """Say in plain English when it fires, with the zone when that is not UTC."""

    @abstractmethod
    def to_data(self) -> dict[str, JSONValue]:
        """Return it as plain data for JSON; ``trigger_from_data`` turns it back into an equal trigger."""

    @abstractmethod
    def _next_after(self, moment: datetime) -> datetime | None:
        """Do what ``next_after`` says, for a UTC moment from ``EARLIEST`` on; OverflowError stands for ``None``."""
