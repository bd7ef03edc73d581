"""Aliases of the test databases over which transactions see what was there at their beginning, and other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from tests.contrib.django_backend.databases import add_alias

__all__ = ["SNAPSHOTS", "add_snapshot_alias", "in_thread"]

SNAPSHOTS = ["postgres", "postgres-serializable", "postgres-default", "mariadb", "mariadb-serializable"]
"""Which there are; the default is one of the server's, of which Django does not know."""


def add_snapshot_alias(name: str) -> str:
    """Add such an alias to ``DATABASES``; return it."""
    plain, _, how = name.partition("-")
    settings = dict(connections[plain].settings_dict)
    settings["OPTIONS"] = {**settings.get("OPTIONS", {}), **_options(plain, how)}
    alias = f"snapshot-{name}"
    add_alias(alias, settings)
    return alias


def _options(plain: str, how: str) -> dict[str, Any]:
    if plain == "mariadb":
        return {"isolation_level": how or "repeatable read"}
    if how == "default":
        return {"options": r"-c default_transaction_isolation=repeatable\ read"}
    from psycopg import IsolationLevel

    return {"isolation_level": IsolationLevel.SERIALIZABLE if how else IsolationLevel.REPEATABLE_READ}


def in_thread(call: Callable[[], Any], answers: list[Any]) -> threading.Thread:
    """Start a call in a thread, that is over another connection; what it returns or raises is an answer."""

    def run() -> None:
        try:
            answers.append(call())
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
