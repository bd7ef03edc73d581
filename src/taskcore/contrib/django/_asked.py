"""What a Django task asks for beyond Django's own fields: attempts, backoff, timeout, metadata, and a relative start.

The names are those of Django's open proposals. A task of Django's own class has none of them: the settings of its
alias stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from taskcore._retry import Curve, Retry, constant
from taskcore.contrib.django._api import DjangoTask
from taskcore.contrib.django._options import AliasOptions
from taskcore.contrib.django.exceptions import UnsupportedReturnValue
from taskcore.errors import InvalidOption

__all__ = [
    "Backoff",
    "Duration",
    "curve_of",
    "max_attempts_of",
    "metadata_of",
    "problem_with",
    "retry_of",
    "timeout_of",
]

Duration: TypeAlias = "float | timedelta"
"""Seconds, as Django counts, or a timedelta."""

Backoff: TypeAlias = "Duration | Curve | Callable[..., Duration | None]"
"""A delay, a curve such as ``exponential(…)``, or a function of the exception and the result.

The function answers with the delay, or with None: then the task is not tried again.
"""

_LONGEST = timedelta(days=3650)


def duration_of(value: object) -> timedelta:
    """Return seconds or a timedelta as a timedelta; raises InvalidOption for what is neither, or not in range."""
    if isinstance(value, timedelta):
        span = value
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LONGEST.total_seconds():
        span = timedelta(seconds=value)
    else:
        raise InvalidOption(f"{value!r} is neither a number of seconds nor a timedelta, from zero to ten years.")
    if not timedelta(0) <= span <= _LONGEST:
        raise InvalidOption(f"{value!r} is not from zero to ten years.")
    return span


def max_attempts_of(task: DjangoTask, options: AliasOptions) -> int:
    """Return how many runs may end with an exception."""
    own: int | None = getattr(task, "max_attempts", None)
    return int(options.given.get("max_attempts", 1)) if own is None else own


def timeout_of(task: DjangoTask, options: AliasOptions) -> timedelta | None:
    """Return the longest that one run may take."""
    own: Duration | None = getattr(task, "timeout", None)
    value = options.given.get("timeout") if own is None else own
    return None if value is None else duration_of(value)


def metadata_of(task: DjangoTask) -> Mapping[str, object] | None:
    """Return the metadata that the task brings."""
    metadata: Mapping[str, object] | None = getattr(task, "metadata", None)
    return metadata


def curve_of(task: DjangoTask) -> Curve | Callable[..., Duration | None] | None:
    """Return the backoff of a task, a plain delay as a curve; ``None``: the usual one."""
    backoff: Backoff | None = getattr(task, "backoff", None)
    if backoff is None or isinstance(backoff, Curve) or callable(backoff):
        return backoff
    return constant(duration_of(backoff))


def retry_of(
    task: DjangoTask, options: AliasOptions, call: Callable[[int, BaseException], timedelta] | None = None
) -> Retry:
    """Return the retry of a task; ``call`` stands for a backoff that is a function."""
    given: dict[str, Any] = {"max_attempts": max_attempts_of(task, options), "not_on": UnsupportedReturnValue}
    backoff = curve_of(task)
    if isinstance(backoff, Curve):
        given["backoff"] = backoff
    elif backoff is not None:
        given.update(backoff=call, jitter=0)
    return Retry(**given)


def problem_with(task: DjangoTask) -> str | None:
    """Say what of a task's own fields cannot be; ``None``: nothing."""
    attempts = getattr(task, "max_attempts", None)
    if attempts is not None and (not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1):
        return f"max_attempts must be a whole number of 1 or more, not {attempts!r}."
    run_after: datetime | timedelta | None = task.run_after
    if isinstance(run_after, timedelta) and not timedelta(0) <= run_after <= _LONGEST:
        return f"run_after must be a moment, or a timedelta from zero to ten years, not {run_after!r}."
    metadata = metadata_of(task)
    if metadata is not None and (
        not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata)
    ):
        return f"metadata must be a dict with texts for keys, not {metadata!r}."
    try:
        curve_of(task)
    except InvalidOption as error:
        return f"backoff must be a delay, a curve or a function: {error}"
    if getattr(task, "atomic", False) and iscoroutinefunction(task.func):
        return "atomic is for plain functions: a transaction belongs to one thread."
    timeout = getattr(task, "timeout", None)
    try:
        if timeout is not None and not duration_of(timeout):
            return "timeout must be above zero."
    except InvalidOption as error:
        return f"timeout must be a duration: {error}"
    return None
