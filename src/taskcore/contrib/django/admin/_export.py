"""The filtered list as CSV or JSON lines: streamed, read by key, a batch in memory at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from taskcore.contrib.django.admin._changelist import rows_in_batches
from taskcore.contrib.django.admin._rows import row_of
from taskcore.contrib.django.admin._stores import using_stores
from taskcore.protocol import Task
from taskcore.records import load_data

__all__ = ["COLUMNS", "FORMATS", "defused", "export_response"]

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

COLUMNS = (
    "id",
    "storage",
    "name",
    "label",
    "state",
    "queue",
    "priority",
    "attempt",
    "enqueued_at",
    "started_at",
    "finished_at",
    "worker",
    "group",
    "schedule",
    "arguments",
    "progress",
    "result",
    "error",
)

_BATCH = 500
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def defused(value: object) -> object:
    """Return what a spreadsheet shows as it is: a text that would be a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


class _Echo:
    """A file for the CSV writer that hands each line back."""

    def write(self, line: str) -> str:
        return line


def _record(row: Any, alias: str, task: Task) -> dict[str, Any]:
    result = task.result
    failure = None if result is None else result.failure
    progress = task.progress
    return {
        "id": task.id,
        "storage": alias,
        "name": task.name,
        "label": task.spec.label,
        "state": task.state.value,
        "queue": task.queue_name,
        "priority": task.priority,
        "attempt": task.attempt,
        "enqueued_at": task.spec.enqueued_at.isoformat(),
        "started_at": None if result is None or result.started_at is None else result.started_at.isoformat(),
        "finished_at": task.changed_at.isoformat() if task.state.is_finished else None,
        "worker": row.worker_id,
        "group": task.spec.group_id,
        "schedule": task.spec.schedule_id,
        "arguments": json.loads(task.spec.arguments_json),
        "progress": None if progress is None else {"current": progress.current, "total": progress.total},
        "result": None if result is None or result.value_json is None else json.loads(result.value_json),
        "error": None if failure is None else f"{failure.exception_type}: {failure.message}",
    }


def _records(queryset: QuerySet[Any]) -> Iterator[dict[str, Any]]:
    for rows in rows_in_batches(queryset, _BATCH):
        found: dict[str, dict[str, Any]] = {}
        for store, by_id in using_stores(rows):
            for thing_id, task in zip(by_id, store.client.backend.get(list(by_id)), strict=True):
                row = by_id[thing_id]
                if task is None and hasattr(row, "document"):
                    task = load_data(Task, row.document)  # noqa: PLW2901 - the storage has it no more
                if task is not None:
                    found[row.pk] = _record(row_of(type(row), task, store), store.alias, task)
        yield from (found[row.pk] for row in rows if row.pk in found)


def _csv(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for record in records:
        values = (record[column] for column in COLUMNS)
        yield writer.writerow(
            [
                defused(json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value)
                for value in values
            ]
        )


def _lines(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    return (json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def export_response(queryset: QuerySet[Any], file_format: str) -> StreamingHttpResponse:
    """Return the rows as a file of this format."""
    records = _records(queryset)
    body = _csv(records) if file_format == "csv" else _lines(records)
    response = StreamingHttpResponse(body, content_type=FORMATS[file_format])
    response["Content-Disposition"] = f'attachment; filename="tasks.{file_format}"'
    return response
