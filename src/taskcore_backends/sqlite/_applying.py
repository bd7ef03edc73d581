"""``apply``: changes of tasks, each compared before it is set.

SUCCEED and HEARTBEAT of holders, which are nearly all there is, go in batches: one SELECT that finds who holds what,
one UPDATE for each. Whatever that cannot answer with certainty, and every other event, goes through ``step`` alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

import attrs

from taskcore.protocol import (
    Applied,
    CancelLevel,
    Change,
    Event,
    OnParentFailure,
    Refused,
    State,
    Task,
    UniqueUntil,
    Verdict,
    step,
)
from taskcore.records import CIRCLE, OTHER_BONDS, Outcome, dump_data, find_problem, has_same_bonds
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
    SELECT id, seq, code, epoch, nonce, version, flags, queue, cancel, group_id, unique_key FROM task
    WHERE id IN (SELECT value FROM json_each(?))
"""

_FIND_ONE = _FIND.replace("IN (SELECT value FROM json_each(?))", "= ?")

_SUCCEED = """
    UPDATE task SET
        code = 4, version = version + 1, changed_at = ?, value = ?, started_at = ?, settle = 1, lease_expires = NULL,
        cancel = NULL, reason = NULL, progress = coalesce(?, progress), purge_at = ? + keep
    WHERE seq = ? AND code = 3 AND epoch = ? AND nonce = ?
"""

_HEARTBEAT = """
    UPDATE task SET
        version = version + 1, lease_expires = max(lease_expires, ?), progress = coalesce(?, progress)
    WHERE seq = ? AND code = 3 AND epoch = ? AND nonce = ?
"""

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
        if row is None:
            applied.append(Applied(task_id, Verdict.MISSING))
        elif fence is None or row[2] != RUNNING or row[3] != fence.epoch or row[4] != fence.nonce:
            _write_held(tx, succeeded, extended)  # it has to see what those before it did
            succeeded, extended = [], []
            applied.append(_apply_one(tx, change))
        elif change.event is Event.HEARTBEAT:
            extended.append((change, row))
            level = None if row[8] is None else CancelLevel(row[8])
            applied.append(Applied(task_id, Verdict.APPLIED, State.RUNNING, row[5] + 1, level))
        else:
            succeeded.append((change, row))
            applied.append(Applied(task_id, Verdict.APPLIED, State.SUCCESSFUL, row[5] + 1))
    _write_held(tx, succeeded, extended)
    return applied


def _write_held(tx: Transaction, succeeded: list[tuple[Change, Row]], extended: list[tuple[Change, Row]]) -> None:
    if succeeded:
        _succeed(tx, succeeded)
    if extended:
        _extend(tx, extended)


def _succeed(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Settle tasks whose holders have shown the fence. Each finish, of a task or a group, lets its own children go."""
    now = tx.now
    parameters: list[Row] = []
    queues: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    for change, (task_id, seq, _code, epoch, nonce, _version, flags, queue, _cancel, group_id, _key) in held:
        progress = None if change.progress is None else dump_data(change.progress)
        started_at = optional_micros(change.started_at)
        parameters.append((now, change.value_json, started_at, progress, now, seq, epoch, nonce))
        queues[queue] += 1
        tx.finished.append(task_id)
        if flags & IS_MEMBER:
            groups[group_id] += 1
        if change.items:
            _add_items(tx, change)
    tx.executemany(_SUCCEED, parameters)
    for queue, number in queues.items():
        tx.count(queue, RUNNING, -number)
        tx.count(queue, SUCCESSFUL, number)
    for _change, row in held:
        if row[6]:
            tx.let_go(row[0], row[6], row[10])
            settle_relations(tx)
    for group_id, number in groups.items():
        tx.join(group_id, RUNNING, -number)
        tx.join(group_id, SUCCESSFUL, number)
        settle_relations(tx)


def _extend(tx: Transaction, held: list[tuple[Change, Row]]) -> None:
    """Renew the leases of holders that have shown the fence."""
    parameters: list[Row] = []
    for change, row in held:
        until = 0 if change.extend is None else tx.now + span(change.extend)
        progress = None if change.progress is None else dump_data(change.progress)
        parameters.append((until, progress, row[1], row[3], row[4]))
        if change.items:
            _add_items(tx, change)
    tx.executemany(_HEARTBEAT, parameters)


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
    parents = [(parent_id, outcome_of(tx, parent_id)) for parent_id in dict.fromkeys(spec.parents)]
    for parent_id, outcome in parents:
        if outcome is Outcome.FAILED and spec.on_parent_failure is OnParentFailure.CANCEL:
            return Refused(Verdict.REFUSED, f"It depends on {parent_id}, which has failed: requeue that one first.")
    unique = spec.unique
    takes_key = unique is not None and unique.until is UniqueUntil.FINISHED
    if unique is not None and takes_key and (holder_id := key_holder(tx, unique.key)) not in (None, change.task_id):
        return Refused(Verdict.REFUSED, f"Its unique key {unique.key!r} is held by task {holder_id} now.")
    unfinished = [parent_id for parent_id, outcome in parents if outcome is Outcome.UNFINISHED]
    if unfinished and waits_for_itself(tx, spec, unfinished):
        return Refused(Verdict.REFUSED, CIRCLE)
    after = _step(tx, old, attrs.evolve(change, waits=len(unfinished)))
    if isinstance(after, Task):
        if unique is not None and takes_key:
            take_key(tx, unique, change.task_id)
        if parents:
            tx.execute("DELETE FROM edge WHERE child_id = ?", (change.task_id,))
            tx.execute("UPDATE task SET flags = flags | ? WHERE seq = ?", (IS_CHILD, old.seq))
            link(tx, change.task_id, parents)
    return after


_SPECIAL: dict[Event, Callable[[Transaction, Stored, Change], Task | Refused]] = {
    Event.UNBLOCK: _unblock,
    Event.AMEND: _amend,
    Event.RESCHEDULE: _amend,
    Event.REPLACE: replace,
    Event.REQUEUE: _requeue,
}
"""Events for which the store has to look at more than the task."""
