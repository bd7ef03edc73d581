"""Bad input is refused at the door, alike by every backend: what cannot be stored as it is given raises here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from taskcore._naming import shown
from taskcore._retry import Curve
from taskcore.errors import InvalidInput
from taskcore.protocol import (
    ID_LIMIT,
    NAME_LIMIT,
    CancelLevel,
    CancelReason,
    Change,
    Event,
    Fence,
    Group,
    OnConflict,
    OnParentFailure,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
)

__all__ = [
    "check_changes",
    "check_filter",
    "check_group",
    "check_ids",
    "check_limit",
    "check_moment",
    "check_spec",
    "check_text",
]


def check_text(value: object, what: str, longest: int = NAME_LIMIT) -> None:
    """Raise ``InvalidInput`` for what is no text, or empty, too long, or not for every store (NUL, surrogates)."""
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{what} is a text of one character or more, not {shown(value)}.")
    if len(value) > longest:
        raise InvalidInput(f"{what} {shown(value)} has {len(value)} characters: {longest} are the most.")
    if not (value.isascii() and value.isprintable()):
        _check_characters(value, what)


def _check_characters(value: str, what: str) -> None:
    if "\0" in value:
        raise InvalidInput(f"{what} {shown(value)} has a NUL character, which not every store can hold.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} {shown(value)} has a lone surrogate, which is no text of UTF-8.") from error


def check_filter(value: object, what: str) -> None:
    """Raise ``InvalidInput`` for what is neither ``None`` nor a text that a store could hold."""
    if value is not None:
        check_ids((value,), what)


def check_ids(values: Sequence[object], what: str) -> None:
    """Raise ``InvalidInput`` for ids of which one is no text that a store could hold."""
    for value in values:
        if not isinstance(value, str):
            raise InvalidInput(f"{what} is a text, not {shown(value)}.")
        if not (value.isascii() and value.isprintable()):
            _check_characters(value, what)


def check_moment(value: object, what: str) -> None:
    """Raise ``InvalidInput`` for what is no aware datetime."""
    if not isinstance(value, datetime) or value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(f"{what} is a datetime with a time zone, not {shown(value)}.")


def _check_json(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is JSON as text, not {shown(value)}: encode it first.")
    if not value.isascii():
        _check_characters(value, what)


def _check_number(value: object, what: str, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise InvalidInput(f"{what} is a whole number from {least} to {most}, not {shown(value)}.")


_GREAT = 2**31 - 1


def check_limit(value: object, what: str, least: int = 1) -> None:
    """Raise ``InvalidInput`` for a limit that is no whole number of ``least`` or more."""
    _check_number(value, what, least, _GREAT)


def check_spec(spec: TaskSpec) -> None:
    """Raise ``InvalidInput`` for a spec that no store should take; the message names the task and the field."""
    if not isinstance(spec, TaskSpec):
        raise InvalidInput(f"add takes TaskSpecs, not {shown(spec)}.")
    try:
        check_text(spec.id, "id", ID_LIMIT)
        check_text(spec.name, "name")
        check_text(spec.queue_name, "queue_name")
        _check_json(spec.arguments_json, "arguments_json")
        check_moment(spec.enqueued_at, "enqueued_at")
        _check_number(spec.priority, "priority", -100, 100)
        if spec.run_after is not None:
            check_moment(spec.run_after, "run_after")
        if spec.expires_at is not None:
            check_moment(spec.expires_at, "expires_at")
        if spec.max_attempts != 1 or spec.max_crashes != 3:
            _check_limits(spec)
        if spec.parents:
            _check_parents(spec)
        if spec.unique is not None:
            _check_unique(spec.unique)
        if spec.group_id is not None or spec.group_index is not None:
            _check_membership(spec)
        _check_rare_fields(spec)
    except InvalidInput as error:
        raise InvalidInput(f"Task {shown(spec.id)} ({shown(spec.name)}): {error}") from None


def _check_limits(spec: TaskSpec) -> None:
    if spec.max_attempts is not None:
        check_limit(spec.max_attempts, "max_attempts")
    check_limit(spec.max_crashes, "max_crashes", 0)


_LONGEST = timedelta(days=36_525)


def _check_span(value: object, what: str) -> None:
    if value is not None and not (isinstance(value, timedelta) and timedelta(0) <= value <= _LONGEST):
        raise InvalidInput(f"{what} is a timedelta from zero to a hundred years, not {shown(value)}.")


def _check_rare_fields(spec: TaskSpec) -> None:
    if spec.timeout is not None or spec.soft_timeout is not None or spec.retention is not None:
        _check_spans(spec)
    if spec.metadata_json is not None:
        _check_json(spec.metadata_json, "metadata_json")
    if spec.label is not None:
        check_text(spec.label, "label")
    if spec.schedule_id is not None:
        check_text(spec.schedule_id, "schedule_id", ID_LIMIT)
    if spec.slot is not None:
        check_moment(spec.slot, "slot")
    if spec.retry is not None and not isinstance(spec.retry.backoff, Curve):
        raise InvalidInput("retry.backoff is a function, which cannot be stored: use exponential(…) or the like.")


def _check_spans(spec: TaskSpec) -> None:
    _check_span(spec.timeout, "timeout")
    _check_span(spec.soft_timeout, "soft_timeout")
    if spec.retention is not None:
        for state in ("successful", "failed", "cancelled"):
            _check_span(getattr(spec.retention, state), f"retention.{state}")


def _check_parents(spec: TaskSpec) -> None:
    if not isinstance(spec.parents, tuple):
        raise InvalidInput(f"parents is a tuple of ids, not {shown(spec.parents)}.")
    for parent_id in spec.parents:
        check_text(parent_id, "parents: an id", ID_LIMIT)
    if spec.on_parent_failure not in OnParentFailure:
        raise InvalidInput(f"on_parent_failure is an OnParentFailure, not {shown(spec.on_parent_failure)}.")
    if spec.group_id in spec.parents:
        raise InvalidInput("a member of a group cannot wait for the group: it would wait for itself.")


def _check_membership(spec: TaskSpec) -> None:
    if spec.group_id is None:
        raise InvalidInput("group_index without a group_id: a place among the members of no group.")
    check_text(spec.group_id, "group_id", ID_LIMIT)
    if spec.group_index is not None:
        check_limit(spec.group_index, "group_index", 0)


def _check_unique(unique: UniqueKey) -> None:
    check_text(unique.key, "unique.key")
    if not isinstance(unique.until, UniqueUntil) or not isinstance(unique.on_conflict, OnConflict):
        raise InvalidInput(f"unique.until is a UniqueUntil and on_conflict an OnConflict, not as in {shown(unique)}.")
    if unique.until is UniqueUntil.MOMENT:
        check_moment(unique.moment, "unique.moment, for a key held until a moment,")


def check_group(group: Group) -> None:
    """Raise ``InvalidInput`` for a group that no store should take."""
    check_text(group.id, "Group id", ID_LIMIT)
    check_text(group.name, f"Group {shown(group.id)}: its name")
    check_moment(group.created_at, f"Group {shown(group.id)}: created_at")
    if group.total is not None:
        check_limit(group.total, f"Group {shown(group.id)}: total", 0)


def check_changes(changes: Sequence[Change]) -> None:
    """Raise ``InvalidInput`` for a change that brings what cannot be stored; nothing of the whole call is done then."""
    for change in changes:
        if change.value_json is not None and type(change.value_json) is not str:
            _check_json(change.value_json, f"Task {change.task_id}: value_json")
        if change.started_at is not None and change.started_at.tzinfo is None:
            check_moment(change.started_at, f"Task {change.task_id}: started_at")
        if change.extend is not None:
            _check_span(change.extend, f"Task {change.task_id}: extend")
        if change.fence is None or change.items or change.tasks or change.run_after is not None:
            _check_rare(change)
        if change.event is Event.CLAIM:
            raise InvalidInput(f"Task {shown(change.task_id)}: claim() makes CLAIMs, not apply().")


def _check_rare(change: Change) -> None:
    what = f"Task {shown(change.task_id)}: "
    check_text(change.task_id, "Change.task_id", ID_LIMIT)
    if not isinstance(change.event, Event):
        raise InvalidInput(f"{what}event is an Event, not {change.event!r}.")
    if change.fence is not None and not isinstance(change.fence, Fence):
        raise InvalidInput(f"{what}fence is a Fence, not {change.fence!r}.")
    if change.run_after is not None:
        check_moment(change.run_after, f"{what}run_after")
    if change.delay is not None and not (isinstance(change.delay, timedelta) and change.delay >= timedelta(0)):
        raise InvalidInput(f"{what}delay is a timedelta of zero or more, not {shown(change.delay)}.")
    if change.level is not None and not isinstance(change.level, CancelLevel):
        raise InvalidInput(f"{what}level is a CancelLevel, not {change.level!r}.")
    if change.reason is not None and not isinstance(change.reason, CancelReason):
        raise InvalidInput(f"{what}reason is a CancelReason, not {change.reason!r}.")
    if change.spec is not None:
        check_spec(change.spec)
    for item in change.items:
        check_moment(item.at, f"{what}Item.at")
        if item.task_id != change.task_id:
            raise InvalidInput(f"{what}an item names another task, {item.task_id!r}.")
        if item.data_json is not None:
            _check_json(item.data_json, f"{what}Item.data_json")
    for spec in change.tasks:
        check_spec(spec)
