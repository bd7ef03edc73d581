"""What binds tasks to one another: groups, dependencies, unique keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from taskcore.protocol import ID_LIMIT, NAME_LIMIT
from taskcore_backends.django.fields import ExactField, MomentField
from taskcore_backends.django.models._table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Dependency", "Group", "OwedPropagation", "UniqueHolder"]


class Group(Table):
    """Tasks that belong together. Members that are finished are counted here, the others in ``Task``."""

    id = ExactField(_("ID"), max_length=ID_LIMIT, primary_key=True)
    name = ExactField(_("name"), max_length=NAME_LIMIT)
    created_at = MomentField(_("created at"))
    total = models.IntegerField(_("total"), null=True)
    """How many members it has in all; ``None`` until it is sealed."""
    members = models.IntegerField(_("stored members"))
    successful = models.IntegerField(_("successful"))
    failed = models.IntegerField(_("failed"))
    cancelled = models.IntegerField(_("cancelled"))
    purged = models.IntegerField(_("purged"))
    """How many were purged before it was sealed."""
    finished_at = MomentField(_("finished at"), null=True)

    class Meta(Table.Meta):
        db_table = "taskcore_group"
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["name", "id"], name="taskcore_group_name"),
            # groups without members, to be purged
            models.Index(fields=["members", "created_at"], name="taskcore_group_empty", condition=Q(members=0)),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class Dependency(Table):
    """A task that was enqueued to wait for a task or a group."""

    id = models.BigAutoField(primary_key=True)
    parent_id = ExactField(_("parent"), max_length=ID_LIMIT)
    """The id of a task or a group."""
    child_id = ExactField(_("child"), max_length=ID_LIMIT)
    mark = models.SmallIntegerField(_("mark"))
    """0: the child has finished; 1: it is unfinished, and does not wait for this parent any more; 2: it waits."""

    class Meta(Table.Meta):
        db_table = "taskcore_dependency"
        verbose_name = _("dependency")
        verbose_name_plural = _("dependencies")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["parent_id", "child_id"], name="taskcore_dependency_pair"),
        ]
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["child_id", "mark"], name="taskcore_dependency_child"),
            models.Index(fields=["parent_id", "mark", "child_id"], name="taskcore_dependency_mark"),
        ]

    def __str__(self) -> str:
        return f"{self.child_id} → {self.parent_id}"


class OwedPropagation(Table):
    """A parent whose finish has yet to reach some of its children."""

    id = models.BigAutoField(primary_key=True)
    parent_id = ExactField(_("parent"), max_length=ID_LIMIT)

    class Meta(Table.Meta):
        db_table = "taskcore_owed"
        verbose_name = _("owed propagation")
        verbose_name_plural = _("owed propagations")

    def __str__(self) -> str:
        return str(self.parent_id)


class UniqueHolder(Table):
    """Which task holds a unique key."""

    unique_key = ExactField(_("unique key"), max_length=NAME_LIMIT, primary_key=True)
    task_id = ExactField(_("task"), max_length=ID_LIMIT)
    scope = models.SmallIntegerField(_("scope"))
    """0: until it starts, 1: until it finishes, 2: until the moment."""
    moment = MomentField(_("until"), null=True)

    class Meta(Table.Meta):
        db_table = "taskcore_unique"
        verbose_name = _("unique key")
        verbose_name_plural = _("unique keys")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["moment"], name="taskcore_unique_moment", condition=Q(moment__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.unique_key)
