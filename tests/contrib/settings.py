"""The settings of the site that all tests of the Django parts share: one process can have only one.

Child processes read the same ones: the file of the database is passed on in the environment.
"""

import atexit
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend

if "TASKCORE_TESTS_SITE" not in os.environ:
    os.environ["TASKCORE_TESTS_SITE"] = tempfile.mkdtemp(prefix="taskcore-site-")
    atexit.register(shutil.rmtree, os.environ["TASKCORE_TESTS_SITE"], ignore_errors=True)

# Each process that runs tests has databases of its own; those that it starts share them.
HOME = Path(os.environ["TASKCORE_TESTS_SITE"], os.environ.get("PYTEST_XDIST_WORKER", "main"))
HOME.mkdir(parents=True, exist_ok=True)
SECRET_KEY = "for tests"
DEBUG = False
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
ROOT_URLCONF = "tests.contrib.shop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HOME / "default.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": HOME / "other.sqlite3"},
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    *(["django_tasks"] if find_spec("django_tasks") else []),
    # What taskcore_import reads, where it is installed.
    *[app for app in ("django_celery_beat", "django_q", "django_tasks_db") if find_spec(app)],
    "taskcore_backends.django",
    "taskcore.contrib.django",
    "tests.contrib.shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def memory() -> "MemoryBackend":
    """The storage of the tests: a URL would want the package to be installed."""
    return MemoryBackend()


def sqlite() -> "SQLiteBackend":
    """A storage that other processes can open."""
    return SQLiteBackend(HOME / "tasks.sqlite3")


TASKS = {
    "default": {
        "BACKEND": "taskcore.contrib.django.tasks.TaskcoreBackend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {"storage": memory},
    }
}
Q_CLUSTER = {"timeout": 30, "retry": 60, "orm": "default"}  # django-q2 warns of its own defaults
