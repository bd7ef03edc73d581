"""Triggers: when a schedule fires. ``next_after(moment)`` is the one primitive, and it is pure.

One file a thing: wall-clock time with its gaps and folds (``_wall``), cron, elapsed intervals, calendar steps, a single
moment, their plain-data forms (``_stored``) and their descriptions.
"""

from __future__ import annotations

from taskcore._triggers._base import MAX_PREVIEW, BuiltInTrigger, JSONValue, anchored, preview, unless_same
from taskcore._triggers._calendar import (
    CalendarStep,
    Step,
    bimonthly,
    biweekly,
    daily,
    hourly,
    monthly,
    quarterly,
    weekly,
    yearly,
)
from taskcore._triggers._cron import Cron, cron
from taskcore._triggers._interval import DEFAULT_ANCHOR, Every, every
from taskcore._triggers._once import Once, once
from taskcore._triggers._stored import trigger_from_data
from taskcore._triggers._wall import as_utc

__all__ = [
    "DEFAULT_ANCHOR",
    "MAX_PREVIEW",
    "BuiltInTrigger",
    "CalendarStep",
    "Cron",
    "Every",
    "JSONValue",
    "Once",
    "Step",
    "anchored",
    "as_utc",
    "bimonthly",
    "biweekly",
    "cron",
    "daily",
    "every",
    "hourly",
    "monthly",
    "once",
    "preview",
    "quarterly",
    "trigger_from_data",
    "unless_same",
    "weekly",
    "yearly",
]
