"""``manage.py taskcore_show``: show one task whole."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore show``."""

    name = "show"
