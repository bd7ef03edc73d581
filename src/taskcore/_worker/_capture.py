"""Captures what a task logs, as items of kind LOG. Off unless the worker is told to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from taskcore._codec import encode_plain
from taskcore._run import current_run
from taskcore._vocabulary import ItemKind

__all__ = ["MESSAGE_LIMIT", "capturing"]

MESSAGE_LIMIT = 4000
"""Characters of one captured line; the rest of it is left out."""


class _CaptureHandler(logging.Handler):
    """Keeps the records of the running task; those of code outside of a task are not its business."""

    def emit(self, record: logging.LogRecord) -> None:
        run = current_run()
        if run is None or run.logs_left <= 0 or record.name.startswith("taskcore."):
            return
        run.logs_left -= 1
        try:
            text = self.format(record)
        except Exception:
            text = f"{record.msg!r} (its arguments do not fit)"
        if len(text) > MESSAGE_LIMIT:
            text = f"{text[:MESSAGE_LIMIT]}… ({len(text)} characters)"
        if not run.logs_left:
            text += " (the last line that is kept of this run)"
        run.item(
            count=None,
            data_json=encode_plain({"message": text.encode("utf-8", "replace").decode()}, "A log line"),
            dimensions={"level": record.levelname, "logger": record.name},
            kind=ItemKind.LOG,
        )


@contextmanager
def capturing(level: int | None) -> Iterator[None]:
    """Have what tasks log at ``level`` or above kept; ``None``: nothing is.

    Loggers let through what their own levels say (by default WARNING and above); this changes none of them.
    """
    if level is None:
        yield
        return
    handler = _CaptureHandler(level)
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
