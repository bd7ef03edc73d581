"""``add``: new tasks and groups. Plain specs go in together; unique keys and parents are looked up one by one.

For each spec, in order: is a task of this id there (ALREADY); is its unique key held (the policy answers); are its
parents and its group there (``MissingParent``), and has that room. Specs of one call see those before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from taskcore.errors import InvalidInput
from taskcore.protocol import Added, AddVerdict, Group, State, TaskSpec, accept
from taskcore.records import CIRCLE, Joining, Look, Outcome, refuse_joining
from taskcore.records.columns import (
    DUE,
    IS_CHILD,
    MAY_HOLD_KEY,
    code_of,
    micros,
    optional_micros,
)
from taskcore_backends.sqlite._reading import Row
from taskcore_backends.sqlite._relations import (
    count_members,
    find_parents,
    finish_group,
    link,
    outcome_of,
    settle_relations,
    waiting,
)
from taskcore_backends.sqlite._rows import INSERT, INSERT_LEAN, insert_row, lean_rows
from taskcore_backends.sqlite._transaction import Transaction
from taskcore_backends.sqlite._unique import answer_conflict, key_holder, take_key

__all__ = ["add", "look"]

_INSERT_GROUP = "INSERT INTO team (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"

_ROOM = "SELECT total, blocked + ready + running + successful + failed + cancelled FROM team WHERE id = ?"


def add(
    tx: Transaction, specs: Sequence[TaskSpec], group: Group | None = None, *, is_raising: bool = True
) -> list[Added]:
    """Add specs. With ``is_raising`` off a conflict is never raised: the holder stands for the task."""
    if group is not None:
        tx.execute(_INSERT_GROUP, (group.id, group.name, micros(group.created_at)))
    added: list[Added] = []
    members = Joining(lambda node: waiting(tx, node))
    plain: list[TaskSpec] = []
    for spec in specs:
        if spec.unique is None and not spec.parents:
            plain.append(spec)
            continue
        if plain:
            added += _add_plain(tx, plain)
            plain = []
        added.append(_add_bound(tx, spec, members, is_raising=is_raising))
    if plain:
        added += _add_plain(tx, plain)
    if group is not None and group.total is not None:
        _seal(tx, group, group.total, specs, added)
    settle_relations(tx)
    return added


def _add_plain(tx: Transaction, specs: Sequence[TaskSpec]) -> list[Added]:
    """Add specs that have neither a unique key nor parents, in one go."""
    lean = lean_rows(specs, tx.now)
    if lean is not None:
        is_new = _insert(tx, INSERT_LEAN, specs, lean)
        fresh = specs if is_new is None else [spec for spec, is_added in zip(specs, is_new, strict=True) if is_added]
        queue_names = [spec.queue_name for spec in fresh]
        tx.count_all(queue_names, DUE)
        tx.due_queues.update(queue_names)
    else:
        rows = [insert_row(spec, tx.now, DUE, 0) for spec in specs]
        is_new = _insert(tx, INSERT, specs, rows)
        for number, (spec, row) in enumerate(zip(specs, rows, strict=True)):
            if is_new is None or is_new[number]:
                _note_new(tx, spec, row)
        _check_groups(tx, [spec for number, spec in enumerate(specs) if is_new is None or is_new[number]])
    if is_new is None:
        return [Added(AddVerdict.ADDED, spec.id) for spec in specs]
    return [
        Added(AddVerdict.ADDED if is_added else AddVerdict.ALREADY, spec.id)
        for spec, is_added in zip(specs, is_new, strict=True)
    ]


def _insert(tx: Transaction, sql: str, specs: Sequence[TaskSpec], rows: list[Row]) -> list[bool] | None:
    """Insert rows whose ids are not there; return for each whether it was inserted, ``None`` when all were."""
    if len(rows) == 1:
        return None if tx.execute(sql, rows[0]).rowcount == 1 else [False]
    last = tx.one("SELECT max(seq) FROM task") or 0
    if tx.executemany(sql, rows).rowcount == len(rows):
        return None
    return _which_are_new(tx, specs, last)


def _which_are_new(tx: Transaction, specs: Sequence[TaskSpec], last: int) -> list[bool]:
    """Return for each spec whether it was inserted after the row ``last``; the first one of each id can be."""
    new_ids = {task_id for (task_id,) in tx.execute("SELECT id FROM task WHERE seq > ?", (last,))}
    found: list[bool] = []
    for spec in specs:
        found.append(spec.id in new_ids)
        new_ids.discard(spec.id)
    return found


def _note_new(tx: Transaction, spec: TaskSpec, row: Row) -> None:
    """Look after what goes with a row that has just been inserted."""
    code = row[4]
    tx.count(spec.queue_name, code)
    if code == DUE:
        tx.due_queues.add(spec.queue_name)
    if row[22] is None:
        tx.execute(
            "INSERT INTO payload (seq, arguments) SELECT seq, ? FROM task WHERE id = ?", (spec.arguments_json, spec.id)
        )
    if spec.group_id is not None:
        tx.join(spec.group_id, code)


def _check_groups(tx: Transaction, specs: Sequence[TaskSpec]) -> None:
    """Raise for the first of these new specs whose group is not there, or was sealed without it."""
    wanted = Counter([spec.group_id for spec in specs if spec.group_id is not None])
    room: dict[str, int | None] = {}
    for group_id, number in wanted.items():
        row = tx.execute(_ROOM, (group_id,)).fetchone()
        if row is None:
            room[group_id] = None
            continue
        total, members = row
        if total is not None and (left := total - members - sum(tx.members[group_id].values())) < 0:
            room[group_id] = number + left
    if room:
        refuse_joining(specs, room)


def _add_bound(tx: Transaction, spec: TaskSpec, members: Joining, *, is_raising: bool) -> Added:
    """Add a spec that has a unique key or parents."""
    if tx.one("SELECT 1 FROM task WHERE id = ?", (spec.id,)):
        return Added(AddVerdict.ALREADY, spec.id)
    unique = spec.unique
    if unique is not None and (holder_id := key_holder(tx, unique.key)) is not None:
        members.forget()
        return answer_conflict(tx, spec, unique, holder_id, is_raising=is_raising)
    parents = find_parents(tx, spec)
    outcomes = [outcome for _parent_id, outcome in parents]
    task = accept(
        spec,
        tx.moment,
        unfinished_parents=outcomes.count(Outcome.UNFINISHED),
        has_failed_parent=Outcome.FAILED in outcomes,
    )
    unfinished = [parent_id for parent_id, outcome in parents if outcome is Outcome.UNFINISHED]
    if task.state is State.BLOCKED and members.closes_circle(spec, unfinished):
        raise InvalidInput(f"Task {spec.id} ({spec.name}), to join the group {spec.group_id}: {CIRCLE}")
    is_done = task.state.is_finished
    flags = (IS_CHILD if parents else 0) | (MAY_HOLD_KEY if unique is not None else 0)
    row = insert_row(spec, tx.now, code_of(task.state, is_due=True), flags)
    tx.execute(INSERT, row)
    if is_done:
        reason = None if task.reason is None else task.reason.value
        tx.execute(
            "UPDATE task SET reason = ?, purge_at = ? WHERE id = ?", (reason, optional_micros(task.purge_at), spec.id)
        )
        tx.finished.append(spec.id)
    link(tx, spec.id, parents, is_done=is_done)
    if task.state is State.BLOCKED:
        members.note(spec, unfinished)
    if unique is not None and not (is_done and unique.moment is None):
        take_key(tx, unique, spec.id)
    _note_new(tx, spec, row)
    _check_groups(tx, [spec])
    return Added(AddVerdict.ADDED, spec.id)


def _seal(tx: Transaction, group: Group, total: int, specs: Sequence[TaskSpec], added: Sequence[Added]) -> None:
    """Seal a group, if it is not sealed yet: members that other tasks stand for, or that are purged, are taken off."""
    count_members(tx)
    stored, sealed, purged = tx.execute(
        "SELECT blocked + ready + running + successful + failed + cancelled, total, purged FROM team WHERE id = ?",
        (group.id,),
    ).fetchone()
    if sealed is None:
        others = sum(
            spec.group_id == group.id and answer.verdict not in (AddVerdict.ADDED, AddVerdict.ALREADY)
            for spec, answer in zip(specs, added, strict=True)
        )
        sealed = total - others - purged
        if sealed < stored:
            raise InvalidInput(f"Group {group.id} cannot be sealed with {total} members: it has {stored} already.")
        tx.execute("UPDATE team SET total = ? WHERE id = ?", (sealed, group.id))
    finish_group(tx, group.id)


def look(tx: Transaction) -> Look:
    """Return what ``find_problem`` asks of the store in the middle of a step."""

    def size_of(group_id: str) -> tuple[int | None, int] | None:
        count_members(tx)
        size: tuple[int | None, int] | None = tx.execute(_ROOM, (group_id,)).fetchone()
        return size

    return Look(
        is_stored=lambda task_id: tx.one("SELECT 1 FROM task WHERE id = ?", (task_id,)) is not None,
        key_holder=lambda key: key_holder(tx, key),
        outcome_of=lambda parent_id: outcome_of(tx, parent_id),
        size_of=size_of,
        waiting=lambda node: waiting(tx, node),
    )
