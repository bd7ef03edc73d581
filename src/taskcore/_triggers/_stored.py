"""Triggers from plain data, as they were stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from taskcore._triggers._base import BuiltInTrigger
from taskcore._triggers._calendar import CalendarStep, Step
from taskcore._triggers._cron import Cron
from taskcore._triggers._interval import Every
from taskcore._triggers._once import Once
from taskcore.errors import InvalidSchedule

__all__ = ["trigger_from_data"]

_MISSING = object()


def trigger_from_data(data: Mapping[str, object]) -> BuiltInTrigger:
    """Return the trigger that ``to_data`` was called on.

    Keys that this version does not know are ignored; an older version's missing anchor or zone means none, or UTC.
    Raises InvalidSchedule, naming the key, for an unknown kind, and for values that are missing or cannot be.
    """
    if not isinstance(data, Mapping):
        raise InvalidSchedule(f"stored trigger {data!r} is no mapping.")
    kind = data.get("kind", _MISSING)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        given = "has no kind" if kind is _MISSING else f"is of the unknown kind {kind!r}"
        raise InvalidSchedule(
            f"stored trigger {given}: known are {', '.join(_READERS)}; a newer taskcore may have written it."
        )
    return read(data)


def _read_once(data: Mapping[str, object]) -> BuiltInTrigger:
    return Once(at=_moment(data, "at"))


def _read_every(data: Mapping[str, object]) -> BuiltInTrigger:
    step = data.get("step_us")
    if not isinstance(step, int) or isinstance(step, bool):
        raise _refused(data, "step_us", "a whole number of microseconds")
    try:
        return Every(step=timedelta(microseconds=step), anchor=_optional_moment(data, "anchor"))
    except OverflowError as error:
        raise _refused(data, "step_us", "a whole number of microseconds that a timedelta can hold") from error


def _read_calendar(data: Mapping[str, object]) -> BuiltInTrigger:
    known = {step.value: step for step in Step}
    step = data.get("step")
    if not isinstance(step, str) or step not in known:
        raise _refused(data, "step", f"one of {', '.join(known)}")
    return CalendarStep(step=known[step], anchor=_optional_moment(data, "anchor"), tz=_text(data, "tz", "UTC"))


def _read_cron(data: Mapping[str, object]) -> BuiltInTrigger:
    return Cron(expression=_text(data, "expression", None), tz=_text(data, "tz", "UTC"))


_READERS: Mapping[str, Callable[[Mapping[str, object]], BuiltInTrigger]] = {
    "once": _read_once,
    "every": _read_every,
    "calendar": _read_calendar,
    "cron": _read_cron,
}


def _moment(data: Mapping[str, object], key: str) -> datetime:
    value = data.get(key)
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
    except ValueError as error:
        raise _refused(data, key, "a moment in ISO 8601") from error
    raise _refused(data, key, "a moment in ISO 8601")


def _optional_moment(data: Mapping[str, object], key: str) -> datetime | None:
    return None if data.get(key) is None else _moment(data, key)


def _text(data: Mapping[str, object], key: str, default: str | None) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise _refused(data, key, "a text")
    return value


def _refused(data: Mapping[str, object], key: str, wanted: str) -> InvalidSchedule:
    return InvalidSchedule(
        f"stored trigger of kind {data['kind']!r}: {key} is {data.get(key)!r}, and should be {wanted}."
    )
