"""Tasks to rows and back. The hot ones: a plain spec to the row of an INSERT, a due row to a claimed task."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from taskcore.protocol import (
    CancelLevel,
    CancelReason,
    Lease,
    OnParentFailure,
    Progress,
    Result,
    Settle,
    State,
    Task,
    TaskSpec,
)
from taskcore.records import dump_data, load_data
from taskcore_backends.sqlite._codes import (
    DUE,
    FAILED,
    IS_BULKY,
    IS_MEMBER,
    LATER,
    RUNNING,
    SETTLES,
    STATES,
    SUCCESSFUL,
    code_of,
    duration,
    micros,
    moment,
    optional_duration,
    optional_micros,
    optional_moment,
)
from taskcore_backends.sqlite._documents import (
    dump_attempts,
    dump_options,
    load_attempts,
    load_failure,
    load_options,
)

__all__ = [
    "COLUMNS",
    "DUE_COLUMNS",
    "INSERT",
    "INSERT_LEAN",
    "UPDATE_SPEC",
    "UPDATE_STATE",
    "Row",
    "Stored",
    "claimed_tasks",
    "insert_row",
    "lean_rows",
    "spec_values",
    "state_values",
    "stored",
    "tasks",
]

Row: TypeAlias = tuple[Any, ...]

BULK = 2000
"""Arguments longer than this many characters stand in ``payload``."""

_SPEC_COLUMNS = """
    t.seq, t.id, t.name, t.queue, t.rank, t.code, t.version, t.run_after, t.enqueued_at, t.changed_at, t.max_attempts,
    t.max_crashes, t.epoch, t.failures, t.crashes, t.releases, t.flags, t.wanted_after, t.expires_at, t.group_id,
    t.group_index, t.schedule_id, t.unique_key, t.timeout, t.options,
    coalesce(t.arguments, (SELECT p.arguments FROM payload AS p WHERE p.seq = t.seq)), t.progress, t.attempts
"""

COLUMNS = f"""
    {_SPEC_COLUMNS}, t.nonce, t.worker_id, t.claimed_at, t.lease_expires, t.is_started, t.settle, t.cancel, t.reason,
    t.started_at, t.failure, t.value
"""
"""What is selected FROM task AS t to make a task."""

DUE_COLUMNS = _SPEC_COLUMNS
"""The first of them: all that a task has that waits to be claimed."""

INSERT = """
    INSERT INTO task (
        id, name, queue, rank, code, version, run_after, due, enqueued_at, changed_at, max_attempts, max_crashes,
        flags, suspect, wanted_after, expires_at, group_id, group_index, schedule_id, unique_key, timeout, keep,
        options, arguments
    )
    VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING
"""

INSERT_LEAN = """
    INSERT INTO task (
        id, name, queue, rank, code, version, run_after, due, enqueued_at, changed_at, max_attempts, max_crashes,
        flags, suspect, arguments
    )
    VALUES (?, ?, ?, ?, 0, 1, ?, ?, ?, ?, ?, ?, 0, ?, ?)
    ON CONFLICT (id) DO NOTHING
"""
"""The same for tasks that are due at once and ask for nothing unusual: half the values."""

UPDATE_STATE = """
    UPDATE task SET
        code = ?, version = ?, run_after = ?, due = ?, changed_at = ?, epoch = ?, failures = ?, crashes = ?,
        releases = ?, suspect = ?, nonce = ?, worker_id = ?, claimed_at = ?, lease_expires = ?, is_started = ?,
        settle = ?, cancel = ?, reason = ?, started_at = ?, progress = ?, attempts = ?, failure = ?, value = ?,
        purge_at = ?
    WHERE seq = ?
"""

UPDATE_SPEC = """
    UPDATE task SET
        name = ?, queue = ?, rank = ?, enqueued_at = ?, max_attempts = ?, max_crashes = ?, flags = ?,
        wanted_after = ?, expires_at = ?, group_id = ?, group_index = ?, schedule_id = ?, unique_key = ?, timeout = ?,
        keep = ?, options = ?, arguments = ?
    WHERE seq = ?
"""

_SETTLE_NUMBERS = {event: number for number, event in SETTLES.items()}


def insert_row(spec: TaskSpec, now: int, code: int, flags: int) -> Row:
    """Return the parameters of ``INSERT``; ``code`` is a waiting task's DUE only in name, LATER is found here."""
    wanted = spec.run_after
    run_after = now if wanted is None else micros(wanted)
    if run_after > now and code == DUE:
        code = LATER
    arguments: str | None = spec.arguments_json
    if len(spec.arguments_json) > BULK:
        arguments = None
        flags |= IS_BULKY
    if spec.group_id is not None:
        flags |= IS_MEMBER
    retention = spec.retention
    unique = spec.unique
    return (
        spec.id,
        spec.name,
        spec.queue_name,
        -spec.priority,
        code,
        run_after,
        run_after // 1000,
        micros(spec.enqueued_at),
        now,
        spec.max_attempts,
        spec.max_crashes,
        flags,
        spec.max_crashes == 0,
        None if wanted is None else run_after,
        optional_micros(spec.expires_at),
        spec.group_id,
        spec.group_index,
        spec.schedule_id,
        None if unique is None else unique.key,
        optional_duration(spec.timeout),
        None if retention is None else optional_duration(retention.successful),
        dump_options(spec),
        arguments,
    )


def _is_lean(spec: TaskSpec) -> bool:
    return (
        spec.run_after is None
        and spec.expires_at is None
        and spec.timeout is None
        and spec.soft_timeout is None
        and spec.retry is None
        and spec.group_id is None
        and spec.schedule_id is None
        and spec.slot is None
        and spec.retention is None
        and spec.label is None
        and spec.metadata_json is None
        and spec.on_parent_failure is OnParentFailure.CANCEL
        and len(spec.arguments_json) <= BULK
    )


def lean_rows(specs: Iterable[TaskSpec], now: int) -> list[Row] | None:
    """Return the parameters of ``INSERT_LEAN``; ``None`` if one of the specs asks for more than that can hold."""
    due = now // 1000
    at, moment_of_at = 0, None
    rows: list[Row] = []
    for spec in specs:
        if not _is_lean(spec):
            return None
        if spec.enqueued_at is not moment_of_at:  # many were mostly made at one moment
            moment_of_at = spec.enqueued_at
            at = micros(moment_of_at)
        crashes = spec.max_crashes
        rows.append(
            (
                spec.id,
                spec.name,
                spec.queue_name,
                -spec.priority,
                now,
                due,
                at,
                now,
                spec.max_attempts,
                crashes,
                crashes == 0,
                spec.arguments_json,
            )
        )
    return rows


def spec_values(spec: TaskSpec, flags: int) -> tuple[Row, int]:
    """Return the parameters of ``UPDATE_SPEC`` but for the seq, and the flags that the row has then."""
    flags &= ~(IS_BULKY | IS_MEMBER)
    row = insert_row(spec, 0, DUE, flags)
    return (*row[1:4], row[7], *row[9:12], *row[13:]), row[11]


@attrs.frozen
class Stored:
    """A task as it was read, with what of its row the protocol does not know."""

    seq: int
    code: int
    flags: int
    task: Task
    attempt_lines: str | None


def stored(row: Row) -> Stored:
    """Return the task of a row of ``COLUMNS`` and its private columns."""
    return Stored(seq=row[0], code=row[5], flags=row[16], task=_task(row, {}), attempt_lines=row[27])


def tasks(rows: Iterable[Row]) -> list[Task]:
    """Return the tasks of rows of ``COLUMNS``."""
    moments: _Moments = {}
    return [_task(row, moments) for row in rows]


_Moments: TypeAlias = dict[int, datetime]
"""Moments that were made for other rows of the same answer: most were written together, at the same moments."""


def _known_moment(value: int, moments: _Moments) -> datetime:
    found = moments.get(value)
    if found is None:
        found = moments[value] = moment(value)
    return found


def _spec(row: Row, moments: _Moments) -> TaskSpec:
    """Return the spec of a row. The common case is a task with nothing unusual, so it comes first."""
    wanted_after, expires_at, group_id, group_index, schedule_id, unique_key, timeout, options, arguments = row[17:26]
    enqueued_at = moments.get(row[8]) or _known_moment(row[8], moments)
    if wanted_after is expires_at is group_id is schedule_id is timeout is options is None:
        return TaskSpec(
            id=row[1],
            name=row[2],
            enqueued_at=enqueued_at,
            queue_name=row[3],
            priority=-row[4],
            arguments_json=arguments,
            max_attempts=row[10],
            max_crashes=row[11],
        )
    return TaskSpec(
        id=row[1],
        name=row[2],
        enqueued_at=enqueued_at,
        queue_name=row[3],
        priority=-row[4],
        arguments_json=arguments,
        run_after=optional_moment(wanted_after),
        expires_at=optional_moment(expires_at),
        timeout=None if timeout is None else duration(timeout),
        max_attempts=row[10],
        max_crashes=row[11],
        group_id=group_id,
        group_index=group_index,
        schedule_id=schedule_id,
        **({} if options is None else load_options(options, unique_key)),
    )


def _task(row: Row, moments: _Moments) -> Task:
    code, version, run_after = row[5:8]
    epoch, failures, crashes, releases = row[12:16]
    progress, attempts, nonce, worker_id, claimed_at, lease_expires, is_started = row[26:33]
    settle, cancel, reason, started_at, failure, value = row[33:39]
    changed_at = _known_moment(row[9], moments)
    lease = result = None
    if code == RUNNING:
        lease = Lease(
            nonce=nonce,
            worker_id=worker_id,
            claimed_at=_known_moment(claimed_at, moments),
            expires_at=_known_moment(lease_expires, moments),
            is_started=bool(is_started),
        )
    elif code in (SUCCESSFUL, FAILED):
        result = Result(
            value_json=value,
            failure=load_failure(failure),
            worker_id=worker_id,
            started_at=optional_moment(started_at),
            finished_at=changed_at,
        )
    return Task(
        spec=_spec(row, moments),
        state=STATES[code],
        version=version,
        run_after=_known_moment(run_after, moments),
        changed_at=changed_at,
        epoch=epoch,
        lease=lease,
        last_settle=None if settle is None else Settle(epoch, nonce, SETTLES[settle]),
        failures=failures,
        crashes=crashes,
        releases=releases,
        cancel_level=None if cancel is None else CancelLevel(cancel),
        reason=None if reason is None else CancelReason(reason),
        progress=None if progress is None else load_data(Progress, progress),
        attempts=load_attempts(attempts),
        result=result,
    )


def claimed_tasks(rows: Iterable[Row], lease: Lease, now: datetime) -> list[Task]:
    """Return what CLAIM makes of due rows of ``DUE_COLUMNS``: as ``step`` says, without a step for each."""
    moments: _Moments = {}
    return [
        Task(
            spec=_spec(row, moments),
            state=State.RUNNING,
            version=row[6] + 1,
            run_after=moments.get(row[7]) or _known_moment(row[7], moments),
            changed_at=now,
            epoch=row[12] + 1,
            lease=lease,
            failures=row[13],
            crashes=row[14],
            releases=row[15],
            progress=None if row[26] is None else load_data(Progress, row[26]),
            attempts=() if row[27] is None else load_attempts(row[27]),
        )
        for row in rows
    ]


def state_values(task: Task, now: int, old: Stored | None) -> Row:
    """Return the parameters of ``UPDATE_STATE`` but for the seq."""
    lease, settle, result, run_after = task.lease, task.last_settle, task.result, micros(task.run_after)
    claimed_at = lease_expires = is_started = started_at = failure = value = worker_id = nonce = None
    if lease is not None:
        nonce, worker_id = lease.nonce, lease.worker_id
        claimed_at, lease_expires, is_started = micros(lease.claimed_at), micros(lease.expires_at), lease.is_started
    elif settle is not None:
        nonce = settle.nonce
    if result is not None:
        worker_id, value, started_at = result.worker_id, result.value_json, optional_micros(result.started_at)
        failure = None if result.failure is None else dump_data(result.failure)
    return (
        code_of(task.state, is_due=run_after <= now),
        task.version,
        run_after,
        run_after // 1000,
        micros(task.changed_at),
        task.epoch,
        task.failures,
        task.crashes,
        task.releases,
        task.is_suspect,
        nonce,
        worker_id,
        claimed_at,
        lease_expires,
        is_started,
        None if settle is None else _SETTLE_NUMBERS[settle.event],
        None if task.cancel_level is None else task.cancel_level.value,
        None if task.reason is None else task.reason.value,
        started_at,
        None if task.progress is None else dump_data(task.progress),
        dump_attempts(task.attempts, _known_lines(old)),
        failure,
        value,
        optional_micros(task.purge_at),
    )


def _known_lines(old: Stored | None) -> dict[int, str]:
    """Return the stored line of each attempt of ``old`` by the attempt's identity: those need not be dumped again."""
    if old is None or old.attempt_lines is None:
        return {}
    return dict(zip(map(id, old.task.attempts), old.attempt_lines.split("\n"), strict=True))
