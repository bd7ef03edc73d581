"""The tables, and on PostgreSQL how they are kept in order."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

import taskcore_backends.django.fields

_STORAGE = (
    # A task is written three times or more: leave room for its versions, and clean up soon.
    (
        "ALTER TABLE taskcore_task SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, "
        "autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.02)"
    ),
    "ALTER TABLE taskcore_tally SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)",
)


def _tune(apps: Any, schema_editor: Any) -> None:  # noqa: ANN401 - as Django calls it
    if schema_editor.connection.vendor == "postgresql":
        for statement in _STORAGE:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    """The first version."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OwedPropagation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("parent_id", taskcore_backends.django.fields.ExactField(max_length=64, verbose_name="parent")),
            ],
            options={
                "verbose_name": "owed propagation",
                "verbose_name_plural": "owed propagations",
                "db_table": "taskcore_owed",
            },
        ),
        migrations.CreateModel(
            name="PausedQueue",
            fields=[
                (
                    "queue_name",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="queue"
                    ),
                ),
            ],
            options={
                "verbose_name": "paused queue",
                "verbose_name_plural": "paused queues",
                "db_table": "taskcore_paused",
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=64, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="name")),
                ("queue_name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="queue")),
                ("precedence", models.SmallIntegerField(verbose_name="precedence")),
                (
                    "code",
                    models.SmallIntegerField(
                        choices=[
                            (0, "ready"),
                            (1, "scheduled"),
                            (2, "blocked"),
                            (3, "running"),
                            (4, "successful"),
                            (5, "failed"),
                            (6, "cancelled"),
                        ],
                        verbose_name="state",
                    ),
                ),
                ("version", models.BigIntegerField(verbose_name="version")),
                ("run_after", taskcore_backends.django.fields.MomentField(verbose_name="run after")),
                ("due", models.BigIntegerField(verbose_name="due")),
                ("enqueued_at", taskcore_backends.django.fields.MomentField(verbose_name="enqueued at")),
                ("changed_at", taskcore_backends.django.fields.MomentField(verbose_name="changed at")),
                ("max_attempts", models.IntegerField(null=True, verbose_name="max attempts")),
                ("max_crashes", models.IntegerField(verbose_name="max crashes")),
                ("epoch", models.BigIntegerField(verbose_name="claims")),
                ("failures", models.IntegerField(verbose_name="failures")),
                ("crashes", models.IntegerField(verbose_name="crashes")),
                ("releases", models.IntegerField(verbose_name="releases")),
                ("flags", models.SmallIntegerField(verbose_name="flags")),
                ("suspect", models.BooleanField(verbose_name="suspect")),
                ("wanted_after", taskcore_backends.django.fields.MomentField(null=True, verbose_name="wanted after")),
                ("expires_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="expires at")),
                ("group_index", models.IntegerField(null=True, verbose_name="place in the group")),
                (
                    "unique_key",
                    taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="unique key"),
                ),
                ("label", taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="label")),
                ("timeout", taskcore_backends.django.fields.SpanField(null=True, verbose_name="timeout")),
                ("keep", taskcore_backends.django.fields.SpanField(null=True, verbose_name="keep")),
                ("purge_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="purge at")),
                ("nonce", taskcore_backends.django.fields.ExactField(max_length=64, null=True, verbose_name="nonce")),
                (
                    "worker_id",
                    taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="worker"),
                ),
                ("claimed_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="claimed at")),
                ("lease_expires", taskcore_backends.django.fields.MomentField(null=True, verbose_name="lease expires")),
                ("is_started", models.BooleanField(null=True, verbose_name="started")),
                ("settle", models.SmallIntegerField(null=True, verbose_name="settle")),
                ("cancel", models.SmallIntegerField(null=True, verbose_name="cancel wanted")),
                ("reason", models.CharField(max_length=16, null=True, verbose_name="reason")),
                ("started_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="started at")),
                ("progress", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="progress")),
                ("options", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="options")),
                ("arguments", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="arguments")),
                ("value", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="value")),
                ("error", models.CharField(max_length=200, null=True, verbose_name="error")),
            ],
            options={
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
                "db_table": "taskcore_task",
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=64, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", taskcore_backends.django.fields.ExactField(max_length=255, unique=True, verbose_name="name")),
                ("revision", models.BigIntegerField(verbose_name="revision")),
                ("enabled", models.BooleanField(verbose_name="enabled")),
                ("next_slot", taskcore_backends.django.fields.MomentField(null=True, verbose_name="next slot")),
                ("last_run_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="last run at")),
                ("runs", models.BigIntegerField(verbose_name="runs")),
                ("task_name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="task")),
                ("queue_name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="queue")),
                ("updated_at", taskcore_backends.django.fields.MomentField(verbose_name="updated at")),
                ("document", taskcore_backends.django.fields.DocumentField(verbose_name="document")),
            ],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
                "db_table": "taskcore_schedule",
            },
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("queue_name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="queue")),
                (
                    "code",
                    models.SmallIntegerField(
                        choices=[
                            (0, "ready"),
                            (1, "scheduled"),
                            (2, "blocked"),
                            (3, "running"),
                            (4, "successful"),
                            (5, "failed"),
                            (6, "cancelled"),
                        ],
                        verbose_name="state",
                    ),
                ),
                ("number", models.BigIntegerField(verbose_name="number")),
            ],
            options={
                "verbose_name": "tally",
                "verbose_name_plural": "tallies",
                "db_table": "taskcore_tally",
            },
        ),
        migrations.CreateModel(
            name="UniqueHolder",
            fields=[
                (
                    "unique_key",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="unique key"
                    ),
                ),
                ("task_id", taskcore_backends.django.fields.ExactField(max_length=64, verbose_name="task")),
                ("scope", models.SmallIntegerField(verbose_name="scope")),
                ("moment", taskcore_backends.django.fields.MomentField(null=True, verbose_name="until")),
            ],
            options={
                "verbose_name": "unique key",
                "verbose_name_plural": "unique keys",
                "db_table": "taskcore_unique",
            },
        ),
        migrations.CreateModel(
            name="Waiter",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("listener", models.CharField(max_length=64, verbose_name="listener")),
                ("topic", taskcore_backends.django.fields.ExactField(max_length=256, verbose_name="topic")),
                ("until", taskcore_backends.django.fields.MomentField(verbose_name="until")),
            ],
            options={
                "verbose_name": "waiter",
                "verbose_name_plural": "waiters",
                "db_table": "taskcore_waiter",
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hostname", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="host")),
                ("pid", models.BigIntegerField(verbose_name="process")),
                ("state", models.CharField(max_length=16, verbose_name="state")),
                ("started_at", taskcore_backends.django.fields.MomentField(verbose_name="started at")),
                ("last_beat_at", taskcore_backends.django.fields.MomentField(verbose_name="last beat at")),
                ("expires_at", taskcore_backends.django.fields.MomentField(verbose_name="expires at")),
                ("completed", models.BigIntegerField(verbose_name="completed")),
                ("wanted", models.CharField(max_length=16, null=True, verbose_name="order")),
                ("document", taskcore_backends.django.fields.DocumentField(verbose_name="document")),
            ],
            options={
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
                "db_table": "taskcore_worker",
            },
        ),
        migrations.CreateModel(
            name="Dependency",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("parent_id", taskcore_backends.django.fields.ExactField(max_length=64, verbose_name="parent")),
                ("child_id", taskcore_backends.django.fields.ExactField(max_length=64, verbose_name="child")),
                ("mark", models.SmallIntegerField(verbose_name="mark")),
            ],
            options={
                "verbose_name": "dependency",
                "verbose_name_plural": "dependencies",
                "db_table": "taskcore_dependency",
                "indexes": [
                    models.Index(fields=["child_id", "mark"], name="taskcore_dependency_child"),
                    models.Index(fields=["parent_id", "mark", "child_id"], name="taskcore_dependency_mark"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("parent_id", "child_id"), name="taskcore_dependency_pair")
                ],
            },
        ),
        migrations.CreateModel(
            name="Group",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=64, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="name")),
                ("created_at", taskcore_backends.django.fields.MomentField(verbose_name="created at")),
                ("total", models.IntegerField(null=True, verbose_name="total")),
                ("members", models.IntegerField(verbose_name="stored members")),
                ("successful", models.IntegerField(verbose_name="successful")),
                ("failed", models.IntegerField(verbose_name="failed")),
                ("cancelled", models.IntegerField(verbose_name="cancelled")),
                ("purged", models.IntegerField(verbose_name="purged")),
                ("finished_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="finished at")),
            ],
            options={
                "verbose_name": "group",
                "verbose_name_plural": "groups",
                "db_table": "taskcore_group",
                "indexes": [models.Index(fields=["name", "id"], name="taskcore_group_name")],
            },
        ),
        migrations.CreateModel(
            name="Payload",
            fields=[
                (
                    "task",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=models.DO_NOTHING,
                        primary_key=True,
                        related_name="payload",
                        serialize=False,
                        to="taskcore.task",
                        verbose_name="task",
                    ),
                ),
                ("arguments", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="arguments")),
                ("value", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="value")),
                ("failure", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="failure")),
            ],
            options={
                "verbose_name": "payload",
                "verbose_name_plural": "payloads",
                "db_table": "taskcore_payload",
            },
        ),
        migrations.AddField(
            model_name="task",
            name="group",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=models.DO_NOTHING,
                related_name="tasks",
                to="taskcore.group",
                verbose_name="group",
            ),
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("epoch", models.BigIntegerField(verbose_name="claim")),
                ("sequence", models.BigIntegerField(verbose_name="sequence")),
                ("kind", models.CharField(max_length=16, verbose_name="kind")),
                ("document", taskcore_backends.django.fields.DocumentField(verbose_name="document")),
                (
                    "task",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=models.DO_NOTHING,
                        related_name="items",
                        to="taskcore.task",
                        verbose_name="task",
                    ),
                ),
            ],
            options={
                "verbose_name": "sub-result",
                "verbose_name_plural": "sub-results",
                "db_table": "taskcore_item",
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("epoch", models.BigIntegerField(verbose_name="claim")),
                ("event", models.CharField(max_length=16, verbose_name="end")),
                ("worker_id", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="worker")),
                ("claimed_at", taskcore_backends.django.fields.MomentField(verbose_name="claimed at")),
                ("started_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="started at")),
                ("ended_at", taskcore_backends.django.fields.MomentField(verbose_name="ended at")),
                ("failure", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="failure")),
                (
                    "task",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=models.DO_NOTHING,
                        related_name="attempts",
                        to="taskcore.task",
                        verbose_name="task",
                    ),
                ),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
                "db_table": "taskcore_attempt",
            },
        ),
        migrations.AddField(
            model_name="task",
            name="schedule",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=models.DO_NOTHING,
                related_name="tasks",
                to="taskcore.schedule",
                verbose_name="schedule",
            ),
        ),
        migrations.AddIndex(
            model_name="schedule",
            index=models.Index(
                condition=models.Q(("next_slot__isnull", False)),
                fields=["next_slot", "id"],
                name="taskcore_schedule_slot",
            ),
        ),
        migrations.AddIndex(
            model_name="uniqueholder",
            index=models.Index(
                condition=models.Q(("moment__isnull", False)), fields=["moment"], name="taskcore_unique_moment"
            ),
        ),
        migrations.AddConstraint(
            model_name="waiter",
            constraint=models.UniqueConstraint(fields=("topic", "listener"), name="taskcore_waiter_topic"),
        ),
        migrations.AddIndex(
            model_name="worker",
            index=models.Index(fields=["last_beat_at", "id"], name="taskcore_worker_beat"),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.UniqueConstraint(fields=("task", "epoch", "sequence"), name="taskcore_item_sequence"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("task", "epoch"), name="taskcore_attempt_epoch"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=taskcore_backends.django.fields.StateIndex(
                fields=["suspect", "queue_name", "precedence", "due", "id"], name="taskcore_task_claim", code=0
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=taskcore_backends.django.fields.StateIndex(
                fields=["run_after", "queue_name"], name="taskcore_task_later", code=1
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=taskcore_backends.django.fields.StateIndex(
                fields=["lease_expires"], name="taskcore_task_lease", code=3
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=taskcore_backends.django.fields.StateIndex(
                fields=["worker_id", "nonce"], name="taskcore_task_holder", code=3
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("code__lt", 3), ("expires_at__isnull", False)),
                fields=["code", "expires_at"],
                name="taskcore_task_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("code__in", [2, 5, 6])), fields=["code", "id"], name="taskcore_task_rare"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("code__gt", 3)), fields=["name", "changed_at", "id"], name="taskcore_task_finished"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("purge_at__isnull", False)), fields=["purge_at"], name="taskcore_task_purge"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("group__isnull", False)), fields=["group", "id"], name="taskcore_task_group"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("code__lte", 3), ("group__isnull", False)),
                fields=["group", "code"],
                name="taskcore_task_members",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("schedule__isnull", False)),
                fields=["schedule", "id"],
                name="taskcore_task_schedule",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("unique_key__isnull", False)),
                fields=["unique_key", "id"],
                name="taskcore_task_unique",
            ),
        ),
        migrations.RunPython(_tune, migrations.RunPython.noop),
    ]
