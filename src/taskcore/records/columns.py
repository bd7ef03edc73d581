"""How a task stands in columns: the numbers of closed sets, the flags of a row, and what shares a column as JSON text.

For stores that keep tasks in tables. The numbers are stored: never give one another meaning.
"""

from __future__ import annotations

import json
from typing import Any, Final

from taskcore._codec import dump_data, load_data
from taskcore.protocol import (
    Event,
    Failure,
    KeepPer,
    OnConflict,
    OnParentFailure,
    Retention,
    Retry,
    State,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
)
from taskcore.records._moments import (
    duration,
    micros,
    moment,
    optional_duration,
    optional_micros,
    optional_moment,
    span,
)

__all__ = [
    "AWAITED",
    "BLOCKED",
    "CANCELLED",
    "DONE",
    "DUE",
    "FAILED",
    "HAS_ATTEMPTS",
    "HELD_BACK",
    "IS_BULKY",
    "IS_CHILD",
    "IS_MEMBER",
    "IS_PARENT",
    "LATER",
    "MAY_HOLD_KEY",
    "RUNNING",
    "SCOPES",
    "SETTLES",
    "STATES",
    "SUCCESSFUL",
    "code_of",
    "dump_options",
    "duration",
    "load_failure",
    "load_options",
    "micros",
    "moment",
    "optional_duration",
    "optional_micros",
    "optional_moment",
    "span",
    "state_codes",
]

DUE: Final = 0
"""READY, and run_after had passed when it was written or promoted."""
LATER: Final = 1
"""READY, not due yet."""
BLOCKED: Final = 2
RUNNING: Final = 3
SUCCESSFUL: Final = 4
FAILED: Final = 5
CANCELLED: Final = 6

STATES: Final = (
    State.READY,
    State.READY,
    State.BLOCKED,
    State.RUNNING,
    State.SUCCESSFUL,
    State.FAILED,
    State.CANCELLED,
)
"""The state of each code."""

_CODES: Final = {state: code for code, state in reversed(list(enumerate(STATES)))}

# Flags of a row: what its transitions have to look after besides the row.
MAY_HOLD_KEY: Final = 1
IS_MEMBER: Final = 2
IS_PARENT: Final = 4
IS_CHILD: Final = 8
IS_BULKY: Final = 16
"""Something of it is so long that it stands in a table of its own."""
HAS_ATTEMPTS: Final = 32
"""Attempts are in a table of their own, and it has some."""

# Marks of an edge.
DONE: Final = 0
"""The child has finished."""
HELD_BACK: Final = 1
"""The child is unfinished and does not wait for this parent any more; the parent has to stay."""
AWAITED: Final = 2
"""The child waits for this parent."""

_SETTLE_EVENTS: Final = (
    Event.SUCCEED,
    Event.FAIL,
    Event.RETRY,
    Event.RELEASE,
    Event.ABORT,
    Event.RECLAIM,
    Event.ABANDON,
    Event.LET_GO,
)
SETTLES: Final = dict(enumerate(_SETTLE_EVENTS, 1))
"""The event of ``Settle`` for each number in the column ``settle``."""

SCOPES: Final = {UniqueUntil.STARTED: 0, UniqueUntil.FINISHED: 1, UniqueUntil.MOMENT: 2}
"""The number of each scope of a unique key."""


def code_of(state: State, *, is_due: bool) -> int:
    """Return the code of a state; ``is_due`` matters for READY only."""
    if state is State.READY and not is_due:
        return LATER
    return _CODES[state]


def state_codes(states: frozenset[State]) -> list[int]:
    """Return all codes of these states, in order."""
    return [code for code, state in enumerate(STATES) if state in states]


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump_options(spec: TaskSpec) -> str | None:
    """Return the options of a spec that have no column, as JSON; ``None`` when all are left at their defaults."""
    options: dict[str, object] = {}
    if spec.label is not None:
        options["label"] = spec.label
    if spec.metadata_json is not None:
        options["metadata"] = spec.metadata_json
    if spec.soft_timeout is not None:
        options["soft_timeout"] = span(spec.soft_timeout)
    if spec.retry is not None:
        options["retry"] = dump_data(spec.retry)
    if spec.parents:
        options["parents"] = spec.parents
    if spec.on_parent_failure is not OnParentFailure.CANCEL:
        options["on_parent_failure"] = spec.on_parent_failure.value
    if spec.slot is not None:
        options["slot"] = micros(spec.slot)
    if spec.unique is not None:
        unique = spec.unique
        options["unique"] = (unique.until.value, optional_micros(unique.moment), unique.on_conflict.value)
    if spec.retention is not None:
        kept = spec.retention
        ages = (optional_duration(kept.successful), optional_duration(kept.failed), optional_duration(kept.cancelled))
        options["retention"] = (*ages, kept.keep_latest, kept.keep_per.value)
    return _compact(options) if options else None


def load_options(text: str, unique_key: str | None) -> dict[str, Any]:
    """Return the keyword arguments of ``TaskSpec`` that ``dump_options`` wrote."""
    options: dict[str, Any] = json.loads(text)
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name == "label":
            fields["label"] = value
        elif name == "metadata":
            fields["metadata_json"] = value
        elif name == "soft_timeout":
            fields["soft_timeout"] = duration(value)
        elif name == "retry":
            fields["retry"] = load_data(Retry, value)
        elif name == "parents":
            fields["parents"] = tuple(value)
        elif name == "on_parent_failure":
            fields["on_parent_failure"] = OnParentFailure(value)
        elif name == "slot":
            fields["slot"] = moment(value)
        elif name == "unique":
            fields["unique"] = _load_unique(unique_key, *value)
        elif name == "retention":
            fields["retention"] = _load_retention(*value)
    return fields


def _load_unique(key: str | None, until: str, at: int | None, on_conflict: str) -> UniqueKey:
    if key is None:
        raise ValueError("The row has the policy of a unique key, but no key.")
    return UniqueKey(key=key, until=UniqueUntil(until), moment=optional_moment(at), on_conflict=OnConflict(on_conflict))


def _load_retention(
    successful: int | None, failed: int | None, cancelled: int | None, keep_latest: int | None, keep_per: str
) -> Retention:
    return Retention(
        successful=None if successful is None else duration(successful),
        failed=None if failed is None else duration(failed),
        cancelled=None if cancelled is None else duration(cancelled),
        keep_latest=keep_latest,
        keep_per=KeepPer(keep_per),
    )


def load_failure(text: str | None) -> Failure | None:
    """Return the failure that ``dump_data`` wrote, if any."""
    return None if text is None else load_data(Failure, text)
