"""How closed sets, moments and durations stand in columns. The numbers are stored: never give one another meaning."""

from __future__ import annotations

from typing import Final

from taskcore.protocol import Event, State, UniqueUntil
from taskcore.records import (
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
    "duration",
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
"""Its arguments are in ``payload``."""

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
