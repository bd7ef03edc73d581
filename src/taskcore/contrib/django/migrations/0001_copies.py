"""Copies of what other stores hold, for the lists of the admin."""

import django.db.models.deletion
from django.db import migrations, models

import taskcore_backends.django.fields


class Migration(migrations.Migration):
    """See the module."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="QueueOfStore",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False, verbose_name="queue")),
            ],
            options={
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="GroupCopy",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("storage", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="storage")),
                ("name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="name")),
                ("created_at", taskcore_backends.django.fields.MomentField(verbose_name="created at")),
                ("total", models.IntegerField(null=True, verbose_name="total")),
                ("finished_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="finished at")),
            ],
            options={
                "verbose_name": "group",
                "verbose_name_plural": "groups",
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="SnapshotMark",
            fields=[
                (
                    "storage",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="storage"
                    ),
                ),
                ("taken_at", taskcore_backends.django.fields.MomentField(verbose_name="taken at")),
                ("cursor", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="cursor")),
            ],
            options={
                "verbose_name": "snapshot",
                "verbose_name_plural": "snapshots",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ScheduleCopy",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("storage", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="storage")),
                ("name", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="name")),
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
                "indexes": [models.Index(fields=["name", "id"], name="taskcore_copy_name")],
            },
        ),
        migrations.CreateModel(
            name="TaskCopy",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("storage", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="storage")),
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
                ("enqueued_at", taskcore_backends.django.fields.MomentField(verbose_name="enqueued at")),
                ("changed_at", taskcore_backends.django.fields.MomentField(verbose_name="changed at")),
                ("expires_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="expires at")),
                ("epoch", models.BigIntegerField(verbose_name="claims")),
                ("failures", models.IntegerField(verbose_name="failures")),
                ("crashes", models.IntegerField(verbose_name="crashes")),
                ("releases", models.IntegerField(verbose_name="releases")),
                ("max_attempts", models.IntegerField(null=True, verbose_name="max attempts")),
                (
                    "group_id",
                    taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="group"),
                ),
                (
                    "schedule_id",
                    taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="schedule"),
                ),
                (
                    "unique_key",
                    taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="unique key"),
                ),
                ("label", taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="label")),
                (
                    "worker_id",
                    taskcore_backends.django.fields.ExactField(max_length=255, null=True, verbose_name="worker"),
                ),
                ("claimed_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="claimed at")),
                ("lease_expires", taskcore_backends.django.fields.MomentField(null=True, verbose_name="lease expires")),
                ("cancel", models.SmallIntegerField(null=True, verbose_name="cancel wanted")),
                ("reason", models.CharField(max_length=16, null=True, verbose_name="reason")),
                ("started_at", taskcore_backends.django.fields.MomentField(null=True, verbose_name="started at")),
                ("progress", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="progress")),
                ("arguments", taskcore_backends.django.fields.DocumentField(null=True, verbose_name="arguments")),
                ("error", models.CharField(max_length=200, null=True, verbose_name="error")),
                ("document", taskcore_backends.django.fields.DocumentField(verbose_name="document")),
                ("is_hidden", models.BooleanField(default=False, verbose_name="hidden")),
            ],
            options={
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
                "permissions": [
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
                ],
                "default_permissions": ("view", "change", "delete"),
                "indexes": [
                    models.Index(fields=["code", "id"], name="taskcore_copy_state"),
                    models.Index(fields=["code", "changed_at"], name="taskcore_copy_expiry"),
                    models.Index(
                        condition=models.Q(("group_id__isnull", False)),
                        fields=["group_id", "id"],
                        name="taskcore_copy_group",
                    ),
                    models.Index(
                        condition=models.Q(("schedule_id__isnull", False)),
                        fields=["schedule_id", "id"],
                        name="taskcore_copy_schedule",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ItemCopy",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("storage", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="storage")),
                ("epoch", models.BigIntegerField(verbose_name="claim")),
                ("sequence", models.BigIntegerField(verbose_name="sequence")),
                ("kind", models.CharField(max_length=16, verbose_name="kind")),
                ("document", taskcore_backends.django.fields.DocumentField(verbose_name="document")),
                (
                    "task",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="items",
                        to="taskcore_django.taskcopy",
                        verbose_name="task",
                    ),
                ),
            ],
            options={
                "verbose_name": "sub-result",
                "verbose_name_plural": "sub-results",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="FailedTaskCopy",
            fields=[],
            options={
                "verbose_name": "failed task",
                "verbose_name_plural": "failed tasks",
                "proxy": True,
                "default_permissions": ("view", "change", "delete"),
                "indexes": [],
                "constraints": [],
            },
            bases=("taskcore_django.taskcopy",),
        ),
        migrations.CreateModel(
            name="SuccessfulTaskCopy",
            fields=[],
            options={
                "verbose_name": "successful task",
                "verbose_name_plural": "successful tasks",
                "proxy": True,
                "default_permissions": ("view", "change", "delete"),
                "indexes": [],
                "constraints": [],
            },
            bases=("taskcore_django.taskcopy",),
        ),
        migrations.CreateModel(
            name="WorkerCopy",
            fields=[
                (
                    "id",
                    taskcore_backends.django.fields.ExactField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("storage", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="storage")),
                ("hostname", taskcore_backends.django.fields.ExactField(max_length=255, verbose_name="host")),
                ("pid", models.BigIntegerField(verbose_name="process")),
                ("state", models.CharField(max_length=16, verbose_name="state")),
                ("started_at", taskcore_backends.django.fields.MomentField(verbose_name="started at")),
                ("last_beat_at", taskcore_backends.django.fields.MomentField(verbose_name="last beat at")),
                ("expires_at", taskcore_backends.django.fields.MomentField(verbose_name="expires at")),
                ("completed", models.BigIntegerField(verbose_name="completed")),
            ],
            options={
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
                "default_permissions": ("view", "change"),
                "indexes": [models.Index(fields=["last_beat_at", "id"], name="taskcore_copy_beat")],
            },
        ),
    ]
