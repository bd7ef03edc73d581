"""``claim``: housekeeping, then due tasks to a worker, in order: highest priority, run_after in milliseconds, id.

A suspect (a task that needs START) is claimed alone: the batch ends before it, unless it is the first.

The rows are read in the order of claims, one scan of the index for each queue, and written by one UPDATE; what
``step`` would make of them is built beside it (``claimed_tasks``), and a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from taskcore.protocol import NONCES_KNOWN, PROPAGATION_LIMIT, ClaimRequest, Lease, Task
from taskcore.records.columns import DUE, IS_MEMBER, MAY_HOLD_KEY, RUNNING, micros
from taskcore_backends.sqlite._housekeeping import CHORES, keep_house
from taskcore_backends.sqlite._reading import COLUMNS, DUE_COLUMNS, Row, claimed_tasks, tasks
from taskcore_backends.sqlite._relations import settle_relations
from taskcore_backends.sqlite._transaction import Transaction

__all__ = ["claim", "select_due"]

_IS_FIT = "code = 0 AND run_after <= :now AND (expires_at IS NULL OR expires_at > :now)"

_ORDER = "rank, due, t.id"

_LOOK = f"""
    SELECT
        {CHORES},
        (SELECT nonces FROM claimer WHERE worker_id = :worker_id),
        EXISTS (SELECT 1 FROM paused),
        EXISTS (SELECT 1 FROM task WHERE code = 0 AND suspect = 1)
"""

_HELD = f"SELECT {COLUMNS} FROM task AS t WHERE code = 3 AND nonce = ? AND worker_id = ? ORDER BY {_ORDER}"

_TAKE = """
    UPDATE task SET
        code = 3, version = version + 1, epoch = epoch + 1, changed_at = ?, nonce = ?, worker_id = ?, claimed_at = ?,
        lease_expires = ?, is_started = 0, settle = NULL, cancel = NULL, reason = NULL
    WHERE seq IN (SELECT value FROM json_each(?))
"""

_TAKE_ONE = _TAKE.replace("seq IN (SELECT value FROM json_each(?))", "seq = ?")

_REMEMBER = """
    INSERT INTO claimer (worker_id, nonces, at) VALUES (?, ?, ?)
    ON CONFLICT (worker_id) DO UPDATE SET nonces = excluded.nonces, at = excluded.at
"""


def claim(tx: Transaction, request: ClaimRequest) -> list[Task]:
    """Keep house, then claim; a repeated request first gets what its nonce still holds."""
    tx.budget = PROPAGATION_LIMIT
    about = {"now": tx.now, "worker_id": request.worker_id}
    lapsed, due, overdue, keys, owed, nonces, is_any_paused, is_any_suspect = tx.execute(_LOOK, about).fetchone()
    if lapsed or due or overdue or keys or owed:
        keep_house(tx, has_lapsed=lapsed, has_due=due, has_overdue=overdue, has_keys=keys, has_owed=owed)
        *_, nonces, is_any_paused, is_any_suspect = tx.execute(_LOOK, about).fetchone()
    known = [] if nonces is None else nonces.split("\n")
    claimed: list[Task] = []
    if request.nonce in known:
        claimed = tasks(tx.execute(_HELD, (request.nonce, request.worker_id)).fetchall())
        if any(task.is_suspect for task in claimed):
            return claimed
    wanted = request.limit - len(claimed)
    if wanted <= 0:
        return claimed
    names = list(dict.fromkeys(request.queue_names))
    if is_any_paused:
        paused = {name for (name,) in tx.execute("SELECT queue FROM paused")}
        names = [name for name in names if name not in paused]
    rows = _due_rows(tx, names, wanted)
    if is_any_suspect and request.allow_suspects:
        rows = _with_suspect(tx, names, rows, has_others=bool(claimed))
    if rows:
        claimed += _take(tx, request, rows)
        if request.nonce not in known:
            kept = [request.nonce, *known[: NONCES_KNOWN - 1]]
            tx.execute(_REMEMBER, (request.worker_id, "\n".join(kept), tx.now))
    return claimed


def select_due(queues: int, *, suspect: int = 0) -> str:
    """Return the statement that reads due tasks of so many queues, in order: one scan of an index for each queue."""
    fit = f"{_IS_FIT} AND suspect = {suspect}"
    if queues == 1:
        return f"SELECT {DUE_COLUMNS} FROM task AS t WHERE queue = :q0 AND {fit} ORDER BY {_ORDER} LIMIT :limit"
    scans = " UNION ALL ".join(
        f"SELECT seq, rank, due, id FROM task WHERE queue = :q{number} AND {fit}" for number in range(queues)
    )
    return f"""
        SELECT {DUE_COLUMNS} FROM (SELECT * FROM ({scans} ORDER BY rank, due, id LIMIT :limit)) AS chosen
        CROSS JOIN task AS t ON t.seq = chosen.seq ORDER BY t.rank, t.due, t.id
    """


def _due_rows(tx: Transaction, names: Sequence[str], limit: int, *, suspect: int = 0) -> list[Row]:
    if not names:
        return []
    parameters: dict[str, object] = {f"q{number}": name for number, name in enumerate(names)}
    parameters.update(now=tx.now, limit=limit)
    return tx.execute(select_due(len(names), suspect=suspect), parameters).fetchall()


def _with_suspect(tx: Transaction, names: Sequence[str], rows: list[Row], *, has_others: bool) -> list[Row]:
    """End a batch before the first suspect; if that comes first of all, it is the batch."""
    suspects = _due_rows(tx, names, 1, suspect=1)
    if not suspects:
        return rows
    place = _place(suspects[0])
    before = [row for row in rows if _place(row) < place]
    return before if before or has_others else suspects


def _place(row: Row) -> tuple[int, int, str]:
    return row[4], row[5] // 1000, row[1]


def _take(tx: Transaction, request: ClaimRequest, rows: list[Row]) -> list[Task]:
    """Move due rows to RUNNING."""
    lease = Lease(
        nonce=request.nonce,
        worker_id=request.worker_id,
        claimed_at=tx.moment,
        expires_at=tx.moment + request.lease,
    )
    values = (tx.now, lease.nonce, lease.worker_id, tx.now, micros(lease.expires_at))
    if len(rows) == 1:
        tx.execute(_TAKE_ONE, (*values, rows[0][0]))
    else:
        tx.execute(_TAKE, (*values, json.dumps([row[0] for row in rows])))
    claimed = claimed_tasks(rows, lease, tx.moment)
    tx.count_all([row[3] for row in rows], RUNNING, instead_of=DUE)
    for row, task in zip(rows, claimed, strict=True):
        flags = row[6]
        if flags & MAY_HOLD_KEY and task.spec.unique is not None:
            tx.execute(
                "DELETE FROM holder WHERE unique_key = ? AND task_id = ? AND scope = 0",
                (task.spec.unique.key, task.id),
            )
        if flags & IS_MEMBER and task.spec.group_id is not None:
            tx.join(task.spec.group_id, DUE, -1)
            tx.join(task.spec.group_id, RUNNING)
    settle_relations(tx)
    return claimed
