"""``TaskcoreBackend``, for ``TASKS`` in the settings, and a ``task`` decorator that takes all that it understands.

On Django 6.0 and later they are those of ``django.tasks``, before that those of the backport ``django_tasks``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("django.tasks") is not None:
    from taskcore.contrib.django._core import TaskcoreBackend, TaskcoreContext, TaskcoreTask, task
else:
    from taskcore.contrib.django.backport import TaskcoreBackend, TaskcoreContext, TaskcoreTask, task

__all__ = ["TaskcoreBackend", "TaskcoreContext", "TaskcoreTask", "task"]
