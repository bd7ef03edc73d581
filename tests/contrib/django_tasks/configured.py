"""Settings and functions that the tests of a site are made with."""

import types
from importlib import import_module

from django.core.checks import run_checks
from django.test import override_settings

from tests.contrib import settings as site
from tests.contrib.shop.tasks import APIS

__all__ = ["found", "moved", "shop", "tasks"]


def tasks(**options):
    """Return ``TASKS`` whose one alias has these options besides a memory storage."""
    return {"default": {**site.TASKS["default"], "OPTIONS": {"storage": site.memory, **options}}}


def shop(api=APIS[0]):
    return import_module(f"tests.contrib.shop.tasks.{api}")


def moved(function, module, name):
    """Return the function as if it stood in another module, under another name."""
    copy = types.FunctionType(function.__code__, {}, name)
    copy.__module__, copy.__qualname__ = module, name
    return copy


def found(configured, **settings):
    """Return what the checks say of such ``TASKS``, by their ids."""
    with override_settings(TASKS=configured, **settings):
        return sorted(message.id for message in run_checks() if message.id.startswith("taskcore."))
