"""The two task APIs of Django, as data: ``django.tasks`` of 6.0 and later, and the backport ``django_tasks``.

They have the same names and share no types. What differs is here, so that all else is written once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import attrs
from django.dispatch import Signal

__all__ = ["Api", "DjangoTask", "api_of", "is_django_task"]

_HOMES = {"django.tasks.base": "taskcore.contrib.django._core", "django_tasks.base": "taskcore.contrib.django.backport"}
"""Where the tasks of an API come from, and the module of ours that is about it."""


class DjangoTask(Protocol):
    """What the tasks of both APIs have."""

    @property
    def func(self) -> Callable[..., Any]:
        """The function."""
        ...

    @property
    def priority(self) -> int:
        """-100 to 100, higher first."""
        ...

    @property
    def backend(self) -> str:
        """The alias in ``TASKS``."""
        ...

    @property
    def queue_name(self) -> str:
        """The queue."""
        ...

    @property
    def run_after(self) -> Any:
        """The moment, or with our own tasks the time from enqueueing, that it does not start before."""
        ...

    @property
    def takes_context(self) -> bool:
        """Whether the function is given a context first."""
        ...

    @property
    def module_path(self) -> str:
        """Module and qualified name of the function: the name of the task in the store."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class Api:
    """One of the APIs: its types, its signals, and the exceptions that it raises."""

    backends: Any
    """The handler that has a backend for each alias."""
    task_class: type[Any]
    result_class: type[Any]
    context_class: type[Any]
    error_class: type[Any]
    statuses: Any
    normalize: Callable[[object], Any]
    """Make a value one that JSON has; raises TypeError or ValueError."""
    invalid_task: type[Exception]
    does_not_exist: type[Exception]
    mismatch: type[Exception]
    enqueued: Signal
    started: Signal
    finished: Signal

    def sender(self, alias: str) -> type[Any]:
        """Return who sends the signals of an alias: the class of its backend."""
        return type(self.backends[alias])


def api_of(value: object) -> Api | None:
    """Return the API whose task this is; ``None`` for what is no task of either."""
    for theirs, ours in _HOMES.items():
        module = sys.modules.get(theirs)  # while it is not loaded, there are no tasks of it
        if module is not None and issubclass(type(value), module.Task):
            api: Api = import_module(ours).API
            return api
    return None


def is_django_task(value: object) -> bool:
    """Whether this is a task of either API. What is lazy stays so: nothing is asked of the value itself."""
    return any(module is not None and issubclass(type(value), module.Task) for module in map(sys.modules.get, _HOMES))
