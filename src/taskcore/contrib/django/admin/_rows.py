"""Rows of tasks made of the storage's own answer: what detail pages and live updates show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from taskcore.contrib.django._snapshot import copy_of_task
from taskcore.contrib.django.admin._stores import Store, if_there, is_copy, plain_id, row_key, store_of
from taskcore.contrib.django.models import TaskCopy
from taskcore.protocol import Task
from taskcore.records import load_data

__all__ = ["fresh_rows", "row_of", "truth_of"]

_TRUTH = "_taskcore_truth"
_COMMON = [
    field.attname
    for field in TaskCopy._meta.concrete_fields
    if field.attname not in {"id", "storage", "document", "is_hidden", "group_id", "schedule_id"}
]


def row_of(model: type[Any], task: Task, store: Store) -> Any:
    """Return a row of either kind that shows a task as its storage has it; it is not stored."""
    copy = copy_of_task(task, store.alias)
    if is_copy(model):
        row = model(**{field.attname: getattr(copy, field.attname) for field in TaskCopy._meta.concrete_fields})
    else:
        row = model(
            id=task.id,
            group_id=task.spec.group_id,
            schedule_id=task.spec.schedule_id,
            **{name: getattr(copy, name) for name in _COMMON},
        )
        row._state.db = store.database
    row._state.adding = False
    setattr(row, _TRUTH, task)
    return row


def truth_of(row: Any) -> Task | None:
    """Return the task of a row: as the storage has it, else as it was copied; ``None`` when neither is there."""
    known: Task | None = getattr(row, _TRUTH, None)
    if known is None:
        client = store_of(row).client
        known = if_there(lambda: client.backend.get([plain_id(row)]), [None])[0]
        if known is None and isinstance(row, TaskCopy):
            known = load_data(Task, row.document)
        setattr(row, _TRUTH, known)
    return known


def fresh_rows(model: type[Any], stores: Iterable[Store], keys: Sequence[str]) -> list[Any]:
    """Return rows of these keys as the storages have them now; what is gone is left out."""
    rows: list[Any] = []
    for store in stores:
        end = row_key(model, store.alias, "")
        ids = [key.removesuffix(end) for key in keys if key.endswith(end) and "\0" not in key]
        found = if_there(partial(store.client.backend.get, ids), []) if ids else []
        rows.extend(row_of(model, task, store) for task in found if task is not None)
    return rows
