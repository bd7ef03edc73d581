"""The tables, to read: what writes them is ``DjangoBackend``, in SQL of its own; nothing is ever saved by a model.

A task is one narrow row, ``Task``; texts that are long stand in ``Payload``, runs that ended badly in ``Attempt``. Keys
from table to table are not enforced by the database: the backend writes both ends in one transaction, and a check of
each would be another lock.

Every index serves the same statements on MySQL and MariaDB, which leave conditions out: there it leads with what the
condition says (``StateIndex``), or is just longer. Which statement each one is for stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.checks import CheckMessage
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from taskcore.protocol import ID_LIMIT, NAME_LIMIT
from taskcore.records.columns import BLOCKED, CANCELLED, DUE, FAILED, LATER, RUNNING, SUCCESSFUL
from taskcore_backends.django.fields import DocumentField, ExactField, MomentField, SpanField, StateIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Attempt",
    "Dependency",
    "FailedTask",
    "Group",
    "Item",
    "OwedPropagation",
    "PausedQueue",
    "Payload",
    "Queue",
    "Schedule",
    "SuccessfulTask",
    "Tally",
    "Task",
    "TaskCode",
    "UniqueHolder",
    "Waiter",
    "Worker",
]

_CONDITIONS_IGNORED = "models.W037"


class _Table(models.Model):
    """What all tables here share: they know that MySQL leaves conditions of indexes out."""

    class Meta:
        abstract = True

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:  # noqa: ANN401 - as in Django
        """Return what Django has to say, but for the conditions: the indexes are right without them."""
        return [message for message in super().check(**kwargs) if message.id != _CONDITIONS_IGNORED]


class TaskCode(models.IntegerChoices):
    """How a task stands: its state, with READY in two."""

    DUE = DUE, _("ready")
    LATER = LATER, _("scheduled")
    BLOCKED = BLOCKED, _("blocked")
    RUNNING = RUNNING, _("running")
    SUCCESSFUL = SUCCESSFUL, _("successful")
    FAILED = FAILED, _("failed")
    CANCELLED = CANCELLED, _("cancelled")


class Task(_Table):
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

    class Meta(_Table.Meta):
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


class Payload(_Table):
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

    class Meta(_Table.Meta):
        db_table = "taskcore_payload"
        verbose_name = _("payload")
        verbose_name_plural = _("payloads")

    def __str__(self) -> str:
        return str(self.pk)


class Attempt(_Table):
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

    class Meta(_Table.Meta):
        db_table = "taskcore_attempt"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["task", "epoch"], name="taskcore_attempt_epoch"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.epoch}"


class Item(_Table):
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

    class Meta(_Table.Meta):
        db_table = "taskcore_item"
        verbose_name = _("sub-result")
        verbose_name_plural = _("sub-results")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["task", "epoch", "sequence"], name="taskcore_item_sequence"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.epoch}.{self.sequence}"


class Group(_Table):
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

    class Meta(_Table.Meta):
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


class Dependency(_Table):
    """A task that was enqueued to wait for a task or a group."""

    id = models.BigAutoField(primary_key=True)
    parent_id = ExactField(_("parent"), max_length=ID_LIMIT)
    """The id of a task or a group."""
    child_id = ExactField(_("child"), max_length=ID_LIMIT)
    mark = models.SmallIntegerField(_("mark"))
    """0: the child has finished; 1: it is unfinished, and does not wait for this parent any more; 2: it waits."""

    class Meta(_Table.Meta):
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


class OwedPropagation(_Table):
    """A parent whose finish has yet to reach some of its children."""

    id = models.BigAutoField(primary_key=True)
    parent_id = ExactField(_("parent"), max_length=ID_LIMIT)

    class Meta(_Table.Meta):
        db_table = "taskcore_owed"
        verbose_name = _("owed propagation")
        verbose_name_plural = _("owed propagations")

    def __str__(self) -> str:
        return str(self.parent_id)


class UniqueHolder(_Table):
    """Which task holds a unique key."""

    unique_key = ExactField(_("unique key"), max_length=NAME_LIMIT, primary_key=True)
    task_id = ExactField(_("task"), max_length=ID_LIMIT)
    scope = models.SmallIntegerField(_("scope"))
    """0: until it starts, 1: until it finishes, 2: until the moment."""
    moment = MomentField(_("until"), null=True)

    class Meta(_Table.Meta):
        db_table = "taskcore_unique"
        verbose_name = _("unique key")
        verbose_name_plural = _("unique keys")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["moment"], name="taskcore_unique_moment", condition=Q(moment__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.unique_key)


class Schedule(_Table):
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

    class Meta(_Table.Meta):
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


class Worker(_Table):
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

    class Meta(_Table.Meta):
        db_table = "taskcore_worker"
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        indexes: ClassVar[Sequence[models.Index]] = [
            models.Index(fields=["last_beat_at", "id"], name="taskcore_worker_beat"),
        ]

    def __str__(self) -> str:
        return f"{self.hostname} {self.pid}"


class PausedQueue(_Table):
    """A queue of which nothing is claimed."""

    queue_name = ExactField(_("queue"), max_length=NAME_LIMIT, primary_key=True)

    class Meta(_Table.Meta):
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


class Tally(_Table):
    """How many finished tasks a queue has more, or fewer: the sum of its rows is their number.

    Rows are only added, and now and then put together: a counter would be a row that all workers wait for.
    """

    id = models.BigAutoField(primary_key=True)
    queue_name = ExactField(_("queue"), max_length=NAME_LIMIT)
    code = models.SmallIntegerField(_("state"), choices=TaskCode.choices)
    number = models.BigIntegerField(_("number"))

    class Meta(_Table.Meta):
        db_table = "taskcore_tally"
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")

    def __str__(self) -> str:
        return f"{self.queue_name} {self.number:+}"


class Waiter(_Table):
    """A process that listens, and what for: who writes notifies only if somebody wants to know."""

    id = models.BigAutoField(primary_key=True)
    listener = models.CharField(_("listener"), max_length=ID_LIMIT)
    topic = ExactField(_("topic"), max_length=NAME_LIMIT + 1)
    """``q`` and the name of a queue, or ``f`` for any finish."""
    until = MomentField(_("until"))

    class Meta(_Table.Meta):
        db_table = "taskcore_waiter"
        verbose_name = _("waiter")
        verbose_name_plural = _("waiters")
        constraints: ClassVar[Sequence[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["topic", "listener"], name="taskcore_waiter_topic"),
        ]

    def __str__(self) -> str:
        return f"{self.listener} {self.topic}"
