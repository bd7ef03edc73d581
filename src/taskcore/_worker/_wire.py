"""What travels between a worker and its child processes: JSON text through a pipe, never pickled objects.

Each message is a JSON list that begins with its kind:

    parent to child   ["run", [[seq, task, outputs], …]]   ["cancel", seq, level]   ["withdraw"]
    child to parent   ["ready"]   ["broken", why]   ["done", [[seq, outcome, duration, age, news], …]]
                      ["news", seq, news]   ["back", [seq, …]]

``seq`` counts the tasks given to one child from 1; news is [progress or null, [item, …]]. Which task a child has begun
is told through shared memory (``STARTED``, ``ENDED``), so that it is known whatever becomes of the child; so is how
much memory the child has (``MEMORY``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs

from taskcore._codec import dump_data, load_data
from taskcore._data import Failure, Item, Progress, TaskSpec
from taskcore._policy import (
    Aborted,
    CancelObeyed,
    GivenBack,
    Outcome,
    Raised,
    Returned,
    Snoozed,
    Undecodable,
    Unstorable,
)

__all__ = [
    "ENDED",
    "MEMORY",
    "STARTED",
    "News",
    "decode",
    "dump_news",
    "dump_outcome",
    "encode",
    "load_news",
    "load_outcome",
]

STARTED, ENDED, MEMORY = 0, 1, 2
"""Places in the shared array: the seq of the last task that was begun, that of the last that ended, and the bytes of
memory that the child has (0: the platform does not tell)."""


@attrs.frozen
class News:
    """Progress and items of a run that the parent has not been told of."""

    progress: Progress | None
    items: tuple[Item, ...]


def encode(message: Sequence[object]) -> bytes:
    """Return a message as bytes."""
    return json.dumps(message, separators=(",", ":")).encode()


def decode(data: bytes) -> list[Any]:
    """Return the message of ``encode``."""
    message: list[Any] = json.loads(data)
    return message


def dump_news(news: News | None) -> object:
    """Return news as JSON values."""
    if news is None:
        return None
    progress = None if news.progress is None else dump_data(news.progress)
    return [progress, [dump_data(item) for item in news.items]]


def load_news(data: list[Any] | None) -> News | None:
    """Return the news of ``dump_news``."""
    if data is None:
        return None
    progress, items = data
    return News(
        None if progress is None else load_data(Progress, progress), tuple(load_data(Item, item) for item in items)
    )


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


_NEVER = "never"


def _dump_delay(delay: timedelta | None) -> float | str | None:
    return _NEVER if delay == timedelta.max else _seconds(delay)


def _load_delay(data: float | str | None) -> timedelta | None:
    return timedelta.max if isinstance(data, str) else _span(data)


_DUMP: dict[type, tuple[str, Callable[[Any], list[object]]]] = {
    Raised: ("raised", lambda o: [dump_data(o.failure), o.type_names, _dump_delay(o.custom_delay)]),
    Unstorable: ("unstorable", lambda o: [dump_data(o.failure)]),
    Undecodable: ("undecodable", lambda o: [dump_data(o.failure)]),
    Snoozed: ("snoozed", lambda o: [o.delay.total_seconds(), o.limit]),
    Aborted: ("aborted", lambda o: [o.message]),
    CancelObeyed: ("cancelled", lambda _: []),
    GivenBack: ("back", lambda o: [o.why, o.delay.total_seconds(), o.has_begun]),
}

_LOAD: dict[str, Callable[..., Outcome]] = {
    "raised": lambda failure, names, delay: Raised(load_data(Failure, failure), tuple(names), _load_delay(delay)),
    "unstorable": lambda failure: Unstorable(load_data(Failure, failure)),
    "undecodable": lambda failure: Undecodable(load_data(Failure, failure)),
    "snoozed": lambda delay, limit: Snoozed(timedelta(seconds=delay), limit),
    "aborted": Aborted,
    "cancelled": CancelObeyed,
    "back": lambda why, delay, begun: GivenBack(why, timedelta(seconds=delay), begun),
}


def dump_outcome(outcome: Outcome) -> list[object]:
    """Return an outcome that a child can have as JSON values."""
    if type(outcome) is Returned:
        if outcome.tasks:
            return ["", outcome.value_json, [dump_data(spec) for spec in outcome.tasks]]
        return ["", outcome.value_json]
    kind, dump = _DUMP[type(outcome)]
    return [kind, *dump(outcome)]


def load_outcome(data: list[Any]) -> Outcome:
    """Return the outcome of ``dump_outcome``."""
    kind, *rest = data
    if not kind:
        specs = rest[1] if len(rest) > 1 else ()
        return Returned(rest[0], tuple(load_data(TaskSpec, spec) for spec in specs))
    return _LOAD[kind](*rest)
