"""``claim``: housekeeping, then due tasks to a worker, in order: highest priority, run_after in milliseconds, id.

A suspect (a task that needs START) is claimed alone: the batch ends before it, unless it is the first.

The rows are read in the order of claims, one scan of the index for each queue, locked, and written by one UPDATE; what
``step`` would make of them is built beside it (``claimed_tasks``), and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from taskcore.protocol import ClaimRequest, Lease, Task
from taskcore.records.columns import MAY_HOLD_KEY, micros
from taskcore_backends.django._housekeeping import EXISTS, MOMENTS, Chores, keep_house
from taskcore_backends.django._reading import COLUMNS, DUE_COLUMNS, Row, claimed_tasks, tasks
from taskcore_backends.django._relations import settle_relations
from taskcore_backends.django._transaction import Transaction

__all__ = [
    "FIT",
    "HAS_SUSPECT",
    "ORDER",
    "Situation",
    "claim",
    "claim_in",
    "look_around",
    "place_of",
    "release_started_keys",
]

FIT = "{t}code = 0 AND {t}run_after <= {now} AND ({t}expires_at IS NULL OR {t}expires_at > {now})"
"""What may be claimed, but for the queue and ``suspect``."""

ORDER = "precedence, due, id"

HAS_SUSPECT = "EXISTS (SELECT 1 FROM taskcore_task WHERE code = 0 AND suspect = TRUE AND queue_name = %s)"
"""Whether a suspect of a queue is due: those of queues that are not asked for are in nobody's way."""

_TRIES = 10

_HELD = f"""
    SELECT {COLUMNS} FROM taskcore_task AS t WHERE t.code = 3 AND t.worker_id = %s AND t.nonce = %s
    ORDER BY t.precedence, t.due, t.id
"""

_BY_ID = f"SELECT {DUE_COLUMNS} FROM taskcore_task AS t WHERE t.id IN ({{}}) AND t.code + 0 = 0"
"""Due tasks by their ids, and by no index of what is due, however few PostgreSQL takes these to be."""

_TAKE = """
    UPDATE taskcore_task SET
        code = 3, version = version + 1, epoch = epoch + 1, changed_at = %s, nonce = %s, worker_id = %s,
        claimed_at = %s, lease_expires = %s, is_started = FALSE, settle = NULL, cancel = NULL, reason = NULL
    WHERE id IN ({})
"""


@attrs.frozen
class Situation:
    """What a claim has to know before it claims."""

    chores: Chores
    is_any_paused: bool
    is_any_suspect: bool
    """A suspect of the queues that are asked for may be claimed."""
    is_repeat: bool
    """The nonce holds tasks already."""


def look_around(tx: Transaction, request: ClaimRequest) -> Situation:
    """Look at all that is rare, in one statement."""
    names = dict.fromkeys(request.queue_names) if request.allow_suspects else ()
    sql = f"""
        SELECT {", ".join(f"({one})" for one in EXISTS).format(now="%s")},
            EXISTS (SELECT 1 FROM taskcore_paused),
            {" OR ".join([HAS_SUSPECT] * len(names)) or "FALSE"},
            EXISTS (SELECT 1 FROM taskcore_task WHERE code = 3 AND worker_id = %s AND nonce = %s)
    """
    row = tx.rows(sql, (*[tx.now] * MOMENTS, *names, request.worker_id, request.nonce))[0]
    return Situation(Chores(*map(bool, row[:5])), *map(bool, row[5:]))


def claim(tx: Transaction, request: ClaimRequest) -> list[Task]:
    """Keep house, then claim; a repeated request first gets what its nonce still holds."""
    situation = look_around(tx, request)
    if any(attrs.astuple(situation.chores)):
        keep_house(tx, situation.chores)
        situation = look_around(tx, request)
    return claim_in(tx, request, situation)


def claim_in(tx: Transaction, request: ClaimRequest, situation: Situation) -> list[Task]:
    """Claim once the house is in order."""
    claimed: list[Task] = []
    if situation.is_repeat:
        claimed = tasks(tx.beside, tx.rows(_HELD, (request.worker_id, request.nonce)))
        if any(task.is_suspect for task in claimed):
            return claimed
    wanted = request.limit - len(claimed)
    if wanted <= 0:
        return claimed
    names = list(dict.fromkeys(request.queue_names))
    if situation.is_any_paused:
        paused = {name for (name,) in tx.rows("SELECT queue_name FROM taskcore_paused")}
        names = [name for name in names if name not in paused]
    rows = _due_rows(tx, names, wanted)
    if situation.is_any_suspect:
        rows = _with_suspect(tx, names, rows, has_others=bool(claimed))
    if rows:
        claimed += _take(tx, request, rows)
    return claimed


def _due_rows(tx: Transaction, names: Sequence[str], limit: int, *, is_suspect: bool = False) -> list[Row]:
    """Return due tasks in order, their rows locked, without those that others hold."""
    if not names:
        return []
    if len(names) == 1:
        sql, parameters = _scan(tx, names[0], DUE_COLUMNS, limit, is_suspect=is_suspect)
        return sorted(tx.rows(f"{sql} {tx.dialect.lock_free}", parameters), key=place_of)
    for _ in range(_TRIES):
        ids = _candidates(tx, names, limit, is_suspect=is_suspect)
        rows = tx.many(f"{_BY_ID} {tx.dialect.lock_free}", ids)
        if rows or not ids:
            return sorted(rows, key=place_of)
    return []


def _scan(
    tx: Transaction, name: str, columns: str, limit: int, *, is_suspect: bool = False
) -> tuple[str, tuple[object, ...]]:
    sql = f"""
        SELECT {columns} FROM taskcore_task AS t {tx.dialect.claim_index}
        WHERE {FIT.format(t="t.", now="%s")} AND t.suspect = {str(is_suspect).upper()} AND t.queue_name = %s
        ORDER BY t.precedence, t.due, t.id LIMIT %s
    """
    return sql, (tx.now, tx.now, name, limit)


def _candidates(tx: Transaction, names: Sequence[str], limit: int, *, is_suspect: bool) -> list[str]:
    """Return the ids of the first due tasks over several queues. Others may be about to claim them, too."""
    scans: list[str] = []
    parameters: list[object] = []
    for number, name in enumerate(names):
        sql, values = _scan(tx, name, "t.id, t.precedence, t.due", limit, is_suspect=is_suspect)
        scans.append(f"SELECT * FROM ({sql}) AS q{number}")
        parameters += values
    sql = f"SELECT id FROM ({' UNION ALL '.join(scans)}) AS found ORDER BY {ORDER} LIMIT %s"
    return [row[0] for row in tx.rows(sql, (*parameters, limit))]


def _with_suspect(tx: Transaction, names: Sequence[str], rows: list[Row], *, has_others: bool) -> list[Row]:
    """End a batch before the first suspect; if that comes first of all, it is the batch."""
    suspects = _due_rows(tx, names, 1, is_suspect=True)
    if not suspects:
        return rows
    place = place_of(suspects[0])
    before = [row for row in rows if place_of(row) < place]
    return before if before or has_others else suspects


def place_of(row: Row) -> tuple[int, int, str]:
    """Return the place of a row of ``DUE_COLUMNS`` in the order of claims."""
    return row[3], row[6] // 1000, row[0]


def _take(tx: Transaction, request: ClaimRequest, rows: list[Row]) -> list[Task]:
    """Move due rows to RUNNING."""
    lease = Lease(
        nonce=request.nonce,
        worker_id=request.worker_id,
        claimed_at=tx.moment,
        expires_at=tx.moment + request.lease,
    )
    values = (tx.now, lease.nonce, lease.worker_id, tx.now, micros(lease.expires_at))
    tx.run_many(_TAKE, sorted(row[0] for row in rows), before=values)
    release_started_keys(tx, rows)
    settle_relations(tx)
    return claimed_tasks(tx.beside, rows, lease, tx.moment)


def release_started_keys(tx: Transaction, rows: Sequence[Row]) -> None:
    """Give back the keys that are held until the start."""
    for row in rows:
        if row[14] & MAY_HOLD_KEY:
            sql = "DELETE FROM taskcore_unique WHERE unique_key = %s AND task_id = %s AND scope = 0"
            tx.run(sql, (row[20], row[0]))
