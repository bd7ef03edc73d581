"""Where a Django task stands in its module, and the tasks of the site by name.

A name that the store gives is looked up among what modules of the site have loaded, never imported by its path.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pkgutil import walk_packages
from types import ModuleType

import attrs
from django.apps import apps
from django.utils.module_loading import module_has_submodule

from taskcore._definition import TaskDefinition
from taskcore._naming import MAIN_MODULES
from taskcore.contrib.django._api import DjangoTask, is_django_task

__all__ = ["Place", "find_task", "place_of", "site_modules", "tasks_in", "why_not_importable"]

_logger = logging.getLogger("taskcore.worker")


@attrs.frozen
class Place:
    """A task, and where another process imports it from."""

    task: DjangoTask
    module: str
    path: str


def _at(module: ModuleType, path: str) -> object:
    found: object = module
    for step in path.split("."):
        found = getattr(found, step, None)
    return found


def _in_module(module: ModuleType, path: str, is_it: Callable[[DjangoTask], bool]) -> Place | None:
    """Return the task that stands at ``path``, or under any name at the top level of the module."""
    found = _at(module, path)
    if is_django_task(found) and is_it(found):  # type: ignore[arg-type]
        return Place(found, module.__name__, path)  # type: ignore[arg-type]
    for name, value in list(vars(module).items()):
        if is_django_task(value) and is_it(value):
            return Place(value, module.__name__, name)
    return None


def place_of(task: DjangoTask) -> Place | None:
    """Return where the task of this function stands in the function's module; ``None``: no worker could import it."""
    function = task.func
    module = sys.modules.get(function.__module__)
    if module is None or function.__module__ in MAIN_MODULES or "<" in function.__qualname__:
        return None
    return _in_module(module, function.__qualname__, lambda one: one.func is function)


def why_not_importable(task: DjangoTask) -> str:
    """Say why ``place_of`` found nothing."""
    function = task.func
    if function.__module__ in MAIN_MODULES:
        return "it is defined in the main module"
    if "<lambda>" in function.__qualname__:
        return "it is a lambda"
    if "<locals>" in function.__qualname__:
        return "it is defined inside a function"
    return f"the module {function.__module__} has no task of this function at its top level"


def find_task(name: str, modules: Iterable[str]) -> Place | None:
    """Return the task of this name; the site's task modules are imported unless it is loaded already."""
    return _loaded(name) or (_import_all(modules) and _loaded(name)) or None


def _loaded(name: str) -> Place | None:
    steps = name.split(".")
    for count in range(len(steps) - 1, 0, -1):
        module = sys.modules.get(".".join(steps[:count]))
        if module is not None:
            return _in_module(module, ".".join(steps[count:]), lambda one: one.module_path == name)
    return None


def _import_all(modules: Iterable[str]) -> bool:
    return bool(list(site_modules(modules)))


def site_modules(modules: Iterable[str] = ()) -> Iterator[ModuleType]:
    """Import and yield the module ``tasks`` of each installed app, a package with all in it, and ``modules``.

    Raises whatever importing them does; only an app whose tasks need a package that is not there is left out.
    """
    for app in apps.get_app_configs():
        if app.name != "taskcore.contrib.django" and app.module and module_has_submodule(app.module, "tasks"):
            module = _tasks_of(app.name)
            if module is not None:
                yield from _with_submodules(module)
    for name in modules:
        yield from _with_submodules(import_module(name))


def _tasks_of(app_name: str) -> ModuleType | None:
    """Import the module ``tasks`` of an app; ``None`` for one that was written for a queue that is not installed."""
    try:
        return import_module(f"{app_name}.tasks")
    except ModuleNotFoundError as error:
        missing = (error.name or app_name).partition(".")[0]
        if missing == app_name.partition(".")[0] or find_spec(missing) is not None:
            raise
        _logger.warning(
            "The tasks of the app %s are left out: they need %s, which is not installed.", app_name, missing
        )
        return None


def _with_submodules(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    path = getattr(module, "__path__", None)
    if path is not None:
        for found in walk_packages(path, f"{module.__name__}."):
            yield import_module(found.name)


def tasks_in(modules: Iterable[ModuleType]) -> Iterator[Place | tuple[TaskDefinition[..., object], str]]:
    """Yield the tasks that modules define or import: Django's as places, taskcore's with their references."""
    for module in modules:
        for value in list(vars(module).values()):
            if is_django_task(value):
                place = place_of(value)
                if place is not None:
                    yield place
            elif issubclass(type(value), TaskDefinition):  # not isinstance, which would wake lazy objects
                yield value, value.import_reference or ""
