"""``add``: new tasks and groups. Plain specs go in together; unique keys and parents are looked up one by one.

For each spec, in order: is a task of this id there (ALREADY); is its unique key held (the policy answers); are its
parents and its group there (``MissingParent``). Specs of one call see those before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import IntegrityError

from taskcore.errors import BackendUnavailable, InvalidInput
from taskcore.protocol import Added, AddVerdict, Group, State, TaskSpec, UniqueKey, accept
from taskcore.records import CIRCLE, Joining, Look, Outcome, refuse_joining
from taskcore.records.columns import (
    DUE,
    IS_BULKY,
    IS_CHILD,
    MAY_HOLD_KEY,
    code_of,
    micros,
    optional_micros,
)
from taskcore_backends.django._dialects import values
from taskcore_backends.django._reading import Row
from taskcore_backends.django._relations import (
    count_members,
    find_parents,
    finish_group,
    link,
    outcomes_of,
    settle_relations,
    waiting,
)
from taskcore_backends.django._rows import CODE_OF_NEW, FLAGS_OF_NEW, PAYLOAD_COLUMNS, TASK_COLUMNS, new_row
from taskcore_backends.django._transaction import Transaction
from taskcore_backends.django._unique import answer_conflict, key_holder, take_key

__all__ = ["add", "look"]

_WIDTH = TASK_COLUMNS.count(",") + 1
_ROWS_AT_ONCE = 200
_TRIES = 20

_NEW_GROUP = "id, name, created_at, members, successful, failed, cancelled, purged"


def add(
    tx: Transaction, specs: Sequence[TaskSpec], group: Group | None = None, *, is_raising: bool = True
) -> list[Added]:
    """Add specs. With ``is_raising`` off a conflict is never raised: the holder stands for the task."""
    if group is not None:
        row = (group.id, group.name, micros(group.created_at), 0, 0, 0, 0, 0)
        tx.run(tx.dialect.insert_new("taskcore_group", _NEW_GROUP), row)
    order = _order(specs)
    answers = _add_in_order(tx, [specs[index] for index in order], is_raising=is_raising)
    added = [answer for _index, answer in sorted(zip(order, answers, strict=True), key=lambda pair: pair[0])]
    if group is not None and group.total is not None:
        _seal(tx, group, group.total, specs, added)
    settle_relations(tx)
    return added


def _order(specs: Sequence[TaskSpec]) -> Sequence[int]:
    """Return in which order to add: by unique key where that makes no difference, so that no two calls deadlock."""
    keys = [None if spec.unique is None else spec.unique.key for spec in specs]
    if len(set(keys)) < 2 or any(spec.parents for spec in specs) or len({spec.id for spec in specs}) < len(specs):
        return range(len(specs))
    return sorted(range(len(specs)), key=lambda index: keys[index] or "")


def _add_in_order(tx: Transaction, specs: Sequence[TaskSpec], *, is_raising: bool) -> list[Added]:
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
    return added


def _add_plain(tx: Transaction, specs: Sequence[TaskSpec]) -> list[Added]:
    """Add specs that have neither a unique key nor parents, in one go."""
    now = tx.now
    rows = [new_row(spec, now) for spec in specs]
    new_ids = _insert(tx, rows)
    added: list[Added] = []
    fresh: list[tuple[TaskSpec, Row]] = []
    for spec, row in zip(specs, rows, strict=True):
        is_new = spec.id in new_ids
        new_ids.discard(spec.id)
        if is_new:
            fresh.append((spec, row))
        added.append(Added(AddVerdict.ADDED if is_new else AddVerdict.ALREADY, spec.id))
    _note_new(tx, fresh)
    return added


def _insert(tx: Transaction, rows: Sequence[Row]) -> set[str]:
    """Insert rows whose ids are not there; return the ids of those that were inserted."""
    new_ids: set[str] = set()
    first = {row[0]: row for row in reversed(rows)}
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = [row for row in rows[start : start + _ROWS_AT_ONCE] if first[row[0]] is row]
        new_ids.update(_insert_some(tx, some) if some else ())
    return new_ids


def _insert_some(tx: Transaction, rows: list[Row]) -> set[str]:
    for _ in range(_TRIES):
        sql = f"INSERT INTO taskcore_task ({TASK_COLUMNS}) VALUES {values(_WIDTH, len(rows))}"
        parameters = [value for row in rows for value in row]
        if not tx.dialect.lacks_conflicts:
            return {task_id for (task_id,) in tx.rows(f"{sql} ON CONFLICT (id) DO NOTHING RETURNING id", parameters)}
        try:
            tx.run(sql, parameters)
        except IntegrityError:  # one of them is there, and none was inserted: find out which, whatever the snapshot
            sql = f"SELECT id FROM taskcore_task WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock}"
            known = {task_id for (task_id,) in tx.many(sql, sorted(_ids(rows)))}
            rows = [row for row in rows if row[0] not in known]
            if not rows:
                return set()
        else:
            return set(_ids(rows))
    raise _busy(_ids(rows))


def _busy(ids: Sequence[str]) -> BackendUnavailable:
    """Return the error for tasks that could not be stored: each time another transaction was in the way."""
    return BackendUnavailable(
        f"Tasks {', '.join(ids[:3])}: not stored, as others change what they need at the moment. Repeat the call."
    )


def _ids(rows: Sequence[Row]) -> list[str]:
    return [row[0] for row in rows]


def _note_new(tx: Transaction, fresh: Sequence[tuple[TaskSpec, Row]]) -> None:
    """Look after what goes with rows that have just been inserted."""
    bulky = [(spec.id, spec.arguments_json, None, None) for spec, row in fresh if row[FLAGS_OF_NEW] & IS_BULKY]
    tx.insert("taskcore_payload", PAYLOAD_COLUMNS, bulky)
    joining: Counter[str] = Counter()
    for spec, row in fresh:
        code = row[CODE_OF_NEW]
        tx.count(spec.queue_name, code)
        if code == DUE:
            tx.due_queues.add(spec.queue_name)
        if spec.group_id is not None:
            joining[spec.group_id] += 1
            tx.join(spec.group_id, code)
    short: dict[str, int | None] = {}
    for group_id, number in sorted(joining.items()):
        room = _enter(tx, group_id, number)
        if room is None or room < number:
            short[group_id] = room
    if short:
        refuse_joining([spec for spec, _row in fresh], short)


def _enter(tx: Transaction, group_id: str, number: int) -> int | None:
    """Count new members; return how many of them the group has room for, ``None`` when it is not there."""
    tx.run("UPDATE taskcore_group SET members = members + %s WHERE id = %s", (number, group_id))
    rows = tx.rows("SELECT total, members FROM taskcore_group WHERE id = %s", (group_id,))
    if not rows:
        return None
    total, members = rows[0]
    return number if total is None else min(number, total - members + number)


def _add_bound(tx: Transaction, spec: TaskSpec, members: Joining, *, is_raising: bool) -> Added:
    """Add a spec that has a unique key or parents."""
    unique = spec.unique
    for number in range(_TRIES):
        lock = tx.dialect.lock if number else ""  # a second look is at what is there, whatever the snapshot shows
        if tx.one(f"SELECT 1 FROM taskcore_task WHERE id = %s {lock}", (spec.id,)):
            return Added(AddVerdict.ALREADY, spec.id)
        if unique is not None and (holder_id := key_holder(tx, unique.key, lock)) is not None:
            members.forget()
            return answer_conflict(tx, spec, unique, holder_id, is_raising=is_raising)
        added = _store_bound(tx, spec, unique, members)
        if added is not None:
            return added
    raise _busy([spec.id])


def _store_bound(tx: Transaction, spec: TaskSpec, unique: UniqueKey | None, members: Joining) -> Added | None:
    """Store a spec whose key is free; ``None`` if another task has taken the key, or the id, just now."""
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
    takes_key = unique is not None and not (is_done and unique.moment is None)
    if unique is not None and takes_key and not take_key(tx, unique, spec.id):
        return None
    flags = (IS_CHILD if parents else 0) | (MAY_HOLD_KEY if unique is not None else 0)
    reason = None if task.reason is None else task.reason.value
    row = new_row(spec, tx.now, code_of(task.state, is_due=True), flags, reason, optional_micros(task.purge_at))
    if not _insert(tx, [row]):
        return None
    if is_done:
        tx.finished.append(spec.id)
    link(tx, spec.id, parents, is_done=is_done)
    if task.state is State.BLOCKED:
        members.note(spec, unfinished)
    _note_new(tx, [(spec, row)])
    return Added(AddVerdict.ADDED, spec.id)


def _seal(tx: Transaction, group: Group, total: int, specs: Sequence[TaskSpec], added: Sequence[Added]) -> None:
    """Seal a group, if it is not sealed yet: members that other tasks stand for, or that are purged, are taken off."""
    count_members(tx)
    sql = f"SELECT members, total, purged FROM taskcore_group WHERE id = %s {tx.dialect.lock}"
    stored, sealed, purged = tx.rows(sql, (group.id,))[0]
    if sealed is None:
        others = sum(
            spec.group_id == group.id and answer.verdict not in (AddVerdict.ADDED, AddVerdict.ALREADY)
            for spec, answer in zip(specs, added, strict=True)
        )
        sealed = total - others - purged
        if sealed < stored:
            raise InvalidInput(f"Group {group.id} cannot be sealed with {total} members: it has {stored} already.")
        tx.run("UPDATE taskcore_group SET total = %s WHERE id = %s", (sealed, group.id))
    finish_group(tx, group.id)


def look(tx: Transaction, specs: Sequence[TaskSpec]) -> Look:
    """Return what ``find_problem`` asks of the store for these specs, of which all are looked up, and held, at once."""
    stored = {row[0] for row in tx.many("SELECT id FROM taskcore_task WHERE id IN ({})", [spec.id for spec in specs])}
    outcomes = outcomes_of(tx, {parent_id for spec in specs for parent_id in spec.parents})
    count_members(tx)
    sql = f"SELECT id, total, members FROM taskcore_group WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock}"
    group_ids = sorted({spec.group_id for spec in specs if spec.group_id is not None})
    sizes = {group_id: (total, members) for group_id, total, members in tx.many(sql, group_ids)}
    return Look(
        is_stored=stored.__contains__,
        key_holder=lambda key: key_holder(tx, key),
        outcome_of=outcomes.__getitem__,
        size_of=sizes.get,
        waiting=lambda node: waiting(tx, node),
    )
