"""What runs the store: schedules, workers, queues, counts, and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from taskcore.protocol import ID_LIMIT, NAME_LIMIT
from taskcore_backends.django.fields import DocumentField, ExactField, MomentField
from taskcore_backends.django.models._table import Table
from taskcore_backends.django.models._tasks import TaskCode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PausedQueue", "Queue", "Schedule", "Tally", "Waiter", "Worker"]


class Schedule(Table):
    """A call that is enqueued again and again."""

    id = ExactField(_("ID"), max_length=ID_LIMIT, primary_key=True)
    name = ExactField(_("name"), max_length=NAME_LIMIT, unique=True)
    revision = models.BigIntegerField(_("revision"))
    enabled = models.BooleanField(_("enabled"))
    next_slot = MomentField(_("next slot"), null=True)
    last_run_at = MomentField(_("last run at"), null=True)
    runs = models.BigIntegerField(_("runs"))
    task_name = ExactField(_("task"), max_length=NAME_LIMIT)
    queue_name = ExactField(_("queue"), max_length=NAME_LIMIT)
    updated_at = MomentField(_("updated at"))
    document = DocumentField(_("document"))
    """JSON: all of the schedule; the columns beside it are parts of it, to find and list it by."""

    class Meta(Table.Meta):
        db_table = "taskcore_schedule"
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(
                fields=["next_slot", "id"], name="taskcore_schedule_slot", condition=Q(next_slot__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)


class Worker(Table):
    """What a worker said of itself with its last beat."""

    id = ExactField(_("ID"), max_length=NAME_LIMIT, primary_key=True)
    hostname = ExactField(_("host"), max_length=NAME_LIMIT)
    pid = models.BigIntegerField(_("process"))
    state = models.CharField(_("state"), max_length=16)
    started_at = MomentField(_("started at"))
    last_beat_at = MomentField(_("last beat at"))
    expires_at = MomentField(_("expires at"))
    """When it counts as offline unless it beats again."""
    completed = models.BigIntegerField(_("completed"))
    wanted = models.CharField(_("order"), max_length=16, null=True)
    """What an operator wants of it."""
    document = DocumentField(_("document"))
    """JSON: all of it."""

    class Meta(Table.Meta):
        db_table = "taskcore_worker"
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["last_beat_at", "id"], name="taskcore_worker_beat"),
        ]

    def __str__(self) -> str:
        return f"{self.hostname} {self.pid}"


class PausedQueue(Table):
    """A queue of which nothing is claimed."""

    queue_name = ExactField(_("queue"), max_length=NAME_LIMIT, primary_key=True)

    class Meta(Table.Meta):
        db_table = "taskcore_paused"
        verbose_name = _("paused queue")
        verbose_name_plural = _("paused queues")

    def __str__(self) -> str:
        return str(self.queue_name)


class Queue(PausedQueue):
    """A queue, for a list of its own, which is asked of the store."""

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        proxy = True
        verbose_name = _("queue")
        verbose_name_plural = _("queues")


class Tally(Table):
    """How many finished tasks a queue has more, or fewer: the sum of its rows is their number.

    Rows are only added, and now and then put together: a counter would be a row that all workers wait for.
    """

    id = models.BigAutoField(primary_key=True)
    queue_name = ExactField(_("queue"), max_length=NAME_LIMIT)
    code = models.SmallIntegerField(_("state"), choices=TaskCode.choices)
    number = models.BigIntegerField(_("number"))

    class Meta(Table.Meta):
        db_table = "taskcore_tally"
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")

    def __str__(self) -> str:
        return f"{self.queue_name} {self.number:+}"


class Waiter(Table):
    """A process that listens, and what for: who writes notifies only if somebody wants to know."""

    id = models.BigAutoField(primary_key=True)
    listener = models.CharField(_("listener"), max_length=ID_LIMIT)
    topic = ExactField(_("topic"), max_length=NAME_LIMIT + 1)
    """``q`` and the name of a queue, or ``f`` for any finish."""
    until = MomentField(_("until"))

    class Meta(Table.Meta):
        db_table = "taskcore_waiter"
        verbose_name = _("waiter")
        verbose_name_plural = _("waiters")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["topic", "listener"], name="taskcore_waiter_topic"),
        ]

    def __str__(self) -> str:
        return f"{self.listener} {self.topic}"
