"""Asking the store: one task, pages of tasks, all pages one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import attrs
from typing_extensions import TypedDict

from taskcore._naming import shown
from taskcore.errors import InvalidInput, TaskNotFound
from taskcore.protocol import Backend, Group, GroupQuery, Page, Query, State, Task

__all__ = ["Filters", "all_items", "all_tasks", "get_group", "get_task", "members", "query_from", "states_from"]

_PAGE = 500
T = TypeVar("T")


class Filters(TypedDict, total=False):
    """The filters of ``Query`` as keywords; ``states`` takes any iterable."""

    states: Iterable[State]
    queue_name: str | None
    name: str | None
    group_id: str | None
    schedule_id: str | None
    unique_key: str | None
    worker_id: str | None
    enqueued_from: datetime | None
    enqueued_until: datetime | None
    is_oldest_first: bool
    cursor: str | None
    limit: int


def query_from(query: Query | None, filters: Filters) -> Query:
    """Return the query that ``filters`` describe, or ``query`` with them in the place of its own.

    Raises InvalidInput for an unknown filter, a state that is none, a naive datetime, or a limit below 1.
    """
    if query is not None and not isinstance(query, Query):
        raise InvalidInput(f"{shown(query)} is no Query: give one, or filters such as name=….")
    if not filters and query is not None:
        return query
    known = {field.name for field in attrs.fields(Query)}
    unknown = sorted(set(filters) - known)
    if unknown:
        raise InvalidInput(f"Unknown filter {', '.join(unknown)}: tasks are found by {', '.join(sorted(known))}.")
    for name in ("enqueued_from", "enqueued_until"):
        moment = filters.get(name)
        if isinstance(moment, datetime) and moment.tzinfo is None:
            raise InvalidInput(f"{name} is the naive datetime {moment}: give it a time zone, UTC for example.")
    limit = filters.get("limit", 1)
    if not isinstance(limit, int) or limit < 1:
        raise InvalidInput(f"limit is {shown(limit)}: a page has at least one task.")
    changes: dict[str, Any] = {**filters}
    if "states" in filters:
        changes["states"] = states_from(filters["states"])
    return attrs.evolve(query or Query(), **changes)


def states_from(given: Iterable[State] | State) -> frozenset[State]:
    """Return states as a set; raise InvalidInput when one of them is none."""
    try:
        states = frozenset([given] if isinstance(given, (State, str)) else given)
    except TypeError:
        raise InvalidInput(f"states is {shown(given)}: it should be a list or set of States.") from None
    for state in states:
        if not isinstance(state, State):
            raise InvalidInput(f"states holds {shown(state)}: its members are State.BLOCKED, State.READY and so on.")
    return states


def get_task(backend: Backend, task_id: str) -> Task:
    """Return the task; raise TaskNotFound when the store does not hold it."""
    task = backend.get([task_id])[0]
    if task is None:
        raise TaskNotFound(not_stored(task_id), task_id=task_id)
    return task


def get_group(backend: Backend, group_id: str) -> Group:
    """Return the group; raise TaskNotFound when the store does not hold it."""
    for group in backend.groups(GroupQuery(ids=(group_id,), limit=1)).items:
        return group
    raise TaskNotFound(f"The store holds no group {group_id}: never stored, or purged.", task_id=group_id)


def not_stored(task_id: str) -> str:
    """Say that a task is not there."""
    return f"The store holds no task {task_id}: it was never stored, or has been purged."


def all_items(page_after: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """Yield the items of all pages; ``page_after`` gives the page for a cursor, the first one for ``None``."""
    cursor: str | None = None
    while True:
        page = page_after(cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def all_tasks(backend: Backend, query: Query) -> Iterator[Task]:
    """Yield all tasks that match, from the query's cursor on, a page of its limit (500 at most) in memory at a time."""
    first = attrs.evolve(query, limit=min(query.limit, _PAGE) if query.limit > 1 else _PAGE)
    return all_items(lambda cursor: backend.find(first if cursor is None else attrs.evolve(first, cursor=cursor)))


def members(backend: Backend, group_id: str, states: Iterable[State] = ()) -> Iterator[Task]:
    """Yield the members of a group as they were stored, which is the order they were given in."""
    return all_tasks(backend, Query(group_id=group_id, states=frozenset(states), is_oldest_first=True, limit=_PAGE))
