"""The app that brings the admin pages, their copies of other stores, and the management commands."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

__all__ = ["TaskcoreDjangoConfig"]


class TaskcoreDjangoConfig(AppConfig):
    """``taskcore.contrib.django``; the label ``taskcore`` is that of the tables, ``taskcore_backends.django``."""

    name = "taskcore.contrib.django"
    label = "taskcore_django"
    verbose_name = "taskcore"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have ``manage.py check`` look at the settings of tasks."""
        from taskcore.contrib.django.checks import check_site  # noqa: PLC0415 - the settings are there by now

        checks.register(check_site)
