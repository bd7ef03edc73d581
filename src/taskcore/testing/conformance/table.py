"""The walk of the whole transition table: in every situation, for every event, the store does what ``step`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import attrs

from taskcore.protocol import (
    CancelLevel,
    CancelReason,
    Change,
    Event,
    Failure,
    Fence,
    Progress,
    State,
    Task,
    Verdict,
    step,
)
from taskcore.testing.conformance._check import family
from taskcore.testing.conformance._trial import LEASE, Trial, expect

__all__ = ["SITUATIONS", "TABLE"]

MINUTE = timedelta(minutes=1)
EXPIRY = 10 * MINUTE

Arrange = Callable[[Trial, str], None]


@attrs.frozen
class _Situation:
    """Where a task can be: the options it is added with, whether it waits for a parent, and how it gets there."""

    name: str
    options: dict[str, Any]
    arrange: Arrange
    has_parent: bool = False


def _stay(_trial: Trial, _task_id: str) -> None:
    pass


def _pass(duration: timedelta) -> Arrange:
    return lambda trial, _task_id: trial.clock.advance(duration)


def _claim(trial: Trial, task_id: str) -> None:
    trial.take(task_id)


def _event(event: Event, **options: object) -> Arrange:
    def arrange(trial: Trial, task_id: str) -> None:
        trial.must(event, trial.get(task_id), **options)

    return arrange


def _in_turn(*parts: Arrange) -> Arrange:
    def arrange(trial: Trial, task_id: str) -> None:
        for part in parts:
            part(trial, task_id)

    return arrange


def _situations() -> Iterator[_Situation]:
    cancel = _event(Event.CANCEL, level=CancelLevel.TERMINATE, reason=CancelReason.REPLACED)
    crash = _in_turn(_claim, _event(Event.RECLAIM))
    yield _Situation("blocked", {}, _stay, has_parent=True)
    yield _Situation("blocked, overdue", {"expires_at": EXPIRY}, _pass(EXPIRY), has_parent=True)
    yield _Situation("ready", {}, _stay)
    yield _Situation("ready, not due", {"run_after": MINUTE}, _stay)
    yield _Situation("ready, overdue", {"expires_at": EXPIRY}, _pass(EXPIRY))
    failed_once = _in_turn(_claim, _event(Event.RETRY, progress=Progress(current=1)))
    yield _Situation("ready, failed once", {"max_attempts": 3}, failed_once)
    yield _Situation("running", {"max_attempts": 3}, _claim)
    yield _Situation("running, last try", {}, _claim)
    yield _Situation("running, started", {}, _in_turn(_claim, _event(Event.START)))
    yield _Situation("running, at most once", {"max_crashes": 0}, _claim)
    yield _Situation("running, at most once, started", {"max_crashes": 0}, _in_turn(_claim, _event(Event.START)))
    yield _Situation("running after a crash", {"max_crashes": 1}, _in_turn(crash, _claim))
    spent = _in_turn(crash, _claim, _event(Event.START))
    yield _Situation("running after a crash, started", {"max_crashes": 1}, spent)
    yield _Situation("running, cancel wanted", {"max_attempts": 3}, _in_turn(_claim, cancel))
    yield _Situation("running, overdue", {"expires_at": EXPIRY}, _in_turn(_claim, _pass(EXPIRY)))
    yield _Situation("lapsed", {"max_attempts": 3}, _in_turn(_claim, _pass(LEASE)))
    yield _Situation("lapsed, cancel wanted", {"max_attempts": 3}, _in_turn(_claim, cancel, _pass(LEASE)))
    spent = _in_turn(_claim, _event(Event.START), _pass(LEASE))
    yield _Situation("lapsed, crashes spent", {"max_crashes": 0}, spent)
    yield _Situation("successful", {}, _in_turn(_claim, _event(Event.SUCCEED, value_json="1")))
    boom = Failure(exception_type="E", message="m")
    yield _Situation("failed", {}, _in_turn(_claim, _event(Event.FAIL, failure=boom)))
    expired = _in_turn(_claim, _event(Event.FAIL, failure=boom), _pass(EXPIRY))
    yield _Situation("failed, past its expiry", {"expires_at": EXPIRY}, expired)
    yield _Situation("cancelled", {}, _event(Event.CANCEL))
    yield _Situation("cancelled, parent unfinished", {}, _event(Event.CANCEL), has_parent=True)
    yield _Situation("aborted", {"max_attempts": 3}, _in_turn(failed_once, _claim, _event(Event.ABORT)))


SITUATIONS = tuple(_situations())


def _arranged(trial: Trial, situation: _Situation) -> Task:
    """Return a new task in the situation, in a queue of its own."""
    queue = f"queue {trial.number()}"
    options = dict(situation.options)
    for moment in ("expires_at", "run_after"):
        if moment in options:
            options[moment] = trial.clock.now() + options[moment]
    if situation.has_parent:
        options["parents"] = (trial.add(queue_name=f"parent of {queue}"),)
    task_id = trial.add(queue_name=queue, **options)
    situation.arrange(trial, task_id)
    return trial.get(task_id)


def _fences(task: Task) -> list[Fence | None]:
    held = [] if task.lease is None else [task.fence]
    settled = [] if task.last_settle is None else [Fence(task.last_settle.epoch, task.last_settle.nonce)]
    return [None, *held, *settled, Fence(task.epoch, "another nonce"), Fence(task.epoch + 1, "the future")]


def _changes(task: Task, event: Event) -> Iterator[Change]:
    """Yield the changes of one event that are tried: all fences, or all versions, and what the event brings."""
    change = Change(task_id=task.id, event=event)
    if event in {Event.EXPIRE, Event.UNBLOCK}:
        yield change
    elif event in {Event.CANCEL, Event.RESCHEDULE, Event.REPLACE, Event.AMEND, Event.REQUEUE}:
        if event is Event.CANCEL:
            change = attrs.evolve(change, level=CancelLevel.KILL, reason=CancelReason.USER)
        elif event is not Event.REQUEUE:
            change = attrs.evolve(change, spec=attrs.evolve(task.spec, priority=7, arguments_json='{"a":[7]}'))
        for version in (None, task.version, task.version + 1):
            yield attrs.evolve(change, version=version)
        yield attrs.evolve(change, delay=MINUTE)
    else:
        brings: dict[str, Any] = {"progress": Progress(current=3), "started_at": task.changed_at}
        if event in {Event.FAIL, Event.RETRY}:
            brings["failure"] = Failure(exception_type="E", message="again")
        if event is Event.SUCCEED:
            brings["value_json"] = "7"
        if event is Event.HEARTBEAT:
            brings["extend"] = 2 * LEASE
        for fence in _fences(task):
            yield attrs.evolve(change, fence=fence, **brings)
            yield attrs.evolve(change, fence=fence, delay=MINUTE)


def _walk(trial: Trial, event: Event) -> None:
    """Try every change of an event in every situation, each with a new task."""
    for situation in SITUATIONS:
        count = len(list(_changes(_arranged(trial, situation), event)))
        for number in range(count):
            task = _arranged(trial, situation)
            _compare(trial, situation, task, list(_changes(task, event))[number])


def _compare(trial: Trial, situation: _Situation, task: Task, change: Change) -> None:
    waits = int(situation.has_parent)
    wanted = step(task, attrs.evolve(change, waits=waits), trial.clock.now())
    applied = trial.store.apply([change]).applied[0]
    stored = trial.get(task.id)
    what = f"{situation.name}: {change.event.value}, fence {change.fence}, version {change.version}"
    if isinstance(wanted, Task):
        expect(wanted, stored, f"the task after {what}")
        expect(
            (Verdict.APPLIED, wanted.state, wanted.version, wanted.cancel_level),
            (applied.verdict, applied.state, applied.version, applied.cancel_level),
            f"verdict, state, version and cancel level after {what}",
        )
    else:
        expect(task, stored, f"the task after {what}, which is refused: {wanted.why}")
        expect((wanted.verdict, task.state), (applied.verdict, applied.state), f"verdict and state after {what}")


def _walk_of_claims(trial: Trial) -> None:
    """Claim in every situation: what is handed out is what ``step`` gives, and nothing else is."""
    for situation in SITUATIONS:
        task = _arranged(trial, situation)
        now = trial.clock.now()
        claimed = trial.claim(task.queue_name, nonce=f"claim {task.id}", limit=5)
        if claimed and claimed[0].epoch == task.epoch + 1 and task.state is State.READY:
            grant = claimed[0].lease
            wanted = step(task, Change(task_id=task.id, event=Event.CLAIM, grant=grant), now)
            expect(wanted, claimed[0], f"the task claimed when it is {situation.name}")
        is_claimable = task.state is State.READY and task.run_after <= now and situation.name != "ready, overdue"
        may_be_reclaimed = situation.name == "lapsed"
        expect(
            True,
            bool(claimed) is is_claimable or may_be_reclaimed,
            f"whether a task that is {situation.name} is handed out rightly; {len(claimed)} came",
        )


def _try(trial: Trial, event: Event) -> None:
    if event is Event.CLAIM:
        _walk_of_claims(trial)
    else:
        _walk(trial, event)


TABLE = family(
    _try, Event, "{}", f"In {len(SITUATIONS)} situations the outcome of {{}} is the one that ``step`` gives."
)
