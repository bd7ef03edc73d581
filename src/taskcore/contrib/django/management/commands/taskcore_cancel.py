"""``manage.py taskcore_cancel``: cancel waiting tasks, ask running ones to end."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from taskcore._cli._terminal import Terminal
from taskcore._client import Client
from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore cancel``; ids may also be given as ``--id``, and ``--force`` is the hardest level."""

    name = "cancel"

    def add_options(self, parser: ArgumentParser, common: ArgumentParser) -> None:
        """Add the options, and other words for two of them."""
        super().add_options(parser, common)
        parser.add_argument("--id", action="append", default=[], metavar="ID", help="a task; may be repeated")
        parser.add_argument("--force", action="store_true", help="the same as --level kill")

    def run(self, client: Client, options: Namespace, terminal: Terminal) -> int:
        """Cancel what is named."""
        options.ids = [*options.ids, *options.id]
        if options.force:
            options.level = "kill"
        return super().run(client, options, terminal)
