"""The two task APIs as one parameter, and a store that is empty for each test."""

import copy
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connections

from taskcore.contrib.django import worker
from taskcore.contrib.django._clients import CLIENTS
from tests.contrib.shop.tasks import APIS

PACKAGES = {"core": "django.tasks", "backport": "django_tasks"}
OURS = {"core": "taskcore.contrib.django._core", "backport": "taskcore.contrib.django.backport"}


@pytest.fixture(params=APIS)
def api(request):
    """The names of an API: those of the framework, ours for it, and the tasks of the shop made with it."""
    package = PACKAGES[request.param]
    return SimpleNamespace(
        name=request.param,
        framework=import_module(package),
        base=import_module(f"{package}.base"),
        exceptions=import_module(f"{package}.exceptions"),
        signals=import_module(f"{package}.signals"),
        invalid_task=import_module(OURS[request.param]).API.invalid_task,
        ours=import_module(OURS[request.param]),
        tasks=import_module(f"tests.contrib.shop.tasks.{request.param}"),
    )


@pytest.fixture(autouse=True)
def empty_store():
    """Each test begins with a storage of its own."""
    CLIENTS.close()
    yield
    CLIENTS.close()


@pytest.fixture(scope="session")
def tables():
    """The tables of the site, in both of its databases."""
    for database in ("default", "other"):
        call_command("migrate", database=database, run_syncdb=True, verbosity=0)
    yield
    connections.close_all()


@pytest.fixture
def drain():
    """Runs what is due in the calling thread; returns how many tasks were run."""
    return lambda **settings: worker(**settings).drain()


class Heard(list):
    """The task results that a signal was sent with, and by whom."""

    def __call__(self, sender, task_result, **kwargs):
        self.append((sender, copy.copy(task_result)))  # the caller of enqueue has the same object


@pytest.fixture
def heard(api):
    """What each of the signals of the API tells while the test runs."""
    receivers = {name: Heard() for name in ("task_enqueued", "task_started", "task_finished")}
    for name, receiver in receivers.items():
        getattr(api.signals, name).connect(receiver)
    yield SimpleNamespace(**receivers)
    for name, receiver in receivers.items():
        getattr(api.signals, name).disconnect(receiver)
