"""Tasks and backend for the backport ``django_tasks``: what ``_core`` is for ``django.tasks``, with its types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.core.checks import CheckMessage
from django_tasks import exceptions, task_backends
from django_tasks.backends.base import BaseTaskBackend
from django_tasks.base import (
    Task,
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
)
from django_tasks.exceptions import TaskResultDoesNotExist, TaskResultMismatch
from django_tasks.signals import task_enqueued, task_finished, task_started
from django_tasks.utils import normalize_json

from taskcore._context import Context, current_context
from taskcore.contrib.django._api import Api
from taskcore.contrib.django._asked import Backoff, Duration
from taskcore.contrib.django._bridge import Bridge, without_relative_start
from taskcore.contrib.django._decorating import TaskDecorator, decorator_for

__all__ = ["API", "TaskcoreBackend", "TaskcoreContext", "TaskcoreTask", "task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskcoreTask(Task[..., Any]):
    """A task of ``django_tasks`` that can also ask for attempts, backoff, a timeout and metadata.

    ``run_after`` of ``using`` may be a timedelta: it counts from enqueueing.
    """

    run_after: datetime | timedelta | None = None  # type: ignore[assignment]
    max_attempts: int | None = None
    """How many runs may end with an exception; ``None``: what the settings say, once if they say nothing."""
    backoff: Backoff | None = None
    """How long to wait before the next try; ``None``: 1 s, 2 s, 4 s … up to an hour."""
    timeout: Duration | None = None
    """The longest that one run may take; ``None``: what the settings say."""
    metadata: Mapping[str, Any] | None = field(default=None, hash=False)
    """A JSON object of the user's own."""
    atomic: bool = False
    """What the function writes to the database of the tasks and its success are committed together, or not at all."""

    def using(
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | timedelta | None = None,
        backend: str | None = None,
        max_attempts: int | None = None,
        backoff: Backoff | None = None,
        timeout: Duration | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> TaskcoreTask:
        """Return the same task with what is given changed."""
        given = {
            "priority": priority,
            "queue_name": queue_name,
            "run_after": run_after,
            "backend": backend,
            "max_attempts": max_attempts,
            "backoff": backoff,
            "timeout": timeout,
            "metadata": metadata,
        }
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskcoreContext(TaskContext):
    """What a task with ``takes_context=True`` is given first."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the task; empty when it has none."""
        return getattr(self.task_result.task, "metadata", None) or {}

    @property
    def taskcore(self) -> Context:
        """The context of taskcore: progress, items, cancels, the time left. Raises RuntimeError outside of a run."""
        context = current_context()
        if context is None:
            raise RuntimeError("No task runs here: the context of taskcore is there only in the run itself.")
        return context


API = Api(
    backends=task_backends,
    task_class=Task,
    result_class=TaskResult,
    context_class=TaskcoreContext,
    error_class=TaskError,
    statuses=TaskResultStatus,
    normalize=normalize_json,
    # Later releases of the backport have the name that Django has.
    invalid_task=getattr(exceptions, "InvalidTask", None) or exceptions.InvalidTaskError,
    does_not_exist=TaskResultDoesNotExist,
    mismatch=TaskResultMismatch,
    enqueued=task_enqueued,
    started=task_started,
    finished=task_finished,
)


class TaskcoreBackend(BaseTaskBackend):
    """Keeps the tasks of ``django_tasks`` in any store of taskcore; ``taskcore.contrib.django`` says how."""

    task_class = TaskcoreTask  # type: ignore[assignment]  # its functions are of any kind
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Any) -> None:
        super().__init__(alias, params)
        self._bridge = Bridge(API, alias, params)

    def validate_task(self, task: Any) -> None:
        """Check the task as Django does, and then what only tasks of ours have; raises InvalidTaskError."""
        super().validate_task(without_relative_start(task))
        self._bridge.validate(task)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> TaskResult[Any]:
        """Store the task; raises InvalidTaskError for one that no worker could import."""
        self.validate_task(task)
        result: TaskResult[Any] = self._bridge.enqueue(task, args, kwargs)
        return result

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result as it is now; raises TaskResultDoesNotExist, TaskResultMismatch."""
        result: TaskResult[Any] = self._bridge.get_result(result_id)
        return result

    def check(self, **_kwargs: Any) -> list[CheckMessage]:
        """Return what is wrong with the settings of this alias."""
        return list(self._bridge.check())


task: TaskDecorator[TaskcoreTask] = decorator_for(task_backends)
"""Make a function a task of the backport, as its own decorator does."""
