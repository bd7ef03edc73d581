"""The options that say which tasks a command is about, and the query they make."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime, timedelta

from taskcore._cli._values import duration, moment, queue_state
from taskcore._client import Client
from taskcore._client._bulk import moment_before
from taskcore.errors import TaskNotFound
from taskcore.protocol import Query

__all__ = ["add_filters", "has_filters", "query_of"]

_NAMES = ("state", "queue", "name", "group", "schedule", "key", "worker", "since", "until", "newer_than", "older_than")


def add_filters(parser: ArgumentParser) -> None:
    """Let a command take the filters of a query."""
    group = parser.add_argument_group("which tasks (all that is given must match)")
    group.add_argument(
        "--state", action="append", type=queue_state, metavar="STATE", help="in this state; may be repeated"
    )
    group.add_argument("--queue", metavar="QUEUE", help="in this queue")
    group.add_argument("--name", metavar="NAME", help="of the task definition with this name")
    group.add_argument("--group", metavar="ID", help="members of this group")
    group.add_argument("--schedule", metavar="NAME", help="enqueued by the schedule of this name or id")
    group.add_argument("--key", metavar="KEY", help="enqueued with this unique key")
    group.add_argument("--worker", metavar="ID", help="running on this worker")
    group.add_argument("--since", type=moment, metavar="MOMENT", help="enqueued at this moment or later")
    group.add_argument("--until", type=moment, metavar="MOMENT", help="enqueued before this moment")
    group.add_argument("--newer-than", type=duration, metavar="DURATION", help="enqueued less than this long ago")
    group.add_argument("--older-than", type=duration, metavar="DURATION", help="enqueued more than this long ago")


def has_filters(options: Namespace) -> bool:
    """Tell whether any filter was given."""
    return any(getattr(options, name) is not None for name in _NAMES)


def query_of(client: Client, options: Namespace) -> Query:
    """Return the query of the filters that were given."""
    now = client.backend.now()
    since = [moment for moment in (options.since, _ago(now, options.newer_than)) if moment]
    until = [moment for moment in (options.until, _ago(now, options.older_than)) if moment]
    return Query(
        states=frozenset(options.state or ()),
        queue_name=options.queue,
        name=options.name,
        group_id=options.group,
        schedule_id=None if options.schedule is None else _schedule_id(client, options.schedule),
        unique_key=options.key,
        worker_id=options.worker,
        enqueued_from=max(since, default=None),
        enqueued_until=min(until, default=None),
    )


def _ago(now: datetime, age: timedelta | None) -> datetime | None:
    return None if age is None else moment_before(now, age)


def _schedule_id(client: Client, name: str) -> str:
    """Return the id of a schedule; a deleted one is known by its id alone."""
    try:
        return client.get_schedule(name).id
    except TaskNotFound:
        return name
