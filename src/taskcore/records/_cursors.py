"""Cursors that are alike in every store: of sub-results, and of schedules. Those of tasks and groups are plain ids."""

from __future__ import annotations

from taskcore.errors import InvalidInput
from taskcore.protocol import Item, Schedule, ScheduleQuery
from taskcore.records._moments import micros

__all__ = ["item_cursor", "place_of_item", "place_of_slot", "schedule_cursor"]


def item_cursor(item: Item) -> str:
    """Return the cursor of a page of items that ends with this one: epoch and sequence, joined by a dot."""
    return f"{item.epoch}.{item.sequence}"


def place_of_item(cursor: str) -> tuple[int, int]:
    """Return epoch and sequence of the item that a page ended with; raise ``InvalidInput`` for what is no cursor."""
    epoch, _, sequence = cursor.partition(".")
    if not (_is_number(epoch) and _is_number(sequence)):
        raise InvalidInput(f"{cursor!r} is no cursor of items: give back Page.cursor as it was.")
    return int(epoch), int(sequence)


def schedule_cursor(schedule: Schedule, query: ScheduleQuery) -> str:
    """Return the cursor of a page of schedules that ends with this one: its name, with ``due_by`` its slot and id."""
    if query.due_by is None or schedule.next_slot is None:
        return schedule.name
    return f"{micros(schedule.next_slot)}.{schedule.id}"


def place_of_slot(cursor: str) -> tuple[int, str]:
    """Return slot and id of the schedule that a page of due ones ended with; raise ``InvalidInput`` for no cursor."""
    slot, _, schedule_id = cursor.partition(".")
    if not _is_number(slot.removeprefix("-")):
        raise InvalidInput(f"{cursor!r} is no cursor of schedules that are due: give back Page.cursor as it was.")
    return int(slot), schedule_id


def _is_number(text: str) -> bool:
    """Whether it has the digits of a number that every store can hold."""
    return text.isdecimal() and len(text) <= 18
