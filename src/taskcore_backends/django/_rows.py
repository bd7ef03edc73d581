"""Tasks to the parameters of INSERT and UPDATE."""

from __future__ import annotations

import attrs

from taskcore.protocol import Attempt, Task, TaskSpec
from taskcore.records import dump_data, is_plain
from taskcore.records.columns import (
    DUE,
    HAS_ATTEMPTS,
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
from taskcore_backends.django._reading import Row

__all__ = [
    "ATTEMPT_COLUMNS",
    "BULK",
    "CODE_OF_NEW",
    "FLAGS_OF_NEW",
    "PAYLOAD_COLUMNS",
    "SPEC_COLUMNS",
    "TASK_COLUMNS",
    "UPDATE_SPEC",
    "UPDATE_STATE",
    "Payload",
    "attempt_row",
    "is_lean",
    "new_row",
    "payload_of",
    "spec_row",
    "state_row",
]

BULK = 1000
"""Arguments and values longer than this many characters stand in the payload."""

SPEC_COLUMNS = (
    "name, queue_name, precedence, enqueued_at, max_attempts, max_crashes, wanted_after, expires_at, group_id, "
    "group_index, schedule_id, unique_key, label, timeout, keep, options, arguments"
)

TASK_COLUMNS = (
    f"id, {SPEC_COLUMNS}, code, version, run_after, due, changed_at, epoch, failures, crashes, releases, flags, "
    "suspect, reason, purge_at"
)
"""What a new task has; the other columns are NULL."""

UPDATE_SPEC = f"UPDATE taskcore_task SET {SPEC_COLUMNS.replace(',', ' = %s,')} = %s WHERE id = %s"

_STATE_COLUMNS = (
    "code, version, run_after, due, changed_at, epoch, failures, crashes, releases, flags, suspect, nonce, worker_id, "
    "claimed_at, lease_expires, is_started, settle, cancel, reason, started_at, progress, value, error, purge_at"
)

UPDATE_STATE = f"UPDATE taskcore_task SET {_STATE_COLUMNS.replace(',', ' = %s,')} = %s WHERE id = %s"

PAYLOAD_COLUMNS = "task_id, arguments, value, failure"

ATTEMPT_COLUMNS = "task_id, epoch, event, worker_id, claimed_at, started_at, ended_at, failure"

_SETTLE_NUMBERS = {event: number for number, event in SETTLES.items()}
_ERROR_LENGTH = 200


@attrs.frozen
class Payload:
    """The texts of a task that do not stand in its row."""

    arguments: str | None = None
    value: str | None = None
    failure: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there are none, so that there is no row of them."""
        return self.arguments is None and self.value is None and self.failure is None


def payload_of(task: Task) -> Payload:
    """Return what of a task stands beside its row."""
    result = task.result
    value = None if result is None else result.value_json
    return Payload(
        arguments=_bulk(task.spec.arguments_json),
        value=None if value is None else _bulk(value),
        failure=None if result is None or result.failure is None else dump_data(result.failure),
    )


def _bulk(text: str) -> str | None:
    return text if len(text) > BULK else None


def _short(text: str | None) -> str | None:
    return None if text is None or len(text) > BULK else text


def is_lean(spec: TaskSpec) -> bool:
    """Return whether a spec asks for nothing unusual, and its arguments stand in its row."""
    return is_plain(spec) and len(spec.arguments_json) <= BULK


def spec_row(spec: TaskSpec) -> Row:
    """Return the parameters of ``SPEC_COLUMNS``."""
    retention = spec.retention
    return (
        spec.name,
        spec.queue_name,
        -spec.priority,
        micros(spec.enqueued_at),
        spec.max_attempts,
        spec.max_crashes,
        optional_micros(spec.run_after),
        optional_micros(spec.expires_at),
        spec.group_id,
        spec.group_index,
        spec.schedule_id,
        None if spec.unique is None else spec.unique.key,
        spec.label,
        optional_duration(spec.timeout),
        None if retention is None else optional_duration(retention.successful),
        dump_options(spec if spec.label is None else attrs.evolve(spec, label=None)),  # that one has a column
        _short(spec.arguments_json),
    )


def new_row(
    spec: TaskSpec, now: int, code: int = DUE, flags: int = 0, reason: str | None = None, purge_at: int | None = None
) -> Row:
    """Return the parameters of ``TASK_COLUMNS``; whether a waiting task is DUE or LATER is found here."""
    run_after = now if spec.run_after is None else micros(spec.run_after)
    if code == DUE and run_after > now:
        code = LATER
    if len(spec.arguments_json) > BULK:
        flags |= IS_BULKY
    if spec.group_id is not None:
        flags |= IS_MEMBER
    state = (code, 1, run_after, run_after // 1000, now, 0, 0, 0, 0, flags, spec.max_crashes == 0, reason, purge_at)
    return (spec.id, *spec_row(spec), *state)


CODE_OF_NEW, FLAGS_OF_NEW = 18, 27
"""Where these two stand in a row of ``TASK_COLUMNS``."""


def state_row(task: Task, now: int, flags: int) -> Row:
    """Return the parameters of ``UPDATE_STATE`` but for the id."""
    lease, settle, result, run_after = task.lease, task.last_settle, task.result, micros(task.run_after)
    claimed_at = lease_expires = is_started = started_at = value = worker_id = nonce = error = None
    if lease is not None:
        nonce, worker_id = lease.nonce, lease.worker_id
        claimed_at, lease_expires, is_started = micros(lease.claimed_at), micros(lease.expires_at), lease.is_started
    elif settle is not None:
        nonce = settle.nonce
    if result is not None:
        worker_id, value, started_at = result.worker_id, _short(result.value_json), optional_micros(result.started_at)
        if result.failure is not None:
            error = _shown(f"{result.failure.exception_type}: {result.failure.message}")
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
        flags | (HAS_ATTEMPTS if task.attempts else 0),
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
        value,
        error,
        optional_micros(task.purge_at),
    )


def _shown(text: str) -> str:
    """Return the beginning of a text as any database can hold it."""
    return text[:_ERROR_LENGTH].replace("\0", " ").encode(errors="replace").decode()


def attempt_row(task_id: str, attempt: Attempt) -> Row:
    """Return the parameters of ``ATTEMPT_COLUMNS``."""
    return (
        task_id,
        attempt.epoch,
        attempt.event.value,
        attempt.worker_id,
        micros(attempt.claimed_at),
        optional_micros(attempt.started_at),
        micros(attempt.ended_at),
        None if attempt.failure is None else dump_data(attempt.failure),
    )
