"""Requests are refused at the door, alike by every backend, when they cannot be meant."""

from __future__ import annotations

from datetime import datetime, timedelta

from taskcore._codec import dump_data
from taskcore._naming import shown
from taskcore.errors import InvalidInput
from taskcore.protocol import (
    ID_LIMIT,
    ClaimRequest,
    GroupQuery,
    KeepPer,
    Order,
    PurgeRequest,
    Query,
    Schedule,
    ScheduleQuery,
    State,
    WorkerInfo,
)
from taskcore.records._checks import check_filter, check_ids, check_limit, check_moment, check_spec, check_text

__all__ = [
    "check_claim",
    "check_group_query",
    "check_order",
    "check_purge",
    "check_query",
    "check_schedule",
    "check_schedule_query",
    "check_worker",
]

_LONGEST_LEASE = timedelta(days=366)


def check_claim(request: ClaimRequest) -> None:
    """Raise ``InvalidInput`` for a request to claim that cannot be meant."""
    check_text(request.worker_id, "ClaimRequest.worker_id")
    check_text(request.nonce, "ClaimRequest.nonce", ID_LIMIT)
    queue_names: object = request.queue_names
    if not isinstance(queue_names, (tuple, list)):
        raise InvalidInput(f"ClaimRequest.queue_names is a tuple of names, not {shown(queue_names)}.")
    check_limit(request.limit, "ClaimRequest.limit", 0)
    if not isinstance(request.lease, timedelta) or not timedelta(0) < request.lease <= _LONGEST_LEASE:
        raise InvalidInput(f"ClaimRequest.lease is a timedelta above zero, a year at most, not {shown(request.lease)}.")


def _check_moments(*moments: tuple[str, datetime | None]) -> None:
    for what, moment in moments:
        if moment is not None:
            check_moment(moment, what)


def _check_states(states: object, what: str) -> None:
    if not isinstance(states, (frozenset, set)) or not all(isinstance(state, State) for state in states):
        raise InvalidInput(f"{what} is a set of States, not {shown(states)}.")


def check_query(query: Query) -> None:
    """Raise ``InvalidInput`` for a query that cannot be meant."""
    check_limit(query.limit, "Query.limit")
    _check_states(query.states, "Query.states")
    for field in ("queue_name", "name", "group_id", "schedule_id", "unique_key", "worker_id", "cursor"):
        check_filter(getattr(query, field), f"Query.{field}")
    _check_moments(
        ("Query.enqueued_from", query.enqueued_from),
        ("Query.enqueued_until", query.enqueued_until),
    )


def check_group_query(query: GroupQuery) -> None:
    """Raise ``InvalidInput`` for a query that cannot be meant."""
    check_limit(query.limit, "GroupQuery.limit")
    check_ids(query.ids, "GroupQuery.ids: an id")
    check_filter(query.name, "GroupQuery.name")
    check_filter(query.cursor, "GroupQuery.cursor")


def check_schedule_query(query: ScheduleQuery) -> None:
    """Raise ``InvalidInput`` for a query that cannot be meant."""
    check_limit(query.limit, "ScheduleQuery.limit")
    check_ids(query.ids, "ScheduleQuery.ids: an id")
    check_ids(query.names, "ScheduleQuery.names: a name")
    check_filter(query.cursor, "ScheduleQuery.cursor")
    _check_moments(("ScheduleQuery.due_by", query.due_by))


def check_purge(request: PurgeRequest) -> None:
    """Raise ``InvalidInput`` for a request to purge that cannot be meant."""
    check_limit(request.limit, "PurgeRequest.limit")
    _check_states(request.states, "PurgeRequest.states")
    check_ids(request.ids, "PurgeRequest.ids: an id")
    for field in ("queue_name", "name", "group_id"):
        check_filter(getattr(request, field), f"PurgeRequest.{field}")
    if request.keep_latest is not None:
        check_limit(request.keep_latest, "PurgeRequest.keep_latest", 0)
    if not isinstance(request.keep_per, KeepPer):
        raise InvalidInput(f"PurgeRequest.keep_per is a KeepPer, not {shown(request.keep_per)}.")
    _check_moments(("PurgeRequest.finished_before", request.finished_before))


def check_schedule(schedule: Schedule) -> None:
    """Raise ``InvalidInput`` for a schedule that cannot be stored, such as one with a trigger of the user's own."""
    check_text(schedule.id, "Schedule.id", ID_LIMIT)
    check_text(schedule.name, "Schedule.name")
    check_spec(schedule.spec)
    dump_data(schedule)


def check_worker(worker: WorkerInfo) -> None:
    """Raise ``InvalidInput`` for what no worker should say of itself."""
    check_text(worker.id, "WorkerInfo.id")
    _check_moments(
        ("WorkerInfo.started_at", worker.started_at),
        ("WorkerInfo.last_beat_at", worker.last_beat_at),
        ("WorkerInfo.expires_at", worker.expires_at),
    )


def check_order(order: Order) -> None:
    """Raise ``InvalidInput`` for what is no order."""
    if not isinstance(order, Order):
        raise InvalidInput(f"An order is one of Order, not {shown(order)}.")
