"""When a schedule fires, in the reader's words: its trigger as a sentence, its next slots on the clocks of its zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.formats import date_format
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext, ngettext
from typing_extensions import assert_never

from taskcore._triggers import CalendarStep, Cron, Every, Once, Step
from taskcore.protocol import Trigger

__all__ = ["slot_words", "trigger_words", "zone_of"]

_MOST_TIMES = 6


def zone_of(trigger: Trigger) -> str:
    """Return the zone that a trigger's clocks are of; the site's for one without."""
    return trigger.tz if isinstance(trigger, (Cron, CalendarStep)) else get_current_timezone_name()


def slot_words(slot: datetime, zone: str) -> str:
    """Return a slot as the clocks of a zone show it, with the offset."""
    wall = slot.astimezone(ZoneInfo(zone))
    return f"{date_format(wall, 'D, j M Y H:i')} ({wall:%Z}, {_offset(wall)})"


def _offset(wall: datetime) -> str:
    text = f"{wall:%z}"
    return f"UTC{text[:3]}:{text[3:5]}"


def trigger_words(trigger: Trigger) -> str:
    """Return when a trigger fires, as a sentence of the active language."""
    if isinstance(trigger, Once):
        return gettext("once, on %(moment)s") % {"moment": slot_words(trigger.at, get_current_timezone_name())}
    if isinstance(trigger, Every):
        return _every_words(trigger.step)
    if isinstance(trigger, CalendarStep):
        return _with_zone(_step_words(trigger.step, trigger.anchor), trigger.tz)
    if isinstance(trigger, Cron):
        return _with_zone(_cron_words(trigger) or _english(trigger), trigger.tz)
    return type(trigger).__name__


def _english(trigger: Cron) -> str:
    """Return the words of the library for what has no short sentence here."""
    return trigger.describe().removesuffix(f" ({trigger.tz})")


def _with_zone(words: str, zone: str) -> str:
    return gettext("%(when)s, on the clocks of %(zone)s") % {"when": words, "zone": zone}


def _every_words(step: timedelta) -> str:
    days, hours = step // timedelta(days=1), step // timedelta(hours=1)
    minutes, seconds = step // timedelta(minutes=1), step // timedelta(seconds=1)
    if not step % timedelta(days=1):
        return ngettext("every 24 hours", "every %(count)d times 24 hours", days) % {"count": days}
    if not step % timedelta(hours=1):
        return ngettext("every hour", "every %(count)d hours", hours) % {"count": hours}
    if not step % timedelta(minutes=1):
        return ngettext("every minute", "every %(count)d minutes", minutes) % {"count": minutes}
    return ngettext("every second", "every %(count)d seconds", seconds) % {"count": seconds}


def _step_words(step: Step, anchor: datetime | None) -> str:
    if anchor is None:
        return _unanchored_words(step)
    named = {
        "time": f"{anchor:%H:%M}",
        "weekday": WEEKDAYS[anchor.weekday()],
        "day": anchor.day,
        "month": MONTHS[anchor.month],
    }
    if step is Step.DAILY:
        return gettext("every day at %(time)s") % named
    if step is Step.WEEKLY:
        return gettext("every %(weekday)s at %(time)s") % named
    if step is Step.BIWEEKLY:
        return gettext("every second %(weekday)s at %(time)s") % named
    if step is Step.MONTHLY:
        return gettext("every month on day %(day)s at %(time)s") % named
    if step is Step.BIMONTHLY:
        return gettext("every second month, from %(month)s, on day %(day)s at %(time)s") % named
    if step is Step.QUARTERLY:
        return gettext("every third month, from %(month)s, on day %(day)s at %(time)s") % named
    if step is Step.YEARLY:
        return gettext("every year on %(day)s %(month)s at %(time)s") % named
    assert_never(step)


def _unanchored_words(step: Step) -> str:
    if step is Step.DAILY:
        return gettext("every day")
    if step is Step.WEEKLY:
        return gettext("every week")
    if step is Step.BIWEEKLY:
        return gettext("every second week")
    if step is Step.MONTHLY:
        return gettext("every month")
    if step is Step.BIMONTHLY:
        return gettext("every second month")
    if step is Step.QUARTERLY:
        return gettext("every third month")
    if step is Step.YEARLY:
        return gettext("every year")
    assert_never(step)


def _listed(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    return gettext("%(first)s and %(last)s") % {"first": ", ".join(words[:-1]), "last": words[-1]}


def _cron_words(trigger: Cron) -> str:
    """Return a sentence for the expressions that most schedules have; nothing for the others."""
    fields = trigger.fields
    has_dates = len(fields.days) != 31 or fields.nearest_weekdays or fields.has_last_day
    is_nth = bool(fields.nth_weekdays or fields.last_weekdays)
    if len(fields.months) != 12 or has_dates or is_nth or not fields.weekdays:
        return ""
    times = _time_words(fields.minutes, fields.hours)
    if not times or len(fields.weekdays) == 7:
        return times
    days = [str(WEEKDAYS[(day - 1) % 7]) for day in sorted(fields.weekdays, key=lambda day: day or 7)]
    return gettext("%(times)s, only on %(days)s") % {"times": times, "days": _listed(days)}


def _time_words(minutes: Sequence[int], hours: Sequence[int]) -> str:
    if len(minutes) * len(hours) <= _MOST_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]
        return gettext("every day at %(time)s") % {"time": _listed(times)}
    if len(hours) != 24:
        return ""
    step = 60 // len(minutes)
    if tuple(minutes) == tuple(range(0, 60, step)):
        return _every_words(timedelta(minutes=step))
    if len(minutes) == 1:
        return gettext("every hour at minute %(minute)s") % {"minute": minutes[0]}
    return ""
