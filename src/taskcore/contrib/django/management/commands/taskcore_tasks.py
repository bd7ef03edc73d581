"""``manage.py taskcore_tasks``: list tasks."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore tasks``."""

    name = "tasks"
