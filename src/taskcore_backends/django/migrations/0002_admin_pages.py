"""Models without tables of their own, for the lists of the admin."""

from django.db import migrations


class Migration(migrations.Migration):
    """See the module."""

    dependencies = [
        ("taskcore", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="FailedTask",
            fields=[],
            options={
                "verbose_name": "failed task",
                "verbose_name_plural": "failed tasks",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("taskcore.task",),
        ),
        migrations.CreateModel(
            name="Queue",
            fields=[],
            options={
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("taskcore.pausedqueue",),
        ),
        migrations.CreateModel(
            name="SuccessfulTask",
            fields=[],
            options={
                "verbose_name": "successful task",
                "verbose_name_plural": "successful tasks",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("taskcore.task",),
        ),
    ]
