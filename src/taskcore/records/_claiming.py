"""``claim``: housekeeping first, then READY tasks to a worker, in the order of claims.

A suspect (a task that needs START) is claimed alone: the batch ends before it, unless it is the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    Change,
    ClaimRequest,
    Event,
    Lease,
    Refused,
    State,
    Task,
    UniqueUntil,
    lapse_event,
    step,
)
from taskcore.records._entries import AFTER, micros
from taskcore.records._moving import drop_key, let_go, transit
from taskcore.records._rows import KeyRow
from taskcore.records._transaction import Transaction

__all__ = ["HOUSEKEEPING_LIMIT", "claim", "keep_house"]

HOUSEKEEPING_LIMIT = 500
"""How many leases, expiries, due tasks and keys one claim sees to."""

_CHUNK = 16


def claim(tx: Transaction, request: ClaimRequest) -> list[Task]:
    """Keep house, then claim; a repeated request first gets what its nonce still holds."""
    keep_house(tx)
    claimed = _still_held(tx, request)
    if any(task.is_suspect for task in claimed):
        return claimed
    wanted = request.limit - len(claimed)
    if wanted > 0:
        claimed += _claim_ready(tx, request, wanted, has_others=bool(claimed))
    return claimed


def _still_held(tx: Transaction, request: ClaimRequest) -> list[Task]:
    low = (request.worker_id, request.nonce)
    parts = tx.range("held", low, (request.worker_id, request.nonce + AFTER), 1_000_000)
    if not parts:
        return []
    tx.load("tasks", [str(task_id) for _worker, _nonce, task_id in parts])
    held = [task for _worker, _nonce, task_id in parts if (task := tx.task(str(task_id))) is not None]
    return sorted(held, key=lambda task: (-task.priority, micros(task.run_after) // 1000, task.id))


# The order of claims


_Place = tuple[int, int, str, bool]
"""-priority, run_after in ms, id, and whether it is a suspect."""


def _places(tx: Transaction, index: str, queue_name: str, chunk: int) -> Iterator[_Place]:
    low: tuple[str | int, ...] = (queue_name,)
    is_suspect = index == "suspects"
    while True:
        parts = tx.range(index, low, (queue_name + AFTER,), chunk)
        tx.load("tasks", [str(part[3]) for part in parts])
        for _queue, priority, due, task_id in parts:
            yield int(priority), int(due), str(task_id), is_suspect
        if len(parts) < chunk:
            return
        low = (*parts[-1], "")


def _in_order(tx: Transaction, request: ClaimRequest, wanted: int) -> Iterator[_Place]:
    open_queues = []
    tx.count_moves()
    for name in dict.fromkeys(request.queue_names):
        queue = tx.queue(name)
        if not queue.is_paused and queue.claimable > 0:
            open_queues.append(name)
    chunk = wanted if len(open_queues) == 1 else min(wanted, _CHUNK)
    streams = [_places(tx, "claims", name, chunk) for name in open_queues]
    if request.allow_suspects:
        suspected = [name for name in open_queues if tx.range("suspects", (name,), (name + AFTER,), 1)]
        streams += [_places(tx, "suspects", name, 1) for name in suspected]
    return streams[0] if len(streams) == 1 else merge(*streams)


def _claim_ready(tx: Transaction, request: ClaimRequest, wanted: int, *, has_others: bool) -> list[Task]:
    now = tx.now
    lease = Lease(nonce=request.nonce, worker_id=request.worker_id, claimed_at=now, expires_at=now + request.lease)
    change = Change(task_id="", event=Event.CLAIM, grant=lease)
    chosen: list[Task] = []
    unfit: list[Task] = []
    for _priority, _due, task_id, is_suspect in _in_order(tx, request, wanted):
        task = tx.task(task_id)
        if task is None:
            continue
        after = step(task, change, now)
        if isinstance(after, Refused):
            unfit.append(task)
            if len(unfit) >= HOUSEKEEPING_LIMIT:
                break
            continue
        if is_suspect and (chosen or has_others):
            break
        tx.put("tasks", task_id, after)
        if task.spec.unique is not None or task.spec.group_id is not None:
            _note_bonds(tx, task)
        tx.note_move(tx.queue(task.spec.queue_name), State.READY, State.RUNNING)
        chosen.append(after)
        if is_suspect or len(chosen) >= wanted:
            break
    _set_aside(tx, unfit)
    return chosen


def _note_bonds(tx: Transaction, task: Task) -> None:
    spec = task.spec
    if spec.unique is not None:
        drop_key(tx, task, (UniqueUntil.STARTED,))
    if spec.group_id is not None and (group := tx.group(spec.group_id)) is not None:
        group.count(State.READY, -1)
        group.count(State.RUNNING)


def _set_aside(tx: Transaction, tasks: list[Task]) -> None:
    """See to tasks that could not be claimed: overdue, or not due any more because the clock was set back."""
    for task in tasks:
        expired = transit(tx, task, Change(task_id=task.id, event=Event.EXPIRE))
        if isinstance(expired, Refused):
            tx.put("tasks", task.id, task)
            tx.queue(task.queue_name).scheduled += task.run_after > tx.now
    if tx.letting_go:
        let_go(tx)


# Housekeeping


def keep_house(tx: Transaction) -> None:
    """See to what happens by itself, for all queues: what is due by now, and propagation that is owed. Bounded."""
    tx.budget = PROPAGATION_LIMIT
    timers = tx.range("timers", (), (tx.now_us + 1,), HOUSEKEEPING_LIMIT)
    owed = tx.range("owed", (), None, PROPAGATION_LIMIT)
    if not timers and not owed:
        return
    tx.load("tasks", [str(key) for _moment, kind, key in timers if kind != "key"])
    for moment, kind, key in timers:
        if kind == "key":
            _drop_key_of_moment(tx, str(key), int(moment))
        elif (task := tx.task(str(key))) is not None:
            _keep_task(tx, task, str(kind))
    tx.letting_go.extendleft(str(parent_id) for _since, parent_id in reversed(owed))
    let_go(tx)


def _keep_task(tx: Transaction, task: Task, kind: str) -> None:
    if kind == "lease":
        after = transit(tx, task, Change(task_id=task.id, event=lapse_event(task)))
        if isinstance(after, Task) and after.state is State.READY:  # and then it may be too late for another run
            transit(tx, after, Change(task_id=task.id, event=Event.EXPIRE))
    elif kind == "expiry":
        transit(tx, task, Change(task_id=task.id, event=Event.EXPIRE))
    elif task.state is State.READY and task.run_after <= tx.now:
        tx.put("tasks", task.id, task)
        tx.queue(task.queue_name).scheduled -= 1
        tx.ready_queues.add(task.queue_name)


def _drop_key_of_moment(tx: Transaction, key: str, moment: int) -> None:
    row: KeyRow | None = tx.get("keys", key)
    if row is not None and row.moment is not None and micros(row.moment) == moment:
        tx.put("keys", key, None)
