"""What goes from task to task: a finish lets children go, members make a group finish, owed work is drained.

Who looks at a parent holds its row, and whoever finishes one does: so either the finish sees the new child, or the
child sees the finish. A child's row is held before its edges are marked or counted, for the same reason.

A transaction that a caller has begun may see the state of its own beginning (REPEATABLE READ) even of what it holds
now. So a child that is added writes its parents' rows, and whoever looks at edges in such a transaction locks them:
PostgreSQL refuses what it would have decided by the old state, MySQL and MariaDB show the new one to who locks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    SCAN_LIMIT,
    CancelReason,
    Change,
    Event,
    OnParentFailure,
    Refused,
    TaskSpec,
    step,
)
from taskcore.records import Outcome, closes_circle, refuse_missing
from taskcore.records.columns import (
    AWAITED,
    CANCELLED,
    DONE,
    FAILED,
    HELD_BACK,
    IS_PARENT,
    RUNNING,
    SUCCESSFUL,
)
from taskcore_backends.django._reading import Row
from taskcore_backends.django._transaction import Transaction

__all__ = [
    "count_members",
    "count_waits",
    "drain_owed",
    "find_parents",
    "finish_group",
    "link",
    "outcomes_of",
    "settle_relations",
    "waiting",
    "waits_for_itself",
]


_COUNT_MEMBERS = """
    UPDATE taskcore_group SET successful = successful + %s, failed = failed + %s, cancelled = cancelled + %s
    WHERE id = %s
"""


_FREE = """
    SELECT t.id FROM taskcore_task AS t
    WHERE t.id IN ({}) AND NOT EXISTS (SELECT 1 FROM taskcore_dependency AS e WHERE e.child_id = t.id AND e.mark = 2)
"""


def outcomes_of(tx: Transaction, ids: Iterable[str]) -> dict[str, Outcome]:
    """Return how these tasks and groups stand, and hold them so.

    A group with a member that failed has failed once it is finished.
    """
    wanted = sorted(set(ids))
    found = dict.fromkeys(wanted, Outcome.MISSING)
    sql = f"SELECT id, code FROM taskcore_task WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock}"
    for task_id, code in tx.many(sql, wanted):
        if code <= RUNNING:
            found[task_id] = Outcome.UNFINISHED
        else:
            found[task_id] = Outcome.SUCCESSFUL if code == SUCCESSFUL else Outcome.FAILED
    others = [parent_id for parent_id in wanted if found[parent_id] is Outcome.MISSING]
    if others:
        count_members(tx)
        sql = f"""
            SELECT id, total, successful, failed + cancelled FROM taskcore_group
            WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock}
        """
        for group_id, total, successful, others_finished in tx.many(sql, others):
            if total is None or total != successful + others_finished:
                found[group_id] = Outcome.UNFINISHED
            else:
                found[group_id] = Outcome.SUCCESSFUL if total == successful else Outcome.FAILED
    return found


def find_parents(tx: Transaction, spec: TaskSpec) -> list[tuple[str, Outcome]]:
    """Return how each parent of a spec stands; raise ``MissingParent`` when one is not there."""
    if not spec.parents:
        return []
    outcomes = outcomes_of(tx, spec.parents)
    found = [(parent_id, outcomes[parent_id]) for parent_id in dict.fromkeys(spec.parents)]
    refuse_missing(spec, found)
    return found


def link(tx: Transaction, child_id: str, parents: Iterable[tuple[str, Outcome]], *, is_done: bool = False) -> None:
    """Write the edges of a child to those of its parents that are there."""
    there = [(parent_id, outcome) for parent_id, outcome in parents if outcome is not Outcome.MISSING]
    if not there:
        return
    sql = tx.dialect.put("taskcore_dependency", "parent_id, child_id, mark", ("parent_id", "child_id"), rows=len(there))
    values: list[object] = []
    for parent_id, outcome in there:
        mark = DONE if is_done else AWAITED if outcome is Outcome.UNFINISHED else HELD_BACK
        values += (parent_id, child_id, mark)
    tx.run(sql, values)
    _touch(tx, sorted({parent_id for parent_id, _outcome in there} - tx.touched))


def _touch(tx: Transaction, parent_ids: list[str]) -> None:
    """Write the rows of parents, once in an operation, for those who see them as they were before."""
    tx.touched.update(parent_ids)
    sql = f"UPDATE taskcore_task SET flags = flags | {IS_PARENT} WHERE id IN ({{}})"
    if tx.run_many(sql, parent_ids) < len(parent_ids):
        tx.run_many("UPDATE taskcore_group SET members = members WHERE id IN ({})", parent_ids)


def waits_for_itself(tx: Transaction, spec: TaskSpec, unfinished: Iterable[str]) -> bool:
    """Return whether a task that is to wait for these parents would close a circle.

    Who is met is held: of two transactions that would close a circle together one sees what the other has written.
    """
    return closes_circle(spec, unfinished, lambda node: waiting(tx, node))


def waiting(tx: Transaction, node: str) -> list[Row]:
    """Return the id and group of each task that waits for a task or group, and hold them."""
    lock = tx.dialect.lock
    sql = "SELECT child_id FROM taskcore_dependency WHERE parent_id = %s AND mark = 2 ORDER BY child_id LIMIT %s"
    child_ids = [child_id for (child_id,) in tx.rows(f"{sql} {lock}", (node, SCAN_LIMIT))]
    return tx.many(f"SELECT id, group_id FROM taskcore_task WHERE id IN ({{}}) ORDER BY id {lock}", child_ids)


def settle_relations(tx: Transaction) -> None:
    """Count the members of groups and let children go, as far as the budget goes, until nothing follows any more.

    The end of every operation that writes. Parents that it does not get through with are owed.
    """
    while tx.letting_go or tx.members:
        count_members(tx)
        if tx.letting_go:
            tx.budget -= _let_go(tx, tx.letting_go.popleft(), tx.budget)


def count_members(tx: Transaction) -> None:
    """Write how the members of groups have changed, and note the groups that are finished by that."""
    changed, tx.members = tx.members, {}
    for group_id, numbers in sorted(changed.items()):
        _count_group(tx, group_id, numbers)
        if any(numbers[code] > 0 for code in (SUCCESSFUL, FAILED, CANCELLED)):
            finish_group(tx, group_id)


def _count_group(tx: Transaction, group_id: str, numbers: Counter[int]) -> None:
    if any(numbers.values()):
        tx.run(_COUNT_MEMBERS, (numbers[SUCCESSFUL], numbers[FAILED], numbers[CANCELLED], group_id))


def finish_group(tx: Transaction, group_id: str) -> None:
    """Note that a group is finished, if it is sealed and all its members are, and that its children are let go."""
    sql = f"SELECT total, successful + failed + cancelled FROM taskcore_group WHERE id = %s {tx.dialect.lock}"
    rows = tx.rows(sql, (group_id,))
    if rows and rows[0][0] == rows[0][1]:
        tx.run("UPDATE taskcore_group SET finished_at = coalesce(finished_at, %s) WHERE id = %s", (tx.now, group_id))
        tx.finished.append(group_id)
        tx.letting_go.append(group_id)


def _let_go(tx: Transaction, parent_id: str, budget: int) -> int:
    """Let up to ``budget`` children of a finished parent go; return how many went. The rest is owed."""
    outcome = outcomes_of(tx, (parent_id,))[parent_id]
    if outcome not in (Outcome.SUCCESSFUL, Outcome.FAILED):  # it was requeued, and will finish again
        return 0
    lock = tx.dialect.lock if tx.is_callers else ""
    sql = "SELECT child_id FROM taskcore_dependency WHERE parent_id = %s AND mark = 2 ORDER BY child_id LIMIT %s"
    rows = tx.rows(f"{sql} {lock}", (parent_id, budget + 1))
    if len(rows) > budget:
        tx.run("INSERT INTO taskcore_owed (parent_id) VALUES (%s)", (parent_id,))
    child_ids = [child_id for (child_id,) in rows[:budget]]
    if child_ids:
        _let_children_go(tx, parent_id, child_ids, outcome)
    return len(child_ids)


def _let_children_go(tx: Transaction, parent_id: str, child_ids: list[str], outcome: Outcome) -> None:
    """Mark the edges to these children, and step those that wait for nothing more.

    One that waits for thousands is asked about by each of them: it is not read before the last one.
    """
    tx.many(f"SELECT id FROM taskcore_task WHERE id IN ({{}}) ORDER BY id {tx.dialect.lock}", child_ids)
    sql = "UPDATE taskcore_dependency SET mark = 1 WHERE parent_id = %s AND mark = 2 AND child_id IN ({})"
    tx.run_many(sql, child_ids, before=(parent_id,))
    free = _free(tx, child_ids)
    for child in tx.load_all(free if outcome is Outcome.SUCCESSFUL else child_ids):
        task = child.task
        if outcome is Outcome.FAILED and task.spec.on_parent_failure is OnParentFailure.CANCEL:
            change = Change(task_id=task.id, event=Event.CANCEL, reason=CancelReason.DEPENDENCY)
        else:
            change = Change(task_id=task.id, event=Event.UNBLOCK, waits=task.id not in free)
        new = step(task, change, tx.moment)
        if not isinstance(new, Refused):
            tx.write(child, new)


def _free(tx: Transaction, child_ids: list[str]) -> set[str]:
    """Return those of these children, whose rows are held, that wait for nothing more."""
    if not tx.is_callers:
        return {task_id for (task_id,) in tx.many(_FREE, child_ids)}
    sql = f"SELECT 1 FROM taskcore_dependency WHERE child_id = %s AND mark = 2 LIMIT 1 {tx.dialect.lock}"
    return {child_id for child_id in child_ids if tx.one(sql, (child_id,)) is None}


def count_waits(tx: Transaction, child_id: str) -> int:
    """Return for how many parents a task still waits."""
    lock = tx.dialect.lock if tx.is_callers else ""
    return len(tx.rows(f"SELECT 1 FROM taskcore_dependency WHERE child_id = %s AND mark = 2 {lock}", (child_id,)))


def drain_owed(tx: Transaction) -> None:
    """Note the parents whose finish has not reached all of their children yet, oldest first."""
    sql = f"SELECT id, parent_id FROM taskcore_owed ORDER BY id LIMIT %s {tx.dialect.lock_free}"
    rows = tx.rows(sql, (PROPAGATION_LIMIT,))
    tx.run_many("DELETE FROM taskcore_owed WHERE id IN ({})", [row[0] for row in rows])
    tx.letting_go.extend(dict.fromkeys(row[1] for row in rows))
