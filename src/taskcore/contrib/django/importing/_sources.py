"""The packages that can be taken over from."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import apps

from taskcore.contrib.django.importing import _celery_beat, _django_q, _tasks_db
from taskcore.contrib.django.importing._found import Source

__all__ = ["SOURCES", "installed_sources"]

_ALL = (
    Source(name="django-celery-beat", app="django_celery_beat", schedules=_celery_beat.read_schedules),
    Source(name="django-q2", app="django_q", schedules=_django_q.read_schedules),
    Source(
        name="django-tasks-db", app="django_tasks_db", tasks=_tasks_db.read_tasks, forget_tasks=_tasks_db.forget_tasks
    ),
)

SOURCES: Mapping[str, Source] = {source.name: source for source in _ALL}


def installed_sources() -> list[Source]:
    """Return those whose app is installed on this site."""
    return [source for source in _ALL if apps.is_installed(source.app)]
