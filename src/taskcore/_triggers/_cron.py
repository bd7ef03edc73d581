"""Cron expressions in a zone: where wall time and instants meet.

What happens when clocks change is the rule of Debian's cron (its manual, section "Daylight saving time"), with the
instant made exact. A minute or hour field is a wildcard if its text begins with ``*``.

- With neither a wildcard the expression means fixed wall times: one inside a gap fires once, at the first instant after
  the gap (several that meet there are one slot), and one inside a fold once, on its first pass.
- With a wildcard real time is followed: an instant is a slot when the clocks show a matching time, so what a gap leaves
  out does not fire and what a fold shows twice fires twice.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import attrs

from taskcore._triggers._base import BuiltInTrigger, JSONValue
from taskcore._triggers._cron_fields import CronFields
from taskcore._triggers._cron_parse import parse_expression, tidy_expression
from taskcore._triggers._cron_words import cron_words
from taskcore._triggers._wall import STRIDE, find_zone, first_instant, next_change, offset_at, wall_at
from taskcore._triggers._words import with_zone

__all__ = ["Cron", "cron"]


def _check_zone(_instance: object, _attribute: object, name: str) -> None:
    find_zone(name)


def _parsed(trigger: Cron) -> CronFields:
    return parse_expression(trigger.expression)


@attrs.frozen(kw_only=True)
class Cron(BuiltInTrigger):
    """A cron expression and the zone of its clocks. Made by ``cron``."""

    expression: str = attrs.field(converter=tidy_expression)
    tz: str = attrs.field(default="UTC", validator=_check_zone)
    fields: CronFields = attrs.field(init=False, eq=False, repr=False, default=attrs.Factory(_parsed, takes_self=True))

    def describe(self) -> str:
        """Say when: ``every day at 03:00 (Europe/Berlin)``."""
        return with_zone(cron_words(self.fields), self.tz)

    def to_data(self) -> dict[str, JSONValue]:
        """Return it as plain data for JSON."""
        return {"kind": "cron", "expression": self.expression, "tz": self.tz}

    def _next_after(self, moment: datetime) -> datetime | None:
        zone = find_zone(self.tz)
        if self.fields.is_wildcard:
            return _next_shown(self.fields, moment, zone)
        return _next_fixed(self.fields, moment, zone)


def _next_fixed(fields: CronFields, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first instant after ``moment`` that a matching wall time stands for.

    ``first_instant`` never goes back, so walking the wall times in order finds it. Passed over are those
    of a fold's first pass, while the clocks show it again.
    """
    wall = fields.next_wall(wall_at(moment, zone))
    while wall is not None:
        slot = first_instant(wall, zone)
        if slot > moment:
            return slot
        wall = fields.next_wall(wall)
    return None


def _next_shown(fields: CronFields, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first instant after ``moment`` at which the clocks show a matching time.

    Between two changes clocks go evenly; so this goes from change to change until the next match comes first. A match
    that lies far ahead is not approached change by change: clocks can show what they have shown before only within one
    STRIDE of ``moment``, and cannot be there more than one STRIDE early.
    """
    while True:
        match = fields.next_wall(wall_at(moment, zone))
        if match is None:
            return None
        slot = (match - offset_at(moment, zone)).replace(tzinfo=moment.tzinfo)
        is_near = slot - moment <= STRIDE
        change = next_change(moment, slot if is_near else moment + STRIDE, zone)
        if change is not None:
            if fields.matches(wall_at(change, zone)):
                return change
            moment = change
        elif is_near:
            return slot
        else:
            moment = slot - STRIDE


def cron(expression: str, tz: str = "UTC") -> Cron:
    """Fire when the clocks of a zone match a cron expression.

    Args:
        expression: Five fields: minute, hour, day of month, month, day of week; or ``@yearly``, ``@monthly``,
            ``@weekly``, ``@daily``, ``@hourly``. A field is ``*``, a value, a range ``a-b``, a step ``*/n``, ``a/n`` or
            ``a-b/n``, or a list of these. Months and weekdays may be named by three letters; Sunday is 0 and 7. Days of
            the month also: ``L`` (the last), ``15W`` (the Monday to Friday nearest to the 15th). Days of the week also:
            ``fri#3`` (the third in the month), ``L5`` (the last Friday). When both day fields are restricted (begin
            with no ``*``), either is enough, as in cron.
        tz: IANA name of the zone, such as ``Europe/Berlin``.

    Raises InvalidSchedule for an expression that is not understood or can never fire (31 February), and for a zone that
    does not exist.

    When clocks change, fixed times run once, as with Debian's cron: one that is left out at the first moment after the
    gap, one that comes twice on its first pass. With a minute or hour field that begins with ``*`` real time is
    followed: what is left out does not fire, what comes twice fires twice.
    """
    return Cron(expression=expression, tz=tz)
