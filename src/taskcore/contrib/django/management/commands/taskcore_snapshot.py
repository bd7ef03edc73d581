"""``manage.py taskcore_snapshot``: keep copies of what stands in other stores, for the admin to list."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils.translation import gettext as _

from taskcore.contrib.django import client
from taskcore.contrib.django._options import alias_options, taskcore_aliases
from taskcore.contrib.django._snapshot import Limits, take
from taskcore.errors import BackendError

__all__ = ["Command"]

_log = logging.getLogger("taskcore.snapshot")


class Command(BaseCommand):
    """Copy news of tasks, schedules, groups and workers, again and again until SIGTERM or SIGINT."""

    help = _("Keep copies of the tasks of storages outside the database, for the admin to list.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--storage", action="append", default=[], help=_("an alias of TASKS; repeat it for more"))
        parser.add_argument("--every", type=float, default=5.0, help=_("seconds between two rounds"))
        parser.add_argument("--once", action="store_true", help=_("take one round and end"))
        parser.add_argument("--items", type=int, default=Limits().items, help=_("sub-results copied of each task"))

    def handle(self, *_arguments: object, **options: Any) -> None:
        """Take rounds."""
        aliases = options["storage"] or [one for one in taskcore_aliases() if alias_options(one).database is None]
        if not aliases:
            raise CommandError(_("Every storage is in the database, which needs no copies."))
        limits = Limits(items=max(0, options["items"]))
        if options["once"]:
            for alias in aliases:
                self._show(alias, limits)
            return
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_given: stopped.set())
        while not stopped.is_set():
            for alias in aliases:
                try:
                    take(alias, client(alias), limits)
                except BackendError as error:
                    _log.warning("Storage %s cannot be copied now: %s", alias, error)
            close_old_connections()
            stopped.wait(max(0.1, options["every"]))

    def _show(self, alias: str, limits: Limits) -> None:
        taken = take(alias, client(alias), limits)
        self.stdout.write(
            _("%(alias)s: %(tasks)d tasks, %(schedules)d schedules, %(groups)d groups, %(workers)d workers copied")
            % {
                "alias": alias,
                "tasks": taken.tasks,
                "schedules": taken.schedules,
                "groups": taken.groups,
                "workers": taken.workers,
            }
        )
