"""Sends ``task_finished`` once the store has written an outcome: what a receiver raises cannot change it any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from taskcore._worker import TaskOutcome
from taskcore.contrib.django._api import Api, api_of
from taskcore.contrib.django._finding import Place, find_task
from taskcore.contrib.django._options import AliasOptions
from taskcore.contrib.django._results import result_of, traceback_text
from taskcore.errors import TaskFailed
from taskcore.protocol import CancelLevel, CancelReason, Change, Failure, State, Task, Verdict, step

__all__ = ["FinishedSignals"]

_WRITTEN = frozenset({Verdict.APPLIED, Verdict.ALREADY})


class _WorkersTraceback(Exception):
    """The traceback of a task as text: the cause of what the receivers of ``task_finished`` see as the exception."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class FinishedSignals:
    """A hook of a worker: tells Django's receivers of each Django task that has come to its end."""

    def __init__(self, options: AliasOptions) -> None:
        self._options = options
        self._places: dict[str, Place | None] = {}

    def __call__(self, outcome: TaskOutcome) -> None:
        """Send the signal, unless the task goes on or is another worker's by now."""
        if outcome.state is None or not outcome.state.is_finished or outcome.verdict not in _WRITTEN:
            return
        name = outcome.task.name
        if name not in self._places:
            self._places[name] = find_task(name, ())
        place = self._places[name]
        api = None if place is None else api_of(place.task)
        if place is None or api is None:
            return
        finished = _finished(outcome)
        if finished is None:
            return
        result = result_of(api, place.task, finished, self._options)
        failure = None if finished.result is None else finished.result.failure
        _send(api, self._options.alias, result, failure, finished)


def _finished(outcome: TaskOutcome) -> Task | None:
    """Return the task as the store has it now, worked out of what it was when it was claimed."""
    task, lease = outcome.task, outcome.task.lease
    if lease is None:
        return None
    now = lease.claimed_at + (outcome.duration or timedelta(0))
    if outcome.state is State.CANCELLED and task.cancel_level is None:
        task = attrs.evolve(task, cancel_level=CancelLevel.ASK, reason=CancelReason.USER)
    change = Change(
        task_id=task.id,
        event=outcome.event,
        fence=task.fence,
        value_json=outcome.value_json,
        failure=outcome.failure,
        started_at=lease.claimed_at,
        reason=CancelReason.USER,
    )
    after = step(task, change, now)
    return after if isinstance(after, Task) else None


def _send(api: Api, alias: str, result: Any, failure: Failure | None, task: Task) -> None:
    """Send the signal; for a failure while it is handled, as Django does, so that reporters find the exception."""
    if failure is None:
        api.finished.send_robust(sender=api.sender(alias), task_result=result)
        return
    try:
        raise TaskFailed(
            f"{failure.exception_type}: {failure.message}", task_id=task.id, failure=failure
        ) from _WorkersTraceback(traceback_text(failure))
    except TaskFailed:
        api.finished.send_robust(sender=api.sender(alias), task_result=result)
