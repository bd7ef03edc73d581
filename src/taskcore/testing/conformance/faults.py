"""Checks that a caller who does as the protocol says survives faults: each task is done, and its end applied once.

The caller repeats a call whose outcome it does not know, with the same ids and nonces, until it is answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from taskcore.errors import BackendUnavailable
from taskcore.protocol import (
    AddVerdict,
    Backend,
    Change,
    ClaimRequest,
    Event,
    Group,
    Item,
    OnParentFailure,
    State,
    UniqueKey,
    Verdict,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import fired, schedule
from taskcore.testing.conformance._trial import LEASE, CheckFailed, Trial, expect, in_threads
from taskcore.testing.faults import DuplicatesCalls, FailsSometimes, LosesReplies, Slow

R = TypeVar("R")

TASKS = 60
SURELY = 200
"""Repeats after which a call that is hit by half has been answered, unless something is wrong."""


def _surely(call: Callable[[], R]) -> R:
    """Repeat a call until it is answered."""
    for _ in range(SURELY):
        try:
            return call()
        except BackendUnavailable:
            continue
    raise CheckFailed(f"a call was not answered in {SURELY} attempts")


def _work(trial: Trial, store: Backend, settled: Counter[tuple[str, Verdict]]) -> None:
    """Claim and settle until nothing is left, fused and repeated as a worker does it."""
    changes: list[Change] = []
    while True:
        request = ClaimRequest(
            worker_id="w", nonce=f"nonce {trial.number()}", queue_names=("default",), limit=7, lease=LEASE
        )
        reply = _surely(partial(store.apply, changes, request))
        settled.update((one.task_id, one.verdict) for one in reply.applied)
        if not reply.claimed:
            return
        changes = [
            Change(
                task_id=task.id,
                event=Event.SUCCEED,
                fence=task.fence,
                value_json=f'"{task.id}"',
                items=(Item(task_id=task.id, epoch=task.epoch, sequence=0, at=trial.clock.now()),),
            )
            for task in reply.claimed
        ]


def _run_everything(trial: Trial, store: Backend) -> None:
    """Add tasks, a group with its callback, unique ones; run them all; compare what is there with what was meant."""
    specs = [trial.spec() for _ in range(TASKS)]
    _surely(lambda: store.add(specs))
    group = Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=5)
    members = [trial.spec(group_id=group.id, group_index=index) for index in range(5)]
    _surely(lambda: store.add(members, group=group))
    callback = trial.spec(parents=(group.id,), on_parent_failure=OnParentFailure.RUN)
    _surely(lambda: store.add([callback]))
    unique = [trial.spec(unique=UniqueKey(key="k")) for _ in range(5)]
    answers = [_surely(partial(store.add, [spec]))[0] for spec in unique]
    expect({unique[0].id}, {answer.task_id for answer in answers}, "the tasks that stand for one unique key")

    settled: Counter[tuple[str, Verdict]] = Counter()
    _work(trial, store, settled)
    ids = [spec.id for spec in (*specs, *members, callback, unique[0])]
    expect({State.SUCCESSFUL}, set(trial.states(*ids)), "the states")
    expect(sorted(ids), sorted(trial.found()), "the tasks in the store")
    verdicts = {verdict for _task_id, verdict in settled}
    expect(set(), verdicts - {Verdict.APPLIED, Verdict.ALREADY}, "verdicts other than APPLIED and ALREADY")
    epochs = [trial.get(task_id).epoch for task_id in ids]
    expect([1] * len(ids), epochs, "how often each task was claimed")
    items = [len(trial.store.items(task_id).items) for task_id in ids]
    expect([1] * len(ids), items, "how many items each task has")
    expect({State.SUCCESSFUL: 5}, dict(trial.group(group.id).counts), "the counts of the group")


@check()
def lost_replies_lose_nothing(trial: Trial) -> None:
    """With a third of all replies lost each task is claimed once, done once, and its end applied once."""
    _run_everything(trial, LosesReplies(trial.store, seed=1, rate=0.33))


@check()
def duplicated_calls_do_nothing_twice(trial: Trial) -> None:
    """With half of all calls made twice each task is claimed once, done once, and its end applied once."""
    _run_everything(trial, DuplicatesCalls(trial.store, seed=2, rate=0.5))


@check()
def failing_calls_lose_nothing(trial: Trial) -> None:
    """With a third of all calls failing, before or after they are made, nothing is lost or done twice."""
    _run_everything(trial, FailsSometimes(trial.store, seed=3, rate=0.33))


@check()
def faults_together_lose_nothing(trial: Trial) -> None:
    """Calls that are doubled, fail and lose their replies, all at once: nothing is lost or done twice."""
    store: Backend = DuplicatesCalls(trial.store, seed=4, rate=0.3)
    store = FailsSometimes(store, seed=5, rate=0.2)
    _run_everything(trial, LosesReplies(store, seed=6, rate=0.2))


@check()
def slow_calls_from_many_threads_lose_nothing(trial: Trial) -> None:
    """Four workers whose calls take their time, and whose replies get lost, do each task once."""
    store = LosesReplies(Slow(trial.store, seed=7, rate=0.5, delay=timedelta(milliseconds=2)), seed=8, rate=0.2)
    specs = [trial.spec() for _ in range(TASKS)]
    trial.store.add(specs)
    counters: list[Counter[tuple[str, Verdict]]] = [Counter() for _ in range(4)]
    in_threads([partial(_work, trial, store, counter) for counter in counters])
    settled = Counter(task_id for counter in counters for task_id, _verdict in counter.elements())
    expect({spec.id: 1 for spec in specs}, dict(settled), "how often each task was settled")
    expect({State.SUCCESSFUL}, set(trial.states(*[spec.id for spec in specs])), "the states")


@check()
def lost_replies_of_a_scheduler_fire_each_slot_once(trial: Trial) -> None:
    """A scheduler that reads the schedule again after a lost reply enqueues one task a slot."""
    store = LosesReplies(trial.store, seed=9, rate=0.5)
    before = schedule(trial)
    trial.store.put_schedule(before, expected_revision=None)
    for _ in range(20):
        slot = before.next_slot
        spec = trial.spec(schedule_id=before.id, slot=slot, run_after=slot)
        after = fired(trial, before)
        _surely(partial(store.fire, before, after, [spec]))
        before = after
    slots = [trial.get(task_id).spec.slot for task_id in trial.found(schedule_id=before.id)]
    expect((20, 20), (len(slots), len(set(slots))), "how many tasks, and of how many slots")


@check()
def repeated_add_after_an_unknown_outcome(trial: Trial) -> None:
    """Whatever was accepted before the reply was lost is ALREADY, and the rest ADDED: never a second task."""
    store = FailsSometimes(trial.store, seed=10, rate=0.5)
    for _ in range(20):
        spec = trial.spec()
        answer = _surely(partial(store.add, [spec]))[0]
        expect(True, answer.verdict in {AddVerdict.ADDED, AddVerdict.ALREADY}, f"whether {answer} is an answer")
    expect(20, len(trial.found()), "how many tasks there are")
