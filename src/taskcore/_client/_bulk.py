"""What an operator does to all tasks that match a query: cancel, requeue, purge. Batches, so memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone

import attrs
from typing_extensions import TypedDict

from taskcore._client._asking import states_from
from taskcore._client._operating import start_of
from taskcore._naming import shown
from taskcore.errors import InvalidInput, InvalidOption
from taskcore.protocol import (
    Backend,
    CancelLevel,
    CancelReason,
    Change,
    Event,
    KeepPer,
    PurgeRequest,
    Query,
    State,
    Task,
    Verdict,
)

__all__ = ["BulkCount", "PurgeFilters", "cancel_all", "moment_before", "purge", "purge_request", "requeue_all"]

_BATCH = 500
_PURGE_BATCH = 1000
_UNFINISHED = frozenset(state for state in State if not state.is_finished)
_FINISHED = frozenset(state for state in State if state.is_finished)
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
    start_of(delay)
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
        raise InvalidOption(f"at_most is {shown(at_most)}: it should be a whole number of 1 or more, or None for all.")
    deleted = 0
    while at_most is None or deleted < at_most:
        limit = _PURGE_BATCH if at_most is None else min(_PURGE_BATCH, at_most - deleted)
        count = backend.purge(attrs.evolve(request, limit=limit))
        if not count:
            break
        deleted += count
    return deleted


class PurgeFilters(TypedDict, total=False):
    """Which finished tasks ``purge`` deletes; what is given must all match."""

    older_than: timedelta
    """Finished at least this long ago."""
    finished_before: datetime
    states: Iterable[State]
    ids: Sequence[str]
    queue_name: str
    name: str
    group_id: str
    keep_latest: int
    """Keep the newest n (by finish) of each name or group that match, and delete the older ones."""
    keep_per: KeepPer


def _ids(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidInput(f"ids is {shown(given)}: it should be a list of ids.")
    return tuple(given)


def moment_before(now: datetime, age: timedelta) -> datetime:
    """Return the moment so long ago; the first moment there is, for one before the year 1. Raises InvalidInput."""
    if not isinstance(age, timedelta) or age < timedelta(0):
        raise InvalidInput(f"older_than is {shown(age)}: it should be a timedelta of zero or more.")
    try:
        return now - age
    except OverflowError:
        return datetime.min.replace(tzinfo=timezone.utc)


def purge_request(now: datetime, filters: PurgeFilters) -> PurgeRequest | None:
    """Return the request for these filters; without any, the one for tasks whose own retention is over.

    ``None``: an empty list of ids was given, which no task matches.
    """
    if not filters:
        return PurgeRequest(is_due=True)
    if "ids" in filters and not filters["ids"]:
        return None
    known = PurgeFilters.__annotations__
    unknown = sorted(set(filters) - set(known))
    if unknown:
        raise InvalidInput(f"Unknown filter {', '.join(unknown)}: purge takes {', '.join(sorted(known))}.")
    states = states_from(filters.get("states") or _FINISHED)
    if not states <= _FINISHED:
        raise InvalidInput("states holds one that is not finished: only SUCCESSFUL, FAILED and CANCELLED are purged.")
    before = filters.get("finished_before")
    if before is not None and (not isinstance(before, datetime) or before.utcoffset() is None):
        raise InvalidInput(
            f"finished_before is {shown(before)}: it should be a datetime with a time zone, UTC for example."
        )
    if "older_than" in filters:
        cut = moment_before(now, filters["older_than"])
        before = cut if before is None else min(before, cut)
    keep_latest = filters.get("keep_latest")
    if keep_latest is not None and (not isinstance(keep_latest, int) or keep_latest < 0):
        raise InvalidInput(f"keep_latest is {shown(keep_latest)}: it should be a whole number of 0 or more.")
    return PurgeRequest(
        states=states,
        finished_before=before,
        ids=_ids(filters.get("ids", ())),
        queue_name=filters.get("queue_name"),
        name=filters.get("name"),
        group_id=filters.get("group_id"),
        keep_latest=keep_latest,
        keep_per=filters.get("keep_per", KeepPer.NAME),
    )
