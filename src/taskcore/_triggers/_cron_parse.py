"""Cron expressions, read and checked field by field, so that an error can name the field and the fault.

croniter expands the fields. Shapes that it reads otherwise than cron are written out before it sees them: ``5-5`` (for
croniter every value), ``50/15`` (wraps around in older ones), ranges that wrap, and ``15W`` (left out of its public
answer). ``H`` and ``R``, hashed and random values there, are refused: a slot depends on nothing but the expression.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

import attrs

from taskcore._triggers._cron_fields import CronFields
from taskcore.errors import InvalidSchedule

__all__ = ["MAX_LENGTH", "parse_expression", "tidy_expression"]

MAX_LENGTH = 256
"""The longest expression that is read, in characters."""

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: 1 + i for i, name in enumerate(_MONTH_NAMES)}
_WEEKDAYS = {name: i for i, name in enumerate(_WEEKDAY_NAMES)}
_VALUE = r"[0-9]{1,4}|[a-z]+"
_ITEM = re.compile(rf"(?P<low>\*|{_VALUE})(?:-(?P<high>{_VALUE}))?(?:/(?P<step>[0-9]{{1,4}}))?")
_NTH = re.compile(rf"(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?#(?P<nth>[0-9]{{1,4}})")
_LAST_WEEKDAY = re.compile(r"l(?P<after>[0-9]|[a-z]{3})|(?P<before>[0-9]|[a-z]{3})l")
_NEAREST = re.compile(r"(?P<before>[0-9]{1,4})w|w(?P<after>[0-9]{1,4})")


@attrs.frozen
class _Field:
    """What a field is called, and which numbers and names it takes; ``size`` is how many different values those are."""

    name: str
    low: int
    high: int
    size: int
    names: dict[str, int]


_MINUTE = _Field("minute", 0, 59, 60, {})
_HOUR = _Field("hour", 0, 23, 24, {})
_DAY = _Field("day of month", 1, 31, 31, {})
_MONTH = _Field("month", 1, 12, 12, _MONTHS)
_WEEKDAY = _Field("day of week", 0, 7, 7, _WEEKDAYS)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@attrs.frozen
class _Reader:
    """Reads one field of one expression; knows both, for its errors."""

    expression: str
    field: _Field

    def refuse(self, item: str, fault: str) -> NoReturn:
        raise InvalidSchedule(f"cron expression {self.expression!r}, field {self.field.name}: {item!r} {fault}.")

    def value(self, text: str, item: str) -> int:
        """Return the number that a number or a name stands for; Sunday may come as 7."""
        field = self.field
        number = int(text) if text.isdigit() else field.names.get(text)
        if number is None:
            known = f"; names here are {', '.join(field.names)}" if field.names else "; this field takes no names"
            self.refuse(item, f"is not understood{known}")
        if not field.low <= number <= field.high:
            self.refuse(item, f"is out of range: {field.low} to {field.high}")
        return number

    def span(self, low: str, high: str | None, item: str) -> range:
        """Return the values from ``low`` to ``high`` in order; a span that wraps goes past the highest one."""
        first = self.value(low, item)
        last = first if high is None else self.value(high, item)
        return range(first, last + 1 if first <= last else last + self.field.size + 1)

    def plain(self, item: str) -> str:
        """Return a plain item (``*``, ``5``, ``mon-fri``, ``*/10``, ``5-50/15``) as croniter reads it like cron."""
        match = _ITEM.fullmatch(item)
        if match is None:
            self.refuse(item, "is not understood: give *, a value, a range a-b, a step */n or a-b/n, or a list of them")
        low, high, step_text = match["low"], match["high"], match["step"]
        step = 1 if step_text is None else self.step(int(step_text), item)
        if low == "*":
            if high is not None:
                self.refuse(item, "is not understood: * stands for the whole range by itself")
            return "*" if step_text is None else f"*/{step}"
        if high is None and step_text is not None:
            first = self.value(low, item)
            return self._listed(range(first, max(first, self.field.low + self.field.size - 1) + 1, step))
        return self._listed(self.span(low, high, item)[::step])

    def step(self, step: int, item: str) -> int:
        if not 1 <= step <= self.field.size:
            advice = "" if step == 0 else "; for longer times between runs use every(timedelta(...))"
            self.refuse(item, f"has a step out of range: 1 to {self.field.size}{advice}")
        return step

    def _listed(self, values: Sequence[int]) -> str:
        """Return the values as a list of numbers within the field, each range that stays inside it still as a range."""
        field = self.field
        if isinstance(values, range) and len(values) > 2 and values.step == 1 and values[-1] < field.low + field.size:
            return f"{values[0]}-{values[-1]}"
        return ",".join(str((value - field.low) % field.size + field.low) for value in values)


def tidy_expression(expression: str) -> str:
    """Return the expression with single spaces; raise InvalidSchedule when it is no text, empty, too long or odd."""
    if not isinstance(expression, str):
        raise InvalidSchedule(f"cron expression {expression!r} is no text: give one such as '0 3 * * *'.")
    if len(expression) > MAX_LENGTH:
        raise InvalidSchedule(
            f"cron expression {expression[:40]!r}... has {len(expression):,} characters: {MAX_LENGTH} are the most."
        )
    tidy = " ".join(part for part in expression.strip().replace("\t", " ").split(" ") if part)
    if not tidy:
        raise InvalidSchedule("cron expression is empty: give five fields, such as '0 3 * * *'.")
    if not (tidy.isascii() and tidy.isprintable()):
        raise InvalidSchedule(
            f"cron expression {expression!r} has characters that cron does not know: use plain ASCII."
        )
    return tidy


def parse_expression(expression: str) -> CronFields:
    """Return what a tidy expression allows; raise InvalidSchedule, naming the field, for one that cannot be."""
    texts = _split(expression)
    plain, nth_texts, nearest = [], "", frozenset[int]()
    for field, text in zip(_FIELDS, texts, strict=True):
        reader = _Reader(expression, field)
        items = text.split(",")
        if "" in items:
            reader.refuse(text, "has an empty place in its list")
        if field is _DAY:
            nearest = frozenset(day for item in items if (day := _read_nearest(reader, item)) is not None)
            items = [item for item in items if _NEAREST.fullmatch(item) is None]
            plain.append(",".join(_read_day(reader, item) for item in items) or "*")
        elif field is _WEEKDAY:
            special = [words for item in items if (words := _read_special_weekday(reader, item)) is not None]
            if special and len(special) < len(items):
                reader.refuse(text, "mixes weekdays with # or L and weekdays without: make two schedules of it")
            nth_texts = ",".join(special)
            plain.append(nth_texts or ",".join(_read_weekday(reader, item) for item in items))
        else:
            plain.append(",".join(reader.plain(item) for item in items))
    return _checked(expression, texts, _expand(expression, plain, texts, nearest))


def _split(expression: str) -> list[str]:
    text = expression.lower()
    if text.startswith("@"):
        if text not in _ALIASES:
            raise InvalidSchedule(
                f"cron expression {expression!r} is no known short form: they are {', '.join(_ALIASES)}; "
                "for steps of time use every(timedelta(...))."
            )
        text = _ALIASES[text]
    texts = text.split(" ")
    if len(texts) != len(_FIELDS):
        advice = (
            "; seconds and years are not supported: use every(timedelta(seconds=...)) for steps below a minute"
            if len(texts) in {6, 7}
            else ""
        )
        raise InvalidSchedule(
            f"cron expression {expression!r} has {len(texts)} field{'s' if len(texts) > 1 else ''}: give five, "
            f"minute hour day-of-month month day-of-week{advice}."
        )
    return texts


def _read_nearest(reader: _Reader, item: str) -> int | None:
    match = _NEAREST.fullmatch(item)
    return None if match is None else reader.value(match["before"] or match["after"], item)


def _read_day(reader: _Reader, item: str) -> str:
    if item in {"l", "?"}:
        return "l" if item == "l" else "*"
    return reader.plain(item)


def _read_weekday(reader: _Reader, item: str) -> str:
    if item == "l":
        reader.refuse(item, "needs a weekday: the last Friday of a month is L5")
    return "*" if item == "?" else reader.plain(item)


def _read_special_weekday(reader: _Reader, item: str) -> str | None:
    """Return ``fri#3`` and ``L5`` with numbers for names; ``None`` for anything else."""
    nth = _NTH.fullmatch(item)
    if nth is not None:
        if not 1 <= int(nth["nth"]) <= 5:
            reader.refuse(item, "is out of range: a month has a weekday 1 to 5 times")
        return ",".join(f"{weekday % 7}#{int(nth['nth'])}" for weekday in reader.span(nth["low"], nth["high"], item))
    last = _LAST_WEEKDAY.fullmatch(item)
    return None if last is None else f"l{reader.value(last['after'] or last['before'], item) % 7}"


def _expand(expression: str, plain: Sequence[str], texts: Sequence[str], nearest: frozenset[int]) -> CronFields:
    from croniter import CroniterError, croniter  # noqa: PLC0415 - slow to import, and needed by those who use cron only

    try:
        expanded, special = croniter.expand(" ".join(plain))
    except (CroniterError, ValueError, TypeError, KeyError) as error:
        raise InvalidSchedule(f"cron expression {expression!r} is not understood: {error}") from error

    pairs = [(day, str(nth)) for day, all_nth in special.items() for nth in all_nth]

    def values(index: int) -> frozenset[int]:
        field, found = _FIELDS[index], expanded[index]
        if "*" in found:
            return frozenset(range(field.low, field.low + field.size))
        return frozenset(value for value in found if isinstance(value, int))

    return CronFields(
        minutes=tuple(sorted(values(0))),
        hours=tuple(sorted(values(1))),
        days=frozenset() if nearest and plain[2] == "*" else values(2),
        has_last_day="l" in expanded[2],
        nearest_weekdays=nearest,
        months=values(3),
        weekdays=frozenset() if special else values(4),
        nth_weekdays=frozenset((int(day), int(nth)) for day, nth in pairs if nth != "l"),
        last_weekdays=frozenset(int(day) for day, nth in pairs if nth == "l"),
        is_any_day=texts[2][0] in "*?",
        is_any_weekday=texts[4][0] in "*?",
        is_wildcard=texts[0][0] == "*" or texts[1][0] == "*",
    )


def _checked(expression: str, texts: Sequence[str], fields: CronFields) -> CronFields:
    if not fields.is_possible():
        raise InvalidSchedule(
            f"cron expression {expression!r} can never fire: no day has day of month {texts[2]!r}, month {texts[3]!r} "
            f"and day of week {texts[4]!r}. Use L for the last day of a month."
        )
    return fields
