"""What a change may not bring: tasks that could not be added, a spec that is bound otherwise, bonds that others hold.

For stores that write as they go: what would be refused is found before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from taskcore.errors import UniqueConflict
from taskcore.protocol import OnParentFailure, Task, TaskSpec, UniqueUntil
from taskcore.records._circles import CIRCLE, Joining, Waiting
from taskcore.records._parents import Outcome

__all__ = [
    "OTHER_BONDS",
    "Look",
    "find_problem",
    "has_same_bonds",
    "replacement_problem",
    "requeue_problem",
    "unique_conflict",
]

OTHER_BONDS = "keeps parents, unique key, group and schedule: REPLACE."
"""Why AMEND and RESCHEDULE are refused, behind the name of the event."""


def has_same_bonds(one: TaskSpec, other: TaskSpec) -> bool:
    """Return whether two specs are alike in what stands beside a task in a store."""
    return _bonds(one) == _bonds(other)


def _bonds(spec: TaskSpec) -> tuple[object, ...]:
    return (spec.parents, spec.unique, spec.group_id, spec.group_index, spec.schedule_id, spec.slot)


@attrs.frozen(kw_only=True)
class Look:
    """What a store is asked in the middle of a step."""

    is_stored: Callable[[str], bool]
    key_holder: Callable[[str], str | None]
    outcome_of: Callable[[str], Outcome]
    size_of: Callable[[str], tuple[int | None, int] | None]
    """Of a group: its total, if it is sealed, and how many members it has; ``None`` when it is not there."""
    waiting: Waiting


def find_problem(specs: Sequence[TaskSpec], leaving: Task | None, look: Look) -> str | None:
    """Return why ``add`` of these checked specs would raise, in words; ``None`` when it would not.

    ``leaving`` is the task that finishes with it, and so gives its key back.
    """
    known: set[str] = set()
    taken: set[str] = set()
    joining: dict[str, int] = {}
    members = Joining(look.waiting)
    for spec in specs:
        if spec.id in known or look.is_stored(spec.id):
            continue
        if spec.unique is not None:
            if spec.unique.key in taken or _is_held(look.key_holder(spec.unique.key), leaving):
                continue  # another task stands for it, which is no parent of those that name it
            taken.add(spec.unique.key)
        known.add(spec.id)
        unfinished: list[str] = []
        for parent_id in spec.parents:
            outcome = Outcome.UNFINISHED if parent_id in known else look.outcome_of(parent_id)
            if outcome is Outcome.MISSING:
                return f"Task {spec.id} depends on {parent_id}, which is not in this store."
            if outcome is Outcome.UNFINISHED:
                unfinished.append(parent_id)
        if spec.group_id is not None:
            joining[spec.group_id] = joining.get(spec.group_id, 0) + 1
            problem = _joining_problem(look.size_of(spec.group_id), joining[spec.group_id])
            if problem is None and unfinished and members.closes_circle(spec, unfinished):
                problem = CIRCLE
            if problem is not None:
                return f"Task {spec.id}, to join the group {spec.group_id}: {problem}"
        if unfinished:
            members.note(spec, unfinished)
    return None


def _joining_problem(size: tuple[int | None, int] | None, number: int) -> str | None:
    if size is None:
        return "The group is not in this store."
    total, members = size
    return "The group is sealed: it has all of its members." if total is not None and members + number > total else None


def _is_held(holder_id: str | None, leaving: Task | None) -> bool:
    if leaving is None or holder_id != leaving.id:
        return holder_id is not None
    return leaving.spec.unique is not None and leaving.spec.unique.until is UniqueUntil.MOMENT


def requeue_problem(
    task: Task,
    outcomes: Mapping[str, Outcome],
    *,
    key_holder: Callable[[str], str | None],
    waits_for_itself: Callable[[TaskSpec, Sequence[str]], bool],
) -> str | None:
    """Return why a finished task cannot be requeued, in words; ``outcomes`` are those of its parents."""
    spec = task.spec
    for parent_id, outcome in outcomes.items():
        if outcome is Outcome.FAILED and spec.on_parent_failure is OnParentFailure.CANCEL:
            return f"It depends on {parent_id}, which has failed: requeue that one first."
    unique = spec.unique
    if unique is not None and unique.until is UniqueUntil.FINISHED:
        holder_id = key_holder(unique.key)
        if holder_id not in (None, task.id):
            return f"Its unique key {unique.key!r} is held by task {holder_id} now."
    unfinished = [parent_id for parent_id, outcome in outcomes.items() if outcome is Outcome.UNFINISHED]
    return CIRCLE if unfinished and waits_for_itself(spec, unfinished) else None


def replacement_problem(
    task: Task,
    spec: TaskSpec,
    unfinished: Sequence[str],
    *,
    key_holder: Callable[[str], str | None],
    waits_for_itself: Callable[[TaskSpec, Sequence[str]], bool],
) -> str | None:
    """Return why ``spec`` cannot take the place of a waiting task's, in words; ``unfinished`` are its parents."""
    if unfinished and waits_for_itself(task.spec, unfinished):
        return CIRCLE
    if spec.group_id != task.spec.group_id:
        return "A task stays in its group: the new call names another."
    if spec.unique is not None and key_holder(spec.unique.key) not in (None, task.id):
        return f"Another task holds the unique key {spec.unique.key!r}."
    return None


def unique_conflict(key: str, *, task_id: str, task_name: str, holder_id: str) -> UniqueConflict:
    """Return what ``OnConflict.RAISE`` raises for a new task whose key another one holds."""
    return UniqueConflict(
        f"The unique key {key!r} of task {task_id} ({task_name}) is held by task {holder_id}.",
        unique_key=key,
        task_id=holder_id,
    )
