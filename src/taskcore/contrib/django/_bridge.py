"""What a backend of either API does, written once. A backend has a bridge, which holds what the settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage

from taskcore.contrib.django._api import Api, DjangoTask
from taskcore.contrib.django._asked import problem_with
from taskcore.contrib.django._clients import CLIENTS
from taskcore.contrib.django._enqueueing import enqueue
from taskcore.contrib.django._finding import find_task
from taskcore.contrib.django._options import options_of
from taskcore.contrib.django._results import result_of
from taskcore.contrib.django.checks import check_alias

__all__ = ["Bridge", "without_relative_start"]


def without_relative_start(task: Any) -> Any:
    """Return what Django's own checks can look at: they know only moments for ``run_after``."""
    if not isinstance(task.run_after, timedelta):
        return task
    return SimpleNamespace(
        func=task.func,
        priority=task.priority,
        backend=task.backend,
        queue_name=task.queue_name,
        run_after=None,
        takes_context=task.takes_context,
    )


class Bridge:
    """Between a backend of Django's and the store. Django makes one for each thread: it keeps nothing of tasks."""

    def __init__(self, api: Api, alias: str, params: Mapping[str, Any]) -> None:
        self._api = api
        self._options = options_of(alias, params)

    def validate(self, task: DjangoTask) -> None:
        """Check what only tasks of ours have; raises the API's exception for an invalid task."""
        problem = problem_with(task)
        if problem is not None:
            raise self._api.invalid_task(problem)

    def enqueue(self, task: DjangoTask, args: Any, kwargs: Any) -> Any:
        """Store the task; see ``_enqueueing``."""
        return enqueue(self._api, task, args, kwargs, self._options)

    def get_result(self, result_id: str) -> Any:
        """Return the result of this id; raises as Django says."""
        found = CLIENTS.get(self._options).backend.get([str(result_id)])[0]
        if found is None:
            raise self._api.does_not_exist(result_id)
        place = find_task(found.name, self._options.modules)
        if place is None or not isinstance(place.task, self._api.task_class):
            raise self._api.mismatch(
                f"Result {result_id} belongs to {found.name!r}, which is no task of this API here."
            )
        return result_of(self._api, place.task, found, self._options)

    def check(self) -> Iterator[CheckMessage]:
        """Yield what is wrong with the settings; the app says so itself where it is installed, once for both APIs."""
        return iter(()) if apps.is_installed("taskcore.contrib.django") else check_alias(self._options)
