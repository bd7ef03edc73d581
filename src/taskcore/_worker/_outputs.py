"""Reads the values of the parents whose outputs stand among a task's arguments, just before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from taskcore._data import Task
from taskcore.protocol import Backend, GroupQuery, Query

__all__ = ["NO_OUTPUTS", "needs_outputs", "outputs_for"]

NO_OUTPUTS: Mapping[str, str] = MappingProxyType({})
_NULL = "null"


def needs_outputs(task: Task) -> bool:
    """Return whether values of parents may stand among its arguments."""
    return bool(task.spec.parents) and '"$' in task.spec.arguments_json


def outputs_for(backend: Backend, task: Task) -> Mapping[str, str]:
    """Return the value of each parent that the arguments refer to, as JSON text; of a group: a JSON list, in order.

    What is not there (the parent failed and the task runs anyway, or it was purged) is ``null``. Raises what the
    backend raises.
    """
    if not needs_outputs(task):
        return NO_OUTPUTS
    wanted = [parent for parent in task.spec.parents if parent in task.spec.arguments_json]
    outputs: dict[str, str] = {}
    unknown: list[str] = []
    for parent_id, parent in zip(wanted, backend.get(wanted), strict=True):
        if parent is None:
            unknown.append(parent_id)
        else:
            outputs[parent_id] = _value(parent)
    if unknown:
        groups = {group.id: group.total for group in backend.groups(GroupQuery(ids=tuple(unknown))).items}
        for parent_id in unknown:
            outputs[parent_id] = _group_values(backend, parent_id, groups[parent_id]) if parent_id in groups else _NULL
    return outputs


def _value(task: Task) -> str:
    value_json = None if task.result is None else task.result.value_json
    return _NULL if value_json is None else value_json


def _group_values(backend: Backend, group_id: str, total: int | None) -> str:
    values: dict[int, str] = {}
    cursor = None
    while True:
        page = backend.find(Query(group_id=group_id, is_oldest_first=True, cursor=cursor, limit=1000))
        for member in page.items:
            index = member.spec.group_index
            values[len(values) if index is None else index] = _value(member)
        cursor = page.cursor
        if cursor is None:
            break
    size = max(total or 0, max(values, default=-1) + 1)
    return f"[{','.join(values.get(index, _NULL) for index in range(size))}]"
