"""Copies of what stands in stores other than the database, for the admin to list; and what admin pages need of models.

``taskcore_snapshot`` writes the copies. Their columns have the names of those in ``taskcore_backends.django.models``,
so that one admin class serves both; nothing is ever run from them. The key of a copy is the id of the thing, ``@``, and
the alias of its storage: ids of tasks sort by time, so keys do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from taskcore.records.columns import BLOCKED, CANCELLED, DUE, FAILED, LATER, RUNNING, SUCCESSFUL
from taskcore_backends.django.fields import DocumentField, ExactField, MomentField

__all__ = [
    "FailedTaskCopy",
    "GroupCopy",
    "ItemCopy",
    "QueueOfStore",
    "ScheduleCopy",
    "SnapshotMark",
    "StateCode",
    "SuccessfulTaskCopy",
    "TaskCopy",
    "WorkerCopy",
]

KEY_LENGTH = 255
NAME_LENGTH = 255


class StateCode(models.IntegerChoices):
    """How a task stands: its state, with READY in two."""

    DUE = DUE, _("ready")
    LATER = LATER, _("scheduled")
    BLOCKED = BLOCKED, _("blocked")
    RUNNING = RUNNING, _("running")
    SUCCESSFUL = SUCCESSFUL, _("successful")
    FAILED = FAILED, _("failed")
    CANCELLED = CANCELLED, _("cancelled")


class Copy(models.Model):
    """What all copies have."""

    id = ExactField(_("ID"), max_length=KEY_LENGTH, primary_key=True)
    storage = ExactField(_("storage"), max_length=NAME_LENGTH)
    """The alias in ``settings.TASKS``."""

    class Meta:
        abstract = True

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Return what Django has to say, but that MySQL ignores conditions: the indexes are right without them."""
        return [message for message in super().check(**kwargs) if message.id != "models.W037"]

    @property
    def plain_id(self) -> str:
        """The id in the storage."""
        return str(self.id)[: -len(self.storage) - 1]


class TaskCopy(Copy):
    """A task as it was last seen."""

    name = ExactField(_("name"), max_length=NAME_LENGTH)
    queue_name = ExactField(_("queue"), max_length=NAME_LENGTH)
    precedence = models.SmallIntegerField(_("precedence"))
    code = models.SmallIntegerField(_("state"), choices=StateCode.choices)
    version = models.BigIntegerField(_("version"))
    run_after = MomentField(_("run after"))
    enqueued_at = MomentField(_("enqueued at"))
    changed_at = MomentField(_("changed at"))
    expires_at = MomentField(_("expires at"), null=True)
    epoch = models.BigIntegerField(_("claims"))
    failures = models.IntegerField(_("failures"))
    crashes = models.IntegerField(_("crashes"))
    releases = models.IntegerField(_("releases"))
    max_attempts = models.IntegerField(_("max attempts"), null=True)
    group_id = ExactField(_("group"), max_length=NAME_LENGTH, null=True)
    schedule_id = ExactField(_("schedule"), max_length=NAME_LENGTH, null=True)
    unique_key = ExactField(_("unique key"), max_length=NAME_LENGTH, null=True)
    label = ExactField(_("label"), max_length=NAME_LENGTH, null=True)
    worker_id = ExactField(_("worker"), max_length=NAME_LENGTH, null=True)
    claimed_at = MomentField(_("claimed at"), null=True)
    lease_expires = MomentField(_("lease expires"), null=True)
    cancel = models.SmallIntegerField(_("cancel wanted"), null=True)
    reason = models.CharField(_("reason"), max_length=16, null=True)
    started_at = MomentField(_("started at"), null=True)
    progress = DocumentField(_("progress"), null=True)
    arguments = DocumentField(_("arguments"), null=True)
    """The beginning of them."""
    error = models.CharField(_("error"), max_length=200, null=True)
    document = DocumentField(_("document"))
    """JSON: all of the task."""
    is_hidden = models.BooleanField(_("hidden"), default=False)
    """It has expired, and is left out until it is deleted."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        default_permissions = ("view", "change", "delete")
        permissions: ClassVar[Sequence[tuple[str, str]]] = [
            ("start_task", "Can start tasks"),
            ("requeue_task", "Can requeue tasks"),
            ("duplicate_task", "Can duplicate tasks"),
            ("cancel_task", "Can cancel tasks"),
            ("stop_task", "Can stop running tasks by force"),
            ("export_task", "Can export tasks"),
            ("run_schedule", "Can run schedules at once"),
            ("enable_schedule", "Can enable and disable schedules"),
            ("pause_queue", "Can pause and resume queues"),
            ("control_worker", "Can stop, pause and resume workers"),
        ]
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["code", "id"], name="taskcore_copy_state"),
            models.Index(fields=["code", "changed_at"], name="taskcore_copy_expiry"),
            models.Index(fields=["group_id", "id"], name="taskcore_copy_group", condition=Q(group_id__isnull=False)),
            models.Index(
                fields=["schedule_id", "id"], name="taskcore_copy_schedule", condition=Q(schedule_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label or self.name} {self.plain_id}"

    @property
    def priority(self) -> int:
        """-100 to 100, higher first."""
        return -self.precedence


class SuccessfulTaskCopy(TaskCopy):
    """A task that has succeeded."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        proxy = True
        verbose_name = _("successful task")
        verbose_name_plural = _("successful tasks")
        default_permissions = ("view", "change", "delete")


class FailedTaskCopy(TaskCopy):
    """A task that has failed."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        proxy = True
        verbose_name = _("failed task")
        verbose_name_plural = _("failed tasks")
        default_permissions = ("view", "change", "delete")


class GroupCopy(Copy):
    """A group as it was last seen."""

    name = ExactField(_("name"), max_length=NAME_LENGTH)
    created_at = MomentField(_("created at"))
    total = models.IntegerField(_("total"), null=True)
    finished_at = MomentField(_("finished at"), null=True)

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.name} {self.plain_id}"


class ScheduleCopy(Copy):
    """A schedule as it was last seen."""

    name = ExactField(_("name"), max_length=NAME_LENGTH)
    revision = models.BigIntegerField(_("revision"))
    enabled = models.BooleanField(_("enabled"))
    next_slot = MomentField(_("next slot"), null=True)
    last_run_at = MomentField(_("last run at"), null=True)
    runs = models.BigIntegerField(_("runs"))
    task_name = ExactField(_("task"), max_length=NAME_LENGTH)
    queue_name = ExactField(_("queue"), max_length=NAME_LENGTH)
    updated_at = MomentField(_("updated at"))
    document = DocumentField(_("document"))
    """JSON: all of the schedule."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        indexes: ClassVar[Sequence[models.Index]] = [models.Index(fields=["name", "id"], name="taskcore_copy_name")]

    def __str__(self) -> str:
        return str(self.name)


class WorkerCopy(Copy):
    """A worker as it was last seen."""

    hostname = ExactField(_("host"), max_length=NAME_LENGTH)
    pid = models.BigIntegerField(_("process"))
    state = models.CharField(_("state"), max_length=16)
    started_at = MomentField(_("started at"))
    last_beat_at = MomentField(_("last beat at"))
    expires_at = MomentField(_("expires at"))
    completed = models.BigIntegerField(_("completed"))

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view", "change")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["last_beat_at", "id"], name="taskcore_copy_beat")
        ]

    def __str__(self) -> str:
        return f"{self.hostname} {self.pid}"


class ItemCopy(Copy):
    """A sub-result or log line of a task; the first ones of each."""

    task = models.ForeignKey(
        TaskCopy, models.DO_NOTHING, verbose_name=_("task"), db_constraint=False, related_name="items"
    )
    epoch = models.BigIntegerField(_("claim"))
    sequence = models.BigIntegerField(_("sequence"))
    kind = models.CharField(_("kind"), max_length=16)
    document = DocumentField(_("document"))

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        verbose_name = _("sub-result")
        verbose_name_plural = _("sub-results")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.plain_id}"


class QueueOfStore(models.Model):
    """A queue. It has no table: the page asks the store."""

    name = models.CharField(_("queue"), max_length=NAME_LENGTH, primary_key=True)

    class Meta:
        managed = False
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.name)


class SnapshotMark(models.Model):
    """How far the copies of one storage have come."""

    storage = ExactField(_("storage"), max_length=NAME_LENGTH, primary_key=True)
    taken_at = MomentField(_("taken at"))
    cursor = ExactField(_("cursor"), max_length=KEY_LENGTH)
    """Where the last round stopped at its limit, counted from ``taken_at``; empty: it saw all up to then."""

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.storage)
