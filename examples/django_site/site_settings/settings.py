"""A site on SQLite whose tasks are in its own database. For trying things out, not for the internet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django

HERE = Path(__file__).parents[1]

SECRET_KEY = "only for this example"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
USE_TZ = True
TIME_ZONE = "Europe/Paris"
ROOT_URLCONF = "site_settings.urls"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    *(["django_tasks"] if django.VERSION < (6, 0) else []),  # the backport, before Django had tasks of its own
    "taskcore_backends.django",  # the tables
    "taskcore.contrib.django",  # the commands and the admin pages
    "market",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",  # the admin speaks the language of the browser
    "django.middleware.csrf.CsrfViewMiddleware",
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

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", str(HERE / "demo.db")),
        # Many processes may read while one writes, and a writer waits for its turn.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": "PRAGMA journal_mode=WAL"},
    }
}

TASKS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "taskcore.contrib.django.tasks.TaskcoreBackend",
        "QUEUES": ["default", "harvest"],
        "OPTIONS": {"storage": "django"},
    }
}
TASKCORE: dict[str, Any] = {
    "LAUNCHES": ["market.launches.harvesting"],  # what the admin starts with a form of its own
}
