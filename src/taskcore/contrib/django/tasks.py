"""``TaskcoreBackend``, for ``TASKS`` in the settings, and a ``task`` decorator that takes all that it understands.

On Django 6.0 and later they are those of ``django.tasks``, before that those of the backport ``django_tasks``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("django.tasks") is not None:
    from taskcore.contrib.django._core import TaskcoreBackend, TaskcoreContext, TaskcoreTask, task
else:
    if find_spec("django_tasks") is None:
        raise ImportError("This Django has no tasks of its own: install django-tasks, or Django 6.0 or later.")
    from taskcore.contrib.django.backport import TaskcoreBackend, TaskcoreContext, TaskcoreTask, task

__all__ = ["TaskcoreBackend", "TaskcoreContext", "TaskcoreTask", "task"]
