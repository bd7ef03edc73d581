"""``TaskOptions``: what a task can ask for besides its arguments, given to ``@task(…)`` and ``.using(…)``.

Every option is checked where it is given. One that is not given is ``NOT_GIVEN``, so that a call's options can be laid
over those of its definition.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, cast

import attrs
from typing_extensions import TypedDict

from taskcore._data import Retention
from taskcore._naming import shown
from taskcore._requests import NAME_LIMIT
from taskcore._retry import Retry
from taskcore._vocabulary import KeepPer, OnConflict, OnParentFailure, UniqueUntil
from taskcore.errors import InvalidOption

__all__ = [
    "NOT_GIVEN",
    "HasId",
    "NotGiven",
    "OptionKeywords",
    "TaskOptions",
    "check_name",
    "given",
    "merged",
]

_CENTURY = timedelta(days=36_525)

E = TypeVar("E", bound=Enum)


class NotGiven(Enum):
    """The value of an option that was not given."""

    NOT_GIVEN = "not given"


NOT_GIVEN = NotGiven.NOT_GIVEN


class HasId(Protocol):
    """Anything with an id that can be waited for: a handle, a group's handle, a task."""

    @property
    def id(self) -> str:
        """The id of the task or group."""
        ...


UniqueKeyOption: TypeAlias = "str | Callable[..., str] | None"
UniqueUntilOption: TypeAlias = "Literal['started', 'finished'] | UniqueUntil | datetime | timedelta"
OnConflictOption: TypeAlias = "Literal['return_existing', 'raise', 'replace', 'reschedule'] | OnConflict"
OnParentFailureOption: TypeAlias = "Literal['cancel', 'run'] | OnParentFailure"
ParentsOption: TypeAlias = "HasId | str | Iterable[HasId | str]"


class OptionKeywords(TypedDict, total=False):
    """The keyword arguments of ``@task(…)`` and ``.using(…)``. ``None`` takes back what the definition says."""

    queue_name: str
    """The queue it waits in; "default" when not given."""
    priority: int
    """-100 to 100, higher first."""
    run_after: datetime | timedelta | None
    """Not before this moment, or this long after enqueueing."""
    expires_at: datetime | timedelta | None
    """When it has not started by this moment, or this long after enqueueing, it is cancelled instead."""
    timeout: timedelta | None
    """Hard limit of one run."""
    soft_timeout: timedelta | None
    """When SoftTimeout is raised in a run; below ``timeout``."""
    retry: Retry | None
    """How exceptions are answered; ``None``: they are final."""
    max_crashes: int
    """Lost workers that are forgiven; 0: at most once."""
    unique_key: UniqueKeyOption
    """One task at a time has this key; a function is called with the task's arguments and returns the key."""
    unique_until: UniqueUntilOption
    """How long the key is held: up to the start, the finish, a moment, or this long after enqueueing."""
    on_conflict: OnConflictOption
    """What enqueueing does when the key is held."""
    depends_on: ParentsOption
    """Handles or ids of tasks and groups that must finish first."""
    on_parent_failure: OnParentFailureOption
    retention: Retention | None
    """How long it is kept once finished."""
    save: bool
    """False: it is not kept once SUCCESSFUL, nor its result."""
    label: str | None
    """A name for people."""
    metadata: Mapping[str, object] | None
    """A JSON object of the user's own."""


def _refuse(name: str, value: object, right: str) -> InvalidOption:
    return InvalidOption(f"The option {name} must be {right}, not {shown(value)}.")


def check_name(name: str, value: object) -> str:
    """Return a name that every store can hold and every tool can show; raises InvalidOption."""
    if not isinstance(value, str) or not value or len(value) > NAME_LIMIT:
        raise _refuse(name, value, f"a text of 1 to {NAME_LIMIT} characters")
    if not value.isprintable() or value != value.strip():
        raise _refuse(name, value, "a text of printable characters without white space around it")
    return str(value)


def _moment(name: str, value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        raise _refuse(name, value, "a datetime with a zone, such as datetime.now(timezone.utc)")
    try:
        return value.astimezone(timezone.utc)
    except OverflowError:
        raise _refuse(name, value, "a moment within the years 1 to 9999 of UTC") from None


# One function for each option: (name, value) -> value as TaskOptions holds it


def _priority(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -100 <= value <= 100:
        return int(value)
    raise _refuse(name, value, "a whole number from -100 to 100, higher first")


def _when(name: str, value: object) -> datetime | timedelta | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return _moment(name, value)
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    raise _refuse(name, value, "an aware datetime, a timedelta of zero or more, or None")


def _duration(name: str, value: object) -> timedelta | None:
    if value is None or (isinstance(value, timedelta) and timedelta(0) < value <= _CENTURY):
        return value
    raise _refuse(name, value, "a timedelta above zero, up to a hundred years, or None")


def _retry(name: str, value: object) -> Retry | None:
    if value is None or isinstance(value, Retry):
        return value
    raise _refuse(name, value, "Retry(max_attempts=…, …), or None")


def _max_crashes(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000:
        return int(value)
    raise _refuse(name, value, "a whole number of 0 (at most once) or more")


def _unique_key(name: str, value: object) -> str | Callable[..., str] | None:
    if callable(value) and not isinstance(value, type):
        return cast("Callable[..., str]", value)
    return None if value is None else check_name(name, value)


def _unique_until(name: str, value: object) -> UniqueUntil | datetime | timedelta:
    if isinstance(value, datetime):
        return _moment(name, value)
    if isinstance(value, timedelta) and value > timedelta(0):
        return value
    until = _member(UniqueUntil, value)
    if until is not None and until is not UniqueUntil.MOMENT:
        return until
    raise _refuse(name, value, '"started", "finished", an aware datetime, or a timedelta above zero')


def _member(kind: type[E], value: object) -> E | None:
    return next((member for member in kind if value is member or value == member.value), None)


def _on_conflict(name: str, value: object) -> OnConflict:
    member = _member(OnConflict, value)
    if member is None:
        raise _refuse(name, value, '"return_existing", "raise", "replace" or "reschedule"')
    return member


def _on_parent_failure(name: str, value: object) -> OnParentFailure:
    member = _member(OnParentFailure, value)
    if member is None:
        raise _refuse(name, value, '"cancel" or "run"')
    return member


def _depends_on(name: str, value: object) -> tuple[str, ...]:
    items = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    ids = []
    for item in items:
        task_id = item if isinstance(item, str) else getattr(item, "id", None)
        if not isinstance(task_id, str) or not task_id:
            raise _refuse(name, item, "a handle or an id of a task or group, or several of them")
        ids.append(task_id)
    return tuple(dict.fromkeys(ids))


def _retention(name: str, value: object) -> Retention | None:
    if value is None:
        return None
    if not isinstance(value, Retention):
        raise _refuse(name, value, "Retention(successful=…, failed=…, cancelled=…), or None")
    for age in (value.successful, value.failed, value.cancelled):
        if age is not None and (not isinstance(age, timedelta) or not timedelta(0) <= age <= _CENTURY):
            raise _refuse(name, value, "a Retention whose ages are timedeltas from zero to a hundred years, or None")
    latest = value.keep_latest
    if latest is not None and (not isinstance(latest, int) or isinstance(latest, bool) or latest < 0):
        raise _refuse(name, value, "a Retention whose keep_latest is a whole number of 0 or more, or None")
    if not isinstance(value.keep_per, KeepPer):
        raise _refuse(name, value, "a Retention whose keep_per is KeepPer.NAME or KeepPer.GROUP")
    return value


def _save(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _refuse(name, value, "True or False")


def _label(name: str, value: object) -> str | None:
    return None if value is None else check_name(name, value)


def _metadata(name: str, value: object) -> Mapping[str, object] | None:
    if value is None or (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
        return None if value is None else dict(value)
    raise _refuse(name, value, "a dict with texts for keys, and JSON values, or None")


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "queue_name": check_name,
    "priority": _priority,
    "run_after": _when,
    "expires_at": _when,
    "timeout": _duration,
    "soft_timeout": _duration,
    "retry": _retry,
    "max_crashes": _max_crashes,
    "unique_key": _unique_key,
    "unique_until": _unique_until,
    "on_conflict": _on_conflict,
    "depends_on": _depends_on,
    "on_parent_failure": _on_parent_failure,
    "retention": _retention,
    "save": _save,
    "label": _label,
    "metadata": _metadata,
}


@attrs.frozen(kw_only=True, repr=False)
class TaskOptions:
    """Options as ``TaskOptions.of`` has checked them: moments in UTC, words as enums, parents as ids.

    What each means stands at ``OptionKeywords``.
    """

    queue_name: str | NotGiven = NOT_GIVEN
    priority: int | NotGiven = NOT_GIVEN
    run_after: datetime | timedelta | NotGiven | None = NOT_GIVEN
    expires_at: datetime | timedelta | NotGiven | None = NOT_GIVEN
    timeout: timedelta | NotGiven | None = NOT_GIVEN
    soft_timeout: timedelta | NotGiven | None = NOT_GIVEN
    retry: Retry | NotGiven | None = NOT_GIVEN
    max_crashes: int | NotGiven = NOT_GIVEN
    unique_key: str | Callable[..., str] | NotGiven | None = NOT_GIVEN
    unique_until: UniqueUntil | datetime | timedelta | NotGiven = NOT_GIVEN
    on_conflict: OnConflict | NotGiven = NOT_GIVEN
    depends_on: tuple[str, ...] | NotGiven = NOT_GIVEN
    on_parent_failure: OnParentFailure | NotGiven = NOT_GIVEN
    retention: Retention | NotGiven | None = NOT_GIVEN
    save: bool | NotGiven = NOT_GIVEN
    label: str | NotGiven | None = NOT_GIVEN
    metadata: Mapping[str, object] | NotGiven | None = NOT_GIVEN

    def __repr__(self) -> str:
        return f"TaskOptions({', '.join(f'{name}={value!r}' for name, value in given(self).items())})"

    @staticmethod
    def names() -> frozenset[str]:
        """Return the names of all options."""
        return frozenset(_CHECKS)

    @classmethod
    def of(cls, keywords: Mapping[str, object], where: str, others: tuple[str, ...] = ()) -> TaskOptions:
        """Return the options of keyword arguments; raises InvalidOption, for an unknown name with the nearest one.

        ``where`` is how the message calls the place (``@task(…)``), ``others`` what else may stand there.
        """
        checked: dict[str, Any] = {}
        for name, value in keywords.items():
            check = _CHECKS.get(name)
            if check is None:
                raise InvalidOption(f"{where} has no option {name!r}: {_nearest(name, (*_CHECKS, *others))}")
            checked[name] = check(name, value)
        options = cls(**checked)
        _check_together(options)
        return options


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."


def _check_together(options: TaskOptions) -> None:
    """Refuse options that are right one by one and cannot be together."""
    soft, hard = options.soft_timeout, options.timeout
    if isinstance(soft, timedelta) and isinstance(hard, timedelta) and soft >= hard:
        raise InvalidOption(f"soft_timeout={soft!r} is not below timeout={hard!r}: it would never be raised.")
    after, end = options.run_after, options.expires_at
    if isinstance(after, timedelta) and isinstance(end, timedelta) and end <= after:
        raise InvalidOption(f"expires_at={end!r} is not after run_after={after!r}: the task could never start.")


def given(options: TaskOptions) -> dict[str, object]:
    """Return the options that were given."""
    values = {name: getattr(options, name) for name in _CHECKS}
    return {name: value for name, value in values.items() if value is not NOT_GIVEN}


def merged(below: TaskOptions, above: TaskOptions) -> TaskOptions:
    """Return the options of ``above``, and those of ``below`` where ``above`` has none; raises InvalidOption."""
    changes: dict[str, Any] = {**given(below), **given(above)}
    options = TaskOptions(**changes)
    _check_together(options)
    return options
