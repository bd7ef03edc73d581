"""One write transaction as the operations in it see it: the connection, the moment, and what adds up until the end.

Counts by queue, hints for those who wait and the like are noted here by each operation and written once, just before
the commit. An operation that raises is rolled back with the whole transaction, so nothing of it stays noted.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from taskcore.protocol import PROPAGATION_LIMIT, Task
from taskcore.records.columns import DUE, IS_BULKY, IS_CHILD, IS_MEMBER, IS_PARENT, MAY_HOLD_KEY, RUNNING, micros
from taskcore_backends.sqlite._reading import COLUMNS, Stored, stored
from taskcore_backends.sqlite._rows import UPDATE_SPEC, UPDATE_STATE, spec_values, state_values

__all__ = ["Transaction"]

_LOAD = f"SELECT {COLUMNS} FROM task AS t WHERE t.id = ?"

_TALLY = """
    INSERT INTO tally (queue, code, n) VALUES (?, ?, ?) ON CONFLICT (queue, code) DO UPDATE SET n = n + excluded.n
"""


class Transaction:
    """What the operations of one transaction share."""

    __slots__ = (
        "_tally",
        "bells",
        "budget",
        "due_queues",
        "execute",
        "executemany",
        "finished",
        "letting_go",
        "members",
        "moment",
        "now",
    )

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.moment = now
        self.now = micros(now)
        self._tally: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.members: dict[str, Counter[int]] = {}
        """By group: how many members more, or fewer, it has by code."""
        self.letting_go: deque[str] = deque()
        """Parents that have finished: children are still to be let go."""
        self.budget = PROPAGATION_LIMIT
        """How many of these may still go, whoever finishes; the rest is owed. A claim has a budget of its own."""
        self.due_queues: set[str] = set()
        """Queues in which a task has become claimable."""
        self.bells: list[str] = []
        """Where to ring after the commit."""
        self.finished: list[str] = []
        """Tasks and groups that have finished."""

    def one(self, sql: str, parameters: Iterable[Any] = ()) -> Any:  # noqa: ANN401 - what a column holds
        """Return the first column of the first row, ``None`` without one."""
        row = self.execute(sql, tuple(parameters)).fetchone()
        return None if row is None else row[0]

    def load(self, task_id: str) -> Stored | None:
        """Return a task by its id."""
        row = self.execute(_LOAD, (task_id,)).fetchone()
        return None if row is None else stored(row)

    def count(self, queue: str, code: int, number: int = 1) -> None:
        """Note that a queue has ``number`` tasks more with this code."""
        self._tally[queue, code] += number

    def count_all(self, queue_names: list[str], code: int, instead_of: int | None = None) -> None:
        """Note a task more with this code for each name, ``instead_of`` another code if one is given."""
        counts = {queue_names[0]: len(queue_names)} if len(set(queue_names)) == 1 else Counter(queue_names)
        for queue, number in counts.items():
            self._tally[queue, code] += number
            if instead_of is not None:
                self._tally[queue, instead_of] -= number

    def join(self, group_id: str, code: int, number: int = 1) -> None:
        """Note that a group has ``number`` members more with this code."""
        self.members.setdefault(group_id, Counter())[code] += number

    def write(self, old: Stored, new: Task) -> None:
        """Put ``new``, which ``step`` made, in the place of ``old``, and look after all that goes with it."""
        flags = old.flags
        values = state_values(new, self.now, old)
        if new.spec is not old.task.spec:
            spec_row, flags = spec_values(new.spec, flags)
            self.execute(UPDATE_SPEC, (*spec_row, old.seq))
            if flags & IS_BULKY:
                self.execute(
                    "INSERT OR REPLACE INTO payload (seq, arguments) VALUES (?, ?)", (old.seq, new.spec.arguments_json)
                )
            elif old.flags & IS_BULKY:
                self.execute("DELETE FROM payload WHERE seq = ?", (old.seq,))
        self.execute(UPDATE_STATE, (*values, old.seq))
        code = values[0]
        spec = new.spec
        self.count(old.task.spec.queue_name, old.code, -1)
        self.count(spec.queue_name, code)
        if code == DUE:
            self.due_queues.add(spec.queue_name)
        if spec.group_id is not None and flags & IS_MEMBER and code != old.code:
            self.join(spec.group_id, old.code, -1)
            self.join(spec.group_id, code)
        if code > RUNNING >= old.code:
            self.finished.append(spec.id)
            self.let_go(spec.id, flags, None if spec.unique is None else spec.unique.key)

    def let_go(self, task_id: str, flags: int, unique_key: str | None) -> None:
        """Give back the unique key of a task that has just finished, and note whom it lets go."""
        if flags & MAY_HOLD_KEY:
            self.execute("DELETE FROM holder WHERE unique_key = ? AND task_id = ? AND scope < 2", (unique_key, task_id))
        if flags & IS_CHILD:
            self.execute("UPDATE edge SET mark = 0 WHERE child_id = ? AND mark <> 0", (task_id,))
        if flags & IS_PARENT:
            self.letting_go.append(task_id)

    def finish(self) -> None:
        """Write what was noted; the last thing before the commit."""
        rows = [(queue, code, number) for (queue, code), number in self._tally.items() if number]
        if rows:
            self.executemany(_TALLY, rows)
