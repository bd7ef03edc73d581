"""Why a task is not running, in words: ``explain`` gathers what the store knows, and the rest is pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum

import attrs

from taskcore._client._asking import get_task
from taskcore._client._words import REASONS, duration_words, moment_words, until_words
from taskcore.protocol import (
    Backend,
    CancelReason,
    Group,
    GroupQuery,
    Phase,
    QueueStats,
    State,
    Task,
    UniqueUntil,
    WorkerInfo,
    WorkerState,
    phase,
)

__all__ = ["Explanation", "Hindrance", "Reason", "explain", "explain_facts"]

_MOMENT = timedelta(seconds=1)
"""Less than this in a state is not worth saying."""
_PARENTS_NAMED = 10
"""How many of the tasks waited for are named; the rest is counted."""


class Hindrance(Enum):
    """What keeps a task from running, or from finishing."""

    BLOCKED = "blocked"
    """It waits for other tasks or groups."""
    NOT_DUE = "not_due"
    OVERDUE = "overdue"
    """Its expires_at has passed: it will be cancelled, not run."""
    QUEUE_PAUSED = "queue_paused"
    NO_WORKER = "no_worker"
    """No live worker serves its queue."""
    UNKNOWN_NAME = "unknown_name"
    """Live workers serve its queue, but none knows a task of this name."""
    WORKERS_PAUSED = "workers_paused"
    """The workers that could run it are paused or stopping."""
    WORKERS_BUSY = "workers_busy"
    """The workers that could run it have no free slot, or others come first."""
    SUSPECT = "suspect"
    """It needs a worker that has nothing else buffered: it crashed before, or may run only once."""
    CANCEL_WANTED = "cancel_wanted"
    LEASE_LAPSED = "lease_lapsed"
    """Its worker is lost; the next claim of any worker takes it back."""
    WORKER_SILENT = "worker_silent"
    """Its worker has not beaten in time, but its lease still holds."""
    KEY_HELD = "key_held"
    """Another task holds its unique key, so it cannot be requeued."""
    PARENT_FAILED = "parent_failed"
    """It was cancelled because these did not succeed."""
    FINISHED = "finished"


@attrs.frozen
class Reason:
    """One thing that keeps a task from running: which, and the whole of it in a sentence."""

    hindrance: Hindrance
    text: str


@attrs.frozen(kw_only=True)
class Explanation:
    """Where a task is and why it does not run; ``str()`` gives it as text of several lines."""

    task: Task
    phase: Phase
    summary: str
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"- {reason.text}" for reason in self.reasons)])


@attrs.frozen(kw_only=True)
class Facts:
    """All that is known to explain one task."""

    task: Task
    now: datetime
    queue: QueueStats | None = None
    parents: tuple[tuple[str, Task | Group | None], ...] = ()
    workers: tuple[WorkerInfo, ...] = ()
    key_holder: str | None = None


def explain(backend: Backend, task_id: str) -> Explanation:
    """Ask the store for what matters to this task, and explain it. Raises TaskNotFound."""
    task = get_task(backend, task_id)
    parents: tuple[tuple[str, Task | Group | None], ...] = ()
    if task.state is State.BLOCKED or task.reason is CancelReason.DEPENDENCY:
        parents = _parents(backend, task.spec.parents)
    queue = None
    if not task.state.is_finished:
        queue = next((one for one in backend.stats().queues if one.name == task.queue_name), None)
    holder = None
    unique = task.spec.unique
    if unique is not None and task.state.is_finished and unique.until is UniqueUntil.FINISHED:
        holder = backend.unique_holder(unique.key)
    return explain_facts(
        Facts(
            task=task,
            now=backend.now(),
            queue=queue,
            parents=parents,
            workers=() if task.state.is_finished else tuple(backend.workers()),
            key_holder=None if holder == task_id else holder,
        )
    )


def _parents(backend: Backend, ids: tuple[str, ...]) -> tuple[tuple[str, Task | Group | None], ...]:
    tasks = dict(zip(ids, backend.get(ids), strict=True))
    others = tuple(one for one in ids if tasks[one] is None)
    groups = {}
    if others:
        groups = {group.id: group for group in backend.groups(GroupQuery(ids=others, limit=len(others))).items}
    return tuple((one, tasks[one] or groups.get(one)) for one in ids)


def explain_facts(facts: Facts) -> Explanation:
    """Explain what is known; nothing is asked."""
    task = facts.task
    return Explanation(
        task=task,
        phase=phase(task, facts.now),
        summary=_summary(task, facts.now),
        reasons=tuple(_reasons(facts)),
    )


def _summary(task: Task, now: datetime) -> str:
    since = now - task.changed_at
    is_state = (
        f"is {task.state.value}" if since < _MOMENT else f"has been {task.state.value} for {duration_words(since)}"
    )
    told = [
        f"{words} {_times(count)}"
        for words, count in (("failed", task.failures), ("lost its worker", task.crashes))
        if count
    ]
    tries = f" It has {' and '.join(told)}." if told else ""
    holder = ""
    if task.lease is not None:
        holder = f" Worker {task.lease.worker_id} holds it until {until_words(task.lease.expires_at, now)}."
    return f"Task {task.name} {task.id} {is_state}, in queue {task.queue_name!r}.{tries}{holder}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _reasons(facts: Facts) -> Iterator[Reason]:
    state = facts.task.state
    if state.is_finished:
        yield from _why_finished(facts)
    elif state is State.RUNNING:
        yield from _why_still_running(facts)
    else:
        yield from _why_overdue(facts)
        yield from _why_blocked(facts) if state is State.BLOCKED else _why_not_due(facts)
        yield from _why_unserved(facts)


def _why_finished(facts: Facts) -> Iterator[Reason]:
    task = facts.task
    if task.state is State.SUCCESSFUL:
        yield Reason(Hindrance.FINISHED, f"It succeeded at {moment_words(task.changed_at)}.")
    elif task.state is State.CANCELLED:
        why = "" if task.reason is None else f": {REASONS[task.reason]}"
        yield Reason(Hindrance.FINISHED, f"It was cancelled{why}. Requeue it to run it again.")
        lost = [_parent_words(parent_id, parent) for parent_id, parent in facts.parents if _is_lost(parent)]
        if lost:
            yield Reason(Hindrance.PARENT_FAILED, f"It depends on {_listed(lost)}. Requeue it with its parents.")
    else:
        failure = None if task.result is None else task.result.failure
        said = "" if failure is None else f": {failure.exception_type}: {failure.message}"
        yield Reason(Hindrance.FINISHED, f"It failed for good{said}. Requeue it to run it again.")
    if facts.key_holder is not None and task.spec.unique is not None:
        yield Reason(
            Hindrance.KEY_HELD,
            f"Its unique key {task.spec.unique.key!r} is held by task {facts.key_holder}, so it cannot be requeued.",
        )


def _why_still_running(facts: Facts) -> Iterator[Reason]:
    task, now = facts.task, facts.now
    if task.lease is None:
        return
    lease = task.lease
    worker = next((one for one in facts.workers if one.id == lease.worker_id), None)
    if task.cancel_level is not None:
        yield Reason(
            Hindrance.CANCEL_WANTED,
            f"Its cancel was asked for ({task.cancel_level.name.lower()}); the worker has not ended it yet.",
        )
    if lease.expires_at <= now:
        rescuers = any(one.expires_at > now and one.state is not WorkerState.STOPPED for one in facts.workers)
        yield Reason(
            Hindrance.LEASE_LAPSED,
            f"Its worker {lease.worker_id} is lost: the lease ended {until_words(lease.expires_at, now)}. "
            + (
                "The next claim of any worker takes it back."
                if rescuers
                else "No live worker is there to take it back: start one, for whatever queue."
            ),
        )
    elif worker is not None and worker.expires_at <= now:
        yield Reason(
            Hindrance.WORKER_SILENT,
            f"Its worker {worker.id} on {worker.hostname} (pid {worker.pid}) last beat at "
            f"{until_words(worker.last_beat_at, now)}; the lease holds until {until_words(lease.expires_at, now)}.",
        )


def _why_overdue(facts: Facts) -> Iterator[Reason]:
    expires_at = facts.task.spec.expires_at
    if expires_at is not None and expires_at <= facts.now:
        yield Reason(
            Hindrance.OVERDUE,
            f"Its expires_at has passed: {until_words(expires_at, facts.now)}. It will be cancelled, not run.",
        )


def _why_not_due(facts: Facts) -> Iterator[Reason]:
    task = facts.task
    if task.run_after <= facts.now:
        return
    last = next((one for one in reversed(task.attempts) if one.failure is not None), None)
    after = ""
    if last is not None and last.failure is not None:
        after = f" It is to be tried again after {last.failure.exception_type}: {last.failure.message}"
    elif task.crashes:
        after = " It is to be tried again after its worker was lost."
    elif task.attempts:
        after = " A worker gave it back until then."
    yield Reason(Hindrance.NOT_DUE, f"It is not due until {until_words(task.run_after, facts.now)}.{after}")


def _why_blocked(facts: Facts) -> Iterator[Reason]:
    unfinished = [_parent_words(parent_id, parent) for parent_id, parent in facts.parents if not _is_over(parent)]
    if unfinished:
        yield Reason(Hindrance.BLOCKED, f"It waits for {_listed(unfinished)}.")
    else:
        yield Reason(Hindrance.BLOCKED, "All that it waited for has finished: the next claim of any worker lets it go.")


def _listed(words: list[str]) -> str:
    more = [f"{len(words) - _PARENTS_NAMED:,} more"] if len(words) > _PARENTS_NAMED else []
    return "; ".join([*words[:_PARENTS_NAMED], *more])


def _is_lost(parent: Task | Group | None) -> bool:
    if isinstance(parent, Group):
        return any(parent.counts.get(state) for state in (State.FAILED, State.CANCELLED))
    return parent is not None and parent.state in (State.FAILED, State.CANCELLED)


def _is_over(parent: Task | Group | None) -> bool:
    if parent is None:
        return True
    return parent.is_finished if isinstance(parent, Group) else parent.state.is_finished


def _parent_words(parent_id: str, parent: Task | Group | None) -> str:
    if isinstance(parent, Group):
        finished = sum(count for state, count in parent.counts.items() if state.is_finished)
        if parent.total is None:
            stored = sum(parent.counts.values())
            return (
                f"group {parent.name!r} {parent_id}, of which {finished:,} of {stored:,} tasks have finished and more "
                "are still to be stored: whoever stores it has not come to the end (or is gone: then seal the group)"
            )
        lost = sum(parent.counts.get(state, 0) for state in (State.FAILED, State.CANCELLED))
        and_lost = f", {lost:,} of them without success" if lost else ""
        of_all = f"{finished:,} of {parent.total:,}"
        return f"group {parent.name!r} {parent_id}, of which {of_all} tasks have finished{and_lost}"
    assert parent is not None  # one that is gone counts as over, and not as lost
    return f"task {parent.name} {parent_id}, which is {parent.state.value}"


def _why_unserved(facts: Facts) -> Iterator[Reason]:
    task, now = facts.task, facts.now
    if facts.queue is not None and facts.queue.is_paused:
        yield Reason(Hindrance.QUEUE_PAUSED, f"Queue {task.queue_name!r} is paused: resume it.")
    live = [one for one in facts.workers if one.expires_at > now and one.state is not WorkerState.STOPPED]
    serving = [one for one in live if task.queue_name in one.queue_names]
    knowing = [one for one in serving if task.name in one.task_names]
    active = [one for one in knowing if one.state is WorkerState.RUNNING]
    if not serving:
        others = sorted({name for one in live for name in one.queue_names})
        told = f"; the live ones serve {', '.join(map(repr, others))}" if others else "; there is no live worker at all"
        yield Reason(Hindrance.NO_WORKER, f"No live worker serves queue {task.queue_name!r}{told}.")
    elif not knowing:
        yield Reason(
            Hindrance.UNKNOWN_NAME,
            f"{len(serving)} live worker(s) serve its queue, but none knows a task named {task.name!r}: "
            "start one that is told this task.",
        )
    elif not active:
        states = ", ".join(sorted({one.state.value for one in knowing}))
        yield Reason(Hindrance.WORKERS_PAUSED, f"The {len(knowing)} worker(s) that could run it are {states}.")
    elif task.state is State.READY and task.run_after <= now:
        yield from _why_not_yet(facts, active)


def _why_not_yet(facts: Facts, active: list[WorkerInfo]) -> Iterator[Reason]:
    task = facts.task
    if task.is_suspect:
        why = "may run only once" if task.spec.max_crashes == 0 else "lost its worker before"
        yield Reason(Hindrance.SUSPECT, f"It {why}, so it waits for a worker that has nothing else in hand.")
    slots = sum(one.concurrency for one in active)
    busy = sum(one.busy_slots for one in active)
    if busy >= slots:
        ahead = "" if facts.queue is None else f" {_due(facts.queue):,} tasks of the queue are due."
        yield Reason(Hindrance.WORKERS_BUSY, f"All {slots} slots of {len(active)} worker(s) are taken.{ahead}")


def _due(queue: QueueStats) -> int:
    return max(0, queue.counts.get(State.READY, 0) - queue.scheduled)
