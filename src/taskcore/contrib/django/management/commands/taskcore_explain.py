"""``manage.py taskcore_explain``: say why a task is not running."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore explain``."""

    name = "explain"
