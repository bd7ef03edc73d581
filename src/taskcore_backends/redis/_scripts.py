"""The Lua scripts: read from the package, completed, named by their digest.

A script begins with ``-- uses:`` and the parts that are joined in front of it. Names of ``_layout`` become numbers,
``@NAME@`` a constant, and the transition table is written out as Lua.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Final

import attrs

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    SCAN_LIMIT,
    TRANSITIONS,
    Change,
    Event,
    Lease,
    State,
    Task,
    TaskSpec,
    accept,
    step,
)
from taskcore.records import dump_data
from taskcore_backends.redis._layout import FIELDS, LAYOUT, NUMBERS

__all__ = ["Script", "complete", "script"]

_NAME = re.compile(r"\b([A-Z])\.([A-Z_]+)\b")
_CONSTANT = re.compile(r"@([A-Z_]+)@")

_LIMITS: Final = {
    "LAYOUT": LAYOUT,
    "FIELD_COUNT": len(FIELDS),
    "PROPAGATION": PROPAGATION_LIMIT,
    "LEASES": 200,  # how many lapsed leases one claim sees to
    "EXPIRIES": 200,  # how many overdue tasks, and keys that have ended
    "PROMOTIONS": 500,  # how many tasks that have become due
    "UNFIT": 1000,  # how many tasks that cannot be claimed it passes over
    "ATTEMPTS_KEPT": 20,
    "BULK": 2000,  # longer arguments stand apart, so that they are not written with every change
    "BUCKET": 128,
    "RECENT": 64,
    "NODES": SCAN_LIMIT,  # how far it is looked whether a task would wait for itself
    "NONCES": 16,  # how many claims of one worker can be repeated: the latest that returned tasks
    "NONCES_KEPT": 24 * 3600 * 1_000_000,
    "SILENT": 24 * 3600 * 1_000_000,  # when a worker that says nothing is forgotten
    "INBOX_KEPT": 60_000,
    "WATCHERS": 64,
    "LATE": 2000,  # how many tasks that are due, and that no claim has moved yet, are told from those for later
    "SAME": 1000,  # how many of one millisecond are looked at for the one of the earliest microsecond
    "RANK": 2**46,
    "BEFORE_EPOCH": 62_135_596_800_000,  # milliseconds from the year 1 to 1970
}


@attrs.frozen
class Script:
    """A script, and the digest by which the server knows it once it was sent."""

    name: str
    text: str
    digest: str


@cache
def script(name: str) -> Script:
    """Return the script in ``lua/<name>.lua``, completed."""
    return complete(name, _read(name))


def complete(name: str, main: str) -> Script:
    """Return a script with the parts that its first line names in front of it."""
    head, _, _rest = main.partition("\n")
    text = "\n".join([*map(_read, head.removeprefix("-- uses:").split()), main])
    text = "\n".join(line for line in map(str.strip, text.split("\n")) if line and not line.startswith("--"))
    text = _NAME.sub(_number, text)
    text = _CONSTANT.sub(_constant, text)
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (files("taskcore_backends.redis") / "lua" / f"{name}.lua").read_text("utf-8")


def _number(match: re.Match[str]) -> str:
    kind, name = match.groups()
    return str(NUMBERS[kind][name])


def _constant(match: re.Match[str]) -> str:
    name = match[1]
    if name == "TRANSITIONS":
        return _transitions()
    if name == "WORKER_LOST":
        return _worker_lost()
    return str(_LIMITS[name])


def _transitions() -> str:
    """Return the table as Lua: by event and state the rows of target, guards and effects."""
    table: dict[Event, dict[State, list[str]]] = {}
    for row in TRANSITIONS:
        if row.event is Event.CLAIM:  # ``claiming.lua`` makes that row's transition, many at a time
            continue
        guards = ",".join(f"'{guard.name}'" for guard in row.guards)
        effects = ",".join(f"'{effect.name}'" for effect in row.effects)
        target = NUMBERS["S"][row.target.name]
        text = f"{{{target},{{{guards}}},{{{effects}}}}}"
        table.setdefault(row.event, {}).setdefault(row.source, []).append(text)
    events: list[str] = []
    for event, sources in table.items():
        rows = ",".join(f"[{NUMBERS['S'][source.name]}]={{{','.join(texts)}}}" for source, texts in sources.items())
        events.append(f"[{NUMBERS['E'][event.name]}]={{{rows}}}")
    return f"{{{','.join(events)}}}"


def _worker_lost() -> str:
    """Return what the machine says of a task whose workers were lost too often, as a format of the two numbers."""
    crashes, now = 987_654, datetime(2000, 1, 1, tzinfo=timezone.utc)
    spec = TaskSpec(id="-", name="-", enqueued_at=now, max_crashes=crashes)
    lease = Lease(nonce="-", worker_id="-", claimed_at=now, expires_at=now, is_started=True)
    lost = attrs.evolve(accept(spec, now), state=State.RUNNING, lease=lease, crashes=crashes)
    after = step(lost, Change(task_id="-", event=Event.ABANDON), now + timedelta(seconds=1))
    assert isinstance(after, Task)  # the lease is over, and one crash too many
    assert after.result is not None
    text = dump_data(after.result.failure).replace("%", "%%").replace("\\", "\\\\").replace("'", "\\'")
    return text.replace(str(crashes + 1), "%d").replace(str(crashes), "%d")
