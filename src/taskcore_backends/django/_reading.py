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


_NOTHING = _Beside({}, {})
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
        changed = _changed(ask, left) if number < _TRIES - 1 else {}
        made.update((row[0], _task(row, beside, moments)) for row in left if row[0] not in changed)
        left = [row for row in changed.values() if row is not None]
        if not left:
            break
    return [made[row[0]] for row in rows if row[0] in made]


def _changed(ask: Ask, rows: Sequence[Row]) -> dict[str, Row | None]:
    """Return those of these rows that are others by now, of the ones with something beside; ``None``: it has gone."""
    known = {row[0]: row for row in rows if row[FLAGS] & (IS_BULKY | HAS_ATTEMPTS)}
    changed: dict[str, Row | None] = {}
    for some in _chunks(list(known)):
        sql = f"SELECT id, version, changed_at FROM taskcore_task WHERE id IN ({marks(len(some))})"
        present = {row[0]: row[1:] for row in ask(sql, some)}
        others = [task_id for task_id in some if present.get(task_id) != (known[task_id][5], known[task_id][26])]
        changed.update(dict.fromkeys(others))
        if others:
            sql = f"SELECT {COLUMNS} FROM taskcore_task AS t WHERE t.id IN ({marks(len(others))})"
            changed.update((row[0], row) for row in ask(sql, others))
    return changed


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


def _read_beside(ask: Ask, rows: Sequence[Row]) -> _Beside:
    bulky = [row[0] for row in rows if row[FLAGS] & IS_BULKY]
    tried = [row[0] for row in rows if row[FLAGS] & HAS_ATTEMPTS]
    if not bulky and not tried:
        return _NOTHING
    payloads: dict[str, Row] = {}
    for some in _chunks(bulky):
        sql = f"SELECT task_id, arguments, value, failure FROM taskcore_payload WHERE task_id IN ({marks(len(some))})"
        payloads.update((row[0], row[1:]) for row in ask(sql, some))
    attempts: dict[str, list[tuple[int, Attempt]]] = {}
    for some in _chunks(tried):
        sql = f"""
            SELECT task_id, epoch, event, worker_id, claimed_at, started_at, ended_at, failure FROM taskcore_attempt
            WHERE task_id IN ({marks(len(some))}) ORDER BY task_id, epoch
        """
        for row in ask(sql, some):
            attempts.setdefault(row[0], []).append((row[1], _attempt(row)))
    return _Beside(payloads, attempts)


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
