"""Checks of ``apply`` for those who hold tasks: fences, repeats, verdicts, heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from taskcore.protocol import (
    Applied,
    CancelLevel,
    CancelReason,
    Change,
    ClaimRequest,
    Event,
    Failure,
    Fence,
    Item,
    Progress,
    Refused,
    Settle,
    State,
    Task,
    UniqueKey,
    Verdict,
    step,
)
from taskcore.testing.conformance._check import check, family
from taskcore.testing.conformance._groups import add_group, counts_of, finish_of
from taskcore.testing.conformance._trial import LEASE, CheckFailed, Trial, expect

SECOND = timedelta(seconds=1)
BOOM = Failure(exception_type="builtins.ValueError", message="boom", traceback="line 1\nline 2")

# How each way to end a run leads somewhere: what the task must be like, and what the change brings.
ENDS: dict[Event, tuple[dict[str, object], dict[str, object]]] = {
    Event.SUCCEED: ({}, {"value_json": '{"a": [1]}'}),
    Event.FAIL: ({}, {"failure": BOOM}),
    Event.RETRY: ({"max_attempts": 3}, {"failure": BOOM, "delay": 5 * SECOND}),
    Event.RELEASE: ({}, {"delay": 5 * SECOND}),
    Event.ABORT: ({}, {"reason": CancelReason.USER}),
    Event.RECLAIM: ({}, {}),
    Event.ABANDON: ({"max_crashes": 0}, {}),
}


def _held(trial: Trial, event: Event) -> tuple[Task, dict[str, object]]:
    """Return a RUNNING task that its holder may end with this event, and what the change brings."""
    options, brings = ENDS[event]
    task = trial.take(trial.add(**options))
    if event is Event.ABANDON:
        task = trial.must(Event.START, task)
    return task, {"started_at": trial.clock.now(), "progress": Progress(current=1), **brings}


def _lost_to_another(trial: Trial, event: Event) -> tuple[Task, Task, dict[str, object]]:
    """Return a task as its first holder knew it and as its second holds it, and what the first one's change brings."""
    options, brings = ENDS[event]
    task_id = trial.add(**{**options, "max_crashes": 9})
    first = trial.take(task_id)
    trial.clock.advance(LEASE)
    trial.housekeep()
    return first, trial.take(task_id), brings


def _applied(trial: Trial, event: Event) -> None:
    task, brings = _held(trial, event)
    trial.clock.advance(SECOND)
    wanted = step(task, Change(task_id=task.id, event=event, fence=task.fence, **brings), trial.clock.now())  # type: ignore[arg-type]
    if isinstance(wanted, Refused):
        raise CheckFailed(f"the machine itself refuses {event.value}: {wanted.why}")
    answer = trial.apply(event, task, **brings)
    expect(Applied(task.id, Verdict.APPLIED, wanted.state, wanted.version), answer, "the answer")
    expect(wanted, trial.get(task.id), "the stored task")


def _stale(trial: Trial, event: Event) -> None:
    first, second, brings = _lost_to_another(trial, event)
    answer = trial.apply(event, first, **brings)
    expect((Verdict.STALE, State.RUNNING), (answer.verdict, answer.state), "verdict and state")
    expect(second, trial.get(first.id), "the task of the second holder")


def _other_nonce(trial: Trial, event: Event) -> None:
    task, brings = _held(trial, event)
    answer = trial.apply(event, task, **{**brings, "fence": Fence(task.epoch, "somebody else's")})
    expect(Verdict.STALE, answer.verdict, "the verdict")
    expect(task, trial.get(task.id), "the task")


def _repeated(trial: Trial, event: Event) -> None:
    task, brings = _held(trial, event)
    trial.apply(event, task, **brings)
    before = trial.get(task.id)
    trial.clock.advance(SECOND)
    answer = trial.apply(event, task, **brings)
    expect(
        (Verdict.ALREADY, before.state, before.version), (answer.verdict, answer.state, answer.version), "the repeat"
    )
    expect(before, trial.get(task.id), "the task after the repeat")


def _after_the_task_is_gone(trial: Trial, event: Event) -> None:
    answer = trial.apply(event, "0" * 32, fence=Fence(1, "n"))
    expect((Verdict.MISSING, None), (answer.verdict, answer.state), "verdict and state")


def _without_fence(trial: Trial, event: Event) -> None:
    task, brings = _held(trial, event)
    answer = trial.apply(event, task, **{**brings, "fence": None})
    expect(Verdict.REFUSED, answer.verdict, "the verdict")
    expect(task, trial.get(task.id), "the task")


def _after_the_lease_is_over(trial: Trial, event: Event) -> None:
    task, brings = _held(trial, event)
    trial.clock.advance(100 * LEASE)
    expect(Verdict.APPLIED, trial.apply(event, task, **brings).verdict, "the verdict")


_FAMILY: tuple[tuple[str, str, Callable[[Trial, Event], None]], ...] = (
    ("is_applied", "{} by the holder leaves the task as ``step`` says, and answers state and version.", _applied),
    ("by_a_lost_worker", "{} by a worker whose task another one holds now is STALE and changes nothing.", _stale),
    ("with_another_nonce", "{} with the right epoch and another nonce is STALE: the store was restored.", _other_nonce),
    ("repeated", "{} repeated after a lost reply is ALREADY and changes nothing.", _repeated),
    ("of_a_missing_task", "{} of a task that is not there is MISSING.", _after_the_task_is_gone),
    ("without_fence", "{} without a fence, while the lease holds, is REFUSED and changes nothing.", _without_fence),
    (
        "after_the_lease",
        "{} after the lease is over is applied if nobody has acted on it: held is held.",
        _after_the_lease_is_over,
    ),
)


ENDS_OF_RUNS = tuple(one for name, fact, function in _FAMILY for one in family(function, ENDS, f"{{}}_{name}", fact))


@check()
def settle_of_another_kind_is_stale(trial: Trial) -> None:
    """ALREADY is for the same event only: SUCCEED after RELEASE with the same fence is STALE."""
    task = trial.take(trial.add())
    before = trial.must(Event.RELEASE, task)
    expect(Verdict.STALE, trial.apply(Event.SUCCEED, task).verdict, "the verdict")
    expect(before, trial.get(task.id), "the task")


@check()
def settle_is_forgotten_at_the_next_claim(trial: Trial) -> None:
    """Once the task is claimed again, a repeat of the older settle is STALE."""
    task_id = trial.add()
    first = trial.take(task_id)
    trial.must(Event.RELEASE, first)
    second = trial.take(task_id)
    expect(Verdict.STALE, trial.apply(Event.RELEASE, first).verdict, "the verdict of the older repeat")
    expect(second, trial.get(task_id), "the task of the second holder")


@check()
def settle_is_remembered(trial: Trial) -> None:
    """The stored task tells who settled it and how."""
    task = trial.take(trial.add())
    after = trial.must(Event.SUCCEED, task)
    expect(Settle(1, task.fence.nonce, Event.SUCCEED), after.last_settle, "last_settle")


@check()
def stale_finisher_overwrites_nothing(trial: Trial) -> None:
    """After the second holder has finished, the first one's failure does not replace its result."""
    first, second, _ = _lost_to_another(trial, Event.SUCCEED)
    done = trial.must(Event.SUCCEED, second, value_json='"second"')
    expect(Verdict.STALE, trial.apply(Event.FAIL, first, failure=BOOM).verdict, "the verdict of the first holder")
    expect(done, trial.get(first.id), "the finished task")


@check()
def store_restored_to_an_older_copy_has_one_holder(trial: Trial) -> None:
    """Two claims with the same epoch are told apart by the nonce: only the present one settles."""
    task_id = trial.add()
    trial.take(task_id, nonce="the one that was made after the copy")
    stranger = Fence(1, "a claim that the copy does not know")
    for event in (Event.HEARTBEAT, Event.SUCCEED, Event.FAIL):
        expect(Verdict.STALE, trial.apply(event, task_id, fence=stranger).verdict, f"the verdict of {event.value}")


@check()
def answers_are_in_order_and_one_for_each(trial: Trial) -> None:
    """One refused change does not hold up the others; each is answered at its place."""
    tasks = [trial.take(trial.add()) for _ in range(3)]
    changes = [
        Change(task_id=tasks[0].id, event=Event.SUCCEED, fence=tasks[0].fence),
        Change(task_id="0" * 32, event=Event.SUCCEED, fence=Fence(1, "n")),
        Change(task_id=tasks[1].id, event=Event.SUCCEED, fence=Fence(1, "wrong")),
        Change(task_id=tasks[2].id, event=Event.UNBLOCK),
        Change(task_id=tasks[2].id, event=Event.FAIL, fence=tasks[2].fence),
    ]
    applied = trial.store.apply(changes).applied
    expect([change.task_id for change in changes], [one.task_id for one in applied], "the ids answered")
    wanted = [Verdict.APPLIED, Verdict.MISSING, Verdict.STALE, Verdict.REFUSED, Verdict.APPLIED]
    expect(wanted, [one.verdict for one in applied], "the verdicts")


@check()
def refused_changes_between_settles_hold_up_nothing(trial: Trial) -> None:
    """Settles before and behind refused ones of the same call free keys, count for groups, let children go."""
    group_id, members = add_group(trial, 3, queue_name="default")
    keyed = trial.add(unique=UniqueKey(key="k"))
    child = trial.add(parents=(keyed, group_id), queue_name="later")
    held = {task.id: task for task in trial.claim(limit=4)}
    progress = Progress(current=1, message="half")

    def change(task_id: str, event: Event = Event.SUCCEED, **brings: object) -> Change:
        whole: dict[str, Any] = {"fence": held[task_id].fence, **brings}
        return Change(task_id=task_id, event=event, **whole)

    changes = [
        change(members[0], progress=progress),
        change(members[1], fence=Fence(1, "wrong"), progress=progress),
        change(members[0]),
        change(members[1], Event.HEARTBEAT, progress=progress),
        Change(task_id="0" * 32, event=Event.SUCCEED, fence=Fence(1, "n")),
        change(keyed),
        change(members[2], Event.CANCEL, fence=None, level=CancelLevel.ASK),
        change(members[1]),
        change(members[2]),
        change(members[1], Event.HEARTBEAT),
    ]
    wanted = [
        Verdict.APPLIED,
        Verdict.STALE,
        Verdict.ALREADY,
        Verdict.APPLIED,
        Verdict.MISSING,
        *[Verdict.APPLIED] * 4,
        Verdict.STALE,
    ]
    expect(wanted, [one.verdict for one in trial.store.apply(changes).applied], "the verdicts")
    stored = [trial.get(task_id).progress for task_id in members]
    expect([progress, progress, None], stored, "the progress of the members")
    expect(({State.SUCCESSFUL: 3}, True), (counts_of(trial, group_id), finish_of(trial, group_id)[0]), "the group")
    expect(State.READY, trial.get(child).state, "the state of the child")
    trial.add(unique=UniqueKey(key="k"))


@check()
def changes_of_one_task_are_made_in_order(trial: Trial) -> None:
    """START, HEARTBEAT and SUCCEED of one task in one call are all applied, and a second SUCCEED is ALREADY."""
    task = trial.take(trial.add())
    events = (Event.START, Event.HEARTBEAT, Event.SUCCEED, Event.SUCCEED, Event.HEARTBEAT)
    applied = trial.store.apply([Change(task_id=task.id, event=event, fence=task.fence) for event in events]).applied
    wanted = [*[Verdict.APPLIED] * 3, Verdict.ALREADY, Verdict.STALE]
    expect(wanted, [one.verdict for one in applied], "the verdicts")
    expect((State.SUCCESSFUL, task.version + 3), _state_and_version(trial, task), "state and version")


def _state_and_version(trial: Trial, task: Task) -> tuple[State, int]:
    stored = trial.get(task.id)
    return stored.state, stored.version


@check()
def nothing_to_apply(trial: Trial) -> None:
    """No changes, no answers; no claim, no tasks."""
    reply = trial.store.apply([])
    expect(((), ()), (reply.applied, reply.claimed), "the reply to apply([])")


@check()
def many_settles_in_one_call(trial: Trial) -> None:
    """500 settles in one call are all applied."""
    trial.store.add([trial.spec() for _ in range(500)])
    tasks = trial.claim(limit=500)
    expect(500, len(tasks), "how many are claimed")
    changes = [
        Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json=f'"{task.id}"') for task in tasks
    ]
    verdicts = {one.verdict for one in trial.store.apply(changes).applied}
    expect({Verdict.APPLIED}, verdicts, "the verdicts")
    values = [task and task.result and task.result.value_json for task in trial.store.get([t.id for t in tasks])]
    expect([f'"{task.id}"' for task in tasks], values, "the values stored")


@check()
def claim_that_comes_with_changes(trial: Trial) -> None:
    """``apply`` with a claim settles first, then claims as ``claim`` does."""
    task_id = trial.add()
    task = trial.take(task_id)
    high, low = trial.add(priority=1), trial.add()
    request = ClaimRequest(worker_id="w", nonce="fused", queue_names=("default",), limit=5, lease=LEASE)
    release = Change(task_id=task_id, event=Event.RELEASE, fence=task.fence)
    reply = trial.store.apply([release], request)
    expect([Verdict.APPLIED], [one.verdict for one in reply.applied], "the verdicts")
    expect([high, task_id, low], [claimed.id for claimed in reply.claimed], "what is claimed")
    expect({"fused"}, {claimed.fence.nonce for claimed in reply.claimed}, "the nonces")


@check()
def claim_without_changes(trial: Trial) -> None:
    """``apply([], claim)`` is a claim."""
    task_id = trial.add()
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=5, lease=LEASE)
    expect([task_id], [task.id for task in trial.store.apply([], request).claimed], "what is claimed")


@check()
def claim_that_comes_with_changes_can_be_repeated(trial: Trial) -> None:
    """The whole call repeated after a lost reply: settles are ALREADY, the claim returns what its nonce holds."""
    task = trial.take(trial.add())
    trial.add()
    trial.add()
    request = ClaimRequest(worker_id="w", nonce="fused", queue_names=("default",), limit=1, lease=LEASE)
    change = Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence)
    first = trial.store.apply([change], request)
    again = trial.store.apply([change], request)
    expect((Verdict.ALREADY, first.claimed), (again.applied[0].verdict, again.claimed), "the answer to the repeat")


@check()
def child_is_claimed_with_the_settle_of_its_parent(trial: Trial) -> None:
    """A task that a settle has let go can be claimed in the same call."""
    parent = trial.add()
    child = trial.add(parents=(parent,))
    task = trial.take(parent)
    request = ClaimRequest(worker_id="w", nonce="fused", queue_names=("default",), limit=1, lease=LEASE)
    reply = trial.store.apply([Change(task_id=parent, event=Event.SUCCEED, fence=task.fence)], request)
    expect([child], [claimed.id for claimed in reply.claimed], "what is claimed")


@check()
def stale_change_brings_no_items(trial: Trial) -> None:
    """What comes with a change that is not applied is not stored."""
    first, _, _ = _lost_to_another(trial, Event.SUCCEED)
    item = Item(task_id=first.id, epoch=first.epoch, sequence=0, at=trial.clock.now(), data_json="1")
    trial.apply(Event.HEARTBEAT, first, items=(item,))
    trial.apply(Event.SUCCEED, first, items=(item,))
    expect((), trial.store.items(first.id).items, "the items")
