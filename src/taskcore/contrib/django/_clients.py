"""The clients of this process: one for each storage that the settings name, made when it is first asked for.

Django makes a backend of ``django.tasks`` for every thread, so the stores cannot live there; and two aliases that name
one storage, or the same alias of both task APIs, have to meet in one store, a memory storage above all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from taskcore._client import Client, backend_from_url
from taskcore.contrib.django._options import DJANGO_STORAGE, AliasOptions
from taskcore.protocol import Backend

__all__ = ["CLIENTS", "Clients"]


class Clients:
    """Makes, keeps and closes clients. Safe between threads, and after a fork.

    After a fork the child goes on with the same objects: stores that are shared between processes know how to.
    """

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[Client, object]] = {}
        self._lock = threading.RLock()
        self._is_connected = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()  # another thread may have held it when the process was forked

    def get(self, options: AliasOptions) -> Client:
        """Return the client of an alias.

        Raises ImproperlyConfigured for a storage that cannot be, and what opening the store raises.
        """
        storage, using = options.storage, options.given_database
        by_name = storage if isinstance(storage, str) else id(storage)
        key = (by_name, using if storage == DJANGO_STORAGE else None, options.payload_limit)
        found = self._made.get(key)
        if found is None:
            with self._lock:
                found = self._made.get(key)
                if found is None:
                    client = Client(_opened(storage, using, options.alias), payload_limit=options.payload_limit)
                    # The storage is kept with it: while it is, no other object has its id.
                    found = self._made[key] = (client, storage)
                    self._connect()
        return found[0]

    def _connect(self) -> None:
        if not self._is_connected:
            self._is_connected = True
            setting_changed.connect(self._forget, weak=False)

    def _forget(self, *, setting: str, **_others: object) -> None:
        if setting in ("TASKS", "DATABASES"):
            self.close()

    def close(self) -> None:
        """Close all that were opened here; what is asked for next is made anew. Given backends stay open."""
        with self._lock:
            made, self._made = self._made, {}
        for client, storage in made.values():
            if storage is not client.backend:
                client.close()


CLIENTS = Clients()
"""The one of this process, as ``django.db.connections`` is for databases."""


def _opened(storage: Any, database: str | None, alias: str) -> Backend:
    if storage == DJANGO_STORAGE:
        return _django_backend(database)
    if isinstance(storage, str):
        return backend_from_url(storage)
    backend: Any = storage if hasattr(storage, "claim") or not callable(storage) else storage()
    if not hasattr(backend, "claim"):
        raise ImproperlyConfigured(
            f"settings.TASKS[{alias!r}]['OPTIONS']['storage'] is {storage!r}: it should be {DJANGO_STORAGE!r}, the URL "
            "of a backend, a backend, or a function that makes one."
        )
    opened: Backend = backend
    return opened


def _django_backend(database: str | None) -> Backend:
    # It has models, and the settings come first.
    backend: Backend = import_module("taskcore_backends.django").DjangoBackend(using=database)
    return backend
