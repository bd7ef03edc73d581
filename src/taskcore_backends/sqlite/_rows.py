"""Tasks to the rows of INSERT and UPDATE. The hot one: specs that ask for nothing unusual."""

from __future__ import annotations

from collections.abc import Iterable

from taskcore.protocol import Task, TaskSpec
from taskcore.records import dump_data, is_plain
from taskcore.records.columns import (
    DUE,
    IS_BULKY,
    IS_MEMBER,
    LATER,
    SETTLES,
    code_of,
    dump_options,
    micros,
    optional_duration,
    optional_micros,
)
from taskcore_backends.sqlite._attempts import dump_attempts
from taskcore_backends.sqlite._reading import Row, Stored

__all__ = [
    "INSERT",
    "INSERT_LEAN",
    "UPDATE_SPEC",
    "UPDATE_STATE",
    "insert_row",
    "lean_rows",
    "spec_values",
    "state_values",
]

BULK = 2000
"""Arguments longer than this many characters stand in ``payload``."""

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


def lean_rows(specs: Iterable[TaskSpec], now: int) -> list[Row] | None:
    """Return the parameters of ``INSERT_LEAN``; ``None`` if one of the specs asks for more than that can hold."""
    due = now // 1000
    at, moment_of_at = 0, None
    rows: list[Row] = []
    for spec in specs:
        if not is_plain(spec) or len(spec.arguments_json) > BULK:
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
