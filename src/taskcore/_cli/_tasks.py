"""``tasks``, ``show`` and ``explain``: looking at tasks."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import attrs

from taskcore._cli._exit import ExitCode
from taskcore._cli._filters import query_of
from taskcore._cli._records import attempt_record, item_record, task_record
from taskcore._cli._terminal import Terminal, table_lines
from taskcore._client import Client
from taskcore._client._words import REASONS, duration_words, runs_of, until_words
from taskcore.errors import ResultTimeout
from taskcore.protocol import Failure, Item, State, Task, phase

__all__ = ["explain", "show", "tasks"]

_TABLE_PAGE = 100


def tasks(client: Client, options: Namespace, terminal: Terminal) -> int:
    """List tasks, newest first."""
    now = client.backend.now()
    query = attrs.evolve(
        query_of(client, options), is_oldest_first=options.oldest_first, limit=min(options.limit, _TABLE_PAGE)
    )
    found = client.iterate(query)
    wanted = found if options.all else islice(found, options.limit)
    seen = 0
    while page := list(islice(wanted, _TABLE_PAGE)):
        if terminal.is_json:
            for task in page:
                terminal.record(task_record(task, now))
        else:
            _write_table(page, now, terminal, is_first=not seen)
        seen += len(page)
    if not seen:
        terminal.complain("no task matches.")
    return ExitCode.DONE if seen else ExitCode.NOTHING_MATCHED


def _write_table(page: list[Task], now: datetime, terminal: Terminal, *, is_first: bool) -> None:
    rows = [
        (
            task.id,
            phase(task, now).value,
            task.queue_name,
            task.priority,
            runs_of(task),
            _when(task, now),
            task.name if task.spec.label is None else f"{task.name} ({task.spec.label})",
        )
        for task in page
    ]
    lines = table_lines(("ID", "PHASE", "QUEUE", "PRIORITY", "RUN", "WHEN", "NAME"), rows)
    for line in lines if is_first else lines[1:]:
        terminal.line(line)


def _when(task: Task, now: datetime) -> str:
    if task.state is State.READY and task.run_after > now:
        return f"in {duration_words(task.run_after - now)}"
    return f"for {duration_words(now - task.changed_at)}"


def show(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Show one task whole; with --wait once it has finished."""
    task = client.get(options.id)
    if options.wait is not None:
        try:
            task = client.handle(options.id).wait(options.wait)
        except ResultTimeout as error:
            terminal.complain(str(error))
            task = client.get(options.id)
    now = client.backend.now()
    items = _items(client, task) if options.items else iter(())
    if terminal.is_json:
        record = task_record(task, now)
        record["attempts"] = [attempt_record(attempt) for attempt in task.attempts]
        if options.items:
            record["items"] = [item_record(item) for item in items]
        terminal.record(record)
    else:
        for name, value in _facts(task, now):
            terminal.line(f"{name:<12} {value}")
        _show_attempts(task, now, terminal)
        for item in items:
            terminal.line(f"{item.kind.value:<12} {item.at.isoformat()} {_item_words(item)}")
    if options.wait is not None and task.state is not State.SUCCESSFUL:
        return ExitCode.NOT_SUCCESSFUL
    return ExitCode.DONE


def _facts(task: Task, now: datetime) -> Iterator[tuple[str, str]]:
    spec = task.spec
    yield "id", task.id
    yield "name", task.name
    yield "state", f"{task.state.value} ({phase(task, now).value}) since {until_words(task.changed_at, now)}"
    if task.state is State.CANCELLED and task.reason is not None:
        yield "reason", REASONS[task.reason]
    yield "queue", f"{task.queue_name}, priority {task.priority}"
    yield "arguments", spec.arguments_json
    yield "enqueued", until_words(spec.enqueued_at, now)
    yield "run after", until_words(task.run_after, now)
    tries = "without limit" if spec.max_attempts is None else f"of {spec.max_attempts}"
    yield "run", f"{runs_of(task)} {tries}; {task.failures} failed, {task.crashes} lost, {task.releases} given back"
    optional = (
        ("label", spec.label),
        ("expires", None if spec.expires_at is None else until_words(spec.expires_at, now)),
        ("unique key", None if spec.unique is None else spec.unique.key),
        ("parents", ", ".join(spec.parents) or None),
        ("group", spec.group_id),
        ("schedule", spec.schedule_id),
        ("metadata", spec.metadata_json),
        ("worker", None if task.lease is None else task.lease.worker_id),
        ("lease until", None if task.lease is None else until_words(task.lease.expires_at, now)),
        ("progress", None if task.progress is None else _progress_words(task)),
        ("result", None if task.result is None else task.result.value_json),
    )
    for name, value in optional:
        if value is not None:
            yield name, value


def _progress_words(task: Task) -> str:
    progress = task.progress
    if progress is None:
        return ""
    of_total = "" if progress.total is None else f" of {progress.total:g}"
    counters = ", ".join(f"{name} {value:g}" for name, value in progress.counters.items())
    return "; ".join(part for part in (f"{progress.current:g}{of_total}", progress.message, counters) if part)


def _show_attempts(task: Task, now: datetime, terminal: Terminal) -> None:
    for attempt in task.attempts:
        why = "" if attempt.failure is None else f": {attempt.failure.exception_type}: {attempt.failure.message}"
        terminal.line(f"{'ended':<12} {attempt.event.value} {until_words(attempt.ended_at, now)}{why}")
    failure = None if task.result is None else task.result.failure
    while failure is not None:
        _show_failure(failure, terminal)
        failure = failure.cause


def _show_failure(failure: Failure, terminal: Terminal) -> None:
    terminal.line(f"{'failure':<12} {failure.exception_type}: {failure.message}")
    for line in failure.traceback.splitlines():
        terminal.line(f"  {line}")


def _items(client: Client, task: Task) -> Iterator[Item]:
    cursor: str | None = None
    while True:
        page = client.items(task.id, cursor=cursor, limit=500)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def _item_words(item: Item) -> str:
    dimensions = " ".join(f"{name}={value}" for name, value in item.dimensions.items())
    count = None if item.count is None else f"count {item.count:g}"
    return " ".join(part for part in (dimensions, count, item.data_json) if part)


def explain(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Say why a task is not running."""
    explanation = client.explain(options.id)
    if terminal.is_json:
        terminal.record(
            {
                "id": explanation.task.id,
                "state": explanation.task.state.value,
                "phase": explanation.phase.value,
                "summary": explanation.summary,
                "reasons": [
                    {"hindrance": reason.hindrance.value, "text": reason.text} for reason in explanation.reasons
                ],
            }
        )
    else:
        terminal.line(str(explanation))
    return ExitCode.DONE
