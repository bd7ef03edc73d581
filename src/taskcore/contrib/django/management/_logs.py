"""The log of a worker: on its own stream, whatever the settings say of web requests.

The loggers of Django's task APIs hand on to ``django``, which mails each error to ADMINS and drops INFO. In a worker
they do not; what ``LOGGING`` says of them by name stays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TextIO

from django.conf import settings

__all__ = ["set_up_logging"]

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(stream: TextIO, level: int) -> None:
    """Have the worker write its log to ``stream``, or to where the site's root logger writes."""
    configured: Mapping[str, Any] = settings.LOGGING or {}
    by_name: Mapping[str, Any] = configured.get("loggers", {})
    handlers: list[logging.Handler]
    if "root" in configured or "" in by_name:
        handlers = list(logging.getLogger().handlers)
    else:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter(_FORMAT))
        handlers = [handler]
    # Django's line for each task says less than taskcore's own, but for a failure it has the traceback.
    for name, lowest in (("taskcore", level), ("django.tasks", logging.WARNING), ("django_tasks", logging.WARNING)):
        if name in by_name:
            continue
        logger = logging.getLogger(name)
        logger.handlers = handlers
        logger.propagate = False
        logger.setLevel(max(level, lowest))
