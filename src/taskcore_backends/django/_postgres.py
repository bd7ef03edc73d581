"""What is common, in single statements, on PostgreSQL: plain adds, settles of tasks that nobody waits for, claims.

A statement alone is a transaction, and one round trip. Whatever is unusual (a chore, a suspect, a repeated claim, a
task with children, a fence that does not hold) is left alone by these statements and goes the way of any database after
them: so a claim is made only if there are no chores, and all was settled that had to be before it.

``code + 0`` is where the planner must not think of the indexes of one code: rows are found by their ids, whatever the
statistics say of how many there are with that code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs

from taskcore.protocol import (
    Added,
    AddVerdict,
    Applied,
    Change,
    ClaimRequest,
    Event,
    Lease,
    State,
    Task,
    TaskSpec,
    Verdict,
)
from taskcore.records import dump_data
from taskcore.records.columns import HAS_ATTEMPTS, IS_BULKY, MAY_HOLD_KEY, micros, moment, optional_micros, span
from taskcore_backends.django._applying import is_batched
from taskcore_backends.django._claiming import FIT, HAS_SUSPECT, place_of
from taskcore_backends.django._housekeeping import EXISTS
from taskcore_backends.django._reading import DUE_COLUMNS, Row, claimed_tasks
from taskcore_backends.django._rows import is_lean
from taskcore_backends.django._transaction import Transaction

__all__ = ["UNSYNCED", "Answer", "add_plain", "applied", "are_plain", "can_settle", "settle_and_claim"]

_LEAN = """
    id, name, queue_name, precedence, code, version, run_after, due, enqueued_at, changed_at, max_attempts, max_crashes,
    epoch, failures, crashes, releases, flags, suspect, arguments
"""

_ADD_ONE = f"""
    INSERT INTO taskcore_task ({_LEAN})
    VALUES (%s, %s, %s, %s, 0, 1, {{now}}, {{now}} / 1000, %s, {{now}}, %s, %s, 0, 0, 0, 0, 0, %s, %s)
    ON CONFLICT (id) DO NOTHING
"""

_ADD_MANY = f"""
    WITH c AS MATERIALIZED (SELECT {{now}} AS now)
    INSERT INTO taskcore_task ({_LEAN})
    SELECT g.i, g.n, g.q, g.p, 0, 1, c.now, c.now / 1000, g.e, c.now, g.m, g.c, 0, 0, 0, 0, 0, g.c = 0, g.a
    FROM json_to_recordset(%s) AS g(i varchar, n varchar, q varchar, p smallint, e bigint, m integer, c integer, a text)
    CROSS JOIN c ON CONFLICT (id) DO NOTHING RETURNING id
"""


def are_plain(specs: Sequence[TaskSpec]) -> bool:
    """Return whether all specs ask for nothing unusual."""
    return bool(specs) and all(map(is_lean, specs))


def add_plain(tx: Transaction, specs: Sequence[TaskSpec]) -> list[Added]:
    """Add specs that ask for nothing unusual."""
    now, moments = tx.clock_sql()
    tx.due_queues.update({spec.queue_name for spec in specs})
    if len(specs) == 1:
        spec = specs[0]
        values = (
            *(spec.id, spec.name, spec.queue_name, -spec.priority, *moments, *moments, micros(spec.enqueued_at)),
            *(*moments, spec.max_attempts, spec.max_crashes, spec.max_crashes == 0, spec.arguments_json),
        )
        is_new = tx.run(_ADD_ONE.format(now=now), values) == 1
        return [Added(AddVerdict.ADDED if is_new else AddVerdict.ALREADY, spec.id)]
    rows = [
        {
            "i": spec.id,
            "n": spec.name,
            "q": spec.queue_name,
            "p": -spec.priority,
            "e": micros(spec.enqueued_at),
            "m": spec.max_attempts,
            "c": spec.max_crashes,
            "a": spec.arguments_json,
        }
        for spec in specs
    ]
    new_ids = {row[0] for row in tx.rows(_ADD_MANY.format(now=now), (*moments, _compact(rows)))}
    added: list[Added] = []
    for spec in specs:
        added.append(Added(AddVerdict.ADDED if spec.id in new_ids else AddVerdict.ALREADY, spec.id))
        new_ids.discard(spec.id)
    return added


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# Settle and claim

UNSYNCED = "set_config('synchronous_commit', 'off', TRUE) AS unsynced"
"""For one transaction: its commit does not wait for the disk. A claim need not: when the server crashes before it is
there, the task is READY again, and who got it is refused by the nonce. What has to be remembered before a task runs, a
START, is a commit of its own. A hint need not wait either."""

_NEEDS_CARE = ~(IS_BULKY | HAS_ATTEMPTS) & 0x7FFF

_GIVEN = 'i varchar COLLATE "C", e bigint, n varchar COLLATE "C", v text, s bigint, p text'

_SETTLED = f"""
    given AS MATERIALIZED (SELECT * FROM json_to_recordset(%s) AS g({_GIVEN})),
    settled AS (
        UPDATE taskcore_task AS t SET
            code = 4, version = t.version + 1, changed_at = (SELECT now FROM clock), value = g.v, started_at = g.s,
            settle = 1, lease_expires = NULL, claimed_at = NULL, is_started = NULL, cancel = NULL, reason = NULL,
            progress = coalesce(g.p, t.progress), purge_at = (SELECT now FROM clock) + t.keep
        FROM given AS g
        WHERE t.id = ANY (ARRAY(SELECT i FROM given)) AND t.id = g.i AND t.code + 0 = 3 AND t.epoch = g.e
            AND t.nonce = g.n AND (t.flags & {_NEEDS_CARE}) = 0
        RETURNING t.id, t.version, t.queue_name
    ),
    tallied AS (
        INSERT INTO taskcore_tally (queue_name, code, number)
        SELECT queue_name, 4, count(*) FROM settled GROUP BY queue_name
    )
"""

_SITUATION = f"""
    situation AS MATERIALIZED (
        SELECT NOT ({" OR ".join(EXISTS).format(now="(SELECT now FROM clock)")}
            {{or_suspects}}
            OR EXISTS (SELECT 1 FROM taskcore_task WHERE code = 3 AND worker_id = %s AND nonce = %s)
            {{and_settled}}) AS is_plain
    )
"""

_SCAN = f"""
    SELECT {{columns}} FROM taskcore_task AS t
    WHERE (SELECT is_plain FROM situation) AND {FIT.format(t="t.", now="(SELECT now FROM clock)")}
        AND t.suspect = FALSE AND t.queue_name = %s
        AND NOT EXISTS (SELECT 1 FROM taskcore_paused AS p WHERE p.queue_name = %s)
    ORDER BY t.precedence, t.due, t.id LIMIT %s
"""

_TAKEN_COLUMNS = DUE_COLUMNS.replace("t.version", "t.version - 1").replace("t.epoch", "t.epoch - 1")

_TAKEN = f"""
    taken AS (
        UPDATE taskcore_task AS t SET
            code = 3, version = t.version + 1, epoch = t.epoch + 1, changed_at = (SELECT now FROM clock), nonce = %s,
            worker_id = %s, claimed_at = (SELECT now FROM clock), lease_expires = (SELECT now FROM clock) + %s,
            is_started = FALSE, settle = NULL, cancel = NULL, reason = NULL
        WHERE t.id = ANY (ARRAY(SELECT id FROM due))
        RETURNING {_TAKEN_COLUMNS}
    ),
    released AS (
        DELETE FROM taskcore_unique AS u USING taken AS k
        WHERE (k.flags & {MAY_HOLD_KEY}) <> 0 AND u.unique_key = k.unique_key AND u.task_id = k.id AND u.scope = 0
    )
"""


_CANDIDATES = """
    candidates AS MATERIALIZED (
        SELECT id FROM ({scans}) AS found ORDER BY precedence, due, id LIMIT %s
    ),
    due AS MATERIALIZED (
        SELECT t.id FROM taskcore_task AS t WHERE t.id = ANY (ARRAY(SELECT id FROM candidates)) AND t.code + 0 = 0
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""

_WIDTH = DUE_COLUMNS.count(",") + 1
_NULLS = ", NULL" * (_WIDTH - 1)


@attrs.frozen
class Answer:
    """What one statement did."""

    settled: dict[str, int]
    """The version of each task that was settled."""
    claimed: list[Task] | None
    """``None``: nothing was claimed, as none was asked for, or something unusual has to be seen to first."""


def can_settle(changes: Sequence[Change]) -> bool:
    """Return whether all changes are of the kind that one statement can make."""
    return len({change.task_id for change in changes}) == len(changes) and all(
        change.event is Event.SUCCEED and is_batched(change) and not change.items for change in changes
    )


def settle_and_claim(tx: Transaction, changes: Sequence[Change], request: ClaimRequest | None) -> Answer:
    """Make SUCCEEDs of tasks that nobody waits for, then claim if nothing has to be seen to before."""
    now, moments = tx.clock_sql()
    unsynced = f", {UNSYNCED}" if tx.is_alone and not changes else ""
    parts = [f"clock AS MATERIALIZED (SELECT {now} AS now{unsynced})"]
    values: list[object] = [*moments]
    answers: list[str] = []
    if request is not None:
        answers.append("SELECT 2 AS kind, 0::bigint AS number, taken.* FROM taken")
    if changes:
        parts.append(_SETTLED)
        values.append(_compact([_given(change) for change in changes]))
        answers.append(f"SELECT 1 AS kind, version AS number, id{_NULLS if request is not None else ''} FROM settled")
    if request is not None:
        and_settled = f"OR (SELECT count(*) FROM settled) <> {len(changes)}" if changes else ""
        names = list(dict.fromkeys(request.queue_names))
        suspects = names if request.allow_suspects else ()
        parts.append(_SITUATION.format(and_settled=and_settled, or_suspects=f"OR {HAS_SUSPECT} " * len(suspects)))
        values += (*suspects, request.worker_id, request.nonce)
        sql, more = _due(names, request.limit)
        parts += (sql, _TAKEN)
        values += (*more, request.nonce, request.worker_id, span(request.lease))
        answers.append(
            "SELECT 0, (SELECT now FROM clock), (SELECT is_plain FROM situation)::text, "
            f"{_left_over(names)}{_NULLS.replace(', NULL', '', 1)}"
        )
    rows = tx.rows(f"WITH {', '.join(parts)} {' UNION ALL '.join(answers)}", values)
    return _read(tx, rows, changes, request)


def _given(change: Change) -> dict[str, object]:
    fence = change.fence
    assert fence is not None  # is_batched
    return {
        "i": change.task_id,
        "e": fence.epoch,
        "n": fence.nonce,
        "v": change.value_json,
        "s": optional_micros(change.started_at),
        "p": None if change.progress is None else dump_data(change.progress),
    }


def _due(names: Sequence[str], limit: int) -> tuple[str, list[object]]:
    """Return the CTE ``due``: the ids of what is to be claimed, locked; and its values."""
    if len(names) == 1:
        scan = _SCAN.format(columns="t.id")
        return f"due AS MATERIALIZED ({scan} FOR NO KEY UPDATE SKIP LOCKED)", [names[0], names[0], limit]
    scan = _SCAN.format(columns="t.id, t.precedence, t.due")
    scans = " UNION ALL ".join(f"SELECT * FROM ({scan}) AS q{number}" for number in range(len(names)))
    values = [value for name in names for value in (name, name, limit)]
    return _CANDIDATES.format(scans=scans), [*values, limit]


def _left_over(names: Sequence[str]) -> str:
    """Return what tells, as a text, whether others were about to claim the same tasks."""
    if len(names) == 1:
        return "NULL"
    return "(SELECT 'others' FROM candidates WHERE NOT EXISTS (SELECT 1 FROM due) LIMIT 1)"


def _read(tx: Transaction, rows: Sequence[Row], changes: Sequence[Change], request: ClaimRequest | None) -> Answer:
    settled: dict[str, int] = {}
    taken: list[Row] = []
    claimed: list[Task] | None = None
    for row in rows:
        if row[0] == 1:
            settled[row[2]] = row[1]
        elif row[0] == 2:
            taken.append(row[2:])
        elif request is not None and row[2] == "true" and row[3] is None:
            at = moment(row[1])
            lease = Lease(
                nonce=request.nonce, worker_id=request.worker_id, claimed_at=at, expires_at=at + request.lease
            )
            claimed = claimed_tasks(tx.rows, sorted(taken, key=place_of), lease, at)
    tx.finished.extend(settled)
    return Answer(settled, claimed)


def applied(change: Change, answer: Answer) -> Applied | None:
    """Return what became of a change, if the statement made it."""
    version = answer.settled.get(change.task_id)
    return None if version is None else Applied(change.task_id, Verdict.APPLIED, State.SUCCESSFUL, version)
