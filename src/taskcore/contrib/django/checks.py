"""System checks of the settings: what would otherwise be found out by a task that does not run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - as Django calls it

from taskcore.contrib.django._api import is_django_task
from taskcore.contrib.django._finding import Place, place_of, site_modules, tasks_in
from taskcore.contrib.django._options import KNOWN_OPTIONS, AliasOptions, alias_options, taskcore_aliases

__all__ = ["check_alias", "check_site"]


def check_site(**_options: object) -> list[CheckMessage]:
    """Return what is wrong with all aliases that taskcore keeps; the app registers it."""
    return [message for alias in taskcore_aliases() for message in check_alias(alias_options(alias))]


def check_alias(options: AliasOptions) -> Iterator[CheckMessage]:
    """Yield the errors and warnings of one alias of ``TASKS``. The store is not opened."""
    yield from _options(options)
    yield from _storage(options)
    yield from _transactions(options)
    yield from _apps()
    yield from _unseen_tasks(options)


def _options(options: AliasOptions) -> Iterator[CheckMessage]:
    where = f"TASKS[{options.alias!r}]['OPTIONS']"
    for name in sorted(set(options.given) - set(KNOWN_OPTIONS)):
        yield Error(
            f"{where} has no option {name!r}.",
            hint=f"There are {', '.join(sorted(KNOWN_OPTIONS))}.",
            id="taskcore.E001",
        )
    for database in (options.database, options.commit_of):
        if database is not None and database not in settings.DATABASES:
            yield Error(f"{where} names the database {database!r}, which DATABASES does not have.", id="taskcore.E002")


def _storage(options: AliasOptions) -> Iterator[CheckMessage]:
    if options.database is not None and not apps.is_installed("taskcore_backends.django"):
        yield Error(
            f"TASKS[{options.alias!r}] keeps tasks in the database, and its tables are not installed.",
            hint='Add "taskcore_backends.django" to INSTALLED_APPS and run migrate.',
            id="taskcore.E004",
        )
    if options.database is not None and not settings.DATABASES.get(options.database, {}).get("AUTOCOMMIT", True):
        yield Error(
            f"TASKS[{options.alias!r}] keeps tasks in the database {options.database!r}, which has AUTOCOMMIT off: a "
            "task would be stored when somebody commits, if ever.",
            hint="Leave AUTOCOMMIT on, or name another alias of the same database in OPTIONS['database'].",
            id="taskcore.E006",
        )
    storage = options.storage
    if isinstance(storage, str) and options.database is None and ":" not in storage:
        yield Error(
            f"TASKS[{options.alias!r}] has the storage {storage!r}, which is neither 'django' nor a URL.",
            hint="sqlite:///tasks.db, redis://localhost/0 or memory:, for example.",
            id="taskcore.E005",
        )
    if storage in ("memory:", "memory://") and not settings.DEBUG and not _is_testing():
        yield Warning(
            f"TASKS[{options.alias!r}] keeps tasks in memory: they end with this process, and no worker sees them.",
            hint="The memory storage is for tests.",
            id="taskcore.W001",
        )


def _is_testing() -> bool:
    return "pytest" in sys.modules or "test" in sys.argv[1:2]


def _transactions(options: AliasOptions) -> Iterator[CheckMessage]:
    if options.database is not None and options.commit_of == options.database:
        yield Warning(
            f"TASKS[{options.alias!r}] waits for the commit of the database that has the tasks: it need not.",
            hint="Enqueueing is part of the transaction. Leave enqueue_on_commit out.",
            id="taskcore.W002",
        )
    if options.commit_of is not None:
        return
    for name, database in settings.DATABASES.items():
        if name != options.database and database.get("ATOMIC_REQUESTS"):
            yield Warning(
                f"Requests are transactions of the database {name!r}, and TASKS[{options.alias!r}] is outside of them: "
                "a worker may run a task before the request has committed, or though it was rolled back.",
                hint=f"Set OPTIONS['enqueue_on_commit'] = {name!r}, or use transaction.on_commit.",
                id="taskcore.W003",
            )


def _apps() -> Iterator[CheckMessage]:
    if not apps.is_installed("taskcore.contrib.django"):
        yield Warning(
            "The management commands of taskcore are not installed.",
            hint='Add "taskcore.contrib.django" to INSTALLED_APPS.',
            id="taskcore.W004",
        )


def _unseen_tasks(options: AliasOptions) -> Iterator[CheckMessage]:
    """Warn of tasks in modules that are loaded here and that no worker looks into."""
    try:
        modules = list(site_modules(options.modules))
    except Exception as error:  # a module may raise anything when it is imported
        yield Error(
            f"A module with tasks of TASKS[{options.alias!r}] cannot be imported: {type(error).__name__}: {error}.",
            hint="They are the modules named tasks of the installed apps, and those of OPTIONS['modules'].",
            id="taskcore.E003",
        )
        return
    seen = {id(one.task.func) for one in tasks_in(modules) if isinstance(one, Place)}
    for name, module in list(sys.modules.items()):
        for value in list(getattr(module, "__dict__", {}).values()):
            if not is_django_task(value) or value.backend != options.alias or value.func.__module__ != name:
                continue
            if id(value.func) not in seen and place_of(value) is not None:  # else it cannot be enqueued either
                seen.add(id(value.func))
                yield Warning(
                    f"Workers do not find the task {value.module_path!r}.",
                    hint=f"Import it in the module tasks of an app, or add {name!r} to OPTIONS['modules'].",
                    id="taskcore.W005",
                )
