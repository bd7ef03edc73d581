"""``status``, ``queues``, ``groups`` and ``workers``: lists of what a store holds, once or live, and their switches."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from itertools import count, islice
from threading import Event

from taskcore._cli._exit import ExitCode
from taskcore._cli._records import group_record, queue_record, stats_record, worker_record
from taskcore._cli._snapshot import QUEUE_HEADERS, WORKER_HEADERS, Snapshot, queue_row, take, worker_row
from taskcore._cli._terminal import Terminal
from taskcore._client import Client
from taskcore.protocol import State

__all__ = ["change_queue", "change_worker", "groups", "queues", "seal_group", "status", "workers"]


def status(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Show queues, workers and schedules, once or again and again."""
    if not options.watch:
        _show(take(client), terminal)
        return ExitCode.DONE
    pause = Event()
    seconds: float = options.interval.total_seconds()
    rounds = islice(count(), options.times)
    live = None if terminal.is_json or not terminal.is_tty else _live_view(terminal)
    if live is not None:
        live(lambda: take(client), lambda: pause.wait(seconds), rounds)
        return ExitCode.DONE
    for at in rounds:
        if at:
            pause.wait(seconds)
            if not terminal.is_json:
                terminal.line()
        _show(take(client), terminal)
        terminal.flush()
    return ExitCode.DONE


def _live_view(terminal: Terminal) -> Callable[..., None] | None:
    """Return what redraws the terminal in place; ``None`` without rich."""
    try:
        from taskcore._cli._live import live_view  # noqa: PLC0415  # rich is an extra
    except ImportError:
        terminal.complain('install "taskcore[cli]" for a view that is redrawn in place.')
        return None
    return live_view(terminal)


def _show(snapshot: Snapshot, terminal: Terminal) -> None:
    if terminal.is_json:
        terminal.record(stats_record(snapshot.stats, snapshot.workers, snapshot.url, snapshot.pace))
        return
    terminal.line(snapshot.heading)
    terminal.line()
    if snapshot.queue_rows:
        terminal.table(QUEUE_HEADERS, snapshot.queue_rows)
    else:
        terminal.line("no tasks")
    terminal.line()
    if snapshot.worker_rows:
        terminal.table(WORKER_HEADERS, snapshot.worker_rows)
    else:
        terminal.line("no workers")
    terminal.line()
    for line in snapshot.ending:
        terminal.line(line)


def queues(client: Client, _options: Namespace, terminal: Terminal) -> int:
    """List the queues."""
    stats = client.stats()
    if terminal.is_json:
        for queue in stats.queues:
            terminal.record(queue_record(queue))
    elif stats.queues:
        terminal.table(QUEUE_HEADERS, [queue_row(queue, stats.now) for queue in stats.queues])
    if not stats.queues:
        terminal.complain("there are no queues with tasks.")
    return ExitCode.DONE if stats.queues else ExitCode.NOTHING_MATCHED


def groups(client: Client, options: Namespace, terminal: Terminal) -> int:
    """List groups, newest first."""
    page = client.groups(name=options.name, limit=options.limit)
    if terminal.is_json:
        for group in page.items:
            terminal.record(group_record(group))
    elif page.items:
        rows = [
            (
                group.id,
                "open" if group.total is None else group.total,
                *(group.counts.get(state, 0) for state in State),
                group.name,
            )
            for group in page.items
        ]
        terminal.table(("ID", "TOTAL", *(state.value for state in State), "NAME"), rows)
    if not page.items:
        terminal.complain("no group matches.")
    return ExitCode.DONE if page.items else ExitCode.NOTHING_MATCHED


def seal_group(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Have a group expect no more members than it has."""
    group = client.group_handle(options.id).seal()
    if terminal.is_json:
        terminal.record(group_record(group))
    else:
        terminal.line(f"group {group.name} {group.id} is sealed with {group.total:,} members")
    return ExitCode.DONE


def change_queue(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Pause or resume a queue."""
    is_pause = options.action == "pause"
    (client.pause if is_pause else client.resume)(options.queue)
    if terminal.is_json:
        terminal.record({"name": options.queue, "is_paused": is_pause})
    else:
        terminal.line(f"queue {options.queue} {'paused' if is_pause else 'resumed'}")
    return ExitCode.DONE


def workers(client: Client, _options: Namespace, terminal: Terminal) -> int:
    """List the workers of the last day."""
    now = client.backend.now()
    found = client.workers()
    if terminal.is_json:
        for worker in found:
            terminal.record(worker_record(worker, now))
    elif found:
        terminal.table(WORKER_HEADERS, [worker_row(worker, now) for worker in found])
    if not found:
        terminal.complain("no worker was seen within the last day.")
    return ExitCode.DONE if found else ExitCode.NOTHING_MATCHED


def change_worker(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Ask a worker to pause, to go on, or to stop."""
    order = {"pause": client.pause_worker, "resume": client.resume_worker, "stop": client.stop_worker}
    is_known = order[options.action](options.id)
    if terminal.is_json:
        terminal.record({"id": options.id, "order": options.action, "is_known": is_known})
    elif is_known:
        terminal.line(f"worker {options.id} is asked to {options.action}")
    if not is_known:
        terminal.complain(f"the store knows no worker {options.id}.")
    return ExitCode.DONE if is_known else ExitCode.NOTHING_MATCHED
