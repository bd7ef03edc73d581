"""``cancel``, ``requeue`` and ``purge``: changing tasks, one by one or all that match."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import datetime, timedelta

from taskcore._cli._exit import ExitCode
from taskcore._cli._filters import has_filters, query_of
from taskcore._cli._terminal import Terminal
from taskcore._client import BulkCount, Client, PurgeFilters
from taskcore.errors import InvalidInput, RefusedChange, TaskNotFound
from taskcore.protocol import CancelLevel, KeepPer, Query, State

__all__ = ["cancel", "purge", "requeue"]


def cancel(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Cancel tasks that wait, ask for the cancel of those that run."""
    level = CancelLevel[options.level.upper()]

    def one(task_id: str) -> None:
        if not client.cancel(task_id, level):
            state = client.get(task_id).state.value
            raise RefusedChange(f"Task {task_id} is {state}: nothing is left to cancel.", task_id=task_id)

    if options.ids:
        return _each(options, one, terminal, "cancelled, or asked to end")
    query = _checked(client, options, "cancel")
    return _report(client.cancel_all(query, level=level), terminal, "cancelled, or asked to end")


def requeue(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Have failed and cancelled tasks run again."""
    start: datetime | timedelta | None = options.delay if options.at is None else options.at

    def one(task_id: str) -> None:
        client.requeue(
            task_id,
            run_after=start,
            with_parents=options.with_parents,
            with_dependents=options.with_dependents,
        )

    if options.ids:
        return _each(options, one, terminal, "requeued")
    query = _checked(client, options, "requeue")
    if options.with_parents or options.with_dependents or options.at is not None:
        raise InvalidInput("--with-parents, --with-dependents and --at are for tasks named by their ids.")
    return _report(client.requeue_all(query, delay=options.delay), terminal, "requeued")


def _checked(client: Client, options: Namespace, command: str) -> Query:
    if not has_filters(options) and not options.all:
        raise InvalidInput(f"{command} needs ids, filters such as --queue and --state, or --all for every task.")
    return query_of(client, options)


def _each(options: Namespace, change: Callable[[str], None], terminal: Terminal, done: str) -> int:
    if has_filters(options) or options.all:
        raise InvalidInput("Give ids or filters, not both.")
    code = ExitCode.DONE
    for task_id in options.ids:
        try:
            change(task_id)
        except (TaskNotFound, RefusedChange) as error:
            code = ExitCode.NOTHING_MATCHED
            if terminal.is_json:
                terminal.record({"id": task_id, "changed": False, "error": str(error)})
            else:
                terminal.complain(str(error))
        else:
            if terminal.is_json:
                terminal.record({"id": task_id, "changed": True, "error": None})
            else:
                terminal.line(f"{task_id} {done}")
    return code


def _report(count: BulkCount, terminal: Terminal, done: str) -> int:
    if terminal.is_json:
        terminal.record({"changed": count.changed, "unchanged": count.unchanged})
    else:
        unchanged = f"; {count.unchanged:,} stayed as they were" if count.unchanged else ""
        terminal.line(f"{count.changed:,} {done}{unchanged}")
    return ExitCode.DONE if count.changed else ExitCode.NOTHING_MATCHED


def purge(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Delete finished tasks."""
    filters: PurgeFilters = {}
    states: list[State] | None = options.state
    if options.older_than is not None:
        filters["older_than"] = options.older_than
    if states:
        filters["states"] = states
    if options.queue is not None:
        filters["queue_name"] = options.queue
    if options.name is not None:
        filters["name"] = options.name
    if options.group is not None:
        filters["group_id"] = options.group
    if options.ids:
        filters["ids"] = options.ids
    if options.keep_latest is not None:
        filters["keep_latest"] = options.keep_latest
        filters["keep_per"] = KeepPer(options.keep_per)
    if options.all and not filters:
        filters["older_than"] = timedelta(0)
    deleted = client.purge(at_most=options.at_most, **filters)
    if terminal.is_json:
        terminal.record({"deleted": deleted})
    else:
        terminal.line(f"{deleted:,} deleted")
    return ExitCode.DONE if deleted else ExitCode.NOTHING_MATCHED
