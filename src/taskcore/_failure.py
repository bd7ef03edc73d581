"""``Failure``: an exception as data. It stands below the errors, one of which carries it."""

from __future__ import annotations

import attrs

__all__ = ["Failure"]


@attrs.frozen(kw_only=True)
class Failure:
    """An exception as data: nothing is ever imported or raised again from it."""

    exception_type: str
    """Dotted name of the class."""
    message: str
    traceback: str = ""
    """At most 16 KiB of text; the middle is left out of a longer one."""
    cause: Failure | None = None
    """The exception it was raised from, at most 8 deep."""
