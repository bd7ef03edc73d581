"""Rows to tasks. The hot one: due rows to claimed tasks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from taskcore.protocol import CancelLevel, CancelReason, Lease, Progress, Result, Settle, State, Task, TaskSpec
from taskcore.records import load_data
from taskcore.records.columns import (
    FAILED,
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
from taskcore_backends.sqlite._attempts import load_attempts

__all__ = ["COLUMNS", "DUE_COLUMNS", "Row", "Stored", "claimed_tasks", "stored", "tasks"]

Row: TypeAlias = tuple[Any, ...]

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
