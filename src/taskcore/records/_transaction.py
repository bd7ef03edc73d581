"""``Transaction``: one atomic step. It remembers what was read, gathers what is written, and counts.

Nothing reaches the engine before ``flush``, which every ``range`` does first, so that a range sees what was put.
Counts of queues and groups have no ranges: they are written once, by ``commit``.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import groupby
from typing import Any, cast

import attrs

from taskcore.protocol import PROPAGATION_LIMIT, Group, State, Task
from taskcore.records._engine import Engine, Parts, Record, Value
from taskcore.records._entries import ENTRIES, due_parts, micros
from taskcore.records._rows import GroupRow, QueueRow

__all__ = ["GroupTally", "QueueTally", "Transaction"]


class QueueTally:
    """The counts of one queue while a transaction changes them."""

    __slots__ = ("counts", "is_paused", "name", "scheduled")

    def __init__(self, name: str, row: QueueRow | None) -> None:
        self.name = name
        self.is_paused = row is not None and row.is_paused
        self.counts: dict[State, int] = {} if row is None else dict(row.counts)
        self.scheduled = 0 if row is None else row.scheduled

    @property
    def claimable(self) -> int:
        """How many READY tasks stand in the order of claims."""
        return self.counts.get(State.READY, 0) - self.scheduled

    def count(self, state: State, number: int = 1) -> None:
        """Count ``number`` tasks more in a state."""
        _count(self.counts, state, number)

    def row(self) -> QueueRow | None:
        """Return the row to store; ``None`` when there is nothing to say of the queue."""
        if not self.counts and not self.is_paused:
            return None
        return QueueRow(name=self.name, is_paused=self.is_paused, counts=self.counts, scheduled=self.scheduled)


class GroupTally:
    """The counts of one group while a transaction changes them."""

    __slots__ = ("counts", "group", "purged", "total")

    def __init__(self, row: GroupRow) -> None:
        self.group = row.group
        self.counts: dict[State, int] = dict(row.group.counts)
        self.total = row.group.total
        self.purged = row.group.purged

    @property
    def stored(self) -> int:
        """How many members there are."""
        return sum(self.counts.values())

    @property
    def is_finished(self) -> bool:
        """Whether it is sealed and every member has finished."""
        counts = self.counts
        return self.total is not None and self.total == (
            counts.get(State.SUCCESSFUL, 0) + counts.get(State.FAILED, 0) + counts.get(State.CANCELLED, 0)
        )

    @property
    def is_successful(self) -> bool:
        """Whether it is sealed and every member is SUCCESSFUL."""
        return self.total is not None and self.total == self.counts.get(State.SUCCESSFUL, 0)

    def count(self, state: State, number: int = 1) -> None:
        """Count ``number`` members more in a state."""
        _count(self.counts, state, number)

    def row(self) -> GroupRow:
        """Return the row to store."""
        return GroupRow(group=attrs.evolve(self.group, counts=self.counts, total=self.total, purged=self.purged))


def _count(counts: dict[State, int], state: State, number: int) -> None:
    left = counts.get(state, 0) + number
    if left:
        counts[state] = left
    else:
        counts.pop(state, None)


class Transaction:
    """One atomic step over an engine, inside its ``transaction()``. Made for one call, then thrown away."""

    __slots__ = (
        "_dirty",
        "_engine",
        "_groups",
        "_moves",
        "_queues",
        "_values",
        "budget",
        "finished",
        "letting_go",
        "now",
        "now_us",
        "ready_queues",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._values: defaultdict[str, dict[str, Value | None]] = defaultdict(dict)
        self._dirty: dict[str, dict[str, None]] = {}
        self._queues: dict[str, QueueTally] = {}
        self._groups: dict[str, GroupTally | None] = {}
        self._moves: list[tuple[QueueTally, State | None, State | None]] = []
        self.now = engine.now()
        self.now_us = micros(self.now)
        self.ready_queues: set[str] = set()
        """Queues with new READY tasks: who waits for them is told after the commit."""
        self.finished: list[str] = []
        """Tasks and groups that finished: likewise."""
        self.letting_go: deque[str] = deque()
        """Those of them that have children to let go."""
        self.budget = PROPAGATION_LIMIT
        """How many of these may still go, whoever finishes; the rest is owed. A claim has a budget of its own."""

    def load(self, table: str, keys: Sequence[str]) -> None:
        """Read records ahead, in one call of the engine."""
        known = self._values[table]
        missing = [key for key in keys if key not in known] if known else keys
        if missing:
            known.update(zip(missing, self._engine.load(table, missing), strict=True))

    def get(self, table: str, key: str) -> Any:  # noqa: ANN401 - each table has a class of its own
        """Return a value, or ``None``."""
        known = self._values[table]
        if key not in known:
            known[key] = self._engine.load(table, (key,))[0]
        return known[key]

    def task(self, task_id: str) -> Task | None:
        """Return a task, or ``None``."""
        return cast("Task | None", self.get("tasks", task_id))

    def put(self, table: str, key: str, value: Value | None) -> None:
        """Store a value; ``None`` deletes the record."""
        self._values[table][key] = value
        dirty = self._dirty.get(table)
        if dirty is None:
            self._dirty[table] = {key: None}
        else:
            dirty[key] = None

    def range(
        self, index: str, low: Parts, high: Parts | None, limit: int, *, is_descending: bool = False
    ) -> Sequence[Parts]:
        """Return parts of an index as the engine does, what was put before included."""
        if self._dirty:
            self.flush()
        return self._engine.range(index, low, high, limit, is_descending=is_descending)

    def flush(self) -> None:
        """Hand what was put to the engine."""
        puts: list[Record] = []
        deletes: list[tuple[str, str]] = []
        now = self.now_us
        for table, keys in self._dirty.items():
            values, entries = self._values[table], ENTRIES[table]
            for key in keys:
                value = values[key]
                if value is None:
                    deletes.append((table, key))
                else:
                    puts.append(Record(table, key, value, entries(value, now)))
        self._dirty = {}
        self._engine.write(puts, deletes)

    def commit(self) -> None:
        """Hand everything to the engine, the counts too; the last call of a transaction that writes."""
        self.count_moves()
        for queue in self._queues.values():
            row = queue.row()
            if row != self.get("queues", queue.name):
                self.put("queues", queue.name, row)
        for group_id, group in self._groups.items():
            if group is not None and (after := group.row()) != self.get("groups", group_id):
                self.put("groups", group_id, after)
        if self._dirty:
            self.flush()

    def note_move(self, queue: QueueTally, source: State | None, target: State | None) -> None:
        """Note that a task of a queue went from one state to another; ``None``: it was not, or is no longer, there."""
        self._moves.append((queue, source, target))

    def count_moves(self) -> None:
        """Count what was noted: neighbours are mostly alike, so they are counted together."""
        moves, self._moves = self._moves, []
        for (queue, source, target), alike in groupby(moves):
            number = sum(1 for _move in alike)
            if source is not None:
                queue.count(source, -number)
            if target is not None:
                queue.count(target, number)

    def queue(self, name: str) -> QueueTally:
        """Return the tally of a queue. Its counts are those of before this transaction until ``count_moves``."""
        tally = self._queues.get(name)
        if tally is None:
            tally = self._queues[name] = QueueTally(name, self.get("queues", name))
        return tally

    def group(self, group_id: str) -> GroupTally | None:
        """Return the counts of a group, to be read and changed; ``None`` when there is no such group."""
        if group_id not in self._groups:
            row: GroupRow | None = self.get("groups", group_id)
            self._groups[group_id] = None if row is None else GroupTally(row)
        return self._groups[group_id]

    def put_group(self, group: Group) -> GroupTally:
        """Store a new group without members."""
        tally = GroupTally(GroupRow(group=attrs.evolve(group, counts={}, purged=0, total=None, finished_at=None)))
        self._groups[group.id] = tally
        return tally

    def delete_group(self, group_id: str) -> None:
        """Delete a group."""
        self._groups[group_id] = None
        self.put("groups", group_id, None)

    def is_scheduled(self, task: Task) -> bool:
        """Return whether a READY task stands among those that are not due (housekeeping may not have moved it yet)."""
        parts = due_parts(task)
        return tuple(self.range("timers", parts, None, 1)) == (parts,)
