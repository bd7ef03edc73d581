"""``manage.py taskcore_workers``: list workers, or pause, resume or stop one."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore workers``."""

    name = "workers"
