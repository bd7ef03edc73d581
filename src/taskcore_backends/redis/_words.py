"""Why a script refuses, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskcore.errors import InvalidInput, MissingParent, TaskcoreError
from taskcore.protocol import Event, Guard, State
from taskcore.records import CIRCLE, unique_conflict

__all__ = ["refusal", "why"]

_REASONS = {
    "MISSING_PARENT": "A parent that it names is not in this store.",
    "MISSING_GROUP": "A group that a task is to join is not in this store.",
    "SEALED_GROUP": "A group that a task is to join is sealed: it has all of its members.",
    "CIRCLE": CIRCLE,
    "OTHER_GROUP": "A task stays in its group: the new call names another.",
    "OTHER_BONDS": "It keeps parents, unique key, group and schedule: REPLACE is what changes them.",
    "KEY_HELD": "Another task holds its unique key now.",
    "PARENT_FAILED": "A task that it depends on has failed: requeue that one first.",
    "CANCELLED": "It is CANCELLED already.",
}


def why(word: str, event: Event, state: State) -> str:
    """Return the sentence for what a script answers about a change that it did not make."""
    if word in _REASONS:
        return _REASONS[word]
    if word == "ALREADY":
        return f"{event.value} was applied before with this fence."
    if word == "STALE":
        return f"{event.value} shows a fence that no longer holds the task ({state.value})."
    if word == "NO_ROW":
        return f"A task that is {state.value} has no {event.value}."
    guard = Guard[word]
    if guard in {Guard.HELD, Guard.HELD_OR_LAPSED}:
        return f"{event.value} needs the fence of the holder, or a lease that is over."
    return f"{event.value} of a task that is {state.value}: not the case: {guard.value}."


def refusal(kind: bytes, parts: Sequence[Any]) -> TaskcoreError:
    """Return the error for an ``add`` or ``fire`` that a script refused as a whole."""
    texts: list[Any] = [part.decode() if isinstance(part, bytes) else part for part in parts]
    if kind == b"missing":
        task_id, name, missing = texts
        parents = [parent.decode() for parent in missing]
        return MissingParent(
            f"Task {task_id} ({name}) depends on {', '.join(parents)}: not in this store. Enqueue parents first.",
            parent_ids=parents,
        )
    if kind == b"no_group":
        task_id, name, group_id = texts
        return MissingParent(
            f"Task {task_id} ({name}) is to join the group {group_id}: not in this store. Add the group first.",
            parent_ids=[group_id],
        )
    if kind == b"sealed":
        task_id, name, group_id, total = texts
        return InvalidInput(
            f"Task {task_id} ({name}) is to join the group {group_id}, which is sealed: it has all of its "
            f"{total} members."
        )
    if kind == b"circle":
        task_id, name, group_id = texts
        return InvalidInput(f"Task {task_id} ({name}), to join the group {group_id}: {CIRCLE}")
    if kind == b"seal":
        group_id, total, stored = texts
        return InvalidInput(f"Group {group_id} cannot be sealed with {total} members: it has {stored} already.")
    if kind == b"conflict":
        task_id, name, key, holder = texts
        return unique_conflict(key, task_id=task_id, task_name=name, holder_id=holder)
    if kind == b"replace":
        holder, name, key, word = texts
        return InvalidInput(f"Task {holder} ({name}), the holder of {key!r}: {why(word, Event.REPLACE, State.READY)}")
    (name,) = texts
    return InvalidInput(f"fire moves one schedule on: another one was given in the place of {name!r}.")
