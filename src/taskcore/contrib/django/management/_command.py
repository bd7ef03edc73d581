"""What all commands share: which store they are about, how they write, and what they end with."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Any, Literal

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskcore._cli._commands import COMMANDS
from taskcore._cli._exit import ExitCode
from taskcore._cli._main import code_of, run_on
from taskcore._cli._terminal import Terminal
from taskcore._client import Client
from taskcore.contrib.django._clients import CLIENTS
from taskcore.contrib.django._options import AliasOptions, alias_options
from taskcore.errors import TaskcoreError

__all__ = ["StoreCommand", "TableCommand"]


class StoreCommand(BaseCommand):
    """A command about the store of an alias of ``TASKS``. It ends with the exit codes of ``python -m taskcore``."""

    requires_system_checks: list[str] | tuple[str, ...] | tuple[()] | Literal["__all__"] = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options that all have, then those of the command."""
        self._add_store(parser, None)
        parser.add_argument("--json", action="store_true", help="write one JSON object a line")
        common = ArgumentParser(add_help=False)
        self._add_store(common, SUPPRESS)
        common.add_argument("--json", action="store_true", default=SUPPRESS, help="write one JSON object a line")
        self.add_options(parser, common)

    def _add_store(self, parser: ArgumentParser, default: str | None) -> None:
        alias = "default" if default is None else default
        parser.add_argument(
            "--backend", metavar="ALIAS", default=alias, help='the alias in TASKS; "default" if left out'
        )
        parser.add_argument(
            "--database", metavar="ALIAS", default=default, help="the tables in this database, whatever the alias says"
        )

    def add_options(self, parser: ArgumentParser, common: ArgumentParser) -> None:
        """Add the command's own options; ``common`` are those that its actions take as well."""

    def run(self, client: Client, options: Namespace, terminal: Terminal) -> int:
        """Do it, and return the exit code; raises TaskcoreError for what was expected to go wrong."""
        raise NotImplementedError

    def handle(self, *_args: object, **options: Any) -> None:
        """Run the command; raises CommandError, or SystemExit with a code that says what there was to find."""
        self.stdout.ending = self.stderr.ending = ""
        terminal = Terminal(self.stdout, self.stderr, options["json"])  # type: ignore[arg-type]
        given = Namespace(**options)

        def work() -> int:
            try:
                return self.run(CLIENTS.get(self.options_of(given)), given, terminal)
            except ImproperlyConfigured as error:
                raise CommandError(str(error), returncode=ExitCode.USAGE) from error
            except TaskcoreError as error:
                raise CommandError(str(error), returncode=code_of(error)) from error

        code = run_on(terminal, work)
        if code:
            sys.exit(code)

    def options_of(self, options: Namespace) -> AliasOptions:
        """Return the alias that the command line names; raises ImproperlyConfigured."""
        return alias_options(options.backend, options.database)


class TableCommand(StoreCommand):
    """A command that is one of ``python -m taskcore``."""

    name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        summary = COMMANDS[self.name].summary
        self.help = f"{summary[0].upper()}{summary[1:]}."

    def add_options(self, parser: ArgumentParser, common: ArgumentParser) -> None:
        """Add the options of that command."""
        COMMANDS[self.name].add_options(parser, common)

    def run(self, client: Client, options: Namespace, terminal: Terminal) -> int:
        """Run that command, or the action of it that is named."""
        run = getattr(options, "run", COMMANDS[self.name].run)
        return int(run(client, options, terminal))
