"""What a backend is opened with: the alias of the site's databases, the clock, how often it looks."""

from __future__ import annotations

from datetime import timedelta

from django.db import connections, router

from taskcore.errors import InvalidOption
from taskcore.protocol import Clock, SystemClock

__all__ = ["chosen_alias", "chosen_interval", "clock_of"]

_NEAR, _FAR = timedelta(milliseconds=15), timedelta(milliseconds=50)
"""How often a thread looks that cannot be told: into a file of this machine, and over a network."""


def chosen_alias(using: str | None) -> str:
    """Return the alias that was asked for, or that the site's routers write tasks to; raises ``InvalidOption``."""
    if using is not None and using not in connections:
        raise InvalidOption(f"DATABASES has no {using!r}: using is one of {', '.join(sorted(connections))}.")
    alias = using or _routed()
    if not connections[alias].settings_dict["AUTOCOMMIT"]:
        raise InvalidOption(
            f"DATABASES[{alias!r}] has AUTOCOMMIT off: a task would be stored when somebody commits, if ever. Leave it "
            "on, or give DjangoBackend an alias of the same database that has it on."
        )
    return alias


def _routed() -> str:
    from taskcore_backends.django.models import Task as TaskRow  # noqa: PLC0415 - only once the apps are ready

    return router.db_for_write(TaskRow)


def chosen_interval(alias: str, given: timedelta | None) -> timedelta:
    """Return how often a thread looks that cannot be told; raises ``InvalidOption``."""
    if given is None:
        return _NEAR if connections[alias].vendor == "sqlite" else _FAR
    if not isinstance(given, timedelta) or given <= timedelta(0):
        raise InvalidOption(f"poll_interval is a timedelta above zero, not {given!r}.")
    return given


def clock_of(alias: str, clock: Clock | None) -> Clock | None:
    """Return the clock that was given, or the host's where the database has none of its own."""
    if clock is None and connections[alias].vendor == "sqlite":
        return SystemClock()
    return clock
