"""What happens between the shell and a command: parsing, opening the store, and errors as exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from taskcore._cli._commands import Command
from taskcore._cli._exit import ExitCode
from taskcore._cli._parser import make_parser
from taskcore._cli._terminal import OutputError, Terminal
from taskcore._client import Client
from taskcore.errors import (
    BackendError,
    InvalidInput,
    RefusedChange,
    ScheduleConflict,
    TaskcoreError,
    TaskNotFound,
    WorkerBroken,
)

__all__ = ["code_of", "main", "run_on"]


def main(
    arguments: Sequence[str] | None = None,
    *,
    out: TextIO | None = None,
    err: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run one command and return its exit code (``_exit``); what is expected to go wrong is said in one line.

    Raises SystemExit, as argparse does, for --help (0) and for a command line that cannot be read (2).
    """
    options = make_parser().parse_args(arguments)
    terminal = Terminal(_stream(out, sys.stdout), _stream(err, sys.stderr), options.json)
    given = os.environ if environment is None else environment
    return run_on(terminal, lambda: _run(options.run, options, terminal, given))


def run_on(terminal: Terminal, work: Callable[[], int]) -> int:
    """Return the exit code of a command's work; its output may have nowhere to go, or be interrupted with Ctrl-C."""
    try:
        code = work()
        terminal.flush()
    except BrokenPipeError:
        _close_quietly(terminal.out)
        return ExitCode.BROKEN_PIPE
    except OutputError as error:
        terminal.complain(f"the output cannot be written: {error}.")
        _close_quietly(terminal.out)
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code


def _stream(given: TextIO | None, standard: TextIO | None) -> TextIO:
    """Return where to write: nowhere, when the shell has closed the stream (``>&-``)."""
    return given or standard or io.StringIO()


def _run(run: Command, options: object, terminal: Terminal, environment: Mapping[str, str]) -> int:
    url: str | None = getattr(options, "url", None) or environment.get("TASKCORE_URL")
    if not url:
        terminal.complain("no store is named: give --url, or set TASKCORE_URL; sqlite:///tasks.db, for example.")
        return ExitCode.USAGE
    try:
        with Client.from_url(url) as client:
            return run(client, options, terminal)  # type: ignore[arg-type]
    except TaskcoreError as error:
        terminal.complain(str(error))
        return code_of(error)


def code_of(error: TaskcoreError) -> ExitCode:
    """Return the exit code for what was expected to go wrong; raises what was not."""
    if isinstance(error, BackendError):
        return ExitCode.STORE_UNAVAILABLE
    if isinstance(error, (TaskNotFound, RefusedChange, ScheduleConflict)):
        return ExitCode.NOTHING_MATCHED
    if isinstance(error, (InvalidInput, WorkerBroken)):
        return ExitCode.USAGE
    raise error


def _close_quietly(out: TextIO) -> None:
    """Give the output somewhere to go, so that the interpreter does not complain when it flushes at the end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    except (OSError, ValueError):  # no real file behind it
        return
