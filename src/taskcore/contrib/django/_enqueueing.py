"""Putting a Django task into the store of its alias: now, or when the open transaction has committed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from taskcore._client import Client
from taskcore._client._enqueueing import add_specs
from taskcore._codec import check_size, encode_arguments, encode_plain
from taskcore._ids import IdSource
from taskcore._retry import Curve
from taskcore.contrib.django._api import Api, DjangoTask
from taskcore.contrib.django._asked import curve_of, max_attempts_of, metadata_of, retry_of, timeout_of
from taskcore.contrib.django._clients import CLIENTS
from taskcore.contrib.django._finding import Place, place_of, why_not_importable
from taskcore.contrib.django._moments import store_moment
from taskcore.contrib.django._options import AliasOptions
from taskcore.contrib.django._results import new_result
from taskcore.contrib.django._values import ANY_CALL, as_json, call_signature
from taskcore.protocol import TaskSpec

__all__ = ["enqueue"]

_IDS = IdSource()
"""One for the process: ids increase whatever thread makes them."""


def enqueue(
    api: Api, task: DjangoTask, args: tuple[object, ...], kwargs: Mapping[str, object], options: AliasOptions
) -> Any:
    """Store a task and return its result; with ``enqueue_on_commit`` it is stored when the transaction commits.

    Raises what the API raises for an invalid task, TypeError or ValueError for arguments that are no JSON or do not fit
    the function, and what the store raises.
    """
    place = place_of(task)
    if place is None:
        raise api.invalid_task(
            f"Task {task.module_path!r} cannot be enqueued, for no worker could import it: {why_not_importable(task)}."
        )
    client = CLIENTS.get(options)
    spec = _spec(api, task, place, as_json(api, list(args)), as_json(api, dict(kwargs)), options, client)
    result = new_result(api, place.task, spec, options)

    def store() -> None:
        add_specs(client.backend, [spec])
        api.enqueued.send_robust(sender=api.sender(options.alias), task_result=result)

    if options.commit_of is None:
        store()
    else:
        transaction.on_commit(store, using=options.commit_of)
    return result


def _spec(
    api: Api,
    task: DjangoTask,
    place: Place,
    args: list[object],
    kwargs: dict[str, object],
    options: AliasOptions,
    client: Client,
) -> TaskSpec:
    # Here rather than by a worker at night.
    call_signature(task.func, takes_context=task.takes_context).check(tuple(args), kwargs)
    arguments_json, _ = encode_arguments(ANY_CALL, tuple(args), kwargs)
    check_size(arguments_json, options.payload_limit, f"Task {task.module_path!r}: the arguments")
    now = client.backend.now()
    run_after = task.run_after
    return TaskSpec(
        id=_IDS.new(now),
        name=task.module_path,
        enqueued_at=now,
        queue_name=task.queue_name,
        priority=int(task.priority),
        arguments_json=arguments_json,
        run_after=None
        if run_after is None
        else now + run_after
        if isinstance(run_after, timedelta)
        else store_moment(run_after),
        max_attempts=max_attempts_of(task, options),
        retention=options.retention,
        metadata_json=_metadata(task),
        **_differences(api, task, place.task, options),
    )


def _metadata(task: DjangoTask) -> str | None:
    metadata = metadata_of(task)
    return None if metadata is None else encode_plain(dict(metadata), f"Task {task.module_path!r}: the metadata")


def _differences(api: Api, task: DjangoTask, base: DjangoTask, options: AliasOptions) -> dict[str, Any]:
    """Return what has to travel with the task, for workers read the rest from the task of this name."""
    if task is base:
        return {}
    changes: dict[str, Any] = {}
    timeout, backoff = timeout_of(task, options), curve_of(task)
    if timeout != timeout_of(base, options):
        changes["timeout"] = timeout
    if backoff != curve_of(base):
        if backoff is not None and not isinstance(backoff, Curve):
            raise api.invalid_task(
                f"Task {task.module_path!r}: the backoff of .using(…) is a function, which cannot travel. Give it to "
                "the decorator, or use a delay or a curve."
            )
        changes["retry"] = retry_of(task, options)
    return changes
