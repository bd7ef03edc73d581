"""Making what a source has found here: each schedule and each task once, however often it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import attrs

from taskcore._call import Call
from taskcore._client import Client
from taskcore._definition import TaskDefinition
from taskcore.contrib.django.importing._found import FoundSchedule, FoundTask, Source
from taskcore.errors import InvalidInput, TaskNotFound

__all__ = ["Imported", "import_schedules", "import_tasks"]

_BATCH = 500
_REMEMBERED = timedelta(days=3650)
"""How long a task that was taken over is known, so that doing it again does not double it."""

Definitions = Mapping[str, TaskDefinition[..., object]]


@attrs.frozen(kw_only=True)
class Imported:
    """What became of one schedule or task of a source."""

    source: str
    kind: str
    """"schedule" or "task"."""
    name: str
    """The name of the schedule, or the id of the task where it came from."""
    task_name: str
    action: str
    """"created", "exists" or "refused"; "new" when nothing was written."""
    problem: str | None = None
    notes: tuple[str, ...] = ()
    id: str | None = None
    """The id of the schedule or task here."""


def _call(
    definitions: Definitions, names: Mapping[str, str], found: FoundSchedule | FoundTask, options: Mapping[str, Any]
) -> Call[object]:
    name = names.get(found.task_name, found.task_name)
    definition = definitions.get(name)
    if definition is None:
        raise InvalidInput(f"the site has no task {name!r}: give --map {found.task_name}=NAME")
    return definition.using(**options).bind(*found.args, **found.kwargs)


def import_schedules(
    client: Client,
    source: Source,
    definitions: Definitions,
    names: Mapping[str, str],
    *,
    is_dry: bool = False,
    has_to_retire: bool = False,
) -> Iterator[Imported]:
    """Make the schedules of a source; one of a name that is taken stays as it is.

    ``names`` are names of tasks there and here. With ``has_to_retire`` each is switched off where it came from.
    """
    if source.schedules is None:
        return
    for found in source.schedules(client.backend.now()):
        seen = Imported(
            source=source.name,
            kind="schedule",
            name=found.name,
            task_name=names.get(found.task_name, found.task_name),
            action="refused",
            problem=found.problem,
            notes=found.notes,
        )
        yield _made(client, found, seen, definitions, names, is_dry=is_dry, has_to_retire=has_to_retire)


def _made(
    client: Client,
    found: FoundSchedule,
    seen: Imported,
    definitions: Definitions,
    names: Mapping[str, str],
    *,
    is_dry: bool,
    has_to_retire: bool,
) -> Imported:
    if found.trigger is None:
        return seen
    options = {"queue_name": found.queue_name, "priority": found.priority}
    try:
        given = {name: value for name, value in options.items() if value is not None}
        call = _call(definitions, names, found, given)
        try:
            stored, action = client.get_schedule(found.name), "exists"
        except TaskNotFound:
            if is_dry:
                return attrs.evolve(seen, action="new")
            stored, action = client.schedule(found.name, found.trigger, call, **found.options), "created"
    except InvalidInput as error:
        return attrs.evolve(seen, problem=str(error))
    if has_to_retire and not is_dry:
        found.retire()
    return attrs.evolve(seen, action=action, id=stored.id)


def import_tasks(
    client: Client,
    source: Source,
    definitions: Definitions,
    names: Mapping[str, str],
    *,
    is_dry: bool = False,
    has_to_retire: bool = False,
) -> Iterator[Imported]:
    """Enqueue the waiting tasks of a source, each once: its id there is a unique key here.

    With ``has_to_retire`` they are deleted where they came from, once they are stored here.
    """
    if source.tasks is None:
        return
    waiting = source.tasks()
    while batch := list(islice(waiting, _BATCH)):
        taken: list[tuple[FoundTask, Call[object]]] = []
        for found in batch:
            seen = Imported(
                source=source.name,
                kind="task",
                name=found.id,
                task_name=names.get(found.task_name, found.task_name),
                action="new",
            )
            try:
                call = _call(definitions, names, found, _options(source, found))
            except InvalidInput as error:
                yield attrs.evolve(seen, action="refused", problem=str(error))
                continue
            if is_dry:
                yield seen
            else:
                taken.append((found, call))
        if taken:
            yield from _enqueued(client, source, taken, has_to_retire=has_to_retire)


def _key(source: Source, found: FoundTask) -> str:
    return f"{source.name}:{found.id}"


def _options(source: Source, found: FoundTask) -> dict[str, Any]:
    return {
        "queue_name": found.queue_name,
        "priority": found.priority,
        "run_after": found.run_after,
        "unique_key": _key(source, found),
        "unique_until": _REMEMBERED,
    }


def _enqueued(
    client: Client, source: Source, taken: Sequence[tuple[FoundTask, Call[object]]], *, has_to_retire: bool
) -> Iterator[Imported]:
    held = {found.id for found, _ in taken if client.backend.unique_holder(_key(source, found)) is not None}
    handles = client.enqueue_many(call for _, call in taken)
    if has_to_retire and source.forget_tasks is not None:
        source.forget_tasks([found.id for found, _ in taken])
    for (found, call), handle in zip(taken, handles, strict=True):
        yield Imported(
            source=source.name,
            kind="task",
            name=found.id,
            task_name=call.definition.name,
            action="exists" if found.id in held else "created",
            id=handle.id,
        )
