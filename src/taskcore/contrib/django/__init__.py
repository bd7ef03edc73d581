"""taskcore in Django: the site's stores and tasks, a backend for ``django.tasks``, and management commands.

``TASKS`` in the settings says where tasks are stored::

    TASKS = {"default": {"BACKEND": "taskcore.contrib.django.tasks.TaskcoreBackend", "OPTIONS": {"storage": "django"}}}

Put ``"taskcore.contrib.django"`` into ``INSTALLED_APPS`` for the commands. Nothing here imports models.
"""

from __future__ import annotations

from taskcore.contrib.django._site import client, definitions, worker

__all__ = ["client", "definitions", "worker"]
