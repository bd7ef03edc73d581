"""What the command ends with, for scripts."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """The exit codes of ``taskcore``; the help lists them."""

    DONE = 0
    NOTHING_MATCHED = 1
    """There is no such task, none matched, or nothing could be changed."""
    USAGE = 2
    """The command line, or what it asks for, cannot be."""
    STORE_UNAVAILABLE = 3
    """The store cannot be opened, reached or written."""
    NOT_SUCCESSFUL = 4
    """``show --wait``: the task failed, was cancelled, or had not finished in time."""
    WORKER_UNFINISHED = 5
    """``worker``: it was stopped while tasks ran that did not end within the grace."""
    WORKER_RETIRED = 75
    """``worker``: too many of its threads were lost to tasks that overran their timeout; start it again."""
    INTERRUPTED = 130
    """Ended with Ctrl-C."""
    BROKEN_PIPE = 141
    """Whoever read its output has gone, or the output cannot be written."""
