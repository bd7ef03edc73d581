"""The row of a task, and the lists of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from taskcore.protocol import ID_LIMIT, NAME_LIMIT
from taskcore.records.columns import BLOCKED, CANCELLED, DUE, FAILED, LATER, RUNNING, SUCCESSFUL
from taskcore_backends.django.fields import DocumentField, ExactField, MomentField, SpanField, StateIndex
from taskcore_backends.django.models._table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FailedTask", "SuccessfulTask", "Task", "TaskCode"]


class TaskCode(models.IntegerChoices):
    """How a task stands: its state, with READY in two."""

    DUE = DUE, _("ready")
    LATER = LATER, _("scheduled")
    BLOCKED = BLOCKED, _("blocked")
    RUNNING = RUNNING, _("running")
    SUCCESSFUL = SUCCESSFUL, _("successful")
    FAILED = FAILED, _("failed")
    CANCELLED = CANCELLED, _("cancelled")


class Task(Table):
    """One unit of work: what was asked for, and how it stands."""

    id = ExactField(_("ID"), max_length=ID_LIMIT, primary_key=True)
    name = ExactField(_("name"), max_length=NAME_LIMIT)
    queue_name = ExactField(_("queue"), max_length=NAME_LIMIT)
    precedence = models.SmallIntegerField(_("precedence"))
    """The priority with the other sign: what is claimed first comes first."""
    code = models.SmallIntegerField(_("state"), choices=TaskCode.choices)
    version = models.BigIntegerField(_("version"))
    run_after = MomentField(_("run after"))
    due = models.BigIntegerField(_("due"))
    """``run_after`` in whole milliseconds: the order of claims."""
    enqueued_at = MomentField(_("enqueued at"))
    changed_at = MomentField(_("changed at"))
    """When the state last changed; of a finished task, when it finished."""
    max_attempts = models.IntegerField(_("max attempts"), null=True)
    max_crashes = models.IntegerField(_("max crashes"))
    epoch = models.BigIntegerField(_("claims"))
    failures = models.IntegerField(_("failures"))
    crashes = models.IntegerField(_("crashes"))
    releases = models.IntegerField(_("releases"))
    flags = models.SmallIntegerField(_("flags"))
    """What its transitions have to look after besides the row (``columns``)."""
    suspect = models.BooleanField(_("suspect"))
    """It must be written down before it runs: it may run only once, or has crashed before."""
    wanted_after = MomentField(_("wanted after"), null=True)
    """``run_after`` as it was asked for."""
    expires_at = MomentField(_("expires at"), null=True)
    group = models.ForeignKey(
        "Group",
        models.DO_NOTHING,
        verbose_name=_("group"),
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="tasks",
    )
    group_index = models.IntegerField(_("place in the group"), null=True)
    schedule = models.ForeignKey(
        "Schedule",
        models.DO_NOTHING,
        verbose_name=_("schedule"),
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="tasks",
    )
    unique_key = ExactField(_("unique key"), max_length=NAME_LIMIT, null=True)
    label = ExactField(_("label"), max_length=NAME_LIMIT, null=True)
    timeout = SpanField(_("timeout"), null=True)
    keep = SpanField(_("keep"), null=True)
    """How long it is kept once it has succeeded."""
    purge_at = MomentField(_("purge at"), null=True)
    nonce = ExactField(_("nonce"), max_length=ID_LIMIT, null=True)
    worker_id = ExactField(_("worker"), max_length=NAME_LIMIT, null=True)
    """Who runs it, or ran it to its end."""
    claimed_at = MomentField(_("claimed at"), null=True)
    lease_expires = MomentField(_("lease expires"), null=True)
    is_started = models.BooleanField(_("started"), null=True)
    settle = models.SmallIntegerField(_("settle"), null=True)
    """How the last holder ended, as a number (``columns.SETTLES``)."""
    cancel = models.SmallIntegerField(_("cancel wanted"), null=True)
    """How hard a cancel is wanted: the value of ``CancelLevel``."""
    reason = models.CharField(_("reason"), max_length=16, null=True)
    """Why it is cancelled, or why a cancel is wanted."""
    started_at = MomentField(_("started at"), null=True)
    progress = DocumentField(_("progress"), null=True)
    options = DocumentField(_("options"), null=True)
    """JSON: what was asked for and has no column."""
    arguments = DocumentField(_("arguments"), null=True)
    """JSON; ``None`` when they are long and stand in the payload."""
    value = DocumentField(_("value"), null=True)
    """JSON: the return value, unless it is long and stands in the payload."""
    error = models.CharField(_("error"), max_length=200, null=True)
    """The beginning of why it failed; the whole stands in the payload."""

    class Meta(Table.Meta):
        db_table = "taskcore_task"
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes: ClassVar[Sequence[models.Index]] = [
            # claim: what is due, in order, by queue
            StateIndex(
                fields=["suspect", "queue_name", "precedence", "due", "id"], name="taskcore_task_claim", code=DUE
            ),
            # promotion of what has become due; the queue is for stats
            StateIndex(fields=["run_after", "queue_name"], name="taskcore_task_later", code=LATER),
            # leases that are over
            StateIndex(fields=["lease_expires"], name="taskcore_task_lease", code=RUNNING),
            # a repeated claim, and what a worker runs
            StateIndex(fields=["worker_id", "nonce"], name="taskcore_task_holder", code=RUNNING),
            # what is overdue
            models.Index(
                fields=["code", "expires_at"],
                name="taskcore_task_expiry",
                condition=Q(code__lt=RUNNING, expires_at__isnull=False),
            ),
            # find: the states that are rare among many
            models.Index(
                fields=["code", "id"],
                name="taskcore_task_rare",
                condition=Q(code__in=[BLOCKED, FAILED, CANCELLED]),
            ),
            # purge by age, and of all but the latest
            models.Index(
                fields=["name", "changed_at", "id"],
                name="taskcore_task_finished",
                condition=Q(code__gt=RUNNING),
            ),
            # purge of what is past its own retention
            models.Index(fields=["purge_at"], name="taskcore_task_purge", condition=Q(purge_at__isnull=False)),
            # find by group; which members of a group are unfinished
            models.Index(fields=["group", "id"], name="taskcore_task_group", condition=Q(group__isnull=False)),
            models.Index(
                fields=["group", "code"],
                name="taskcore_task_members",
                condition=Q(group__isnull=False, code__lte=RUNNING),
            ),
            # find by schedule, and by unique key
            models.Index(fields=["schedule", "id"], name="taskcore_task_schedule", condition=Q(schedule__isnull=False)),
            models.Index(
                fields=["unique_key", "id"], name="taskcore_task_unique", condition=Q(unique_key__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label or self.name} {self.id}"

    @property
    def priority(self) -> int:
        """-100 to 100, higher first."""
        return -self.precedence


class SuccessfulTask(Task):
    """A task that has succeeded, for a list of its own."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        proxy = True
        verbose_name = _("successful task")
        verbose_name_plural = _("successful tasks")


class FailedTask(Task):
    """A task that has failed, for a list of its own."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        proxy = True
        verbose_name = _("failed task")
        verbose_name_plural = _("failed tasks")
