"""The Django app of the backend: its label is the prefix of the tables."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

__all__ = ["TaskcoreConfig"]


class TaskcoreConfig(AppConfig):
    """``"taskcore_backends.django"`` in ``INSTALLED_APPS``."""

    name = "taskcore_backends.django"
    label = "taskcore"
    verbose_name = _("Tasks")
    default_auto_field = "django.db.models.BigAutoField"
