"""What a task raises to steer its own run, and what taskcore raises inside a task to stop it.

Control flow is raised, never returned, so that a function's return type stays its own.
"""

from __future__ import annotations

from datetime import timedelta

from taskcore._naming import shown
from taskcore.errors import InvalidOption

__all__ = ["Abort", "CancelRequested", "Snooze", "SoftTimeout"]

_LONGEST_DELAY = timedelta(days=3650)

# Each says ``taskcore`` for its module: under that name people import it, and a failure is stored and retried by it.


class Snooze(Exception):
    """Raise it in a task to be run again after ``delay``. It costs no try (RELEASE).

    ``limit`` is how many releases of the task are allowed before a further Snooze fails it; ``None``: no limit.
    Raises InvalidOption for a delay that is no timedelta from zero to ten years, or a limit below 1.
    """

    __module__ = "taskcore"

    def __init__(self, delay: timedelta, *, limit: int | None = None) -> None:
        if not isinstance(delay, timedelta) or not timedelta(0) <= delay <= _LONGEST_DELAY:
            raise InvalidOption(f"Snooze(delay) is a timedelta from zero to ten years, not {shown(delay)}.")
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise InvalidOption(f"Snooze(limit=…) is a whole number of 1 or more, or None, not {limit!r}.")
        super().__init__(delay, limit)
        self.delay = delay
        self.limit = limit

    def __str__(self) -> str:
        return f"again in {self.delay}"


class Abort(Exception):
    """Raise it in a task that gives itself up: it ends CANCELLED, reason "aborted", whatever its Retry says."""

    __module__ = "taskcore"

    def __init__(self, message: str = "") -> None:
        if not isinstance(message, str):
            raise InvalidOption(f"Abort(message) is a text, not {shown(message)}.")
        super().__init__(message)
        self.message = message


class CancelRequested(BaseException):
    """Raised in a task by ``ctx.check()`` when somebody wants it cancelled: clean up and let it pass.

    No ``Exception``, so that ``except Exception`` around a step of the task does not swallow it.
    """

    __module__ = "taskcore"


class SoftTimeout(Exception):
    """Raised in a task that has run for its ``soft_timeout``: what is done until the hard timeout is still kept."""

    __module__ = "taskcore"
