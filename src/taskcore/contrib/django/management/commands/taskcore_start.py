"""``manage.py taskcore_start``: enqueue a task of the site by its name."""

from __future__ import annotations

import difflib
import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from taskcore._cli._exit import ExitCode
from taskcore._cli._tasks import show
from taskcore._cli._terminal import Terminal
from taskcore._cli._values import duration, moment
from taskcore._client import Client
from taskcore._codec import decode_arguments
from taskcore._definition import TaskDefinition
from taskcore.contrib.django._api import Api, DjangoTask, api_of
from taskcore.contrib.django._definitions import site_definitions, site_places
from taskcore.contrib.django._enqueueing import enqueue
from taskcore.contrib.django._options import AliasOptions
from taskcore.contrib.django.management._command import StoreCommand
from taskcore.errors import InvalidArguments, InvalidInput, TaskcoreError, UndecodablePayload

__all__ = ["Command"]


def _json_list(text: str) -> list[object]:
    value = _json(text)
    if not isinstance(value, list):
        raise ArgumentTypeError(f'{text!r} is no JSON list: write [1, "two"].')
    return value


def _json_object(text: str) -> dict[str, object]:
    value = _json(text)
    if not isinstance(value, dict):
        raise ArgumentTypeError(f'{text!r} is no JSON object: write {{"name": 1}}.')
    return value


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no JSON: {error}.") from None
    return value


class Command(StoreCommand):
    """Without a name it lists the tasks that there are."""

    help = "Enqueue a task of the site by its name, or the last part of it; list the names when none is given."

    def add_options(self, parser: ArgumentParser, common: ArgumentParser) -> None:
        """Add the task, its arguments, and what is asked for it."""
        parser.add_argument("name", nargs="?", metavar="NAME")
        parser.add_argument(
            "--args", dest="positional", type=_json_list, default=[], metavar="JSON", help="positional: '[1, \"two\"]'"
        )
        parser.add_argument(
            "--kwargs", dest="named", type=_json_object, default={}, metavar="JSON", help="by name: '{\"to\": 1}'"
        )
        parser.add_argument("--queue", metavar="QUEUE", help="in this queue")
        parser.add_argument("--priority", type=int, metavar="N", help="-100 to 100, higher first")
        parser.add_argument("--delay", type=duration, metavar="DURATION", help="run it this long from now")
        parser.add_argument("--at", type=moment, metavar="MOMENT", help="run it not before this moment")
        parser.add_argument(
            "--wait", type=duration, metavar="DURATION", help="wait until it has finished, this long at most"
        )

    def run(self, client: Client, options: Namespace, terminal: Terminal) -> int:
        """Enqueue the task and print its id."""
        alias = self.options_of(options)
        found = {one.name: one for one in site_definitions(alias)}
        if options.name is None:
            for name in sorted(found):
                if terminal.is_json:
                    terminal.record({"name": name})
                else:
                    terminal.line(name)
            return ExitCode.DONE
        definition = found[_full_name(options.name, list(found))]
        place = site_places(alias.modules).get(definition.name)
        api = None if place is None else api_of(place.task)
        if place is None or api is None:
            task_id = _enqueue_plain(client, definition, options)
        else:
            task_id = _enqueue_django(api, place.task, options, alias)
        if options.wait is not None:
            options.id, options.items = task_id, False
            return show(client, options, terminal)
        if terminal.is_json:
            terminal.record({"id": task_id, "name": definition.name})
        else:
            terminal.line(task_id)
        return ExitCode.DONE


def _full_name(name: str, known: list[str]) -> str:
    matches = [one for one in known if one == name] or [one for one in known if one.endswith(f".{name}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InvalidInput(f"{name!r} is {' or '.join(sorted(matches))}: give more of the name.")
    near = difflib.get_close_matches(name, [*known, *(one.rpartition(".")[2] for one in known)], 1)
    hint = f"did you mean {near[0]!r}?" if near else "taskcore_start without a name lists them."
    raise InvalidInput(f"The site has no task {name!r}: {hint}")


def _asked(options: Namespace) -> dict[str, Any]:
    start: datetime | timedelta | None = options.delay if options.at is None else options.at
    given = {"queue_name": options.queue, "priority": options.priority, "run_after": start}
    return {name: value for name, value in given.items() if value is not None}


def _enqueue_plain(client: Client, definition: TaskDefinition[..., object], options: Namespace) -> str:
    """Enqueue one of taskcore's own; its arguments are read as the function is annotated."""
    text = json.dumps({"a": options.positional, "k": options.named})
    try:
        args, kwargs = decode_arguments(definition, text, {})
    except UndecodablePayload as error:
        raise InvalidArguments(str(error)) from error
    return client.enqueue(definition.using(**_asked(options)), *args, **kwargs).id


def _enqueue_django(api: Api, task: DjangoTask, options: Namespace, alias: AliasOptions) -> str:
    """Enqueue one of Django's, as its own ``enqueue`` does."""
    asked: Mapping[str, Any] = _asked(options)
    backend, made = api.backends[alias.alias], task
    try:
        if asked:
            made = _using(task, asked)
        backend.validate_task(made)
        return str(enqueue(api, made, tuple(options.positional), options.named, alias).id)
    except (TaskcoreError, api.invalid_task) as error:
        raise InvalidInput(str(error)) from error


def _using(task: Any, asked: Mapping[str, Any]) -> Any:
    return task.using(**asked)
