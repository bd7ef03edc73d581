"""Sites with admin pages over a store, users of them, and how pages are read."""

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.urls import reverse

from taskcore.contrib.django import client, worker
from taskcore.contrib.django import models as copies
from taskcore.contrib.django._snapshot import take
from taskcore_backends.django import models as tables

KINDS = ("database", "memory")

TABLES = (
    *(getattr(tables, name) for name in tables.__all__ if name != "TaskCode"),
    copies.ItemCopy,
    copies.TaskCopy,
    copies.GroupCopy,
    copies.ScheduleCopy,
    copies.WorkerCopy,
    copies.SnapshotMark,
)


def empty():
    """Delete all that a test has left."""
    for model in (*TABLES, LogEntry, Session):
        if not model._meta.proxy:
            model.objects.all()._raw_delete("default")
    User.objects.all().delete()


class Site:
    """The pages of one kind of storage, and the client behind them."""

    def __init__(self, kind, alias="default"):
        self.kind, self.alias = kind, alias

    @property
    def client(self):
        """The client of the store."""
        return client(self.alias)

    def drain(self, **settings):
        """Run what is due."""
        return worker(self.alias, modules=["tests.contrib.django_admin.jobs"], **settings).drain()

    def copy(self):
        """Take a round of copies, where there are any."""
        if self.kind != "database":
            take(self.alias, self.client)

    def key(self, thing_id):
        """The key of a thing's row."""
        return thing_id if self.kind == "database" else f"{thing_id}@{self.alias}"

    def url(self, page, view="changelist", *arguments):
        """The address of a page: ``task``, ``schedule`` and so on."""
        quoted = [quote(one) for one in arguments]
        if self.kind == "database":
            return reverse(f"admin:taskcore_{page}_{view}", args=quoted)
        page = "queueofstore" if page == "queue" else f"{page}copy"
        return reverse(f"admin:taskcore_django_{page}_{view}", args=quoted)

    def model(self, name):
        """The model of a page."""
        return getattr(tables, name) if self.kind == "database" else getattr(copies, f"{name}Copy")


def tasks_setting(storage):
    """What ``TASKS`` says of a storage."""
    options = {"storage": storage, "modules": ["tests.contrib.django_admin.jobs"]}
    return {
        "BACKEND": "taskcore.contrib.django.tasks.TaskcoreBackend",
        "QUEUES": ["default", "mail", "scrape"],
        "OPTIONS": options,
    }


def browser_of(name, *permissions, **fields):
    """Return a browser in which a new user is logged in who has these permissions ("app.codename")."""
    user = User.objects.create_user(name, is_staff=True, **fields)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    browser = Browser()
    browser.force_login(user)
    browser.user = user
    return browser


def text_of(response):
    """The page, or stream, as text."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()
