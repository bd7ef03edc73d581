"""``apply``: changes of tasks, each compared before it is set.

SUCCEED and HEARTBEAT of holders, which are nearly all there is, go in batches: one SELECT that finds who holds what,
one UPDATE for each. Whatever that cannot answer with certainty, and every other event, goes through ``step`` alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
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
    IS_CHILD,
    IS_MEMBER,
    RUNNING,
    SUCCESSFUL,
    optional_micros,
    span,
)
from taskcore_backends.sqlite._adding import add, look
from taskcore_backends.sqlite._reading import Row, Stored
from taskcore_backends.sqlite._relations import (
    count_waits,
    link,
    outcome_of,
    settle_relations,
    waits_for_itself,
)
from taskcore_backends.sqlite._transaction import Transaction
from taskcore_backends.sqlite._unique import key_holder, replace, take_key

__all__ = ["apply"]

_FIND = """
    SELECT id, seq, epoch, nonce, version, flags, queue, cancel, group_id, unique_key FROM task
    WHERE id IN (SELECT value FROM json_each(?)) AND code = 3
"""

_FIND_ONE = _FIND.replace("IN (SELECT value FROM json_each(?))", "= ?")

_SUCCEED = """
    UPDATE task SET
        code = 4, version = version + 1, changed_at = ?, value = ?, started_at = ?, settle = 1, lease_expires = NULL,
        cancel = NULL, reason = NULL, purge_at = ? + keep
    WHERE seq = ? AND code = 3
"""

_HEARTBEAT = """
    UPDATE task SET version = version + 1, lease_expires = max(lease_expires, ?) WHERE seq = ? AND code = 3
"""

_PROGRESS = "UPDATE task SET progress = ? WHERE seq = ? AND code = 3"

_ADD_ITEM = "INSERT OR IGNORE INTO item (task_id, epoch, sequence, document) VALUES (?, ?, ?, ?)"

_BATCHED = frozenset({Event.SUCCEED, Event.HEARTBEAT})


def apply(tx: Transaction, changes: Sequence[Change]) -> list[Applied]:
    """Make checked changes, in order; each sees what those before it did."""
    applied: list[Applied] = []
    batch: dict[str, Change] = {}
    for change in changes:
        if change.event in _BATCHED and change.fence is not None and not change.tasks:
            if change.task_id in batch:
                applied += _apply_batch(tx, batch)
                batch = {}
            batch[change.task_id] = change
            continue
        if batch:
            applied += _apply_batch(tx, batch)
            batch = {}
        applied.append(_apply_one(tx, change))
    if batch:
        applied += _apply_batch(tx, batch)
    return applied


def _apply_batch(tx: Transaction, batch: dict[str, Change]) -> list[Applied]:
    """Make SUCCEEDs and HEARTBEATs of different tasks."""
    if len(batch) == 1:
        rows = tx.execute(_FIND_ONE, tuple(batch)).fetchall()
    else:
        rows = tx.execute(_FIND, (json.dumps(list(batch)),)).fetchall()
    found = {row[0]: row for row in rows}
    applied: list[Applied] = []
    succeeded: list[tuple[Change, Row]] = []
    extended: list[tuple[Change, Row]] = []
    for task_id, change in batch.items():
        row, fence = found.get(task_id), change.fence
        if row is None or fence is None or row[2] != fence.epoch or row[3] != fence.nonce:
            _write_held(tx, succeeded, extended)  # it has to see what those before it did
            succeeded, extended = [], []
            applied.append(_apply_one(tx, change))
        elif change.event is Event.HEARTBEAT:
            extended.append((change, row))
            level = None if row[7] is None else CancelLevel(row[7])
            applied.append(Applied(task_id, Verdict.APPLIED, State.RUNNING, row[4] + 1, level))
        else:
            succeeded.append((change, row))
            applied.append(Applied(task_id, Verdict.APPLIED, State.SUCCESSFUL, row[4] + 1))
    _write_held(tx, succeeded, extended)
    return applied


def _write_held(tx: Transaction, succeeded: list[tuple[Change, Row]], extended: list[tuple[Change, Row]]) -> None:
    """Write for holders that have shown the fence: nobody else writes between that look and this."""
    if succeeded:
        _succeed(tx, succeeded)
    if extended:
        _extend(tx, extended)


def _succeed(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Settle tasks. Each finish, of a task or a group, lets its own children go."""
    now = tx.now
    _add_news(tx, held)
    tx.executemany(
        _SUCCEED,
        [(now, change.value_json, optional_micros(change.started_at), now, row[1]) for change, row in held],
    )
    tx.finished.extend([row[0] for _change, row in held])
    tx.count_all([row[6] for _change, row in held], SUCCESSFUL, instead_of=RUNNING)
    related = [row for _change, row in held if row[5]]
    if not related:
        return
    for row in related:
        tx.let_go(row[0], row[5], row[9])
        settle_relations(tx)
    groups = Counter([row[8] for row in related if row[5] & IS_MEMBER])
    for group_id, number in groups.items():
        tx.join(group_id, RUNNING, -number)
        tx.join(group_id, SUCCESSFUL, number)
        settle_relations(tx)


def _extend(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Renew leases."""
    _add_news(tx, held)
    now = tx.now
    tx.executemany(
        _HEARTBEAT, [(0 if change.extend is None else now + span(change.extend), row[1]) for change, row in held]
    )


def _add_news(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Write what few changes bring: the newest progress, and items."""
    for change, row in held:
        if change.progress is not None:
            tx.execute(_PROGRESS, (dump_data(change.progress), row[1]))
        if change.items:
            _add_items(tx, change)


def _add_items(tx: Transaction, change: Change) -> None:
    rows = [(item.task_id, item.epoch, item.sequence, dump_data(item)) for item in change.items]
    tx.executemany(_ADD_ITEM, rows)


def _apply_one(tx: Transaction, change: Change) -> Applied:
    """Make one change by the machine."""
    old = tx.load(change.task_id)
    if old is None:
        return Applied(change.task_id, Verdict.MISSING)
    task = old.task
    special = _SPECIAL.get(change.event)
    after: Task | Refused
    if special is not None:
        problem = find_problem(change.tasks, None, look(tx)) if change.tasks else None
        after = special(tx, old, change) if problem is None else Refused(Verdict.REFUSED, problem)
    else:
        after = step(task, change, tx.moment)
        if isinstance(after, Task):
            leaving = task if after.state.is_finished else None
            if change.tasks and (problem := find_problem(change.tasks, leaving, look(tx))) is not None:
                after = Refused(Verdict.REFUSED, problem)
            else:
                tx.write(old, after)
    if isinstance(after, Refused):
        return Applied(change.task_id, after.verdict, task.state, task.version, task.cancel_level, after.why)
    if change.items:
        _add_items(tx, change)
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
    outcomes = {parent_id: outcome_of(tx, parent_id) for parent_id in spec.parents}
    problem = requeue_problem(
        old.task, outcomes, key_holder=partial(key_holder, tx), waits_for_itself=partial(waits_for_itself, tx)
    )
    if problem is not None:
        return Refused(Verdict.REFUSED, problem)
    waits = sum(outcome is Outcome.UNFINISHED for outcome in outcomes.values())
    after = _step(tx, old, attrs.evolve(change, waits=waits))
    if isinstance(after, Task):
        if spec.unique is not None and spec.unique.until is UniqueUntil.FINISHED:
            take_key(tx, spec.unique, change.task_id)
        if outcomes:
            tx.execute("DELETE FROM edge WHERE child_id = ?", (change.task_id,))
            tx.execute("UPDATE task SET flags = flags | ? WHERE seq = ?", (IS_CHILD, old.seq))
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
