"""``manage.py taskcore_requeue``: have failed and cancelled tasks run again."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore requeue``."""

    name = "requeue"
