"""``manage.py taskcore_status``: show queues, workers and schedules in numbers."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore status``."""

    name = "status"
