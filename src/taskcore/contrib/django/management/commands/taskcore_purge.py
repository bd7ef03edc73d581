"""``manage.py taskcore_purge``: delete finished tasks."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore purge``."""

    name = "purge"
