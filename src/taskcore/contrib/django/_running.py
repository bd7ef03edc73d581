"""How a worker calls what stands behind a task of the site: with fresh database connections, and as Django would.

Connections are closed or renewed around each task as Django does around each request. A Django task gets its context,
its signal ``task_started`` is sent, and what it returns is made JSON by Django's own rules.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any

import attrs
from asgiref.sync import sync_to_async
from django.db import connections

from taskcore._context import Context, current_context
from taskcore.contrib.django._api import Api, DjangoTask
from taskcore.contrib.django._asked import curve_of, duration_of
from taskcore.contrib.django._options import AliasOptions
from taskcore.contrib.django._results import result_of
from taskcore.contrib.django._values import as_json, signature_without_annotations
from taskcore.contrib.django.exceptions import UnsupportedReturnValue

__all__ = ["Runner", "with_connections"]


def renew_connections() -> None:
    """Close the database connections of this thread that are broken or too old; the next query opens new ones.

    As Django does at the ends of a request; but not within a transaction, which may be that of a test.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def with_connections(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same between two looks at the database connections of its thread."""
    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: object, **kwargs: object) -> object:
            await sync_to_async(renew_connections)()
            value: object = None
            raised: BaseException | None = None
            try:
                value = await function(*args, **kwargs)
            except BaseException as error:
                raised = error
            # Not while the exception is handled: it would be raised in the other thread, too, and gather its frames.
            await sync_to_async(renew_connections)()
            if raised is not None:
                raise raised
            return value

        return run_async

    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        renew_connections()
        try:
            return function(*args, **kwargs)
        finally:
            renew_connections()

    return run


@attrs.frozen
class Runner:
    """Runs one Django task for the workers of one alias."""

    api: Api
    task: DjangoTask
    options: AliasOptions

    def function(self) -> Callable[..., Any]:
        """Return the function of the definition: with the task's own signature behind a taskcore context."""
        function = self.task.func

        def run(context: Context, /, *args: object, **kwargs: object) -> object:
            return self._returned(function(*self._begin(context, args), **kwargs))

        async def run_async(context: Context, /, *args: object, **kwargs: object) -> object:
            arguments = await sync_to_async(self._begin)(context, args)
            return self._returned(await function(*arguments, **kwargs))

        made: Any = run_async if iscoroutinefunction(function) else run
        made.__signature__ = signature_without_annotations(function, takes_context=self.task.takes_context)
        return with_connections(made)

    def _begin(self, context: Context, args: tuple[object, ...]) -> tuple[object, ...]:
        result = self._result(context)
        self.api.started.send_robust(sender=self.api.sender(self.options.alias), task_result=result)
        return (self.api.context_class(task_result=result), *args) if self.task.takes_context else args

    def _returned(self, value: object) -> object:
        try:
            return as_json(self.api, value)
        except (TypeError, ValueError) as error:
            raise UnsupportedReturnValue(str(error)) from error

    def _result(self, context: Context) -> Any:
        return result_of(self.api, self.task, context.task, self.options)

    def delay(self, _failures: int, error: BaseException) -> timedelta:
        """Ask the task's own backoff function; None from it ends the tries."""
        backoff: Any = curve_of(self.task)
        context = current_context()
        answer = backoff(error, None if context is None else self._result(context))
        return timedelta.max if answer is None else duration_of(answer)
