"""One slot, and no other."""

from __future__ import annotations

from datetime import datetime

import attrs

from taskcore._triggers._base import BuiltInTrigger, JSONValue
from taskcore._triggers._wall import as_utc
from taskcore._triggers._words import moment_words

__all__ = ["Once", "once"]


def _to_at(at: datetime) -> datetime:
    return as_utc(at, "at")


@attrs.frozen(kw_only=True)
class Once(BuiltInTrigger):
    """A single moment. Made by ``once``."""

    at: datetime = attrs.field(converter=_to_at)

    def describe(self) -> str:
        """Say when: ``once at 2027-03-28 01:00 (UTC)``."""
        return f"once at {moment_words(self.at)} (UTC)"

    def to_data(self) -> dict[str, JSONValue]:
        """Return it as plain data for JSON."""
        return {"kind": "once", "at": self.at.isoformat()}

    def _next_after(self, moment: datetime) -> datetime | None:
        return self.at if self.at > moment else None


def once(at: datetime) -> Once:
    """Fire at one moment only.

    Args:
        at: An aware datetime; InvalidSchedule is raised for a naive one.
    """
    return Once(at=at)
