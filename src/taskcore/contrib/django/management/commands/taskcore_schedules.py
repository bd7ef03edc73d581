"""``manage.py taskcore_schedules``: list schedules, or see to one."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore schedules``."""

    name = "schedules"
