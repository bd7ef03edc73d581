"""What ``settings.TASKS`` says of one alias, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from taskcore.protocol import Backend, Retention

__all__ = ["DJANGO_STORAGE", "KNOWN_OPTIONS", "AliasOptions", "alias_options", "options_of", "taskcore_aliases"]

DJANGO_STORAGE = "django"
"""The storage that is the tables of ``taskcore_backends.django``."""

_BACKENDS = ("taskcore.contrib.django.tasks.TaskcoreBackend", "taskcore.contrib.django.backport.TaskcoreBackend")

KNOWN_OPTIONS = {
    "storage": 'where tasks are kept: "django", the URL of a backend, a backend, or a function that makes one',
    "database": 'with the storage "django": the database that has its tables',
    "enqueue_on_commit": "True or a database: enqueue when the transaction that is open there has committed",
    "modules": "modules with tasks besides those named tasks of the installed apps",
    "max_attempts": "for tasks that do not say: how many runs may end with an exception",
    "timeout": "for tasks that do not say: the longest that one run may take, in seconds or as a timedelta",
    "retention": "a taskcore.Retention: how long finished tasks are kept",
    "payload_limit": "how many bytes the arguments of a task may have",
}
"""The keys of ``OPTIONS``, and what each means."""


@attrs.frozen(kw_only=True)
class AliasOptions:
    """One alias of ``TASKS``."""

    alias: str
    queues: frozenset[str]
    """Empty: any queue."""
    given: Mapping[str, Any]
    """``OPTIONS`` as they stand in the settings."""

    @property
    def storage(self) -> str | Backend | Callable[[], Backend]:
        """Where tasks are kept."""
        storage: str | Backend | Callable[[], Backend] = self.given.get("storage", DJANGO_STORAGE)
        return storage

    @property
    def given_database(self) -> str | None:
        """The database of the storage "django"; ``None``: the site's routers say where its tables are."""
        database: str | None = self.given.get("database")
        return database

    @property
    def database(self) -> str | None:
        """The database that the tasks are in, and whose transactions enqueueing is part of; ``None``: in none."""
        if self.storage == DJANGO_STORAGE:
            return self.given_database or "default"
        scheme, _, alias = str(self.storage).partition(":")
        return alias or "default" if scheme == DJANGO_STORAGE else None

    @property
    def commit_of(self) -> str | None:
        """The database whose commit enqueueing waits for; ``None``: it does not wait."""
        wanted = self.given.get("enqueue_on_commit", False)
        if wanted is True:
            return "default"
        return wanted or None

    @property
    def modules(self) -> Sequence[str]:
        """Modules with tasks besides those of the installed apps."""
        return tuple(self.given.get("modules", ()))

    @property
    def retention(self) -> Retention | None:
        """How long finished tasks are kept."""
        retention: Retention | None = self.given.get("retention")
        return retention

    @property
    def payload_limit(self) -> int:
        """How many bytes the arguments of a task may have."""
        return int(self.given.get("payload_limit", 1_000_000))


def options_of(alias: str, params: Mapping[str, Any]) -> AliasOptions:
    """Return the options of an alias from its entry in ``TASKS``."""
    queues = params.get("QUEUES", ["default"])
    return AliasOptions(alias=alias, queues=frozenset(queues), given=dict(params.get("OPTIONS", {})))


def _is_ours(params: Mapping[str, Any]) -> bool:
    return params.get("BACKEND") in _BACKENDS or "storage" in params.get("OPTIONS", {})


def taskcore_aliases() -> list[str]:
    """Return the aliases of ``TASKS`` that are kept by taskcore."""
    configured: Mapping[str, Mapping[str, Any]] = getattr(settings, "TASKS", {})
    return [alias for alias, params in configured.items() if _is_ours(params)]


def alias_options(alias: str, database: str | None = None) -> AliasOptions:
    """Return the options of an alias of ``settings.TASKS``.

    ``database`` puts the tables in that database in the place of its storage. Raises ImproperlyConfigured when there is
    none of this name, or it is not kept by taskcore.
    """
    configured: Mapping[str, Mapping[str, Any]] = getattr(settings, "TASKS", {})
    if alias not in configured:
        raise ImproperlyConfigured(f"settings.TASKS has no {alias!r}: it has {', '.join(configured) or 'nothing'}.")
    params = configured[alias]
    if not _is_ours(params):
        raise ImproperlyConfigured(
            f"settings.TASKS[{alias!r}] is kept by {params.get('BACKEND')!r}, not by taskcore: "
            f'its BACKEND should be "{_BACKENDS[0]}".'
        )
    options = options_of(alias, params)
    if database is None:
        return options
    if database not in settings.DATABASES:
        raise ImproperlyConfigured(f"settings.DATABASES has no {database!r}.")
    return attrs.evolve(options, given={**options.given, "storage": DJANGO_STORAGE, "database": database})
