"""``@task`` for both task APIs: as their own decorators are, and with the fields that tasks of ours have besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, overload

from taskcore.contrib.django._asked import Backoff, Duration

__all__ = ["TaskDecorator", "decorator_for"]

_DEFAULT = "default"
"""The queue, and the alias in ``TASKS``, that both APIs take when none is named."""

_Task_co = TypeVar("_Task_co", covariant=True)


class TaskDecorator(Protocol[_Task_co]):
    """``@task`` and ``@task(…)``."""

    @overload
    def __call__(self, function: Callable[..., Any], /) -> _Task_co: ...
    @overload
    def __call__(
        self,
        *,
        priority: int = 0,
        queue_name: str = _DEFAULT,
        backend: str = _DEFAULT,
        takes_context: bool = False,
        max_attempts: int | None = None,
        backoff: Backoff | None = None,
        timeout: Duration | None = None,
        metadata: Mapping[str, Any] | None = None,
        atomic: bool = False,
    ) -> Callable[[Callable[..., Any]], _Task_co]: ...


def decorator_for(backends: Any) -> TaskDecorator[Any]:
    """Return the decorator of an API, whose ``backends`` tell the class that a task has."""

    def task(
        function: Callable[..., Any] | None = None,
        /,
        *,
        priority: int = 0,
        queue_name: str = _DEFAULT,
        backend: str = _DEFAULT,
        takes_context: bool = False,
        **asked: Any,
    ) -> Any:
        """Make a function a task, as Django's own decorator does, which in 6.0 takes no further arguments.

        The fields of ``TaskcoreTask`` need a backend of taskcore; with another one they are refused with a TypeError.
        """

        def decorate(function: Callable[..., Any]) -> Any:
            return backends[backend].task_class(
                func=function,
                priority=priority,
                queue_name=queue_name,
                backend=backend,
                takes_context=takes_context,
                run_after=None,
                **asked,
            )

        return decorate if function is None else decorate(function)

    return task
