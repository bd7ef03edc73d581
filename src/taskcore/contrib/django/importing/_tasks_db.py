"""Tasks that wait in the table of django-tasks-db (and of django-tasks before 0.12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps

from taskcore.contrib.django._moments import store_moment
from taskcore.contrib.django.importing._found import FoundTask

__all__ = ["forget_tasks", "read_tasks"]

_NEVER = 9999
"""The year that stands for "at once" in ``run_after``."""


def _rows() -> Any:
    return apps.get_model("django_tasks_database", "DBTaskResult").objects.filter(status="READY")


def read_tasks() -> Iterator[FoundTask]:
    """Yield the tasks that are READY, the oldest first."""
    for row in _rows().order_by("enqueued_at", "pk").iterator():
        yield FoundTask(
            id=str(row.pk),
            task_name=row.task_path,
            args=row.args_kwargs.get("args", []),
            kwargs=row.args_kwargs.get("kwargs", {}),
            queue_name=row.queue_name,
            priority=row.priority,
            run_after=None if row.run_after is None or row.run_after.year == _NEVER else store_moment(row.run_after),
        )


def forget_tasks(ids: Sequence[str]) -> None:
    """Delete tasks that still wait."""
    _rows().filter(pk__in=ids).delete()
