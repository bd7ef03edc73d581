"""The layout of what is stored: how closed sets and fields are numbered, in Python and in the scripts alike.

The scripts write names (``F.CODE``, ``S.READY``), which become these numbers when they are loaded. The numbers are
stored: never give one another meaning without raising ``LAYOUT``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from taskcore.protocol import (
    AddVerdict,
    CancelReason,
    Event,
    OnConflict,
    State,
    UniqueUntil,
    Verdict,
)

__all__ = [
    "ADD_VERDICTS",
    "BONDS",
    "EVENTS",
    "FIELDS",
    "LAYOUT",
    "NUMBERS",
    "POLICIES",
    "REASONS",
    "SCOPES",
    "STATES",
    "VERDICTS",
    "state_codes",
]

LAYOUT: Final = 1
"""The version of the layout that this code reads and writes, as the key ``layout`` has it."""

STATES: Final = (
    State.READY,
    State.READY,
    State.BLOCKED,
    State.RUNNING,
    State.SUCCESSFUL,
    State.FAILED,
    State.CANCELLED,
)
"""The state of each code: 0 is due, 1 is READY but not due yet (``S.LATER``)."""

EVENTS: Final[Mapping[Event, int]] = MappingProxyType(
    {
        Event.CLAIM: 1,
        Event.START: 2,
        Event.HEARTBEAT: 3,
        Event.SUCCEED: 4,
        Event.FAIL: 5,
        Event.RETRY: 6,
        Event.RELEASE: 7,
        Event.ABORT: 8,
        Event.RECLAIM: 9,
        Event.ABANDON: 10,
        Event.LET_GO: 11,
        Event.CANCEL: 12,
        Event.EXPIRE: 13,
        Event.UNBLOCK: 14,
        Event.RESCHEDULE: 15,
        Event.REPLACE: 16,
        Event.AMEND: 17,
        Event.REQUEUE: 18,
    }
)

REASONS: Final[Mapping[CancelReason, int]] = MappingProxyType(
    {
        CancelReason.USER: 1,
        CancelReason.EXPIRED: 2,
        CancelReason.DEPENDENCY: 3,
        CancelReason.REPLACED: 4,
        CancelReason.ABORTED: 5,
    }
)

SCOPES: Final[Mapping[UniqueUntil, int]] = MappingProxyType(
    {UniqueUntil.STARTED: 0, UniqueUntil.FINISHED: 1, UniqueUntil.MOMENT: 2}
)

POLICIES: Final[Mapping[OnConflict, int]] = MappingProxyType(
    {OnConflict.RETURN_EXISTING: 0, OnConflict.RAISE: 1, OnConflict.REPLACE: 2, OnConflict.RESCHEDULE: 3}
)

VERDICTS: Final[Mapping[Verdict, int]] = MappingProxyType(
    {Verdict.APPLIED: 1, Verdict.ALREADY: 2, Verdict.STALE: 3, Verdict.MISSING: 4, Verdict.REFUSED: 5}
)

ADD_VERDICTS: Final[Mapping[AddVerdict, int]] = MappingProxyType(
    {
        AddVerdict.ADDED: 1,
        AddVerdict.ALREADY: 2,
        AddVerdict.EXISTING: 3,
        AddVerdict.REPLACED: 4,
        AddVerdict.RESCHEDULED: 5,
    }
)

FIELDS: Final = (
    "CODE",
    "VERSION",
    "EPOCH",
    "RUN_AFTER",
    "CHANGED_AT",
    "FAILURES",
    "CRASHES",
    "RELEASES",
    "WAITS",
    "HAS_ATTEMPTS",
    "NAME",
    "QUEUE",
    "PRIORITY",
    "MAX_ATTEMPTS",
    "MAX_CRASHES",
    "WANTED",
    "EXPIRES",
    "ENQUEUED",
    "ARGS",
    "OPTIONS",
    "BONDS",
    "NONCE",
    "WORKER",
    "CLAIMED_AT",
    "LEASE_EXPIRES",
    "IS_STARTED",
    "SETTLE",
    "CANCEL",
    "REASON",
    "PROGRESS",
    "STARTED_AT",
    "FAILURE",
    "VALUE",
)
"""The fields of a record, in order, from 1."""

BONDS: Final = (
    "KEY",
    "UNTIL",
    "MOMENT",
    "ON_CONFLICT",
    "PARENTS",
    "RUNS_ANYWAY",
    "GROUP",
    "INDEX",
    "SCHEDULE",
    "KEEP",  # a successful, then a failed, then a cancelled one
    "KEEP_FAILED",
    "KEEP_CANCELLED",
    "SLOT",
)
"""What a spec has that the scripts have to look at, and most specs have not; from 1."""

_CHANGE = (
    "ID",
    "EVENT",
    "EPOCH",
    "NONCE",
    "VALUE",
    "STARTED_AT",
    "PROGRESS",
    "EXTEND",
    "FAILURE",
    "DELAY",
    "RUN_AFTER",
    "VERSION",
    "LEVEL",
    "REASON",
    "SPEC",
    "ITEMS",
    "TASKS",
    "WAITS",
)

NUMBERS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "F": {
            **{name: place for place, name in enumerate(FIELDS, 1)},
            "LAST": len(FIELDS),
            "SPEC": FIELDS.index("NAME") + 1 - 2,  # the name is the second of a spec
        },
        "B": {name: place for place, name in enumerate(BONDS, 1)},
        "C": {name: place for place, name in enumerate(_CHANGE, 1)},
        "S": {
            "READY": 0,
            "LATER": 1,
            "BLOCKED": 2,
            "RUNNING": 3,
            "SUCCESSFUL": 4,
            "FAILED": 5,
            "CANCELLED": 6,
        },
        "E": {event.name: number for event, number in EVENTS.items()},
        "R": {reason.name: number for reason, number in REASONS.items()},
        "U": {scope.name: number for scope, number in SCOPES.items()},
        "O": {policy.name: number for policy, number in POLICIES.items()},
        "V": {verdict.name: number for verdict, number in VERDICTS.items()},
        "A": {verdict.name: number for verdict, number in ADD_VERDICTS.items()},
    }
)
"""What the names in the scripts stand for: fields, bonds, fields of a change, states, events and the like."""


def state_codes(states: frozenset[State]) -> list[int]:
    """Return all codes of these states, in order."""
    return [code for code, state in enumerate(STATES) if state in states]
