"""For the backport."""

from importlib.util import find_spec
from pathlib import Path

if find_spec("django_tasks"):
    from django_tasks import task  # noqa: F401

    from taskcore.contrib.django.backport import task as taskcore_task  # noqa: F401

    source = Path(__file__).with_name("both.txt")
    exec(compile(source.read_text(encoding="utf-8"), source, "exec"))
