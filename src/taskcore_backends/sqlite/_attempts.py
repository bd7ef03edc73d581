"""The attempts of a task in one column: a line of JSON each, so that those which stay are not written anew."""

from __future__ import annotations

from collections.abc import Mapping

from taskcore.protocol import Attempt
from taskcore.records import dump_data, load_data

__all__ = ["dump_attempts", "load_attempts"]


def dump_attempts(attempts: tuple[Attempt, ...], known: Mapping[int, str]) -> str | None:
    """Return attempts as lines of JSON; ``known`` has, by ``id()``, the lines of those that were loaded before."""
    if not attempts:
        return None
    return "\n".join([known.get(id(attempt)) or dump_data(attempt) for attempt in attempts])


def load_attempts(text: str | None) -> tuple[Attempt, ...]:
    """Return the attempts that ``dump_attempts`` wrote."""
    return () if text is None else tuple([load_data(Attempt, line) for line in text.split("\n")])
