"""What an operator does to one task or group: cancel, reschedule, amend, replace, requeue, duplicate, seal.

Edits compare the version that was read. One that lost a race is made again on what is there now, so that two people's
edits of different things both stand.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import attrs

from taskcore._client._asking import all_items, get_group, get_task, members, not_stored
from taskcore._data import later
from taskcore._options import TaskOptions
from taskcore.errors import InvalidInput, RefusedChange, TaskNotFound
from taskcore.protocol import (
    Applied,
    Backend,
    CancelLevel,
    CancelReason,
    Change,
    Event,
    Group,
    State,
    Task,
    TaskSpec,
    Verdict,
    replacement,
)

__all__ = ["amend", "cancel", "copied", "replace", "requeue", "reschedule", "seal", "start_of"]

_EDITS = 20
"""How often an edit is made again when somebody else was faster."""
_UNSUCCESSFUL = frozenset({State.FAILED, State.CANCELLED})


def cancel(backend: Backend, task_id: str, level: CancelLevel) -> bool:
    """Cancel a waiting task at once, or ask for the cancel of a running one; return whether it is, or is asked to be.

    ``False``: it has finished otherwise. Raises TaskNotFound.
    """
    change = Change(task_id=task_id, event=Event.CANCEL, level=level, reason=CancelReason.USER)
    return _apply(backend, change).verdict in (Verdict.APPLIED, Verdict.ALREADY)


def start_of(run_after: datetime | timedelta | None) -> tuple[datetime | None, timedelta | None]:
    """Return the moment or the delay that was given, checked; at most one of the two is not ``None``."""
    checked = TaskOptions.of({"run_after": run_after}, "run_after").run_after
    if isinstance(checked, timedelta):
        return None, checked
    return checked if isinstance(checked, datetime) else None, None


def _check_place(priority: int | None, queue_name: str | None) -> None:
    """Raise InvalidOption for a priority or queue that no task can have."""
    given = {"priority": priority, "queue_name": queue_name}
    TaskOptions.of({name: value for name, value in given.items() if value is not None}, "a task")


def reschedule(
    backend: Backend,
    task_id: str,
    *,
    run_after: datetime | timedelta | None,
    priority: int | None,
    queue_name: str | None,
) -> Task:
    """Move a waiting task: what is not given stays. Raises TaskNotFound, RefusedChange when it does not wait."""
    moment, delay = start_of(run_after)
    _check_place(priority, queue_name)

    def change(task: Task) -> Change:
        spec = attrs.evolve(
            task.spec,
            priority=task.priority if priority is None else priority,
            queue_name=task.queue_name if queue_name is None else queue_name,
        )
        keeps = task.run_after if moment is None and delay is None else moment
        return Change(task_id=task_id, event=Event.RESCHEDULE, spec=spec, run_after=keeps, delay=delay)

    return _edit(backend, task_id, change)


def amend(backend: Backend, task_id: str, edited: Callable[[TaskSpec], TaskSpec]) -> Task:
    """Put another spec in the place of a waiting task's; the dependencies are not looked at again."""
    return _edit(backend, task_id, lambda task: Change(task_id=task_id, event=Event.AMEND, spec=edited(task.spec)))


def replace(backend: Backend, task_id: str, spec: TaskSpec) -> Task:
    """Make a waiting task another call; it keeps its id, its place in a group, and what depends on it."""
    return _edit(
        backend,
        task_id,
        lambda task: Change(task_id=task_id, event=Event.REPLACE, spec=replacement(task.spec, spec)),
    )


def requeue(
    backend: Backend,
    task_id: str,
    *,
    run_after: datetime | timedelta | None,
    with_parents: bool,
    with_dependents: bool,
) -> Task:
    """Have a failed or cancelled task run again, with what it needs or what was cancelled because of it."""
    task = get_task(backend, task_id)
    if with_parents:
        for parent_id in _unsuccessful_ancestors(backend, task):
            _apply(backend, Change(task_id=parent_id, event=Event.REQUEUE))
    moment, delay = start_of(run_after)
    _expect_applied(task, _apply(backend, Change(task_id=task_id, event=Event.REQUEUE, run_after=moment, delay=delay)))
    if with_dependents:
        _requeue_dependents(backend, task)
    return get_task(backend, task_id)


def _unsuccessful_ancestors(backend: Backend, task: Task) -> list[str]:
    """Return the failed and cancelled tasks that ``task`` depends on over any number of steps, the farthest first."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    layer = [task]
    while layer:
        wanted = [one for below in layer for one in below.spec.parents if one not in seen]
        seen.update(wanted)
        layer = []
        for parent_id, parent in zip(wanted, backend.get(wanted) if wanted else [], strict=True):
            layer += members(backend, parent_id, _UNSUCCESSFUL) if parent is None else [parent]
        layer = [one for one in layer if one.state in _UNSUCCESSFUL]
        for one in layer:  # needed from farther away than was thought: moves to the back
            found.pop(one.id, None)
            found[one.id] = None
    return list(reversed(found))


def _requeue_dependents(backend: Backend, task: Task) -> None:
    """Requeue all that was cancelled because ``task`` was not successful, over any number of steps.

    One that also depends on a task that stays failed is refused by the store, and stays as it is.
    """
    requeued = {task.id}
    again = [task]
    while again:
        one = again.pop()
        for parent_id in (one.id,) if one.spec.group_id is None else (one.id, one.spec.group_id):
            for child in all_items(partial(backend.children, parent_id)):
                is_due_to_it = child.state is State.CANCELLED and child.reason is CancelReason.DEPENDENCY
                if is_due_to_it and child.id not in requeued:
                    change = Change(task_id=child.id, event=Event.REQUEUE, version=child.version)
                    if _apply(backend, change).verdict is Verdict.APPLIED:
                        requeued.add(child.id)
                        again.append(child)


def copied(
    spec: TaskSpec,
    *,
    task_id: str,
    now: datetime,
    run_after: datetime | timedelta | None,
    priority: int | None,
    queue_name: str | None,
) -> TaskSpec:
    """Return the spec of a new task that does the same: by itself, in no group or schedule, and without the key."""
    moment, delay = start_of(run_after)
    _check_place(priority, queue_name)
    is_overdue = spec.expires_at is not None and spec.expires_at <= now
    return attrs.evolve(
        spec,
        id=task_id,
        enqueued_at=now,
        run_after=moment if delay is None else later(now, delay),
        priority=spec.priority if priority is None else priority,
        queue_name=spec.queue_name if queue_name is None else queue_name,
        expires_at=None if is_overdue else spec.expires_at,
        unique=None,
        group_id=None,
        group_index=None,
        schedule_id=None,
        slot=None,
    )


def seal(backend: Backend, group_id: str) -> Group:
    """Have a group expect no more members than it has; return it as it is then."""
    for _ in range(_EDITS):
        group = get_group(backend, group_id)
        if group.total is not None:
            return group
        stored = sum(group.counts.values()) + group.purged
        with suppress(InvalidInput):  # a member came meanwhile: whoever stores the group is alive
            backend.add([], group=attrs.evolve(group, total=stored))
            return get_group(backend, group_id)
    raise RefusedChange(f"Group {group_id} is being stored: members came {_EDITS} times meanwhile.", task_id=group_id)


def _apply(backend: Backend, change: Change) -> Applied:
    applied = backend.apply([change]).applied[0]
    if applied.verdict is Verdict.MISSING:
        raise TaskNotFound(not_stored(change.task_id), task_id=change.task_id)
    return applied


def _edit(backend: Backend, task_id: str, change_for: Callable[[Task], Change]) -> Task:
    task = get_task(backend, task_id)
    for _ in range(_EDITS):
        applied = _apply(backend, attrs.evolve(change_for(task), version=task.version))
        if applied.verdict is Verdict.APPLIED:
            return get_task(backend, task_id)
        if applied.version == task.version:
            break
        task = get_task(backend, task_id)
    else:
        raise RefusedChange(
            f"Task {task.name} {task_id} was changed by others {_EDITS} times meanwhile: try again.", task_id=task_id
        )
    _expect_applied(task, applied)
    return task


def _expect_applied(task: Task, applied: Applied) -> None:
    if applied.verdict is not Verdict.APPLIED:
        state = "" if applied.state is None else f", which is {applied.state.value}"
        raise RefusedChange(f"Task {task.name} {task.id}{state}: {applied.why}", task_id=task.id)
