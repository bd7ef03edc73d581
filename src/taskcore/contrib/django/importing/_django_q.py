"""Schedules of django-q2 (and of django-q, whose table it has kept)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings

from taskcore._client import ScheduleOptions
from taskcore._triggers import (
    bimonthly,
    biweekly,
    cron,
    daily,
    every,
    hourly,
    monthly,
    once,
    quarterly,
    weekly,
    yearly,
)
from taskcore.contrib.django._moments import store_moment
from taskcore.contrib.django.importing._found import FoundSchedule
from taskcore.errors import InvalidSchedule
from taskcore.protocol import CatchUp, Trigger

__all__ = ["read_schedules"]

_STEPS: Mapping[str, Callable[..., Trigger]] = {
    "H": hourly,
    "D": daily,
    "W": weekly,
    "BW": biweekly,
    "M": monthly,
    "BM": bimonthly,
    "Q": quarterly,
    "Y": yearly,
}
"""By ``schedule_type``; what is a day or longer follows the clocks of the cluster's zone, as django-q2 does."""


def read_schedules(now: datetime) -> Iterator[FoundSchedule]:
    """Yield the schedules, those that have run out too."""
    rows: Any = apps.get_model("django_q", "Schedule").objects
    for row in rows.order_by("pk"):
        notes: list[str] = []
        args: tuple[object, ...] = ()
        kwargs: dict[str, object] = {}
        trigger, problem = None, None
        try:
            args, kwargs = _args(row.args), _kwargs(row.kwargs)
            trigger = _trigger(row, now)
        except (InvalidSchedule, ValueError, SyntaxError) as error:
            problem = str(error)
        if kwargs.pop("q_options", None) is not None:
            notes.append("q_options are left out")
        if row.hook:
            notes.append(f"hook {row.hook!r} is left out")
        yield FoundSchedule(
            name=row.name or f"{row.func} #{row.pk}",
            task_name=row.func,
            args=args,
            kwargs=kwargs,
            trigger=trigger,
            options=_options(row),
            queue_name=row.cluster or None,
            problem=problem,
            notes=tuple(notes),
            retire=partial(_retire, row),
        )


def _cluster() -> Mapping[str, Any]:
    return getattr(settings, "Q_CLUSTER", None) or {}


def _trigger(row: Any, now: datetime) -> Trigger:
    zone = str(_cluster().get("time_zone") or settings.TIME_ZONE)
    anchor = now if row.next_run is None else store_moment(row.next_run)
    kind = row.schedule_type
    if kind == "O":
        return once(max(anchor, now + timedelta(seconds=1)))
    if kind == "I":
        return every(timedelta(minutes=row.minutes or 1), anchor=anchor)
    if kind == "C":
        return cron(row.cron or "", tz=zone)
    if kind not in _STEPS:
        raise InvalidSchedule(f"its type {kind!r} is unknown")
    return _STEPS[kind](anchor, tz=zone)


def _options(row: Any) -> ScheduleOptions:
    options: ScheduleOptions = {
        "repeats": min(row.repeats, 1) if row.schedule_type == "O" and row.repeats >= 0 else row.repeats,
        "catch_up": CatchUp.ALL if _cluster().get("catch_up", True) else CatchUp.NONE,
    }
    if row.schedule_type == "O" and row.repeats < 0:
        options["repeats"] = 1
        options["delete_when_done"] = True  # as django-q2 does with a negative number
    if row.intended_date_kwarg:
        options["slot_argument"] = row.intended_date_kwarg
    return options


def _args(text: str | None) -> tuple[object, ...]:
    """Read ``1, 2, 'John'``, as django-q2 does."""
    if not text:
        return ()
    value = ast.literal_eval(text)
    return value if isinstance(value, tuple) else (value,)


def _kwargs(text: str | None) -> dict[str, object]:
    """Read ``x=1, name='John'``, or a dict."""
    if not text:
        return {}
    if text.lstrip().startswith("{"):
        value = ast.literal_eval(text.strip())
        if not isinstance(value, dict):
            raise ValueError(f"its keyword arguments are {text!r}, which is no dict")
        return {str(name): item for name, item in value.items()}
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError(f"its keyword arguments are {text!r}, which are none")
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


def _retire(row: Any) -> None:
    row.repeats = 0
    row.save()
