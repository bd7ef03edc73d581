"""Every state of the machine that small bounds allow, found breadth first, and what can be asked of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import product

import attrs

from taskcore.protocol import (
    CancelLevel,
    CancelReason,
    Change,
    Event,
    Failure,
    Fence,
    Lease,
    Progress,
    Task,
    TaskSpec,
    accept,
    step,
)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
TICK = timedelta(seconds=10)
LAST_TICK = 2
LAST_EPOCH = 2

BOOM = Failure(exception_type="builtins.ValueError", message="boom")
HALF = Progress(current=1, total=2)


def new_tasks() -> Iterator[Task]:
    """Yield the first states: waiting or not, due or not, at most once, with and without limits and expiry."""
    base = TaskSpec(id="a" * 32, name="task", enqueued_at=START)
    for attempts, crashes in ((1, 0), (2, 1), (None, 2)):
        spec = attrs.evolve(base, max_attempts=attempts, max_crashes=crashes)
        yield accept(spec, START)
        yield accept(spec, START, unfinished_parents=1)
    yield accept(attrs.evolve(base, run_after=START + TICK, max_attempts=2), START)
    yield accept(attrs.evolve(base, expires_at=START + TICK, max_attempts=2), START)
    yield accept(attrs.evolve(base, expires_at=START + TICK), START, unfinished_parents=1)
    yield accept(base, START, has_failed_parent=True)


def fences(task: Task) -> list[Fence | None]:
    """Return no fence, the right one, and wrong ones: an older claim's, another nonce's, the one that settled last."""
    found: set[Fence] = {Fence(task.epoch, "other"), Fence(task.epoch, f"nonce {task.epoch}")}
    if task.epoch:
        found |= {Fence(task.epoch - 1, f"nonce {task.epoch - 1}"), Fence(task.epoch - 1, f"nonce {task.epoch}")}
    if task.last_settle is not None:
        found.add(Fence(task.last_settle.epoch, task.last_settle.nonce))
    return [None, *sorted(found, key=lambda fence: (fence.epoch, fence.nonce))]


def changes(task: Task, now: datetime) -> Iterator[Change]:
    """Yield what anybody might ask of the task: every event in every state, rightly and wrongly."""
    for event, fence in product((Event.START, Event.RECLAIM, Event.ABANDON, Event.LET_GO), fences(task)):
        yield Change(task_id=task.id, event=event, fence=fence, progress=HALF, started_at=START)
    for event, fence in product((Event.SUCCEED, Event.FAIL, Event.RETRY, Event.RELEASE, Event.ABORT), fences(task)):
        whole = Change(
            task_id=task.id,
            event=event,
            fence=fence,
            value_json="1" if event is Event.SUCCEED else None,
            failure=BOOM if event in {Event.FAIL, Event.RETRY} else None,
            progress=HALF,
            started_at=START,
        )
        yield whole
        yield attrs.evolve(whole, progress=None, delay=TICK, reason=CancelReason.EXPIRED)
        yield attrs.evolve(whole, run_after=now + TICK, delay=2 * TICK)
    for fence, extend, progress in product(fences(task), (None, TICK, 2 * TICK), (None, HALF)):
        yield Change(task_id=task.id, event=Event.HEARTBEAT, fence=fence, extend=extend, progress=progress)
    yield from store_changes(task, now)
    yield from operator_changes(task, now)


def store_changes(task: Task, now: datetime) -> Iterator[Change]:
    lease = Lease(nonce=f"nonce {task.epoch + 1}", worker_id="worker", claimed_at=now, expires_at=now + TICK)
    yield Change(task_id=task.id, event=Event.CLAIM, grant=lease)
    yield Change(task_id=task.id, event=Event.EXPIRE)
    for waits in (0, 1):
        yield Change(task_id=task.id, event=Event.UNBLOCK, waits=waits)


def operator_changes(task: Task, now: datetime) -> Iterator[Change]:
    versions = (None, task.version, task.version - 1)
    for version, level, reason in product(versions, (None, CancelLevel.KILL), (None, CancelReason.REPLACED)):
        yield Change(task_id=task.id, event=Event.CANCEL, version=version, level=level, reason=reason)
    same = attrs.evolve(task.spec, priority=1, run_after=START + TICK)
    specs = (None, same, attrs.evolve(task.spec, run_after=None), attrs.evolve(same, id="b" * 32))
    for event, version, spec in product((Event.RESCHEDULE, Event.REPLACE, Event.AMEND), versions, specs):
        for waits in (0, 1) if event is Event.REPLACE else (0,):
            yield Change(task_id=task.id, event=event, version=version, spec=spec, waits=waits)
    for version, waits, delay in product(versions, (0, 1), (None, TICK)):
        yield Change(task_id=task.id, event=Event.REQUEUE, version=version, waits=waits, delay=delay)


def _key(task: Task, now: datetime) -> object:
    """Return what tells two tasks apart for the machine; what no guard reads and only grows or is shown is left out."""
    lease, settle = task.lease, task.last_settle
    return (
        (task.spec.max_attempts, task.spec.max_crashes, task.spec.expires_at),
        (task.state, task.epoch, task.run_after > now, task.cancel_level),
        (task.failures, task.crashes, task.releases > 0, task.result is None),
        None if lease is None else (lease.expires_at - now, lease.is_started),
        None if settle is None else (settle.epoch, settle.event),
        now,
    )


def reachable() -> Iterator[tuple[Task, datetime]]:
    """Yield every task and moment that the bounds allow, each kind once, following only what ``step`` really makes."""
    queue: deque[tuple[Task, datetime]] = deque((task, START) for task in new_tasks())
    seen = {_key(task, now) for task, now in queue}
    while queue:
        task, now = queue.popleft()
        yield task, now
        outcomes = [step(task, change, now) for change in changes(task, now)]
        successors = [(outcome, now) for outcome in outcomes if isinstance(outcome, Task)]
        if now < START + LAST_TICK * TICK:
            successors.append((task, now + TICK))
        for following in successors:
            key = _key(*following)
            if key not in seen and following[0].epoch <= LAST_EPOCH:
                seen.add(key)
                queue.append(following)
