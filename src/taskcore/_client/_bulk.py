"""What an operator does to all tasks that match a query: cancel, requeue, purge. Batches, so memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs

from taskcore.errors import InvalidOption
from taskcore.protocol import (
    Backend,
    CancelLevel,
    CancelReason,
    Change,
    Event,
    PurgeRequest,
    Query,
    State,
    Task,
    Verdict,
)

__all__ = ["BulkCount", "cancel_all", "purge", "requeue_all"]

_BATCH = 500
_PURGE_BATCH = 1000
_UNFINISHED = frozenset(state for state in State if not state.is_finished)
_UNSUCCESSFUL = frozenset({State.FAILED, State.CANCELLED})


@attrs.frozen
class BulkCount:
    """What a bulk operation did: how many tasks it changed, and how many it met that stayed as they were."""

    changed: int
    unchanged: int


def cancel_all(backend: Backend, query: Query, level: CancelLevel) -> BulkCount:
    """Cancel the unfinished tasks that match; running ones are asked."""
    return _change_all(
        backend,
        _narrowed(query, _UNFINISHED),
        lambda task: Change(task_id=task.id, event=Event.CANCEL, level=level, reason=CancelReason.USER),
    )


def requeue_all(backend: Backend, query: Query, delay: timedelta | None) -> BulkCount:
    """Requeue the failed and cancelled tasks that match, each as it was when it was found."""
    return _change_all(
        backend,
        _narrowed(query, _UNSUCCESSFUL),
        lambda task: Change(task_id=task.id, event=Event.REQUEUE, version=task.version, delay=delay),
    )


def _narrowed(query: Query, states: frozenset[State]) -> Query | None:
    """Return the query for those of its states that can be changed; ``None`` when it asks for none of them."""
    wanted = query.states & states if query.states else states
    return attrs.evolve(query, states=wanted, limit=_BATCH) if wanted else None


def _change_all(backend: Backend, query: Query | None, change: Callable[[Task], Change]) -> BulkCount:
    changed = unchanged = 0
    while query is not None:
        page = backend.find(query)
        if page.items:
            reply = backend.apply([change(task) for task in page.items])
            applied = sum(one.verdict is Verdict.APPLIED for one in reply.applied)
            changed += applied
            unchanged += len(page.items) - applied
        query = None if page.cursor is None else attrs.evolve(query, cursor=page.cursor)
    return BulkCount(changed, unchanged)


def purge(backend: Backend, request: PurgeRequest, *, at_most: int | None) -> int:
    """Delete what the request says, batch after batch, until nothing is left to delete or ``at_most`` are gone."""
    if at_most is not None and (not isinstance(at_most, int) or at_most < 1):
        raise InvalidOption(f"at_most is {at_most!r}: it should be a whole number of 1 or more, or None for all.")
    deleted = 0
    while at_most is None or deleted < at_most:
        limit = _PURGE_BATCH if at_most is None else min(_PURGE_BATCH, at_most - deleted)
        count = backend.purge(attrs.evolve(request, limit=limit))
        if not count:
            break
        deleted += count
    return deleted
