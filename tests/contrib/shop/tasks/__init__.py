"""The tasks of the shop: the same functions for both task APIs, those that are installed, and one of taskcore's own."""

from importlib.util import find_spec

from taskcore import Context, task

APIS = [
    name
    for name, package in (("core", "django.tasks"), ("backport", "django_tasks"))
    if find_spec("django_tasks" if package == "django_tasks" else "django")
    and (package == "django_tasks" or find_spec("django.tasks"))
]


@task(takes_context=True)
def pack(context: Context, order: int, *, gift: bool = False) -> str:
    """Pack an order."""
    context.progress(1, total=1, message="packed")
    return f"{order}{' as a gift' if gift else ''}"
