"""Specs to what the scripts are given, and what they answer to tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from taskcore.protocol import (
    Attempt,
    CancelLevel,
    ClaimRequest,
    Failure,
    KeepPer,
    Lease,
    OnConflict,
    OnParentFailure,
    Progress,
    Result,
    Retention,
    Retry,
    Settle,
    State,
    Task,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
)
from taskcore.records import dump_data, load_data
from taskcore_backends.redis._layout import EVENTS, POLICIES, REASONS, SCOPES, STATES
from taskcore_backends.redis._packing import Packable, micros, moment, optional_micros, optional_moment, pack, span

__all__ = ["Record", "load_claimed", "load_task", "load_tasks", "pack_spec", "spec_values"]

Record: TypeAlias = list[Any]
"""A task as a script answers it: the id, the fields of the record, the attempts."""

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_BRIEF = 11
"""How many fields a claimed task has in brief."""

_NOTHING_RARE = (None,) * 6

_EVENT_OF = {number: event for event, number in EVENTS.items()}
_REASON_OF = {number: reason for reason, number in REASONS.items()}
_SCOPE_OF = {number: scope for scope, number in SCOPES.items()}
_POLICY_OF = {number: policy for policy, number in POLICIES.items()}


# Specs


def spec_values(spec: TaskSpec) -> list[Packable]:
    """Return a spec as the array that the scripts take (``adding.lua`` tells the places)."""
    return [
        spec.id,
        spec.name,
        spec.queue_name,
        spec.priority,
        spec.max_attempts,
        spec.max_crashes,
        optional_micros(spec.run_after),
        optional_micros(spec.expires_at),
        micros(spec.enqueued_at),
        spec.arguments_json,
        _dump_options(spec),
        _bonds(spec),
    ]


def pack_spec(spec: TaskSpec) -> bytes:
    """Return a spec packed."""
    return pack(spec_values(spec))


def _bonds(spec: TaskSpec) -> list[Packable] | None:
    unique, retention = spec.unique, spec.retention
    if (
        unique is None
        and not spec.parents
        and spec.group_id is None
        and spec.schedule_id is None
        and retention is None
        and spec.slot is None
    ):
        return None
    bonds: list[Packable] = [None] * 13
    if unique is not None:
        at = unique.moment
        bonds[:4] = unique.key, SCOPES[unique.until], optional_micros(at), POLICIES[unique.on_conflict]
    if spec.parents:
        bonds[4] = spec.parents
    bonds[5] = spec.on_parent_failure is OnParentFailure.RUN
    bonds[6:9] = spec.group_id, spec.group_index, spec.schedule_id
    if retention is not None:
        ages = (retention.successful, retention.failed, retention.cancelled)
        bonds[9:12] = [None if age is None else span(age) for age in ages]
    bonds[12] = optional_micros(spec.slot)
    return bonds


def _dump_options(spec: TaskSpec) -> str | None:
    """Return the options of a spec that no script looks at, as JSON; ``None`` when all are left at their defaults."""
    rare = (spec.label, spec.metadata_json, spec.timeout, spec.soft_timeout, spec.retry, spec.retention)
    if rare == _NOTHING_RARE and spec.on_parent_failure is OnParentFailure.CANCEL:
        return None
    options: dict[str, object] = {}
    if spec.label is not None:
        options["label"] = spec.label
    if spec.metadata_json is not None:
        options["metadata"] = spec.metadata_json
    if spec.timeout is not None:
        options["timeout"] = span(spec.timeout)
    if spec.soft_timeout is not None:
        options["soft_timeout"] = span(spec.soft_timeout)
    if spec.retry is not None:
        options["retry"] = dump_data(spec.retry)
    if spec.retention is not None:
        options["keep"] = (spec.retention.keep_latest, spec.retention.keep_per.value)
    if spec.on_parent_failure is OnParentFailure.RUN:
        options["runs_anyway"] = True  # also without parents, when there are no bonds
    return _compact(options)


# Tasks

_Moments: TypeAlias = dict[int, datetime]
"""Moments that were made for other records of the same answer: most were written together."""


def _known_moment(value: Any, moments: _Moments) -> datetime:  # noqa: ANN401 - a number, or its text
    found = moments.get(value)
    if found is None:
        found = moments[value] = moment(value)
    return found


def load_tasks(records: Iterable[Record]) -> list[Task]:
    """Return the tasks of records."""
    moments: _Moments = {}
    return [load_task(record, moments) for record in records]


def load_claimed(records: Iterable[Record], request: ClaimRequest, now: int) -> list[Task]:
    """Return the tasks that a claim answered: those that have nothing unusual came in brief, the others whole."""
    moments: _Moments = {}
    claimed_at = moment(now)
    lease = Lease(
        nonce=request.nonce,
        worker_id=request.worker_id,
        claimed_at=claimed_at,
        expires_at=claimed_at + request.lease,
    )
    return [
        _load_brief(record, lease, moments) if len(record) == _BRIEF else load_task(record, moments)
        for record in records
    ]


def _load_brief(record: Record, lease: Lease, moments: _Moments) -> Task:
    task_id, version, epoch, run_after, name, queue, priority, max_attempts, max_crashes, enqueued, arguments = record
    spec = TaskSpec(
        id=task_id.decode(),
        name=name.decode(),
        enqueued_at=moments.get(enqueued) or _known_moment(enqueued, moments),
        queue_name=queue.decode(),
        priority=priority,
        arguments_json=arguments.decode(),
        max_attempts=max_attempts,
        max_crashes=max_crashes,
    )
    return Task(
        spec=spec,
        state=State.RUNNING,
        version=version,
        run_after=moments.get(run_after) or _known_moment(run_after, moments),
        changed_at=lease.claimed_at,
        epoch=epoch,
        lease=lease,
    )


def load_task(record: Record, moments: _Moments) -> Task:
    """Return the task of a record."""
    # fmt: off
    (
        task_id, code, version, epoch, run_after, changed_at, failures, crashes, releases, _waits, _has_attempts,
        name, queue, priority, max_attempts, max_crashes, wanted, expires, enqueued, arguments, options, bonds,
        nonce, worker, claimed_at, lease_expires, is_started, settle, cancel, reason, progress, started_at, failure,
        value, attempts,
    ) = record
    # fmt: on
    fields = {} if options is None else _load_options(options, bonds)
    if bonds is not None:
        _load_bonds(bonds, fields)
    spec = TaskSpec(
        id=task_id.decode(),
        name=name.decode(),
        enqueued_at=moments.get(enqueued) or _known_moment(enqueued, moments),
        queue_name=queue.decode(),
        priority=priority,
        arguments_json=arguments.decode(),
        run_after=optional_moment(wanted),
        expires_at=optional_moment(expires),
        max_attempts=max_attempts,
        max_crashes=max_crashes,
        **fields,
    )
    changed = _known_moment(changed_at, moments)
    state = STATES[code]
    lease = result = None
    if state is State.RUNNING:
        lease = _load_lease(nonce, worker, claimed_at, lease_expires, is_started, moments)
    elif state is State.SUCCESSFUL or state is State.FAILED:
        result = _load_result(worker, started_at, changed, value, failure)
    return Task(
        spec=spec,
        state=state,
        version=version,
        run_after=moments.get(run_after) or _known_moment(run_after, moments),
        changed_at=changed,
        epoch=epoch,
        lease=lease,
        last_settle=None if settle is None else Settle(epoch, nonce.decode(), _EVENT_OF[settle]),
        failures=failures,
        crashes=crashes,
        releases=releases,
        cancel_level=None if cancel is None else CancelLevel(cancel),
        reason=None if reason is None else _REASON_OF[reason],
        progress=None if progress is None else load_data(Progress, progress.decode()),
        attempts=() if attempts is None else tuple([_load_attempt(*attempt) for attempt in attempts]),
        result=result,
    )


def _load_lease(
    nonce: bytes, worker: bytes, claimed_at: int, expires_at: int, is_started: int | None, moments: _Moments
) -> Lease:
    return Lease(
        nonce=nonce.decode(),
        worker_id=worker.decode(),
        claimed_at=_known_moment(claimed_at, moments),
        expires_at=_known_moment(expires_at, moments),
        is_started=is_started is not None,
    )


def _load_result(
    worker: bytes, started_at: int | bytes | None, finished_at: datetime, value: bytes | None, failure: bytes | None
) -> Result:
    return Result(
        value_json=None if value is None else value.decode(),
        failure=None if failure is None else load_data(Failure, failure.decode()),
        worker_id=worker.decode(),
        started_at=optional_moment(started_at),
        finished_at=finished_at,
    )


def _load_attempt(
    epoch: int,
    event: int,
    worker: bytes,
    claimed_at: int,
    started_at: int | bytes | None,
    ended_at: int,
    failure: bytes | None,
) -> Attempt:
    return Attempt(
        epoch=epoch,
        event=_EVENT_OF[event],
        worker_id=worker.decode(),
        claimed_at=moment(claimed_at),
        started_at=optional_moment(started_at),
        ended_at=moment(ended_at),
        failure=None if failure is None else load_data(Failure, failure.decode()),
    )


def _load_options(text: bytes, bonds: Sequence[Any] | None) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(text)
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name == "label":
            fields["label"] = value
        elif name == "metadata":
            fields["metadata_json"] = value
        elif name in {"timeout", "soft_timeout"}:
            fields[name] = timedelta(microseconds=value)
        elif name == "retry":
            fields["retry"] = load_data(Retry, value)
        elif name == "runs_anyway":
            fields["on_parent_failure"] = OnParentFailure.RUN
        elif name == "keep" and bonds is not None:
            keep_latest, keep_per = value
            successful, failed, cancelled = (
                None if age is None else timedelta(microseconds=int(age)) for age in bonds[9:12]
            )
            fields["retention"] = Retention(
                successful=successful,
                failed=failed,
                cancelled=cancelled,
                keep_latest=keep_latest,
                keep_per=KeepPer(keep_per),
            )
    return fields


def _load_bonds(bonds: Sequence[Any], fields: dict[str, Any]) -> None:
    key, until, at, on_conflict, parents, _runs_anyway, group_id, group_index, schedule_id = bonds[:9]
    if key is not None:
        fields["unique"] = UniqueKey(
            key=key.decode(),
            until=_SCOPE_OF.get(until, UniqueUntil.FINISHED),
            moment=optional_moment(at),
            on_conflict=_POLICY_OF.get(on_conflict, OnConflict.RETURN_EXISTING),
        )
    if parents is not None:
        fields["parents"] = tuple([parent.decode() for parent in parents])
    if group_id is not None:
        fields["group_id"] = group_id.decode()
        fields["group_index"] = group_index
    if schedule_id is not None:
        fields["schedule_id"] = schedule_id.decode()
    if bonds[12] is not None:
        fields["slot"] = moment(bonds[12])
