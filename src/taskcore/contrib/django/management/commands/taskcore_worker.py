"""``manage.py taskcore_worker``: run the tasks of the site."""

from __future__ import annotations

import atexit
import logging
import os
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from datetime import timedelta

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.management.base import CommandError
from django.utils import autoreload

from taskcore._cli._commands import add_worker_settings
from taskcore._cli._terminal import Terminal
from taskcore._cli._worker import worker_settings
from taskcore._client import Client
from taskcore._worker import Worker
from taskcore.contrib.django._site import worker
from taskcore.contrib.django.management._command import StoreCommand
from taskcore.contrib.django.management._logs import set_up_logging

__all__ = ["Command"]

_LEAVE_WITHIN = timedelta(seconds=3)


class Command(StoreCommand):
    """Runs until it is stopped, or with ``--burst`` until nothing is left to do."""

    help = "Run the tasks of the site until told to stop."
    requires_system_checks = "__all__"

    def add_options(self, parser: ArgumentParser, common: ArgumentParser) -> None:
        """Add what a worker can be told."""
        add_worker_settings(parser)
        parser.add_argument(
            "--modules",
            nargs="+",
            action="extend",
            default=[],
            metavar="MODULE",
            help="look for tasks here, besides the module tasks of each app and those of the settings",
        )
        parser.add_argument(
            "--only",
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME",
            help="run these tasks alone; * stands for anything, as in shop.tasks.*",
        )
        parser.add_argument(
            "--reload",
            action=BooleanOptionalAction,
            default=None,
            help="start again when the code changes; so while DEBUG is on, unless --burst is given",
        )

    def run(self, client: Client, options: Namespace, terminal: Terminal) -> int:
        """Make the worker and run it."""
        set_up_logging(terminal.err, getattr(logging, options.log_level.upper()))
        if options.executor == "processes" and not os.environ.get(ENVIRONMENT_VARIABLE):
            raise CommandError(
                f"Child processes set Django up by {ENVIRONMENT_VARIABLE}, which is not set: name a settings module, "
                "or use threads.",
                returncode=2,
            )
        wanted = settings.DEBUG and not options.burst if options.reload is None else options.reload
        if wanted:
            autoreload.run_with_reloader(lambda: self._run_reloaded(options))
            return 0
        return self._made(options).run(burst=options.burst).code

    def _made(self, options: Namespace) -> Worker:
        return worker(
            options.backend,
            modules=options.modules,
            only=options.only,
            database=options.database,
            **worker_settings(options),
        )

    def _run_reloaded(self, options: Namespace) -> None:
        """Work in a thread of the reloader's process, which ends when a file changes: its tasks are given back then."""
        made = self._made(options)

        def leave() -> None:
            made.stop(at_once=True)
            made.join(_LEAVE_WITHIN)

        made.start()
        atexit.register(leave)
        made.join()
