"""What stands beside the row of a task: long texts, runs that ended badly, sub-results."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from taskcore.protocol import NAME_LIMIT
from taskcore_backends.django.fields import DocumentField, ExactField, MomentField
from taskcore_backends.django.models._table import Table
from taskcore_backends.django.models._tasks import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Attempt", "Item", "Payload"]


class Payload(Table):
    """What of a task is too long for a row that is written again and again."""

    task = models.OneToOneField(
        Task,
        models.DO_NOTHING,
        verbose_name=_("task"),
        primary_key=True,
        db_constraint=False,
        related_name="payload",
    )
    arguments = DocumentField(_("arguments"), null=True)
    value = DocumentField(_("value"), null=True)
    failure = DocumentField(_("failure"), null=True)
    """JSON: why a failed task failed, with the traceback."""

    class Meta(Table.Meta):
        db_table = "taskcore_payload"
        verbose_name = _("payload")
        verbose_name_plural = _("payloads")

    def __str__(self) -> str:
        return str(self.pk)


class Attempt(Table):
    """One run, or release, that did not end in success: the first and the last 20 of each task."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(
        Task, models.DO_NOTHING, verbose_name=_("task"), db_constraint=False, db_index=False, related_name="attempts"
    )
    epoch = models.BigIntegerField(_("claim"))
    event = models.CharField(_("end"), max_length=16)
    worker_id = ExactField(_("worker"), max_length=NAME_LIMIT)
    claimed_at = MomentField(_("claimed at"))
    started_at = MomentField(_("started at"), null=True)
    ended_at = MomentField(_("ended at"))
    failure = DocumentField(_("failure"), null=True)
    """JSON: the exception, with the traceback."""

    class Meta(Table.Meta):
        db_table = "taskcore_attempt"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["task", "epoch"], name="taskcore_attempt_epoch"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.epoch}"


class Item(Table):
    """A sub-result or captured log line of a task, append-only."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(
        Task, models.DO_NOTHING, verbose_name=_("task"), db_constraint=False, db_index=False, related_name="items"
    )
    epoch = models.BigIntegerField(_("claim"))
    sequence = models.BigIntegerField(_("sequence"))
    kind = models.CharField(_("kind"), max_length=16)
    document = DocumentField(_("document"))
    """JSON: all of the item."""

    class Meta(Table.Meta):
        db_table = "taskcore_item"
        verbose_name = _("sub-result")
        verbose_name_plural = _("sub-results")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["task", "epoch", "sequence"], name="taskcore_item_sequence"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.epoch}.{self.sequence}"
