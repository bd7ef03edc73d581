"""A stored task as the ``TaskResult`` of Django: the same states, moments, errors and workers, in Django's words.

Django has four states. What it calls READY is all that waits, a planned retry too; FAILED is also what was cancelled,
expired or lost with its worker, with an error whose class says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from taskcore._codec import decode_arguments
from taskcore._machine import WORKER_LOST
from taskcore._naming import type_name
from taskcore._policy import ABORT, HARD_TIMEOUT
from taskcore.contrib.django import exceptions
from taskcore.contrib.django._api import Api, DjangoTask
from taskcore.contrib.django._asked import max_attempts_of, metadata_of, timeout_of
from taskcore.contrib.django._moments import site_moment
from taskcore.contrib.django._options import AliasOptions
from taskcore.contrib.django._values import ANY_CALL
from taskcore.errors import UndecodablePayload
from taskcore.protocol import Attempt, CancelReason, Event, Failure, State, Task, TaskSpec

__all__ = ["new_result", "result_of", "traceback_text"]

_PATHS = {
    WORKER_LOST: type_name(exceptions.WorkerLost),
    HARD_TIMEOUT: type_name(exceptions.TaskTimeout),
    ABORT: type_name(exceptions.TaskCancelled),
    type_name(exceptions.UnsupportedReturnValue): "builtins.TypeError",
}
"""Importable classes for what the core names without one."""

_RUNS = frozenset({Event.FAIL, Event.RETRY, Event.RECLAIM, Event.ABANDON, Event.ABORT, Event.LET_GO})
"""How a run ends that people count as an attempt: a release costs none."""

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"


def traceback_text(failure: Failure) -> str:
    """Return the traceback of a failure, those of its causes first, as Python prints them."""
    own = failure.traceback or f"{failure.exception_type}: {failure.message}\n"
    return own if failure.cause is None else f"{traceback_text(failure.cause)}{_CAUSE}{own}"


def new_result(api: Api, base: DjangoTask, spec: TaskSpec, options: AliasOptions) -> Any:
    """Return the result of a task that has just been enqueued: what ``get_result`` says until somebody claims it."""
    return _made(api, base, spec, options, status=api.statuses.READY, worker_ids=[])


def result_of(api: Api, base: DjangoTask, task: Task, options: AliasOptions) -> Any:
    """Return the result of a stored task; ``base`` is the task that its name leads to."""
    attempts = [attempt for attempt in task.attempts if attempt.event in _RUNS]
    result, lease = task.result, task.lease
    began = [attempt.started_at or attempt.claimed_at for attempt in attempts]
    workers = [attempt.worker_id for attempt in attempts]
    if task.state is State.RUNNING and lease is not None:
        began.append(lease.claimed_at)
        workers.append(lease.worker_id)
    elif task.state is State.SUCCESSFUL and result is not None:
        began.append(result.started_at or result.finished_at)
        workers.append(result.worker_id or "")
    is_over = task.state.is_finished
    made = _made(
        api,
        base,
        task.spec,
        options,
        status=getattr(api.statuses, _STATUSES[task.state]),
        started_at=min(began, default=None),
        last_attempted_at=max(began, default=None),
        finished_at=(task.changed_at if result is None else result.finished_at) if is_over else None,
        errors=[api.error_class(exception_class_path=path, traceback=text) for path, text in _errors(task, attempts)],
        worker_ids=_padded(workers, task),
    )
    if task.state is State.SUCCESSFUL and result is not None and result.value_json is not None:
        object.__setattr__(made, "_return_value", json.loads(result.value_json))
    return made


_STATUSES = {
    State.BLOCKED: "READY",
    State.READY: "READY",
    State.RUNNING: "RUNNING",
    State.SUCCESSFUL: "SUCCESSFUL",
    State.FAILED: "FAILED",
    State.CANCELLED: "FAILED",
}


def _errors(task: Task, attempts: list[Attempt]) -> Iterator[tuple[str, str]]:
    for attempt in attempts:
        failure = attempt.failure
        if failure is not None:
            yield _PATHS.get(failure.exception_type, failure.exception_type), traceback_text(failure)
        elif attempt.event is Event.RECLAIM:
            yield _PATHS[WORKER_LOST], "The worker that ran it was lost.\n"
    final = None if task.result is None else task.result.failure
    if final is not None and all(attempt.failure != final for attempt in attempts):
        yield _PATHS.get(final.exception_type, final.exception_type), traceback_text(final)
    if task.state is State.CANCELLED:
        kind = exceptions.TaskExpired if task.reason is CancelReason.EXPIRED else exceptions.TaskCancelled
        word = "cancelled" if task.reason is None else task.reason.value
        yield type_name(kind), f"The task was cancelled: {word}.\n"


def _padded(workers: list[str], task: Task) -> list[str]:
    """Return the workers with stand-ins for runs that are not kept one by one, so that their number is right."""
    counted = task.failures + task.crashes + (task.state in (State.RUNNING, State.SUCCESSFUL))
    missing = counted - len(workers)
    return workers if missing <= 0 else [workers[0], *[""] * missing, *workers[1:]] if workers else [""] * missing


def _made(
    api: Api,
    base: DjangoTask,
    spec: TaskSpec,
    options: AliasOptions,
    *,
    status: Any,
    worker_ids: list[str],
    started_at: datetime | None = None,
    last_attempted_at: datetime | None = None,
    finished_at: datetime | None = None,
    errors: list[Any] | None = None,
) -> Any:
    args, kwargs = _arguments(spec.arguments_json)
    return api.result_class(
        task=_as_asked(base, spec, options),
        id=spec.id,
        status=status,
        enqueued_at=site_moment(spec.enqueued_at),
        started_at=site_moment(started_at),
        finished_at=site_moment(finished_at),
        last_attempted_at=site_moment(last_attempted_at),
        args=args,
        kwargs=kwargs,
        backend=options.alias,
        errors=errors or [],
        worker_ids=worker_ids,
    )


def _arguments(text: str) -> tuple[list[object], dict[str, object]]:
    try:
        return decode_arguments(ANY_CALL, text, {})
    except UndecodablePayload:  # it waits for the values of others, which are not there yet
        call = json.loads(text)
        return call.get("a", []), call.get("k", {})


def _as_asked(base: DjangoTask, spec: TaskSpec, options: AliasOptions) -> Any:
    """Return the task with what it was enqueued with; not validated again, for the settings may have changed since."""
    changes: dict[str, object] = {
        "priority": spec.priority,
        "queue_name": spec.queue_name,
        "run_after": site_moment(spec.run_after),
        "backend": options.alias,
    }
    if hasattr(base, "max_attempts"):
        changes.update(_own_fields(base, spec, options))
    return _replaced(base, changes)


def _own_fields(base: DjangoTask, spec: TaskSpec, options: AliasOptions) -> dict[str, object]:
    changes: dict[str, object] = {}
    if spec.max_attempts != max_attempts_of(base, options):
        changes["max_attempts"] = spec.max_attempts
    if spec.retry is not None:
        changes["backoff"] = spec.retry.backoff
    if spec.timeout is not None and spec.timeout != timeout_of(base, options):
        changes["timeout"] = spec.timeout
    metadata = None if spec.metadata_json is None else json.loads(spec.metadata_json)
    if metadata != metadata_of(base):
        changes["metadata"] = metadata
    return changes


def _replaced(task: Any, changes: Mapping[str, object]) -> Any:
    """Return a copy of one of Django's frozen dataclasses, without the checks that making one would do."""
    if all(getattr(task, name) == value for name, value in changes.items()):
        return task
    copy = object.__new__(type(task))
    for field in fields(task):
        object.__setattr__(copy, field.name, changes.get(field.name, getattr(task, field.name)))
    return copy
