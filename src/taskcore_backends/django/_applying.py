"""``apply``: changes of tasks, each compared before it is set.

SUCCEED and HEARTBEAT of holders, which are nearly all there is, go in batches: one SELECT that locks and finds who
holds what, one UPDATE. Whatever that cannot answer with certainty, and every other event, goes through ``step`` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import attrs

from taskcore.protocol import (
    Applied,
    CancelLevel,
    Change,
    Event,
    Refused,
    State,
    Task,
    UniqueUntil,
    Verdict,
    step,
)
from taskcore.records import OTHER_BONDS, Outcome, dump_data, find_problem, has_same_bonds, requeue_problem
from taskcore.records.columns import (
    CANCELLED,
    FAILED,
    IS_BULKY,
    IS_CHILD,
    IS_MEMBER,
    RUNNING,
    SUCCESSFUL,
    optional_micros,
    span,
)
from taskcore_backends.django._adding import add, look
from taskcore_backends.django._dialects import marks
from taskcore_backends.django._reading import Row, Stored
from taskcore_backends.django._relations import (
    count_waits,
    link,
    outcomes_of,
    settle_relations,
    waits_for_itself,
)
from taskcore_backends.django._rows import BULK
from taskcore_backends.django._transaction import Transaction, portions
from taskcore_backends.django._unique import key_holder, replace, take_key

__all__ = ["BATCHED", "add_items", "apply", "apply_one", "batches", "is_batched", "note_succeeded"]

_FIND = """
    SELECT id, code, epoch, nonce, version, flags, queue_name, cancel, group_id, unique_key FROM taskcore_task
    WHERE id IN ({{}}) ORDER BY id {lock}
"""

BATCHED = frozenset({Event.SUCCEED, Event.HEARTBEAT})

_ITEM_COLUMNS = "task_id, epoch, sequence, kind, document"
_ROWS_AT_ONCE = 200


def is_batched(change: Change) -> bool:
    """Return whether a change is one of those that go together."""
    value = change.value_json
    return (
        change.event in BATCHED
        and change.fence is not None
        and not change.tasks
        and (value is None or len(value) <= BULK)
    )


def batches(changes: Sequence[Change]) -> Iterable[list[Change] | Change]:
    """Yield changes in order, those of different tasks that go together as lists."""
    batch: dict[str, Change] = {}
    for change in changes:
        if is_batched(change) and change.task_id not in batch:
            batch[change.task_id] = change
            continue
        if batch:
            yield list(batch.values())
            batch = {}
        if is_batched(change):
            batch[change.task_id] = change
        else:
            yield change
    if batch:
        yield list(batch.values())


def apply(tx: Transaction, changes: Sequence[Change]) -> list[Applied]:
    """Make checked changes, in order; each sees what those before it did."""
    applied: list[Applied] = []
    for some in batches(changes):
        if isinstance(some, list):
            applied += _apply_batch(tx, some)
        else:
            applied.append(apply_one(tx, some))
    return applied


def _apply_batch(tx: Transaction, batch: list[Change]) -> list[Applied]:
    """Make SUCCEEDs and HEARTBEATs of different tasks."""
    sql = _FIND.format(lock=tx.dialect.lock)
    found = {row[0]: row for row in tx.many(sql, sorted(change.task_id for change in batch))}
    applied: list[Applied] = []
    succeeded: list[tuple[Change, Row]] = []
    extended: list[tuple[Change, Row]] = []
    for change in batch:
        row, fence = found.get(change.task_id), change.fence
        if row is None:
            applied.append(Applied(change.task_id, Verdict.MISSING))
        elif fence is None or row[1] != RUNNING or row[2] != fence.epoch or row[3] != fence.nonce:
            _write_held(tx, succeeded, extended)  # it has to see what those before it did
            succeeded, extended = [], []
            applied.append(apply_one(tx, change))
        elif change.event is Event.HEARTBEAT:
            extended.append((change, row))
            level = None if row[7] is None else CancelLevel(row[7])
            applied.append(Applied(change.task_id, Verdict.APPLIED, State.RUNNING, row[4] + 1, level))
        else:
            succeeded.append((change, row))
            applied.append(Applied(change.task_id, Verdict.APPLIED, State.SUCCESSFUL, row[4] + 1))
    _write_held(tx, succeeded, extended)
    return applied


def _write_held(tx: Transaction, succeeded: list[tuple[Change, Row]], extended: list[tuple[Change, Row]]) -> None:
    if succeeded:
        _succeed(tx, succeeded)
    if extended:
        _extend(tx, extended)


def _by_id(pairs: Sequence[tuple[str, object]], otherwise: str) -> tuple[str, list[object]]:
    """Return the expression, and its parameters, that gives each id its value; ids without one keep ``otherwise``."""
    given = [(task_id, value) for task_id, value in pairs if value is not None]
    if not given:
        return otherwise, []
    whens = " ".join(["WHEN %s THEN %s"] * len(given))
    return f"CASE id {whens} ELSE {otherwise} END", [part for pair in given for part in pair]


def _succeed(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Settle tasks whose holders have shown the fence."""
    changes = [change for change, _row in held]
    for start in range(0, len(changes), _ROWS_AT_ONCE):
        some = changes[start : start + _ROWS_AT_ONCE]
        value, values = _by_id([(change.task_id, change.value_json) for change in some], "NULL")
        started, starts = _by_id([(change.task_id, optional_micros(change.started_at)) for change in some], "NULL")
        progress, news = _by_id(
            [(change.task_id, None if change.progress is None else dump_data(change.progress)) for change in some],
            "progress",
        )
        sql = f"""
            UPDATE taskcore_task SET
                code = 4, version = version + 1, changed_at = %s, value = {value}, started_at = {started}, settle = 1,
                lease_expires = NULL, claimed_at = NULL, is_started = NULL, cancel = NULL, reason = NULL,
                progress = {progress}, purge_at = %s + keep
            WHERE id IN ({marks(len(some))})
        """
        tx.run(sql, (tx.now, *values, *starts, *news, tx.now, *sorted(change.task_id for change in some)))
    add_items(tx, changes)
    note_succeeded(tx, [(row[0], row[5], row[6], row[8], row[9]) for _change, row in held])


def note_succeeded(tx: Transaction, rows: Sequence[Row]) -> None:
    """Look after what goes with tasks that have just succeeded: (id, flags, queue, group, unique key) of each.

    Each finish, of a task or a group, lets its own children go.
    """
    groups: Counter[str] = Counter()
    for task_id, flags, queue_name, group_id, _key in rows:
        tx.count(queue_name, SUCCESSFUL)
        tx.finished.append(task_id)
        if flags & IS_MEMBER:
            groups[group_id] += 1
    for task_id, flags, _queue_name, _group_id, unique_key in rows:
        if flags & ~IS_BULKY:
            tx.let_go(task_id, flags, unique_key)
            settle_relations(tx)
    for group_id, number in sorted(groups.items()):
        tx.join(group_id, SUCCESSFUL, number)
        settle_relations(tx)


def _extend(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Renew the leases of holders that have shown the fence."""
    changes = [change for change, _row in held]
    for start in range(0, len(changes), _ROWS_AT_ONCE):
        some = changes[start : start + _ROWS_AT_ONCE]
        until, moments = _by_id(
            [(change.task_id, None if change.extend is None else tx.now + span(change.extend)) for change in some],
            "lease_expires",
        )
        progress, news = _by_id(
            [(change.task_id, None if change.progress is None else dump_data(change.progress)) for change in some],
            "progress",
        )
        sql = f"""
            UPDATE taskcore_task SET
                version = version + 1, lease_expires = {tx.dialect.greatest}(lease_expires, {until}),
                progress = {progress}
            WHERE id IN ({marks(len(some))})
        """
        tx.run(sql, (*moments, *news, *sorted(change.task_id for change in some)))
    add_items(tx, changes)


def add_items(tx: Transaction, changes: Iterable[Change]) -> None:
    """Store the items that changes bring; those that are there already stay."""
    rows = [
        (item.task_id, item.epoch, item.sequence, item.kind.value, dump_data(item))
        for change in changes
        for item in change.items
    ]
    for some in portions(rows, _ROWS_AT_ONCE):
        sql = tx.dialect.insert_new("taskcore_item", _ITEM_COLUMNS, rows=len(some))
        tx.run(sql, [value for row in some for value in row])


def apply_one(tx: Transaction, change: Change) -> Applied:
    """Make one change by the machine."""
    old = tx.load(change.task_id)
    if old is None:
        return Applied(change.task_id, Verdict.MISSING)
    task = old.task
    special = _SPECIAL.get(change.event)
    after: Task | Refused
    if special is not None:
        problem = find_problem(change.tasks, None, look(tx, change.tasks)) if change.tasks else None
        after = special(tx, old, change) if problem is None else Refused(Verdict.REFUSED, problem)
    else:
        after = step(task, change, tx.moment)
        if isinstance(after, Task):
            leaving = task if after.state.is_finished else None
            if change.tasks and (problem := find_problem(change.tasks, leaving, look(tx, change.tasks))) is not None:
                after = Refused(Verdict.REFUSED, problem)
            else:
                tx.write(old, after)
    if isinstance(after, Refused):
        return Applied(change.task_id, after.verdict, task.state, task.version, task.cancel_level, after.why)
    if change.items:
        add_items(tx, (change,))
    if change.tasks:
        add(tx, change.tasks, is_raising=False)
    settle_relations(tx)
    return Applied(change.task_id, Verdict.APPLIED, after.state, after.version, after.cancel_level)


def _step(tx: Transaction, old: Stored, change: Change) -> Task | Refused:
    after = step(old.task, change, tx.moment)
    if isinstance(after, Task):
        tx.write(old, after)
    return after


def _unblock(tx: Transaction, old: Stored, change: Change) -> Task | Refused:
    return _step(tx, old, attrs.evolve(change, waits=count_waits(tx, change.task_id)))


def _amend(tx: Transaction, old: Stored, change: Change) -> Task | Refused:
    """Amend or reschedule: what the store keeps beside the task has to stay as it is."""
    new = change.spec
    if new is not None and not has_same_bonds(new, old.task.spec):
        return Refused(Verdict.REFUSED, f"{change.event.value} {OTHER_BONDS}")
    return _step(tx, old, change)


def _requeue(tx: Transaction, old: Stored, change: Change) -> Task | Refused:
    if old.code not in (FAILED, CANCELLED):
        return _step(tx, old, change)
    spec = old.task.spec
    found = outcomes_of(tx, spec.parents) if spec.parents else {}
    outcomes = {parent_id: found[parent_id] for parent_id in spec.parents}
    problem = requeue_problem(
        old.task, outcomes, key_holder=partial(key_holder, tx), waits_for_itself=partial(waits_for_itself, tx)
    )
    if problem is not None:
        return Refused(Verdict.REFUSED, problem)
    waits = sum(outcome is Outcome.UNFINISHED for outcome in outcomes.values())
    after = step(old.task, attrs.evolve(change, waits=waits), tx.moment)
    if isinstance(after, Refused):
        return after
    unique = spec.unique
    takes_key = unique is not None and unique.until is UniqueUntil.FINISHED
    if unique is not None and takes_key and not take_key(tx, unique, change.task_id):
        return Refused(Verdict.REFUSED, f"Its unique key {unique.key!r} has just been taken by another task.")
    flags = old.flags | (IS_CHILD if outcomes else 0)
    tx.write(attrs.evolve(old, flags=flags), after)
    if outcomes:
        tx.run("DELETE FROM taskcore_dependency WHERE child_id = %s", (change.task_id,))
        link(tx, change.task_id, list(outcomes.items()))
    return after


_SPECIAL: dict[Event, Callable[[Transaction, Stored, Change], Task | Refused]] = {
    Event.UNBLOCK: _unblock,
    Event.AMEND: _amend,
    Event.RESCHEDULE: _amend,
    Event.REPLACE: replace,
    Event.REQUEUE: _requeue,
}
"""Events for which the store has to look at more than the task."""
