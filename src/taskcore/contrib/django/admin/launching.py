"""What can be started by hand: the registered tasks, each with a form. Nothing else, whatever the request names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from taskcore._definition import TaskDefinition
from taskcore.contrib.django._api import is_django_task
from taskcore.contrib.django.admin._arguments import form_of
from taskcore.contrib.django.admin._stores import Store, admin_setting, known_definitions

__all__ = ["Launchable", "TaskLaunch", "launchables"]

START_PERMISSION = "taskcore_django.start_task"


@attrs.frozen
class TaskLaunch:
    """A task that operators start, the form that asks for its arguments, and who may.

    ``task`` is a task (Django's or taskcore's) or its name. The cleaned data of ``form`` are the keyword arguments of
    the call; a form with a method ``arguments()`` says itself which they are. Without a form one is made from the
    signature. ``permission`` is what a user needs, ``"app.codename"``.

    Give launches to a task page (``launches = [...]`` of a subclass of ``TaskAdmin``), or name them in the settings:
    ``TASKCORE = {"LAUNCHES": ["shop.launches.scrape"]}``.
    """

    task: Any
    form: type[forms.Form] | None = None
    permission: str = START_PERMISSION
    title: Any = None
    """What people call it; ``None``: the name of the task."""
    description: Any = ""

    @property
    def name(self) -> str:
        """The name of the task."""
        if isinstance(self.task, str):
            return self.task
        if isinstance(self.task, TaskDefinition):
            return self.task.name
        if is_django_task(self.task):
            return str(self.task.module_path)
        raise ImproperlyConfigured(f"TaskLaunch: {self.task!r} is no task: give one, or its name.")


@attrs.frozen
class Launchable:
    """A registered task with its launch."""

    definition: TaskDefinition[..., object]
    launch: TaskLaunch
    is_declared: bool
    """It has a launch of its own."""

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.definition.name

    @property
    def title(self) -> Any:
        """What people call it."""
        return self.launch.title or self.definition.name

    @property
    def description(self) -> Any:
        """What it does: the launch's words, or the first line of the function's docstring."""
        words = self.launch.description or (self.definition.function.__doc__ or "").strip()
        return str(words).splitlines()[0].replace("``", "") if words else ""

    def form_class(self) -> type[forms.Form]:
        """Return the form that asks for the arguments."""
        return self.launch.form or form_of(self.definition)

    def keywords(self, form: forms.Form) -> Mapping[str, object]:
        """Return the keyword arguments that a valid form stands for."""
        own: Callable[[], Mapping[str, object]] | None = getattr(form, "arguments", None)
        if own is not None:
            return own()
        return dict(form.cleaned_data)


def _declared(given: Iterable[TaskLaunch | str]) -> dict[str, TaskLaunch]:
    found: dict[str, TaskLaunch] = {}
    for one in [*given, *admin_setting("LAUNCHES", ())]:
        launch = import_string(one) if isinstance(one, str) else one
        if not isinstance(launch, TaskLaunch):
            raise ImproperlyConfigured(f"{one!r} is no TaskLaunch.")
        found.setdefault(launch.name, launch)
    return found


def launchables(store: Store, given: Iterable[TaskLaunch | str] = ()) -> dict[str, Launchable]:
    """Return what can be started in a store, by name: those with a launch of their own first."""
    declared = _declared(given)
    known = known_definitions(store.options)
    names = [*(name for name in declared if name in known), *sorted(name for name in known if name not in declared)]
    return {
        name: Launchable(known[name], declared.get(name) or TaskLaunch(name), is_declared=name in declared)
        for name in names
    }
