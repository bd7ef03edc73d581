"""Every so much time that has really passed, whatever clocks on walls show."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import attrs

from taskcore._triggers._base import BuiltInTrigger, JSONValue
from taskcore._triggers._wall import as_utc
from taskcore._triggers._words import span_words
from taskcore.errors import InvalidSchedule

__all__ = ["DEFAULT_ANCHOR", "Every", "every"]

DEFAULT_ANCHOR = datetime(1900, 1, 1, tzinfo=timezone.utc)
"""Where steps are counted from as long as no anchor is known: a Monday, the first of its month, quarter and year."""

_SHORTEST = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


def _check_step(_instance: object, _attribute: object, step: timedelta) -> None:
    if not isinstance(step, timedelta):
        raise InvalidSchedule(f"every({step!r}): the step is no timedelta; give one, such as timedelta(minutes=10).")
    if step < _SHORTEST:
        raise InvalidSchedule(f"every({step!r}): the step is too short; the shortest is one second.")


def _to_anchor(anchor: datetime | None) -> datetime | None:
    return None if anchor is None else as_utc(anchor, "anchor")


@attrs.frozen(kw_only=True)
class Every(BuiltInTrigger):
    """``anchor``, ``anchor + step``, ``anchor + 2 * step`` …, as elapsed time. Made by ``every`` and ``hourly``."""

    step: timedelta = attrs.field(validator=_check_step)
    anchor: datetime | None = attrs.field(default=None, converter=_to_anchor)

    def anchored(self, moment: datetime) -> Every:
        """Return the trigger with ``moment`` for its anchor, when it was given none; else itself."""
        anchor = as_utc(moment, "moment")
        return self if self.anchor is not None else attrs.evolve(self, anchor=anchor)

    def with_anchor_of(self, other: object) -> Every:
        """Return the trigger with the anchor of another interval, when it was given none; else itself."""
        return attrs.evolve(self, anchor=other.anchor) if self.anchor is None and isinstance(other, Every) else self

    def count_between(self, after: datetime, until: datetime) -> int:
        """Return how many slots lie in ``(after, until]``, without walking them."""
        return max(0, self._index_after(as_utc(until, "until")) - self._index_after(as_utc(after, "after")))

    def describe(self) -> str:
        """Say how often: ``every 10 minutes``."""
        return f"every {span_words(self.step)}"

    def to_data(self) -> dict[str, JSONValue]:
        """Return it as plain data for JSON."""
        anchor = None if self.anchor is None else self.anchor.isoformat()
        return {"kind": "every", "step_us": self.step // _MICROSECOND, "anchor": anchor}

    def _next_after(self, moment: datetime) -> datetime | None:
        return (self.anchor or DEFAULT_ANCHOR) + self._index_after(moment) * self.step

    def _index_after(self, moment: datetime) -> int:
        """Return the number of the first slot strictly after ``moment``; the anchor is number 0."""
        return max(0, (moment - (self.anchor or DEFAULT_ANCHOR)) // self.step + 1)


def every(step: timedelta, anchor: datetime | None = None) -> Every:
    """Fire at the anchor and then each time ``step`` has passed: elapsed time, which no change of clocks disturbs.

    Args:
        step: At least one second.
        anchor: The first slot, an aware datetime; there is none before it. A schedule made without one counts from
            its creation. A trigger that is asked by itself counts from 1900-01-01 00:00 UTC until then.

    Raises InvalidSchedule for a step that is too short and for a naive anchor. For days that follow the clock on the
    wall, see ``daily``.
    """
    return Every(step=step, anchor=anchor)
