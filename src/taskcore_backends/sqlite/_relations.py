"""What goes from task to task: a finish lets children go, members make a group finish, owed work is drained."""

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
    BLOCKED,
    CANCELLED,
    DONE,
    FAILED,
    HELD_BACK,
    IS_PARENT,
    RUNNING,
    SUCCESSFUL,
)
from taskcore_backends.sqlite._transaction import Transaction

__all__ = [
    "count_members",
    "count_waits",
    "drain_owed",
    "find_parents",
    "finish_group",
    "link",
    "outcome_of",
    "settle_relations",
    "waiting",
    "waits_for_itself",
]

_OWED_AT_ONCE = PROPAGATION_LIMIT


_OUTCOME_OF_GROUP = """
    SELECT total IS NULL OR total <> successful + failed + cancelled, total = successful FROM team WHERE id = ?
"""

_COUNT_MEMBERS = """
    UPDATE team SET
        blocked = blocked + ?, ready = ready + ?, running = running + ?, successful = successful + ?,
        failed = failed + ?, cancelled = cancelled + ?
    WHERE id = ?
"""

_FINISH_GROUP = """
    UPDATE team SET finished_at = coalesce(finished_at, ?)
    WHERE id = ? AND total = successful + failed + cancelled
    RETURNING id
"""

_IS_WAITING = "SELECT EXISTS (SELECT 1 FROM edge WHERE child_id = ? AND mark = 2)"

_AWAITING = "SELECT child_id FROM edge WHERE parent_id = ? AND mark = 2 ORDER BY child_id LIMIT ?"

_WAITING = """
    SELECT t.id, t.group_id FROM edge AS e JOIN task AS t ON t.id = e.child_id
    WHERE e.parent_id = ? AND e.mark = 2 LIMIT ?
"""


def outcome_of(tx: Transaction, parent_id: str) -> Outcome:
    """Return how a task or group stands; a group with a member that failed has failed once it is finished."""
    code = tx.one("SELECT code FROM task WHERE id = ?", (parent_id,))
    if code is not None:
        if code <= RUNNING:
            return Outcome.UNFINISHED
        return Outcome.SUCCESSFUL if code == SUCCESSFUL else Outcome.FAILED
    count_members(tx)
    row = tx.execute(_OUTCOME_OF_GROUP, (parent_id,)).fetchone()
    if row is None:
        return Outcome.MISSING
    is_unfinished, is_successful = row
    if is_unfinished:
        return Outcome.UNFINISHED
    return Outcome.SUCCESSFUL if is_successful else Outcome.FAILED


def find_parents(tx: Transaction, spec: TaskSpec) -> list[tuple[str, Outcome]]:
    """Return how each parent of a spec stands; raise ``MissingParent`` when one is not there."""
    if not spec.parents:
        return []
    found = [(parent_id, outcome_of(tx, parent_id)) for parent_id in dict.fromkeys(spec.parents)]
    refuse_missing(spec, found)
    return found


def link(tx: Transaction, child_id: str, parents: Iterable[tuple[str, Outcome]], *, is_done: bool = False) -> None:
    """Write the edges of a child to those of its parents that are there."""
    for parent_id, outcome in parents:
        if outcome is Outcome.MISSING:
            continue
        mark = DONE if is_done else AWAITED if outcome is Outcome.UNFINISHED else HELD_BACK
        tx.execute(
            "INSERT OR REPLACE INTO edge (parent_id, child_id, mark) VALUES (?, ?, ?)", (parent_id, child_id, mark)
        )
        tx.execute(
            "UPDATE task SET flags = flags | ? WHERE id = ? AND flags & ? = 0", (IS_PARENT, parent_id, IS_PARENT)
        )


def waits_for_itself(tx: Transaction, spec: TaskSpec, unfinished: Iterable[str]) -> bool:
    """Return whether a task that is to wait for these parents would close a circle."""
    return closes_circle(spec, unfinished, lambda node: waiting(tx, node))


def waiting(tx: Transaction, node: str) -> Iterable[tuple[str, str | None]]:
    """Return the id and group of each task that waits for a task or group."""
    return tx.execute(_WAITING, (node, SCAN_LIMIT))


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
    for group_id, numbers in changed.items():
        if any(numbers.values()):
            _count_group(tx, group_id, numbers)
        if any(numbers[code] > 0 for code in (SUCCESSFUL, FAILED, CANCELLED)):
            finish_group(tx, group_id)


def _count_group(tx: Transaction, group_id: str, numbers: Counter[int]) -> None:
    ready = numbers[0] + numbers[1]
    tx.execute(_COUNT_MEMBERS, (numbers[BLOCKED], ready, *(numbers[code] for code in range(RUNNING, 7)), group_id))


def finish_group(tx: Transaction, group_id: str) -> None:
    """Note that a group is finished, if it is sealed and all its members are, and that its children are let go."""
    if tx.execute(_FINISH_GROUP, (tx.now, group_id)).fetchone() is not None:
        tx.finished.append(group_id)
        tx.letting_go.append(group_id)


def _let_go(tx: Transaction, parent_id: str, budget: int) -> int:
    """Let up to ``budget`` children of a finished parent go; return how many went. The rest is owed."""
    outcome = outcome_of(tx, parent_id)
    if outcome not in (Outcome.SUCCESSFUL, Outcome.FAILED):  # it was requeued, and will finish again
        return 0
    rows = tx.execute(_AWAITING, (parent_id, budget + 1)).fetchall()
    for (child_id,) in rows[:budget]:
        tx.execute("UPDATE edge SET mark = 1 WHERE parent_id = ? AND child_id = ?", (parent_id, child_id))
        _let_child_go(tx, child_id, outcome)
    if len(rows) > budget:
        tx.execute("INSERT OR IGNORE INTO owed (parent_id) VALUES (?)", (parent_id,))
    return min(len(rows), budget)


def _let_child_go(tx: Transaction, child_id: str, outcome: Outcome) -> None:
    if outcome is Outcome.SUCCESSFUL and tx.one(_IS_WAITING, (child_id,)):
        return  # before it is read: a task that waits for thousands is long, and asked about by each of them
    child = tx.load(child_id)
    if child is None:
        return
    if outcome is Outcome.FAILED and child.task.spec.on_parent_failure is OnParentFailure.CANCEL:
        change = Change(task_id=child_id, event=Event.CANCEL, reason=CancelReason.DEPENDENCY)
    else:
        change = Change(task_id=child_id, event=Event.UNBLOCK, waits=count_waits(tx, child_id))
    new = step(child.task, change, tx.moment)
    if not isinstance(new, Refused):
        tx.write(child, new)


def count_waits(tx: Transaction, child_id: str) -> int:
    """Return for how many parents a task still waits."""
    waits: int = tx.one("SELECT count(*) FROM edge WHERE child_id = ? AND mark = 2", (child_id,))
    return waits


def drain_owed(tx: Transaction) -> None:
    """Note the parents whose finish has not reached all of their children yet, oldest first."""
    for seq, parent_id in tx.execute(
        "SELECT seq, parent_id FROM owed ORDER BY seq LIMIT ?", (_OWED_AT_ONCE,)
    ).fetchall():
        tx.execute("DELETE FROM owed WHERE seq = ?", (seq,))
        tx.letting_go.append(parent_id)
