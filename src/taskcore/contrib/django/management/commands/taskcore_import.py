"""``manage.py taskcore_import``: go on with the schedules and waiting tasks of other packages."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

import attrs

from taskcore._cli._exit import ExitCode
from taskcore._cli._terminal import Terminal
from taskcore._client import Client
from taskcore.contrib.django._definitions import site_definitions
from taskcore.contrib.django.importing import (
    SOURCES,
    Imported,
    Source,
    import_schedules,
    import_tasks,
    installed_sources,
)
from taskcore.contrib.django.management._command import StoreCommand
from taskcore.errors import InvalidInput

__all__ = ["Command"]


def _mapping(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not old or not equals or not new:
        raise ArgumentTypeError(f"{text!r} is no mapping: write their.name=our.name.")
    return old, new


class Command(StoreCommand):
    """A schedule whose name is taken here stays as it is, so it can be done again after what was refused is mended."""

    help = "Take over schedules of django-celery-beat and django-q2, and waiting tasks of django-tasks-db."

    def add_options(self, parser: ArgumentParser, common: ArgumentParser) -> None:
        """Add where from, and how."""
        parser.add_argument(
            "sources", nargs="*", metavar="SOURCE", help=f"{', '.join(SOURCES)}; all that are installed if left out"
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing, say what would be done")
        parser.add_argument(
            "--map",
            type=_mapping,
            action="append",
            default=[],
            metavar="THEIRS=OURS",
            help="the name that a task has here; may be repeated",
        )
        parser.add_argument(
            "--retire", action="store_true", help="switch off what was taken over where it came from; delete its tasks"
        )

    def run(self, client: Client, options: Namespace, terminal: Terminal) -> int:
        """Take over what the sources have."""
        alias = self.options_of(options)
        definitions = {one.name: one for one in site_definitions(alias)}
        names = dict(options.map)
        counts: dict[str, int] = {}
        for source in _chosen(options.sources):
            for take in (import_schedules, import_tasks):
                how = {"is_dry": options.dry_run, "has_to_retire": options.retire}
                for one in take(client, source, definitions, names, **how):
                    counts[one.action] = counts.get(one.action, 0) + 1
                    _tell(one, terminal)
        if not terminal.is_json:
            words = ", ".join(f"{number:,} {action}" for action, number in sorted(counts.items()))
            terminal.line(f"{words or 'nothing found'}{'; nothing was written' if options.dry_run else ''}")
        if counts.get("refused"):
            return ExitCode.NOT_SUCCESSFUL
        return ExitCode.DONE if counts else ExitCode.NOTHING_MATCHED


def _chosen(names: list[str]) -> list[Source]:
    installed = installed_sources()
    if not names:
        if not installed:
            raise InvalidInput(f"None of {', '.join(SOURCES)} is in INSTALLED_APPS: there is nothing to take over.")
        return installed
    for name in names:
        if name not in SOURCES:
            raise InvalidInput(f"{name!r} is no source: there are {', '.join(SOURCES)}.")
        if SOURCES[name] not in installed:
            raise InvalidInput(f"{SOURCES[name].app!r} is not in INSTALLED_APPS: its tables cannot be read.")
    return [SOURCES[name] for name in names]


def _tell(one: Imported, terminal: Terminal) -> None:
    if terminal.is_json:
        terminal.record({**attrs.asdict(one), "notes": list(one.notes)})
        return
    words = "; ".join(word for word in (one.problem, *one.notes) if word)
    terminal.line(f"{one.action:<8} {one.kind} {one.name} ({one.task_name}){f': {words}' if words else ''}")
