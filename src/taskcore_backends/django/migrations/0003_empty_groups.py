"""An index of groups without members, which are purged after a time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """See the module."""

    dependencies = [
        ("taskcore", "0002_admin_pages"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="group",
            index=models.Index(
                condition=models.Q(("members", 0)), fields=["members", "created_at"], name="taskcore_group_empty"
            ),
        ),
    ]
