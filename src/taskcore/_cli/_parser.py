"""The command line: the store, how to write, and the commands of ``_commands``."""

from __future__ import annotations

import argparse

from taskcore._cli._commands import COMMANDS, add_command
from taskcore._version import __version__

__all__ = ["make_parser"]

_EPILOG = """\
The store is named by --url, or by the environment variable TASKCORE_URL: sqlite:///tasks.db, for example.
Durations are written 90s, 5m, 1h30m, 7d; moments in ISO 8601, in UTC unless a zone is given, as they are shown.
With --json each record is one line of JSON.

exit codes:
  0    done
  1    nothing matched: there is no such task, or nothing could be changed
  2    the command line, or what it asks for, cannot be
  3    the store cannot be opened, reached or written
  4    show --wait: the task failed, was cancelled, or had not finished in time
  5    worker: stopped while tasks ran that did not end within the grace
  75   worker: too many threads were lost to tasks that overran their timeout; start it again
  130  ended with Ctrl-C
  141  whoever read the output has gone, or it cannot be written
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; the namespace it makes holds ``run``, the command."""
    parser = argparse.ArgumentParser(
        prog="taskcore",
        description="Start workers, and look at and change what is in a store of tasks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"taskcore {__version__}")
    parser.add_argument("--url", metavar="URL", default=None, help="the store; TASKCORE_URL when left out")
    parser.add_argument("--json", action="store_true", default=False, help="write one JSON object a line")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", metavar="URL", default=argparse.SUPPRESS, help="the store; TASKCORE_URL when left out")
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="write one JSON object a line")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name, command in COMMANDS.items():
        command.add_options(add_command(commands, common, name, command.summary, command.run), common)
    return parser
