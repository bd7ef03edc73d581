"""Which storage stands behind a row, and what the row's thing is called there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs
from django.apps import apps
from django.conf import settings
from django.db import router
from django.db.models import Model

from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore.contrib.django._clients import CLIENTS
from taskcore.contrib.django._definitions import site_definitions
from taskcore.contrib.django._options import DJANGO_STORAGE, AliasOptions, alias_options, taskcore_aliases
from taskcore.contrib.django.models import Copy, QueueOfStore
from taskcore.errors import BackendError

__all__ = [
    "Store",
    "admin_setting",
    "database_of",
    "if_there",
    "is_configured",
    "is_copy",
    "known_definitions",
    "plain_id",
    "row_key",
    "store_of",
    "stores_of_model",
    "using_stores",
]

S = TypeVar("S")
T = TypeVar("T")

_log = logging.getLogger("taskcore.admin")


@attrs.frozen
class Store:
    """A storage and how it is reached."""

    alias: str
    client: Client
    options: AliasOptions

    @property
    def database(self) -> str | None:
        """The database that has its tables; ``None``: it is outside of databases."""
        return _tables_of(self.options)


def is_copy(model: type[Model]) -> bool:
    """Whether the rows of a model are copies of what stands in other stores than the database."""
    return issubclass(model, (Copy, QueueOfStore))


def _store(options: AliasOptions) -> Store:
    return Store(options.alias, CLIENTS.get(options), options)


def _aliases(*, is_in_database: bool) -> list[AliasOptions]:
    found = [alias_options(alias) for alias in taskcore_aliases()]
    return [options for options in found if (options.database is not None) is is_in_database]


def _tables_of(options: AliasOptions) -> str | None:
    """Return the database of an alias, as its store finds it: by the site's routers, when none is given."""
    if options.database is None or options.given_database is not None or options.storage != DJANGO_STORAGE:
        return options.database
    return router.db_for_write(apps.get_model("taskcore", "Task"))


def stores_of_model(model: type[Model], database: str | None = None) -> list[Store]:
    """Return the storages that rows of this model are of, each store once; ``database`` names the rows' own."""
    if is_copy(model):
        return [_store(options) for options in _aliases(is_in_database=False)]
    options = [one for one in _aliases(is_in_database=True) if database in (None, _tables_of(one))]
    by_database = {_tables_of(one): one for one in reversed(options)}
    return [_store(one) for one in by_database.values()] or [_database_store(database or "default")]


def _database_store(database: str) -> Store:
    """Return the store of tables that no alias names."""
    return _store(AliasOptions(alias="default", queues=frozenset(), given={"storage": "django", "database": database}))


def is_configured(model: type[Model]) -> bool:
    """Whether an alias is kept where rows of this model come from."""
    return bool(_aliases(is_in_database=not is_copy(model)))


def database_of(model: type[Model], storage: str | None) -> str | None:
    """Return the database that has the rows; ``None``: as the routers say."""
    if is_copy(model):
        return None
    if storage is not None:
        return _tables_of(alias_options(storage))
    options = _aliases(is_in_database=True)
    return _tables_of(options[0]) if options else None


def store_of(row: Any) -> Store:
    """Return the storage that a row is of."""
    if isinstance(row, Copy):
        return _store(alias_options(row.storage))
    return stores_of_model(type(row), row._state.db or "default")[0]


def plain_id(row: Any) -> str:
    """Return the id of the row's thing in its storage."""
    return row.plain_id if isinstance(row, Copy) else str(row.pk)


def row_key(model: type[Model], alias: str, thing_id: str) -> str:
    """Return the primary key of the row of a thing."""
    return f"{thing_id}@{alias}" if is_copy(model) else thing_id


def using_stores(rows: Iterable[Any]) -> list[tuple[Store, dict[str, Any]]]:
    """Return the rows by storage, and there by id."""
    found: dict[str, tuple[Store, dict[str, Any]]] = {}
    for row in rows:
        name = row.storage if isinstance(row, Copy) else ""
        if name not in found:
            found[name] = (store_of(row), {})
        found[name][1][plain_id(row)] = row
    return list(found.values())


def if_there(ask: Callable[[], T], instead: S) -> T | S:
    """Return what a store answers; ``instead`` while it cannot be asked, so that a page shows what it has."""
    try:
        return ask()
    except BackendError as error:
        _log.warning("A storage cannot be asked for an admin page: %s", error)
        return instead


def known_definitions(options: AliasOptions) -> Mapping[str, TaskDefinition[..., object]]:
    """Return the tasks of the site by name. Raises what a module with tasks raises."""
    return {definition.name: definition for definition in site_definitions(options)}


def admin_setting(name: str, default: Any = None) -> Any:
    """Return an entry of ``settings.TASKCORE``, as it is now."""
    given: Mapping[str, Any] = getattr(settings, "TASKCORE", {})
    return given.get(name, default)
