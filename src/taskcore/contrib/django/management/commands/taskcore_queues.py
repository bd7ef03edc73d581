"""``manage.py taskcore_queues``: list queues, or pause or resume one."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore queues``."""

    name = "queues"
