"""The command line: every command with its options, and what runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol, TypeAlias

from taskcore._cli._changes import cancel, purge, requeue
from taskcore._cli._filters import add_filters
from taskcore._cli._schedules import change_schedule, preview_schedule, run_schedule, schedules
from taskcore._cli._status import change_queue, change_worker, groups, queues, seal_group, status, workers
from taskcore._cli._tasks import explain, show, tasks
from taskcore._cli._terminal import Terminal
from taskcore._cli._values import count, duration, moment, queue_state
from taskcore._cli._worker import worker
from taskcore._client import Client
from taskcore._version import __version__

__all__ = ["Command", "make_parser"]

Command: TypeAlias = Callable[[Client, argparse.Namespace, Terminal], int]


class Commands(Protocol):
    """What ``add_subparsers`` returns, which argparse has no public name for."""

    def add_parser(
        self,
        name: str,
        *,
        help: str,  # noqa: A002
        description: str,
        parents: Sequence[argparse.ArgumentParser],
    ) -> argparse.ArgumentParser:
        """Add a command."""
        ...


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
    _add_worker(commands, common)
    _add_looking(commands, common)
    _add_changing(commands, common)
    _add_schedules(commands, common)
    _add_switches(commands, common)
    return parser


def _command(
    commands: Commands, common: argparse.ArgumentParser, name: str, summary: str, run: Command
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[common]
    )
    parser.set_defaults(run=run)
    return parser


def _add_worker(commands: Commands, common: argparse.ArgumentParser) -> None:
    parser = _command(commands, common, "worker", "run tasks until told to stop", worker)
    parser.add_argument(
        "--tasks",
        required=True,
        nargs="+",
        action="extend",
        metavar="MODULE[:ATTRIBUTE]",
        help="modules whose tasks are run, or a task or list of tasks in one",
    )
    parser.add_argument(
        "--queues",
        nargs="+",
        action="extend",
        metavar="QUEUE",
        help="queues to serve; those of the tasks when left out",
    )
    parser.add_argument("--concurrency", type=count, metavar="N", help="how many tasks run at once")
    parser.add_argument(
        "--executor", choices=("threads", "processes", "async"), help="where plain functions run; threads when left out"
    )
    parser.add_argument("--burst", action="store_true", help="end when no task is left to claim")
    parser.add_argument("--lease", type=duration, metavar="DURATION", help="how long a task is held unless renewed")
    parser.add_argument("--grace", type=duration, metavar="DURATION", help="how long tasks may go on after a stop")
    parser.add_argument("--max-tasks-per-child", type=count, metavar="N", help="renew a child process after N tasks")
    parser.add_argument("--capture-logs", action="store_true", default=None, help="keep what tasks log with them")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="what the worker logs"
    )


def _add_looking(commands: Commands, common: argparse.ArgumentParser) -> None:
    parser = _command(commands, common, "status", "show queues, workers and schedules in numbers", status)
    parser.add_argument(
        "--watch", "-w", action="store_true", help="go on showing; redrawn in place where rich is there"
    )
    parser.add_argument(
        "--interval", type=duration, default=timedelta(seconds=1), metavar="DURATION", help="how often, with --watch"
    )
    parser.add_argument("--times", type=count, metavar="N", help="show N times and end, with --watch")

    parser = _command(commands, common, "tasks", "list tasks, newest first", tasks)
    add_filters(parser)
    parser.add_argument("--oldest-first", action="store_true", help="list the oldest first")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="list N at most; 50 when left out")
    parser.add_argument("--all", action="store_true", help="list all, however many")

    parser = _command(commands, common, "groups", "list groups with their counts, newest first, or seal one", groups)
    parser.add_argument("--name", metavar="NAME", help="of this name")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="list N at most; 50 when left out")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    action = _command(actions, common, "seal", "have it expect no more members than it has", seal_group)
    action.add_argument("id", metavar="ID")

    parser = _command(commands, common, "show", "show one task whole", show)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--items", action="store_true", help="with its sub-results and captured log lines")
    parser.add_argument(
        "--wait", type=duration, metavar="DURATION", help="wait until it has finished, this long at most"
    )

    parser = _command(commands, common, "explain", "say why a task is not running", explain)
    parser.add_argument("id", metavar="ID")


def _add_changing(commands: Commands, common: argparse.ArgumentParser) -> None:
    parser = _command(commands, common, "cancel", "cancel waiting tasks, ask running ones to end", cancel)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument(
        "--level", choices=("ask", "terminate", "kill"), default="ask", help="how hard a running one is told"
    )
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help="every unfinished task")

    parser = _command(commands, common, "requeue", "have failed and cancelled tasks run again", requeue)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--delay", type=duration, metavar="DURATION", help="run them this long from now")
    parser.add_argument("--at", type=moment, metavar="MOMENT", help="run it not before this moment")
    parser.add_argument("--with-parents", action="store_true", help="requeue failed tasks that it depends on as well")
    parser.add_argument(
        "--with-dependents", action="store_true", help="requeue what was cancelled because of it as well"
    )
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help="every failed or cancelled task")

    summary = "delete finished tasks: those whose own retention is over, unless filters are given"
    parser = _command(commands, common, "purge", summary, purge)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--older-than", type=duration, metavar="DURATION", help="finished at least this long ago")
    parser.add_argument(
        "--state", action="append", type=queue_state, metavar="STATE", help="in this state; may be repeated"
    )
    parser.add_argument("--queue", metavar="QUEUE", help="in this queue")
    parser.add_argument("--name", metavar="NAME", help="of the task definition with this name")
    parser.add_argument("--group", metavar="ID", help="members of this group")
    parser.add_argument("--keep-latest", type=int, metavar="N", help="keep the newest N of each name or group")
    parser.add_argument("--keep-per", choices=("name", "group"), default="name", help="what --keep-latest counts by")
    parser.add_argument("--at-most", type=count, metavar="N", help="delete N at most")
    parser.add_argument("--all", action="store_true", help="every finished task")


def _add_schedules(commands: Commands, common: argparse.ArgumentParser) -> None:
    parser = _command(commands, common, "schedules", "list schedules, or see to one", schedules)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    for name, summary in (
        ("show", "show one schedule"),
        ("enable", "let it fire again, from its next slot on"),
        ("disable", "let it not fire until it is enabled"),
        ("delete", "delete it; its tasks stay"),
    ):
        action = _command(actions, common, name, summary, change_schedule)
        action.add_argument("name", metavar="NAME")
    action = _command(actions, common, "run", "enqueue its task now; prints the id", run_schedule)
    action.add_argument("name", metavar="NAME")
    action = _command(actions, common, "preview", "list its next slots", preview_schedule)
    action.add_argument("name", metavar="NAME")
    action.add_argument("--count", "-n", type=count, default=5, metavar="N", help="how many; 5 when left out")


def _add_switches(commands: Commands, common: argparse.ArgumentParser) -> None:
    parser = _command(commands, common, "queues", "list queues, or pause or resume one", queues)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    for name, summary in (("pause", "let no task of it start"), ("resume", "let its tasks start again")):
        action = _command(actions, common, name, summary, change_queue)
        action.add_argument("queue", metavar="QUEUE")

    parser = _command(commands, common, "workers", "list workers, or pause, resume or stop one", workers)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    for name, summary in (
        ("pause", "let it start no more tasks"),
        ("resume", "let it go on"),
        ("stop", "have it stop as with SIGTERM"),
    ):
        action = _command(actions, common, name, summary, change_worker)
        action.add_argument("id", metavar="ID")
