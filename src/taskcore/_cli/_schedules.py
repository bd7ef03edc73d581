"""``schedules``: looking at schedules, and what an operator does to one."""

from __future__ import annotations

from argparse import Namespace

from taskcore._cli._exit import ExitCode
from taskcore._cli._records import schedule_record, trigger_words
from taskcore._cli._terminal import Terminal
from taskcore._client import Client
from taskcore._client._words import moment_words, until_words
from taskcore.protocol import Schedule

__all__ = ["change_schedule", "preview_schedule", "run_schedule", "schedules"]


def schedules(client: Client, _options: Namespace, terminal: Terminal) -> int:
    """List all schedules by name."""
    found = list(client.schedules())
    if terminal.is_json:
        for schedule in found:
            terminal.record(schedule_record(schedule))
    elif found:
        now = client.backend.now()
        rows = [
            (
                schedule.name,
                "yes" if schedule.enabled else "no",
                None if schedule.next_slot is None else until_words(schedule.next_slot, now),
                schedule.runs,
                "for ever" if schedule.repeats < 0 else schedule.repeats,
                schedule.spec.name,
                trigger_words(schedule),
            )
            for schedule in found
        ]
        terminal.table(("NAME", "ENABLED", "NEXT", "RUNS", "LEFT", "TASK", "WHEN"), rows)
    if not found:
        terminal.complain("there are no schedules.")
    return ExitCode.DONE if found else ExitCode.NOTHING_MATCHED


def change_schedule(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Show, enable, disable or delete a schedule."""
    name: str = options.name
    if options.action == "delete":
        client.get_schedule(name)
        client.delete_schedule(name)
        if terminal.is_json:
            terminal.record({"name": name, "deleted": True})
        else:
            terminal.line(f"schedule {name} deleted")
        return ExitCode.DONE
    schedule = {
        "show": client.get_schedule,
        "enable": client.enable_schedule,
        "disable": client.disable_schedule,
    }[options.action](name)
    _show(client, schedule, terminal)
    return ExitCode.DONE


def _show(client: Client, schedule: Schedule, terminal: Terminal) -> None:
    if terminal.is_json:
        terminal.record(schedule_record(schedule))
        return
    now = client.backend.now()
    facts = (
        ("name", schedule.name),
        ("description", schedule.description or None),
        ("when", trigger_words(schedule)),
        ("task", f"{schedule.spec.name} in queue {schedule.spec.queue_name}"),
        ("arguments", schedule.spec.arguments_json),
        ("enabled", "yes" if schedule.enabled else "no"),
        ("next", None if schedule.next_slot is None else until_words(schedule.next_slot, now)),
        ("runs", f"{schedule.runs}, {'for ever' if schedule.repeats < 0 else f'{schedule.repeats} left'}"),
        ("skipped", str(schedule.skipped)),
        ("last run", None if schedule.last_run_at is None else until_words(schedule.last_run_at, now)),
        ("last task", schedule.last_task_id),
    )
    for name, value in facts:
        if value is not None:
            terminal.line(f"{name:<12} {value}")


def run_schedule(client: Client, options: Namespace, terminal: Terminal) -> int:
    """Enqueue a schedule's call at once."""
    handle = client.run_now(options.name)
    if terminal.is_json:
        terminal.record({"name": options.name, "task_id": handle.id})
    else:
        terminal.line(handle.id)
    return ExitCode.DONE


def preview_schedule(client: Client, options: Namespace, terminal: Terminal) -> int:
    """List the next slots of a schedule."""
    slots = client.preview_schedule(options.name, options.count)
    for slot in slots:
        if terminal.is_json:
            terminal.record({"name": options.name, "slot": slot.isoformat()})
        else:
            terminal.line(moment_words(slot))
    if not slots:
        terminal.complain(f"schedule {options.name} has no slot left, or is not enabled.")
    return ExitCode.DONE if slots else ExitCode.NOTHING_MATCHED
