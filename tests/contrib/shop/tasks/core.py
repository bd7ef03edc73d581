"""For ``django.tasks``."""

from importlib.util import find_spec
from pathlib import Path

if find_spec("django.tasks"):
    from django.tasks import task  # noqa: F401

    from taskcore.contrib.django._core import task as taskcore_task  # noqa: F401

    source = Path(__file__).with_name("both.txt")
    exec(compile(source.read_text(encoding="utf-8"), source, "exec"))
