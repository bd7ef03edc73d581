"""One transaction as the operations in it see it: statements, the moment, and what adds up until the end.

Counts, hints for those who wait and the like are noted here by each operation and written once, just before the commit.
An operation that raises is rolled back, so nothing of it stays noted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from taskcore.protocol import PROPAGATION_LIMIT, Task
from taskcore.records.columns import (
    DUE,
    HAS_ATTEMPTS,
    IS_BULKY,
    IS_CHILD,
    IS_MEMBER,
    IS_PARENT,
    MAY_HOLD_KEY,
    RUNNING,
    micros,
    moment,
)
from taskcore_backends.django._dialects import Dialect, marks, values
from taskcore_backends.django._reading import COLUMNS, Row, Stored, tasks
from taskcore_backends.django._rows import (
    ATTEMPT_COLUMNS,
    PAYLOAD_COLUMNS,
    UPDATE_SPEC,
    UPDATE_STATE,
    attempt_row,
    payload_of,
    spec_row,
    state_row,
)

__all__ = ["AT_ONCE", "Statements", "Transaction", "portions"]

AT_ONCE = 500
"""How many values one IN (…) takes, and about how many rows one INSERT."""
_CHARACTERS_AT_ONCE = 2_000_000
"""Of texts in one INSERT: MariaDB takes 16 MB by default, and a character may be four bytes, or be escaped."""


def portions(rows: Sequence[Row], most: int) -> Iterator[Sequence[Row]]:
    """Yield rows in portions that one INSERT takes: so many at most, or fewer that are long."""
    first = length = 0
    for index, row in enumerate(rows):
        size = sum(len(value) for value in row if isinstance(value, str))
        if index > first and (index - first == most or length + size > _CHARACTERS_AT_ONCE):
            yield rows[first:index]
            first, length = index, 0
        length += size
    if first < len(rows):
        yield rows[first:]


class Statements:
    """What runs SQL with ``%s`` in it, on one connection."""

    def __init__(self, cursor: Any, dialect: Dialect, clock: Callable[[], datetime] | None) -> None:  # noqa: ANN401
        self._cursor = cursor
        self._clock = clock
        self._moment: datetime | None = None
        self.dialect = dialect

    @property
    def moment(self) -> datetime:
        """The store's clock, read once: that of the database unless another was given."""
        if self._moment is None:
            if self._clock is not None:
                self._moment = self._clock()
            else:
                self._moment = moment(self.one(f"SELECT {self.dialect.now}"))
        return self._moment

    @property
    def now(self) -> int:
        """The same as a number."""
        return micros(self.moment)

    def clock_sql(self) -> tuple[str, tuple[int, ...]]:
        """Return the clock as an expression, and the values in it: for who does not ask the database for it first."""
        if self._clock is None and self.dialect.now is not None:
            return self.dialect.now, ()
        return "%s::bigint", (self.now,)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it wrote."""
        self._cursor.execute(sql, parameters)
        return int(self._cursor.rowcount)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a statement; return its rows."""
        self._cursor.execute(sql, parameters)
        found: list[Row] = self._cursor.fetchall()
        return found if isinstance(found, list) else list(found)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - what a column holds
        """Return the first column of the first row, ``None`` without one."""
        self._cursor.execute(sql, parameters)
        row = self._cursor.fetchone()
        return None if row is None else row[0]

    def many(self, sql: str, values: Iterable[Any], before: Sequence[Any] = (), after: Sequence[Any] = ()) -> list[Row]:
        """Run a statement with ``IN ({})`` in it for some values at a time; return all rows."""
        given = list(values)
        found: list[Row] = []
        for start in range(0, len(given), AT_ONCE):
            some = given[start : start + AT_ONCE]
            found += self.rows(sql.format(marks(len(some))), (*before, *some, *after))
        return found

    def run_many(self, sql: str, values: Iterable[Any], before: Sequence[Any] = (), after: Sequence[Any] = ()) -> int:
        """Run a statement that writes with ``IN ({})`` in it for some values at a time; return how many rows."""
        given = list(values)
        count = 0
        for start in range(0, len(given), AT_ONCE):
            some = given[start : start + AT_ONCE]
            count += self.run(sql.format(marks(len(some))), (*before, *some, *after))
        return count


class Transaction(Statements):
    """What the operations of one transaction share."""

    def __init__(
        self,
        cursor: Any,  # noqa: ANN401 - of any driver
        dialect: Dialect,
        clock: Callable[[], datetime] | None,
        alias: str,
        *,
        is_callers: bool = False,
    ) -> None:
        super().__init__(cursor, dialect, clock)
        self.alias = alias
        self.is_alone = False
        """Whether its one statement is a transaction, and not part of the caller's."""
        self.is_callers = is_callers
        """Whether it is part of a transaction that a caller has begun, who may isolate it as he likes."""
        self.share = dialect.share if is_callers else ""
        """What a SELECT ends with that has to see what is committed now, though it locks nothing else."""
        self.touched: set[str] = set()
        """Parents whose rows show that they have got a child."""
        self._tally: Counter[tuple[str, int]] = Counter()
        self.members: dict[str, Counter[int]] = {}
        """By group: how many finished members more, or fewer, it has by code."""
        self.letting_go: deque[str] = deque()
        """Parents that have finished: children are still to be let go."""
        self.budget = PROPAGATION_LIMIT
        """How many of these may still go, whoever finishes; the rest is owed. A claim has a budget of its own."""
        self.due_queues: set[str] = set()
        """Queues in which a task has become claimable."""
        self.finished: list[str] = []
        """Tasks and groups that have finished."""

    def load(self, task_id: str) -> Stored | None:
        """Return a task by its id, and hold its row until the end."""
        found = self.load_all((task_id,))
        return found[0] if found else None

    def load_all(self, task_ids: Iterable[str]) -> list[Stored]:
        """Return those of these tasks that are there, by id, and hold their rows until the end."""
        sql = f"SELECT {COLUMNS} FROM taskcore_task AS t WHERE t.id IN ({{}}) ORDER BY t.id {self.dialect.lock}"
        return self.stored(self.many(sql, sorted(set(task_ids))))

    def beside(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """Run a SELECT of what stands beside rows that are held: it has to be as new as they are."""
        return self.rows(f"{sql} {self.share}", parameters)

    def stored(self, rows: Sequence[Row]) -> list[Stored]:
        """Return the tasks of rows of ``COLUMNS``, with what is private of them."""
        made = tasks(self.beside, rows)
        return [Stored(code=row[4], flags=row[14], task=task) for row, task in zip(rows, made, strict=True)]

    def count(self, queue: str, code: int, number: int = 1) -> None:
        """Note that a queue has ``number`` tasks more with this code; only finished ones are counted."""
        if code > RUNNING:
            self._tally[queue, code] += number

    def join(self, group_id: str, code: int, number: int = 1) -> None:
        """Note that a group has ``number`` members more with this code; only finished ones are counted."""
        if code > RUNNING:
            self.members.setdefault(group_id, Counter())[code] += number

    def write(self, old: Stored, new: Task) -> None:
        """Put ``new``, which ``step`` made, in the place of ``old``, and look after all that goes with it."""
        flags = self._write_beside(old, new)
        spec = new.spec
        if spec is not old.task.spec:
            flags = flags & ~IS_MEMBER | (IS_MEMBER if spec.group_id is not None else 0)
            self.run(UPDATE_SPEC, (*spec_row(spec), spec.id))
        row = state_row(new, self.now, flags)
        self.run(UPDATE_STATE, (*row, spec.id))
        code = row[0]
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

    def _write_beside(self, old: Stored, new: Task) -> int:
        """Write what of a task stands in other tables; return the flags of its row then."""
        flags = old.flags
        payload = payload_of(new)
        if payload.is_empty:
            if flags & IS_BULKY:
                self.run("DELETE FROM taskcore_payload WHERE task_id = %s", (new.spec.id,))
                flags &= ~IS_BULKY
        elif not flags & IS_BULKY or payload != payload_of(old.task):
            sql = self.dialect.put("taskcore_payload", PAYLOAD_COLUMNS, ("task_id",))
            self.run(sql, (new.spec.id, payload.arguments, payload.value, payload.failure))
            flags |= IS_BULKY
        before, after = old.task.attempts, new.attempts
        if before is not after:
            known, kept = {one.epoch for one in before}, {one.epoch for one in after}
            gone = known - kept
            if gone:
                sql = f"DELETE FROM taskcore_attempt WHERE task_id = %s AND epoch IN ({marks(len(gone))})"
                self.run(sql, (new.spec.id, *gone))
            rows = [attempt_row(new.spec.id, one) for one in after if one.epoch not in known]
            self.insert("taskcore_attempt", ATTEMPT_COLUMNS, rows)
            flags |= HAS_ATTEMPTS
        return flags

    def insert(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        """Insert rows whose keys are new."""
        for some in portions(rows, AT_ONCE):
            sql = f"INSERT INTO {table} ({columns}) VALUES {values(columns.count(',') + 1, len(some))}"
            self.run(sql, [value for row in some for value in row])

    def let_go(self, task_id: str, flags: int, unique_key: str | None) -> None:
        """Give back the unique key of a task that has just finished, and note whom it lets go."""
        if flags & MAY_HOLD_KEY:
            sql = "DELETE FROM taskcore_unique WHERE unique_key = %s AND task_id = %s AND scope < 2"
            self.run(sql, (unique_key, task_id))
        if flags & IS_CHILD:
            self.run("UPDATE taskcore_dependency SET mark = 0 WHERE child_id = %s AND mark <> 0", (task_id,))
        if flags & IS_PARENT:
            self.letting_go.append(task_id)

    def finish(self) -> None:
        """Write what was noted; the last thing before the commit."""
        rows = [(queue, code, number) for (queue, code), number in sorted(self._tally.items()) if number]
        self.insert("taskcore_tally", "queue_name, code, number", rows)
