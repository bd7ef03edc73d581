"""Rows to tasks. The hot one: due rows to claimed tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
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

_ARGUMENTS = "coalesce(t.arguments, (SELECT p.arguments FROM payload AS p WHERE p.seq = t.seq))"

COLUMNS = f"""
    t.seq, t.id, t.name, t.queue, t.rank, t.code, t.version, t.run_after, t.enqueued_at, t.changed_at, t.max_attempts,
    t.max_crashes, t.epoch, t.failures, t.crashes, t.releases, t.flags, t.wanted_after, t.expires_at, t.group_id,
    t.group_index, t.schedule_id, t.unique_key, t.timeout, t.options, {_ARGUMENTS}, t.progress, t.attempts,
    t.nonce, t.worker_id, t.claimed_at, t.lease_expires, t.is_started, t.settle, t.cancel, t.reason, t.started_at,
    t.failure, t.value
"""
"""What is selected FROM task AS t to make a task."""

DUE_COLUMNS = f"""
    t.seq, t.id, t.name, t.queue, t.rank, t.run_after, t.flags, t.version, t.enqueued_at, t.max_attempts,
    t.max_crashes, t.epoch, {_ARGUMENTS}, t.options, t.progress, t.attempts,
    CASE WHEN coalesce(t.wanted_after, t.expires_at, t.group_id, t.schedule_id, t.unique_key, t.timeout) IS NOT NULL
        OR t.failures OR t.crashes OR t.releases
    THEN json_array(
        t.wanted_after, t.expires_at, t.group_id, t.group_index, t.schedule_id, t.unique_key, t.timeout,
        t.failures, t.crashes, t.releases
    ) END
"""
"""What is selected FROM task AS t to make a claimed task of one that is due.

Each column costs as much as a step of the scan, so those that are NULL or 0 for most tasks come as one.
"""


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


_NOTHING_RARE = (None,) * 8


_Moments: TypeAlias = dict[int, datetime]
"""Moments that were made for other rows of the same answer: most were written together, at the same moments."""


def _known_moment(value: int, moments: _Moments) -> datetime:
    found = moments.get(value)
    if found is None:
        found = moments[value] = moment(value)
    return found


def _spec(
    task_id: str,
    name: str,
    queue_name: str,
    rank: int,
    enqueued_at: datetime,
    max_attempts: int | None,
    max_crashes: int,
    arguments: str,
    fields: Mapping[str, Any] | None,
) -> TaskSpec:
    """Return a spec; ``fields`` is what it asks for besides. Most ask for nothing, and so are made by a plain call."""
    if fields is None:
        return TaskSpec(
            id=task_id,
            name=name,
            enqueued_at=enqueued_at,
            queue_name=queue_name,
            priority=-rank,
            arguments_json=arguments,
            max_attempts=max_attempts,
            max_crashes=max_crashes,
        )
    return TaskSpec(
        id=task_id,
        name=name,
        enqueued_at=enqueued_at,
        queue_name=queue_name,
        priority=-rank,
        arguments_json=arguments,
        max_attempts=max_attempts,
        max_crashes=max_crashes,
        **fields,
    )


def _unusual_fields(rare: Sequence[Any], options: str | None) -> dict[str, Any]:
    """Return the fields of a spec that stand in columns of their own, and those of its options."""
    wanted_after, expires_at, group_id, group_index, schedule_id, unique_key, timeout = rare
    return {
        "run_after": optional_moment(wanted_after),
        "expires_at": optional_moment(expires_at),
        "group_id": group_id,
        "group_index": group_index,
        "schedule_id": schedule_id,
        "timeout": None if timeout is None else duration(timeout),
        **({} if options is None else load_options(options, unique_key)),
    }


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
        spec=_spec(
            task_id=row[1],
            name=row[2],
            queue_name=row[3],
            rank=row[4],
            enqueued_at=_known_moment(row[8], moments),
            max_attempts=row[10],
            max_crashes=row[11],
            arguments=row[25],
            fields=None if row[17:25] == _NOTHING_RARE else _unusual_fields(row[17:24], row[24]),
        ),
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
    claimed: list[Task] = []
    for (
        _seq,
        task_id,
        name,
        queue_name,
        rank,
        run_after,
        _flags,
        version,
        enqueued_at,
        max_attempts,
        max_crashes,
        epoch,
        arguments,
        options,
        progress,
        attempts,
        rare,
    ) in rows:
        failures = crashes = releases = 0
        fields: dict[str, Any] | None = None
        if rare is not None:
            *values, failures, crashes, releases = json.loads(rare)
            fields = _unusual_fields(values, options)
        elif options is not None:
            fields = load_options(options, None)
        claimed.append(
            Task(
                spec=_spec(
                    task_id,
                    name,
                    queue_name,
                    rank,
                    moments.get(enqueued_at) or _known_moment(enqueued_at, moments),
                    max_attempts,
                    max_crashes,
                    arguments,
                    fields,
                ),
                state=State.RUNNING,
                version=version + 1,
                run_after=moments.get(run_after) or _known_moment(run_after, moments),
                changed_at=now,
                epoch=epoch + 1,
                lease=lease,
                failures=failures,
                crashes=crashes,
                releases=releases,
                progress=None if progress is None else load_data(Progress, progress),
                attempts=() if attempts is None else load_attempts(attempts),
            )
        )
    return claimed
