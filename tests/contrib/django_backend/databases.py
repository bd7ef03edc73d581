"""The databases that the backend is tested on, as aliases of the one site that all tests of Django share.

A server is started when the first test needs it, and stops with the session. Tests empty the tables: making them anew
for each check would take longer than the check.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from taskcore.protocol import Clock
from taskcore_backends.django import DjangoBackend
from tests.servers import mariadb, postgres

__all__ = ["ALIASES", "TABLES", "Database", "add_alias", "need_mysql_driver", "open_database", "sqlite_settings"]

ALIASES = ("sqlite", "postgres", "mariadb")
TABLES = (
    "task",
    "payload",
    "attempt",
    "item",
    "group",
    "dependency",
    "owed",
    "unique",
    "schedule",
    "worker",
    "paused",
    "tally",
    "waiter",
)


def add_alias(alias: str, settings: dict[str, Any]) -> None:
    """Add an entry to ``DATABASES`` while the site runs, in the place of one for a server that has gone."""
    if alias in connections.settings:
        connections[alias].close()
        del connections[alias]
    known = connections.configure_settings({"default": {}, alias: settings})
    known[alias]["TEST"] = {"CHARSET": None, "COLLATION": None, "MIGRATE": True, "MIRROR": None, "NAME": None}
    connections.settings[alias] = known[alias]


def sqlite_settings(path: Path) -> dict[str, Any]:
    """Return the entry of ``DATABASES`` that the documentation recommends."""
    options = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}


class Database:
    """One database with the tables of the backend."""

    def __init__(self, alias: str, server: Any = None) -> None:
        self.alias = alias
        self.server = server
        """What can be stopped and started; ``None`` for SQLite, and for a server that a URL names."""

    def empty(self) -> None:
        """Delete all rows."""
        connection = connections[self.alias]
        if connection.connection is not None and not connection.is_usable():  # a test has terminated it
            connection.close()
        with connections[self.alias].cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"DELETE FROM taskcore_{table}")

    def factory(self) -> Any:
        """Return what the conformance kit makes backends with: the first of a check finds the tables empty."""

        def make(clock: Clock) -> DjangoBackend:
            self.empty()
            return DjangoBackend(self.alias, clock=clock)

        make.reopen = lambda clock: DjangoBackend(self.alias, clock=clock)
        return make


@contextmanager
def open_database(alias: str, folder: Path) -> Iterator[Database]:
    """Give a database with its tables; skip the test, or fail it, when there is no server."""
    with _server(alias, folder) as (settings, server):
        add_alias(alias, settings)
        call_command("migrate", "taskcore", database=alias, verbosity=0)
        try:
            yield Database(alias, server)
        finally:
            connections[alias].close()


@contextmanager
def _server(alias: str, folder: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    if alias == "sqlite":
        yield sqlite_settings(folder / "tasks.sqlite3"), None
        return
    if alias == "mariadb":
        need_mysql_driver()
    module, settings_of, running = {
        "postgres": (postgres, postgres.postgres_settings, postgres.running_postgres),
        "mariadb": (mariadb, mariadb.mariadb_settings, mariadb.running_mariadb),
    }[alias]
    url = os.environ.get(module.URL)
    if url:
        yield settings_of(url), None
        return
    try:
        with running() as server:
            yield settings_of(server.url), server
    except postgres.NoServer as error:
        _go_without(alias, str(error))


def need_mysql_driver() -> None:
    """Have Django find a driver, whichever there is."""
    try:
        import MySQLdb  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        try:
            import pymysql  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            _go_without("mariadb", "no driver: install mysqlclient or PyMySQL")
        else:
            pymysql.version_info = (2, 2, 7, "final", 0)  # Django asks for the version of mysqlclient
            pymysql.install_as_MySQLdb()
    else:
        del MySQLdb


def _go_without(alias: str, reason: str) -> None:
    """Skip on a laptop; in CI PostgreSQL has to be there, and the want of MariaDB is said aloud, with each test."""
    if os.environ.get("CI") and alias == "postgres":
        pytest.fail(f"no {alias}: {reason}")
    pytest.skip(f"NOTHING WAS TESTED ON {alias.upper()}: {reason}")
