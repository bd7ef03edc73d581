"""What a test says about the tasks that the code under test has enqueued."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar, overload

from typing_extensions import ParamSpec

from taskcore._call import Call, spec_for
from taskcore._client import Client
from taskcore._codec import encode_arguments
from taskcore._definition import TaskDefinition
from taskcore._options import NOT_GIVEN
from taskcore.errors import NotEncodable
from taskcore.protocol import Task, TaskSpec, phase

__all__ = ["assert_enqueued", "assert_not_enqueued"]

P = ParamSpec("P")
R = TypeVar("R")

_SHOWN = 5
"""How many tasks with other arguments or options a message shows."""

# What an option of ``.using(…)`` becomes in a stored task.
_FIELDS = {
    "queue_name": ("queue_name",),
    "priority": ("priority",),
    "run_after": ("run_after",),
    "expires_at": ("expires_at",),
    "timeout": ("timeout",),
    "soft_timeout": ("soft_timeout",),
    "retry": ("max_attempts", "retry"),
    "max_crashes": ("max_crashes",),
    "unique_key": ("unique",),
    "unique_until": ("unique",),
    "on_conflict": ("unique",),
    "depends_on": ("parents",),
    "on_parent_failure": ("on_parent_failure",),
    "retention": ("retention",),
    "save": ("retention",),
    "label": ("label",),
    "metadata": ("metadata_json",),
}


@overload
def assert_enqueued(client: Client, definition: TaskDefinition[..., object], /) -> Task: ...
@overload
def assert_enqueued(client: Client, definition: TaskDefinition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Task: ...
def assert_enqueued(client: Client, definition: Any, /, *args: Any, **kwargs: Any) -> Task:
    """Return the newest task of this definition that was enqueued with these arguments, whatever became of it.

    Arguments are compared as they travel, so ``f(1)`` is ``f(x=1)``, and a default that is given is one that is not.
    Without any arguments, a task with whatever arguments will do. Options count when they are given with ``.using(…)``:
    ``assert_enqueued(client, send.using(priority=10), 7)``; relative times count from the moment of enqueueing.

    Raises AssertionError, with what the nearest misses differ in, when there is none; InvalidArguments and NotEncodable
    as ``enqueue`` does.
    """
    found = next(_matching(client, definition, args, kwargs), None)
    if found is None:
        raise AssertionError(_no_match(client, definition, args, kwargs))
    return found


@overload
def assert_not_enqueued(client: Client, definition: TaskDefinition[..., object], /) -> None: ...
@overload
def assert_not_enqueued(
    client: Client, definition: TaskDefinition[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> None: ...
def assert_not_enqueued(client: Client, definition: Any, /, *args: Any, **kwargs: Any) -> None:
    """Raise AssertionError, with the tasks, when one was enqueued that ``assert_enqueued`` would have returned."""
    found = list(_matching(client, definition, args, kwargs))
    if found:
        call = _shown_call(definition, _expected(definition, args, kwargs) if args or kwargs else None)
        lines = [f"{call} was not to be enqueued, and was, {_times(len(found))}:"]
        raise AssertionError("\n".join([*lines, *(_shown_task(client, task) for task in found[:_SHOWN])]))


def _matching(
    client: Client, definition: TaskDefinition[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> Iterator[Task]:
    expected = _expected(definition, args, kwargs) if args or kwargs else None
    for task in client.iterate(name=definition.name):
        if not _differences(definition, args, kwargs, expected, task.spec):
            yield task


# Comparing


def _named(definition: TaskDefinition[..., object], arguments_json: str) -> dict[str, object]:
    """Return stored arguments by the names of the parameters, as JSON values."""
    code: dict[str, Any] = json.loads(arguments_json)
    try:
        bound = definition.call_signature.signature.bind(*code.get("a", ()), **code.get("k", {}))
    except TypeError:  # stored for another signature
        by_place = {f"argument {index}": value for index, value in enumerate(code.get("a", ()))}
        return {**by_place, **code.get("k", {})}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in bound.arguments.items()}


def _expected(
    definition: TaskDefinition[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> dict[str, object]:
    definition.call_signature.check(args, kwargs)
    return _named(definition, encode_arguments(definition, args, kwargs)[0])


def _defaults(definition: TaskDefinition[..., object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, parameter in definition.call_signature.signature.parameters.items():
        if parameter.default is not parameter.empty:
            try:
                text, _parents = encode_arguments(definition, (), {name: parameter.default})
            except NotEncodable:
                continue
            found[name] = json.loads(text)["k"][name]
    return found


def _differences(
    definition: TaskDefinition[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    expected: dict[str, object] | None,
    spec: TaskSpec,
) -> list[str]:
    """Return in what a stored task is not the one that is looked for, a line each."""
    lines: list[str] = []
    if expected is not None:
        defaults = _defaults(definition)
        wanted, stored = {**defaults, **expected}, {**defaults, **_named(definition, spec.arguments_json)}
        for name in dict.fromkeys((*expected, *wanted, *stored)):
            one, other = wanted.get(name, NOT_GIVEN), stored.get(name, NOT_GIVEN)
            if one != other or type(one) is not type(other):
                lines.append(f"{name}: {_shown(one)} expected, {_shown(other)} enqueued")
    return lines + _other_options(definition, args, kwargs, spec)


def _other_options(
    definition: TaskDefinition[..., object], args: tuple[object, ...], kwargs: dict[str, object], spec: TaskSpec
) -> list[str]:
    given = [name for name in _FIELDS if getattr(definition.call_options, name) is not NOT_GIVEN]
    if not given:
        return []
    if not args and not kwargs and "unique_key" in given and callable(definition.options.unique_key):
        given = [name for name in given if "unique" not in _FIELDS[name]]  # it is made of arguments
    plain = definition if "unique_key" in given else definition.using(unique_key=None)
    call = plain.bind(*args, **kwargs) if args or kwargs else Call(plain)
    wanted = spec_for(call, task_id=spec.id, now=spec.enqueued_at, payload_limit=2**31)
    lines = []
    for field in dict.fromkeys(field for name in given for field in _FIELDS[name]):
        one, other = getattr(wanted, field), getattr(spec, field)
        if one != other:
            lines.append(f"option {field}: {_shown(one)} expected, {_shown(other)} enqueued")
    return lines


# Words


def _shown(value: object) -> str:
    if value is NOT_GIVEN:
        return "nothing"
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _shown_call(definition: TaskDefinition[..., object], expected: dict[str, object] | None) -> str:
    given = [name for name in _FIELDS if getattr(definition.call_options, name) is not NOT_GIVEN]
    using = ", ".join(f"{name}={_shown(getattr(definition.call_options, name))}" for name in given)
    arguments = "…" if expected is None else ", ".join(f"{name}={_shown(value)}" for name, value in expected.items())
    return f"{definition.name}{f'.using({using})' if using else ''}({arguments})"


def _shown_task(client: Client, task: Task) -> str:
    arguments = task.spec.arguments_json
    shown = arguments if len(arguments) <= 200 else f"{arguments[:200]}…"
    return f"  {task.id} {phase(task, client.backend.now()).value} in {task.queue_name!r}: {shown}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _no_match(
    client: Client, definition: TaskDefinition[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> str:
    expected = _expected(definition, args, kwargs) if args or kwargs else None
    lines = [f"{_shown_call(definition, expected)} was not enqueued."]
    near = [
        (_differences(definition, args, kwargs, expected, task.spec), task)
        for task in client.iterate(name=definition.name)
    ]
    near.sort(key=lambda one: len(one[0]))
    if near:
        lines.append(f"{definition.name} was enqueued {_times(len(near))}, with other arguments or options:")
        for differences, task in near[:_SHOWN]:
            lines.append(_shown_task(client, task))
            lines += [f"      {difference}" for difference in differences]
        if len(near) > _SHOWN:
            lines.append(f"  and {len(near) - _SHOWN} more")
        return "\n".join(lines)
    others = Counter(task.name for task in client.iterate())
    if not others:
        return f"{lines[0]} Nothing was."
    names = ", ".join(f"{name} ({_times(count)})" for name, count in sorted(others.items()))
    return f"{lines[0]} What was enqueued: {names}."
