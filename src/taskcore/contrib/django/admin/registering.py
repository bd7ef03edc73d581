"""Which admin class is for which model, and how all of them are registered on a site."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite

from taskcore.contrib.django import models as copies
from taskcore.contrib.django.admin.groups import GroupAdmin
from taskcore.contrib.django.admin.items import ItemAdmin
from taskcore.contrib.django.admin.queues import QueueAdmin
from taskcore.contrib.django.admin.schedules import ScheduleAdmin
from taskcore.contrib.django.admin.tasks import FailedTaskAdmin, SuccessfulTaskAdmin, TaskAdmin
from taskcore.contrib.django.admin.workers import WorkerAdmin

__all__ = ["register"]

_COPIES = (
    (copies.TaskCopy, TaskAdmin),
    (copies.SuccessfulTaskCopy, SuccessfulTaskAdmin),
    (copies.FailedTaskCopy, FailedTaskAdmin),
    (copies.GroupCopy, GroupAdmin),
    (copies.ScheduleCopy, ScheduleAdmin),
    (copies.WorkerCopy, WorkerAdmin),
    (copies.ItemCopy, ItemAdmin),
    (copies.QueueOfStore, QueueAdmin),
)

_TABLES = (
    ("Task", TaskAdmin),
    ("SuccessfulTask", SuccessfulTaskAdmin),
    ("FailedTask", FailedTaskAdmin),
    ("Group", GroupAdmin),
    ("Schedule", ScheduleAdmin),
    ("Worker", WorkerAdmin),
    ("Item", ItemAdmin),
    ("Queue", QueueAdmin),
)


def register(site: AdminSite) -> None:
    """Put all pages on a site: those of the database when its app is installed, and those of the copies."""
    pages: list[tuple[Any, Any]] = list(_COPIES)
    if apps.is_installed("taskcore_backends.django"):
        pages += [(apps.get_model("taskcore", name), admin_class) for name, admin_class in _TABLES]
    for model, admin_class in pages:
        if not site.is_registered(model):
            site.register(model, admin_class)
