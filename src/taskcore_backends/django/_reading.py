"""Rows to tasks. The hot one: due rows to claimed tasks.

What stands beside a row, long texts and attempts, is read after it, for the rows whose flags say that there is any. A
row that nobody holds may have been changed in between, or purged: it is looked at again then, so that no task is half
of one moment and half of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from taskcore.protocol import Attempt, CancelLevel, CancelReason, Event, Lease, Progress, Result, Settle, Task, TaskSpec
from taskcore.protocol import State as TaskState
from taskcore.records import load_data
from taskcore.records.columns import (
    FAILED,
    HAS_ATTEMPTS,
    IS_BULKY,
    RUNNING,
    SETTLES,
    STATES,
    SUCCESSFUL,
    duration,
    load_failure,
    load_options,
    moment,
    optional_moment,
)
from taskcore_backends.django._dialects import marks

__all__ = ["COLUMNS", "DUE_COLUMNS", "Ask", "Row", "Stored", "claimed_tasks", "tasks", "tasks_as_they_are"]

Row: TypeAlias = tuple[Any, ...]

Ask: TypeAlias = Callable[[str, Sequence[Any]], list[Row]]
"""Runs a SELECT with its parameters and returns the rows."""

DUE_COLUMNS = """
    t.id, t.name, t.queue_name, t.precedence, t.code, t.version, t.run_after, t.enqueued_at, t.max_attempts,
    t.max_crashes, t.epoch, t.failures, t.crashes, t.releases, t.flags, t.wanted_after, t.expires_at, t.group_id,
    t.group_index, t.schedule_id, t.unique_key, t.label, t.timeout, t.options, t.arguments, t.progress
"""
"""What is selected FROM taskcore_task AS t of a task that waits to be claimed."""

COLUMNS = f"""
    {DUE_COLUMNS}, t.changed_at, t.nonce, t.worker_id, t.claimed_at, t.lease_expires, t.is_started, t.settle, t.cancel,
    t.reason, t.started_at, t.value
"""
"""What is selected to make any task."""

CODE, FLAGS = 4, 14
"""Where these two stand in a row."""

_CHUNK = 500
_TRIES = 6
"""How often a row is read that is changed each time before what stands beside it has been read."""


@attrs.frozen
class _Beside:
    """What stands beside the rows of one answer, by id."""

    payloads: dict[str, Row]
    attempts: dict[str, list[tuple[int, Attempt]]]
    versions: dict[str, set[int | None]]
    """What the row had for its version when each of these was read."""


_NOTHING = _Beside({}, {}, {})
_NO_PAYLOAD = (None, None, None)


@attrs.frozen
class Stored:
    """A task as it was read, with what of its row the protocol does not know."""

    code: int
    flags: int
    task: Task


def tasks(ask: Ask, rows: Sequence[Row]) -> list[Task]:
    """Return the tasks of rows of ``COLUMNS`` that are held, so that they are what they were when they were read."""
    beside, moments = _read_beside(ask, rows), _Moments()
    return [_task(row, beside, moments) for row in rows]


def tasks_as_they_are(ask: Ask, rows: Sequence[Row]) -> list[Task]:
    """Return the tasks of rows of ``COLUMNS`` that nobody holds; those that have gone meanwhile are left out."""
    moments, made = _Moments(), dict[str, Task]()
    left = list(rows)
    for number in range(_TRIES):
        beside = _read_beside(ask, left)
        changed = [row[0] for row in left if number < _TRIES - 1 and _has_changed(row, beside)]
        made.update((row[0], _task(row, beside, moments)) for row in left if row[0] not in changed)
        if not changed:
            break
        sql = "SELECT {} FROM taskcore_task AS t WHERE t.id IN ({})"
        left = [row for some in _chunks(changed) for row in ask(sql.format(COLUMNS, marks(len(some))), some)]
    return [made[row[0]] for row in rows if row[0] in made]


def _has_changed(row: Row, beside: _Beside) -> bool:
    """Return whether a row was another one when what stands beside it was read."""
    task_id, version, flags = row[0], row[5], row[FLAGS]
    return (
        (flags & IS_BULKY != 0 and task_id not in beside.payloads)
        or (flags & HAS_ATTEMPTS != 0 and task_id not in beside.attempts)
        or not beside.versions.get(task_id, {version}) <= {version}
    )


def claimed_tasks(ask: Ask, rows: Sequence[Row], lease: Lease, now: datetime) -> list[Task]:
    """Return what CLAIM makes of due rows of ``DUE_COLUMNS``: as ``step`` says, without a step for each."""
    beside, moments = _read_beside(ask, rows), _Moments()
    return [
        Task(
            spec=_spec(row, beside, moments),
            state=TaskState.RUNNING,
            version=row[5] + 1,
            run_after=moments[row[6]],
            changed_at=now,
            epoch=row[10] + 1,
            lease=lease,
            failures=row[11],
            crashes=row[12],
            releases=row[13],
            progress=None if row[25] is None else load_data(Progress, row[25]),
            attempts=_attempts(row, beside, row[10]) if row[FLAGS] & HAS_ATTEMPTS else (),
        )
        for row in rows
    ]


class _Moments(dict[int, datetime]):
    """Moments that were made for other rows of the same answer: most were written together."""

    def __missing__(self, value: int) -> datetime:
        made = self[value] = moment(value)
        return made


# Beside the rows

_VERSION = "(SELECT t.version FROM taskcore_task AS t WHERE t.id = b.task_id)"

_PAYLOADS = f"""
    SELECT b.task_id, b.arguments, b.value, b.failure, {_VERSION} FROM taskcore_payload AS b WHERE b.task_id IN ({{}})
"""

_ATTEMPTS = f"""
    SELECT b.task_id, b.epoch, b.event, b.worker_id, b.claimed_at, b.started_at, b.ended_at, b.failure, {_VERSION}
    FROM taskcore_attempt AS b WHERE b.task_id IN ({{}}) ORDER BY b.task_id, b.epoch
"""


def _read_beside(ask: Ask, rows: Sequence[Row]) -> _Beside:
    bulky = [row[0] for row in rows if row[FLAGS] & IS_BULKY]
    tried = [row[0] for row in rows if row[FLAGS] & HAS_ATTEMPTS]
    if not bulky and not tried:
        return _NOTHING
    payloads: dict[str, Row] = {}
    attempts: dict[str, list[tuple[int, Attempt]]] = {}
    versions: dict[str, set[int | None]] = {}
    for some in _chunks(bulky):
        for row in ask(_PAYLOADS.format(marks(len(some))), some):
            payloads[row[0]] = row[1:4]
            versions.setdefault(row[0], set()).add(row[-1])
    for some in _chunks(tried):
        for row in ask(_ATTEMPTS.format(marks(len(some))), some):
            attempts.setdefault(row[0], []).append((row[1], _attempt(row[:-1])))
            versions.setdefault(row[0], set()).add(row[-1])
    return _Beside(payloads, attempts, versions)


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


def _attempt(row: Row) -> Attempt:
    _task_id, epoch, event, worker_id, claimed_at, started_at, ended_at, failure = row
    return Attempt(
        epoch=epoch,
        event=Event(event),
        worker_id=worker_id,
        claimed_at=moment(claimed_at),
        started_at=optional_moment(started_at),
        ended_at=moment(ended_at),
        failure=load_failure(failure),
    )


def _attempts(row: Row, beside: _Beside, until: int) -> tuple[Attempt, ...]:
    return tuple([attempt for epoch, attempt in beside.attempts.get(row[0], ()) if epoch <= until])


# Tasks


def _spec(row: Row, beside: _Beside, moments: _Moments) -> TaskSpec:
    """Return the spec of a row. The common case is a task with nothing unusual, so it comes first."""
    wanted_after, expires_at, group_id, group_index, schedule_id, unique_key, label, timeout, options, arguments = row[
        15:25
    ]
    if arguments is None:
        arguments = beside.payloads.get(row[0], _NO_PAYLOAD)[0]
    if wanted_after is expires_at is group_id is schedule_id is label is timeout is options is None:
        return TaskSpec(
            id=row[0],
            name=row[1],
            enqueued_at=moments[row[7]],
            queue_name=row[2],
            priority=-row[3],
            arguments_json=arguments,
            max_attempts=row[8],
            max_crashes=row[9],
        )
    return TaskSpec(
        id=row[0],
        name=row[1],
        enqueued_at=moments[row[7]],
        queue_name=row[2],
        priority=-row[3],
        arguments_json=arguments,
        run_after=optional_moment(wanted_after),
        expires_at=optional_moment(expires_at),
        timeout=None if timeout is None else duration(timeout),
        max_attempts=row[8],
        max_crashes=row[9],
        group_id=group_id,
        group_index=group_index,
        schedule_id=schedule_id,
        label=label,
        **({} if options is None else load_options(options, unique_key)),
    )


def _task(row: Row, beside: _Beside, moments: _Moments) -> Task:
    code, epoch, progress = row[CODE], row[10], row[25]
    changed, nonce, worker_id, claimed_at, lease_expires, is_started, settle, cancel, reason, started_at, value = row[
        26:37
    ]
    changed_at = moments[changed]
    lease = result = None
    if code == RUNNING:
        lease = Lease(
            nonce=nonce,
            worker_id=worker_id,
            claimed_at=moments[claimed_at],
            expires_at=moments[lease_expires],
            is_started=bool(is_started),
        )
    elif code in (SUCCESSFUL, FAILED):
        payload = beside.payloads.get(row[0], _NO_PAYLOAD)
        result = Result(
            value_json=payload[1] if value is None else value,
            failure=load_failure(payload[2]),
            worker_id=worker_id,
            started_at=optional_moment(started_at),
            finished_at=changed_at,
        )
    return Task(
        spec=_spec(row, beside, moments),
        state=STATES[code],
        version=row[5],
        run_after=moments[row[6]],
        changed_at=changed_at,
        epoch=epoch,
        lease=lease,
        last_settle=None if settle is None else Settle(epoch, nonce, SETTLES[settle]),
        failures=row[11],
        crashes=row[12],
        releases=row[13],
        cancel_level=None if cancel is None else CancelLevel(cancel),
        reason=None if reason is None else CancelReason(reason),
        progress=None if progress is None else load_data(Progress, progress),
        attempts=_attempts(row, beside, epoch - (code == RUNNING)) if row[FLAGS] & HAS_ATTEMPTS else (),
        result=result,
    )
