"""``Retry``: when a failed task is tried again, and after how long. Data only; deciding is in ``_policy``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import TypeAlias

import attrs

from taskcore._naming import type_name
from taskcore.errors import InvalidOption

__all__ = ["Backoff", "Curve", "CurveKind", "ExceptionFilter", "Retry", "constant", "exponential", "linear"]

_LONGEST = timedelta(days=3650)


class CurveKind(Enum):
    """The shape of a backoff curve."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@attrs.frozen(kw_only=True)
class Curve:
    """A backoff that is data, so that it can travel with a task. Made by ``constant``, ``linear``, ``exponential``."""

    kind: CurveKind
    base: timedelta
    factor: float = 2.0
    maximum: timedelta = timedelta(days=1)

    def delay(self, failures: int) -> timedelta:
        """Return the wait after the ``failures``-th exception (1 for the first), before jitter; never over maximum."""
        seconds = self.base.total_seconds()
        if self.kind is CurveKind.LINEAR:
            seconds *= failures
        elif self.kind is CurveKind.EXPONENTIAL and seconds:
            try:
                seconds *= self.factor ** (failures - 1)
            except OverflowError:
                return self.maximum
        return timedelta(seconds=min(seconds, self.maximum.total_seconds()))


Backoff: TypeAlias = Curve | Callable[[int, BaseException], timedelta]
"""A curve, or a function of the number of failures so far (1 for the first) and the exception.

The function answers with the delay; with ``timedelta.max`` the task is not tried again.
"""

ExceptionFilter: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]


def _curve(kind: CurveKind, base: timedelta, factor: float, maximum: timedelta) -> Curve:
    if not isinstance(base, timedelta) or base < timedelta(0):
        raise InvalidOption(f"The base of a backoff is a timedelta of zero or more, not {base!r}.")
    if not isinstance(maximum, timedelta) or not base <= maximum <= _LONGEST:
        raise InvalidOption(
            f"The maximum of a backoff is a timedelta from its base ({base}) to ten years, not {maximum!r}."
        )
    if not factor >= 1:
        raise InvalidOption(f"The factor of an exponential backoff is 1 or more, not {factor!r}.")
    return Curve(kind=kind, base=base, factor=float(factor), maximum=maximum)


def constant(base: timedelta) -> Curve:
    """Wait ``base`` each time."""
    return _curve(CurveKind.CONSTANT, base, 1.0, max(base, timedelta(days=1)) if isinstance(base, timedelta) else base)


def linear(base: timedelta, *, maximum: timedelta = timedelta(days=1)) -> Curve:
    """Wait ``base``, then twice, then three times ``base``, up to ``maximum``."""
    return _curve(CurveKind.LINEAR, base, 1.0, maximum)


def exponential(base: timedelta, *, factor: float = 2.0, maximum: timedelta = timedelta(days=1)) -> Curve:
    """Wait ``base``, then ``factor`` times as long each time, up to ``maximum``."""
    return _curve(CurveKind.EXPONENTIAL, base, factor, maximum)


def _type_names(value: object) -> tuple[str, ...]:
    """Return exception classes as the dotted names they are matched by, so that a filter can travel."""
    if value is None:
        return ()
    names = []
    for item in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(item, str):
            names.append(item)
        elif isinstance(item, type) and issubclass(item, BaseException):
            names.append(type_name(item))
        else:
            raise InvalidOption(f"Retry(on=…, not_on=…) takes exception classes, not {item!r}.")
    return tuple(names)


def _check_max_attempts(_instance: object, _attribute: object, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InvalidOption(
            f"Retry(max_attempts=…) is a whole number of 1 or more, or None for no limit, not {value!r}."
        )


def _check_jitter(_instance: object, _attribute: object, value: float) -> None:
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidOption(f"Retry(jitter=…) is a fraction from 0 to 1, not {value!r}.")


def _check_until(_instance: object, _attribute: object, value: timedelta | None) -> None:
    if value is not None and (not isinstance(value, timedelta) or value <= timedelta(0)):
        raise InvalidOption(f"Retry(until=…) is a timedelta above zero, or None, not {value!r}.")


def _check_backoff(_instance: object, _attribute: object, value: object) -> None:
    if not isinstance(value, Curve) and not callable(value):
        raise InvalidOption(f"Retry(backoff=…) is exponential(…), linear(…), constant(…) or a function, not {value!r}.")


@attrs.frozen(kw_only=True)
class Retry:
    """How exceptions of a task are answered.

    ``max_attempts`` counts runs that ended with an exception, the last one included (1: never again, None: no limit);
    a lost worker spends none of them. ``jitter`` is the fraction of the delay that is random. ``on`` are the exception
    classes that are tried again (default: every ``Exception``), ``not_on`` those that never are; both are kept as
    dotted names and match subclasses. ``until``: no retry is planned later than first enqueue + until.
    """

    max_attempts: int | None = attrs.field(default=1, validator=_check_max_attempts)
    backoff: Backoff = attrs.field(
        default=Curve(kind=CurveKind.EXPONENTIAL, base=timedelta(seconds=1), maximum=timedelta(hours=1)),
        validator=_check_backoff,
    )
    jitter: float = attrs.field(default=0.1, validator=_check_jitter)
    on: tuple[str, ...] = attrs.field(default=(), converter=_type_names)
    not_on: tuple[str, ...] = attrs.field(default=(), converter=_type_names)
    until: timedelta | None = attrs.field(default=None, validator=_check_until)
