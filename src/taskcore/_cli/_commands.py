"""Each command with its options: what ``_parser`` makes the command line of, and Django's commands are made of."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeAlias

import attrs

from taskcore._cli._changes import cancel, purge, requeue
from taskcore._cli._filters import add_filters
from taskcore._cli._schedules import change_schedule, preview_schedule, run_schedule, schedules
from taskcore._cli._status import change_queue, change_worker, groups, queues, seal_group, status, workers
from taskcore._cli._tasks import explain, show, tasks
from taskcore._cli._terminal import Terminal
from taskcore._cli._values import count, duration, moment, queue_state, size
from taskcore._cli._worker import worker
from taskcore._client import Client

__all__ = ["COMMANDS", "Command", "CommandDefinition", "Commands", "add_command", "add_worker_settings"]

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


def add_command(
    commands: Commands, common: argparse.ArgumentParser, name: str, summary: str, run: Command
) -> argparse.ArgumentParser:
    """Add a command, or an action of one, that is run by ``run``."""
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[common]
    )
    parser.set_defaults(run=run)
    return parser


def _add_worker(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks",
        required=True,
        nargs="+",
        action="extend",
        metavar="MODULE[:ATTRIBUTE]",
        help="modules whose tasks are run, or a task or list of tasks in one",
    )
    add_worker_settings(parser)


def add_worker_settings(parser: argparse.ArgumentParser) -> None:
    """Let a command take what a worker can be told, its tasks left out."""
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
    parser.add_argument(
        "--max-memory-per-child", type=size, metavar="SIZE", help="renew a child process with more memory: 500M, 2G"
    )
    parser.add_argument("--capture-logs", action="store_true", default=None, help="keep what tasks log with them")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="what the worker logs"
    )


def _add_status(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch", "-w", action="store_true", help="go on showing; redrawn in place where rich is there"
    )
    parser.add_argument(
        "--interval", type=duration, default=timedelta(seconds=1), metavar="DURATION", help="how often, with --watch"
    )
    parser.add_argument("--times", type=count, metavar="N", help="show N times and end, with --watch")


def _add_tasks(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    add_filters(parser)
    parser.add_argument("--oldest-first", action="store_true", help="list the oldest first")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="list N at most; 50 when left out")
    parser.add_argument("--all", action="store_true", help="list all, however many")


def _add_groups(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="of this name")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="list N at most; 50 when left out")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    action = add_command(actions, common, "seal", "have it expect no more members than it has", seal_group)
    action.add_argument("id", metavar="ID")


def _add_show(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--items", action="store_true", help="with its sub-results and captured log lines")
    parser.add_argument(
        "--wait", type=duration, metavar="DURATION", help="wait until it has finished, this long at most"
    )


def _add_explain(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID")


def _add_cancel(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument(
        "--level", choices=("ask", "terminate", "kill"), default="ask", help="how hard a running one is told"
    )
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help="every unfinished task")


def _add_requeue(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--delay", type=duration, metavar="DURATION", help="run them this long from now")
    parser.add_argument("--at", type=moment, metavar="MOMENT", help="run it not before this moment")
    parser.add_argument("--with-parents", action="store_true", help="requeue failed tasks that it depends on as well")
    parser.add_argument(
        "--with-dependents", action="store_true", help="requeue what was cancelled because of it as well"
    )
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help="every failed or cancelled task")


def _add_purge(parser: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
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


def _add_schedules(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    for name, summary in (
        ("show", "show one schedule"),
        ("enable", "let it fire again, from its next slot on"),
        ("disable", "let it not fire until it is enabled"),
        ("delete", "delete it; its tasks stay"),
    ):
        action = add_command(actions, common, name, summary, change_schedule)
        action.add_argument("name", metavar="NAME")
    action = add_command(actions, common, "run", "enqueue its task now; prints the id", run_schedule)
    action.add_argument("name", metavar="NAME")
    action = add_command(actions, common, "preview", "list its next slots", preview_schedule)
    action.add_argument("name", metavar="NAME")
    action.add_argument("--count", "-n", type=count, default=5, metavar="N", help="how many; 5 when left out")


def _add_queues(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    for name, summary in (("pause", "let no task of it start"), ("resume", "let its tasks start again")):
        action = add_command(actions, common, name, summary, change_queue)
        action.add_argument("queue", metavar="QUEUE")


def _add_workers(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    for name, summary in (
        ("pause", "let it start no more tasks"),
        ("resume", "let it go on"),
        ("stop", "have it stop as with SIGTERM"),
    ):
        action = add_command(actions, common, name, summary, change_worker)
        action.add_argument("id", metavar="ID")


@attrs.frozen
class CommandDefinition:
    """A command: what it does in a line, what runs it, and what adds its options to a parser."""

    summary: str
    run: Command
    add_options: Callable[[argparse.ArgumentParser, argparse.ArgumentParser], None]
    """Given the command's parser, and one with the options that its actions take as well."""


COMMANDS: Mapping[str, CommandDefinition] = {
    "worker": CommandDefinition("run tasks until told to stop", worker, _add_worker),
    "status": CommandDefinition("show queues, workers and schedules in numbers", status, _add_status),
    "tasks": CommandDefinition("list tasks, newest first", tasks, _add_tasks),
    "groups": CommandDefinition("list groups with their counts, newest first, or seal one", groups, _add_groups),
    "show": CommandDefinition("show one task whole", show, _add_show),
    "explain": CommandDefinition("say why a task is not running", explain, _add_explain),
    "cancel": CommandDefinition("cancel waiting tasks, ask running ones to end", cancel, _add_cancel),
    "requeue": CommandDefinition("have failed and cancelled tasks run again", requeue, _add_requeue),
    "purge": CommandDefinition(
        "delete finished tasks: those whose own retention is over, unless filters are given", purge, _add_purge
    ),
    "schedules": CommandDefinition("list schedules, or see to one", schedules, _add_schedules),
    "queues": CommandDefinition("list queues, or pause or resume one", queues, _add_queues),
    "workers": CommandDefinition("list workers, or pause, resume or stop one", workers, _add_workers),
}
"""By name, as the help lists them."""
