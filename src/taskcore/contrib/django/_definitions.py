"""The tasks of the site as definitions that a worker runs: Django's own, and those made with ``taskcore.task``.

The list is closed: what the modules of the site define or import. A name in the store that is not on it is run by
nobody, and nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import attrs
import django
from django.apps import apps

from taskcore._definition import TaskDefinition, import_definition, task
from taskcore._options import TaskOptions
from taskcore.contrib.django._api import DjangoTask, api_of
from taskcore.contrib.django._asked import retry_of, timeout_of
from taskcore.contrib.django._finding import Place, site_modules, tasks_in
from taskcore.contrib.django._options import AliasOptions, alias_options
from taskcore.contrib.django._running import Runner, with_connections
from taskcore.errors import InvalidDefinition

__all__ = ["django_definition", "load", "load_plain", "site_definitions", "site_places"]

_HERE = "taskcore.contrib.django._definitions"


def django_definition(place: Place, options: AliasOptions) -> TaskDefinition[..., object]:
    """Return the definition of a Django task, for the workers of one alias."""
    base = place.task
    api = api_of(base)
    if api is None:
        raise InvalidDefinition(f"{base!r} is no Django task.")
    runner = Runner(api, base, options)
    given: dict[str, Any] = {
        "queue_name": base.queue_name,
        "priority": int(base.priority),
        "retry": retry_of(base, options, runner.delay),
    }
    timeout = timeout_of(base, options)
    if timeout is not None:
        given["timeout"] = timeout
    is_atomic = bool(getattr(base, "atomic", False))
    decorate = task(name=base.module_path, takes_context=True, atomic=is_atomic, **given)
    function = runner.function()
    function.__doc__ = base.func.__doc__  # what people read of the task where they start it
    made: TaskDefinition[..., object] = decorate(function)
    return attrs.evolve(made, imported_as=f"{_HERE}:load?{options.alias}|{place.module}:{place.path}")


def _plain_definition(definition: TaskDefinition[..., object], reference: str) -> TaskDefinition[..., object]:
    """Return a definition made with ``taskcore.task`` whose runs have fresh database connections."""
    imported_as = f"{_HERE}:load_plain?{reference}" if reference else None
    return attrs.evolve(definition, function=with_connections(definition.function), imported_as=imported_as)


def _set_up() -> None:
    if not apps.ready:
        django.setup()


def load(text: str) -> TaskDefinition[..., object]:
    """Return the definition of a Django task by its reference, in a child process of a worker."""
    _set_up()
    alias, _, reference = text.partition("|")
    module, _, path = reference.partition(":")
    found: object = import_module(module)
    for step in path.split("."):
        found = getattr(found, step)
    if api_of(found) is None:
        raise InvalidDefinition(f"{reference!r} is no Django task, but a {type(found).__name__}.")
    base: DjangoTask = found  # type: ignore[assignment]
    return django_definition(Place(base, module, path), alias_options(alias))


def load_plain(reference: str) -> TaskDefinition[..., object]:
    """Return a definition made with ``taskcore.task`` by its reference, in a child process of a worker."""
    _set_up()
    return _plain_definition(import_definition(reference), reference)


def site_places(modules: Iterable[str]) -> Mapping[str, Place]:
    """Return the Django tasks of the site by name."""
    found: dict[str, Place] = {}
    for one in tasks_in(site_modules(modules)):
        if isinstance(one, Place):
            found.setdefault(one.task.module_path, one)
    return found


def site_definitions(options: AliasOptions, modules: Iterable[str] = ()) -> list[TaskDefinition[..., object]]:
    """Return all tasks of the site, each name once; ``modules`` are looked through besides those of the settings."""
    found: dict[str, TaskDefinition[..., object]] = {}
    for one in tasks_in(site_modules([*options.modules, *modules])):
        if isinstance(one, Place):
            if one.task.module_path not in found:
                found[one.task.module_path] = django_definition(one, options)
        else:
            definition, reference = one
            is_whole = definition.call_options == TaskOptions()  # not one that .using(…) has made of another
            if is_whole or definition.name not in found:
                found[definition.name] = _plain_definition(definition, reference)
    return list(found.values())
