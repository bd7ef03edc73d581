"""``manage.py taskcore_groups``: list groups, or seal one."""

from __future__ import annotations

from taskcore.contrib.django.management._command import TableCommand

__all__ = ["Command"]


class Command(TableCommand):
    """See ``taskcore groups``."""

    name = "groups"
