"""Checks of the backend object itself: its clock and capabilities, closing, and a second opening of its store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone

from taskcore.errors import BackendClosed
from taskcore.protocol import (
    Backend,
    Capability,
    Change,
    ClaimRequest,
    Event,
    Group,
    GroupQuery,
    Item,
    Order,
    PurgeRequest,
    Query,
    ScheduleQuery,
    State,
    UniqueKey,
    Verdict,
    WorkerInfo,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import fired, schedule
from taskcore.testing.conformance._trial import LEASE, CheckFailed, Trial, expect

MINUTE = timedelta(minutes=1)


@check()
def clock_is_the_one_given(trial: Trial) -> None:
    """``now()`` is aware, in UTC, and moves with the clock that the backend was made with."""
    first = trial.store.now()
    expect((timedelta(0), trial.clock.now()), (first.utcoffset(), first), "the moment")
    expect(timezone.utc, first.tzinfo, "its zone")
    trial.clock.advance(MINUTE)
    expect(MINUTE, trial.store.now() - first, "how far it moved in a minute")


@check()
def capabilities_are_a_set(trial: Trial) -> None:
    """``capabilities`` is a frozenset of ``Capability``, and ``url`` a text with a scheme."""
    capabilities = trial.store.capabilities
    is_set = isinstance(capabilities, frozenset) and all(isinstance(one, Capability) for one in capabilities)
    expect((True, True), (is_set, ":" in trial.store.url), "whether they are")


@check()
def fresh_backend_is_empty(trial: Trial) -> None:
    """What the factory makes holds nothing: else no other check means anything."""
    stats = trial.store.stats()
    found = (stats.queues, stats.groups, stats.schedules, trial.found(), trial.store.workers())
    expect(((), 0, 0, [], []), found, "what is in the store")


def _worker(trial: Trial) -> WorkerInfo:
    now = trial.clock.now()
    return WorkerInfo(
        id="w",
        hostname="h",
        pid=1,
        queue_names=("default",),
        task_names=("task",),
        concurrency=1,
        executor="threads",
        started_at=now,
        last_beat_at=now,
        expires_at=now + MINUTE,
    )


def _request(nonce: str = "n", limit: int = 1) -> ClaimRequest:
    return ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=limit, lease=LEASE)


def _calls(trial: Trial, store: Backend) -> dict[str, Callable[[], object]]:
    hourly = schedule(trial)
    change = Change(task_id="0" * 32, event=Event.CANCEL)
    return {
        "now": store.now,
        "add": lambda: store.add([trial.spec()]),
        "claim": lambda: store.claim(_request()),
        "apply": lambda: store.apply([change]),
        "get": lambda: store.get(["0" * 32]),
        "find": lambda: store.find(Query()),
        "children": lambda: store.children("0" * 32),
        "unique_holder": lambda: store.unique_holder("k"),
        "stats": store.stats,
        "groups": lambda: store.groups(GroupQuery()),
        "pause": lambda: store.pause("default"),
        "resume": lambda: store.resume("default"),
        "items": lambda: store.items("0" * 32),
        "purge": lambda: store.purge(PurgeRequest()),
        "put_schedule": lambda: store.put_schedule(hourly, expected_revision=None),
        "delete_schedule": lambda: store.delete_schedule(hourly.id),
        "schedules": lambda: store.schedules(ScheduleQuery()),
        "fire": lambda: store.fire(hourly, fired(trial, hourly), []),
        "beat": lambda: store.beat(_worker(trial)),
        "order": lambda: store.order("w", Order.RUN),
        "workers": store.workers,
        "wait": lambda: store.wait(["default"], timedelta(0)),
        "wait_finished": lambda: store.wait_finished(["0" * 32], timedelta(0)),
        "wake": store.wake,
    }


@check()
def closed_backend_says_so(trial: Trial) -> None:
    """After ``close`` every method raises BackendClosed."""
    trial.store.close()
    silent = []
    for name, call in _calls(trial, trial.store).items():
        try:
            call()
        except BackendClosed:
            continue
        silent.append(name)
    expect([], silent, "the methods that do not raise BackendClosed")


@check()
def closing_twice_is_closing_once(trial: Trial) -> None:
    """A second ``close`` does nothing, and raises nothing."""
    trial.store.close()
    trial.store.close()


def _opened(trial: Trial, task_id: str) -> Backend:
    """Return a second opening of the store; it has to know the task."""
    other = trial.open_again()
    if other.get([task_id]) == [None]:
        raise CheckFailed(
            "a second opening does not know the task of the first one: the function that makes the backend has to open "
            "the same store when it is called again within one check, or have an attribute `reopen` that does"
        )
    return other


@check(Capability.CROSS_PROCESS)
def two_openings_see_one_store(trial: Trial) -> None:
    """What one opening adds the other one claims and settles, and the first one sees that."""
    task_id = trial.add()
    other = _opened(trial, task_id)
    task = other.claim(_request())[0]
    expect(([], task), (trial.claim(), trial.get(task_id)), "what the first one claims, and the task that it sees")
    reply = other.apply([Change(task_id=task_id, event=Event.SUCCEED, fence=task.fence)])
    expect(Verdict.APPLIED, reply.applied[0].verdict, "the verdict of the other one")
    expect(Verdict.ALREADY, trial.apply(Event.SUCCEED, task).verdict, "the verdict of the first one")


@check(Capability.CROSS_PROCESS)
def two_openings_share_pauses_keys_and_schedules(trial: Trial) -> None:
    """A pause, a unique key, a schedule's revision: each holds for both openings."""
    holder = trial.add(unique=UniqueKey(key="k"))
    other = _opened(trial, holder)
    expect(holder, other.unique_holder("k"), "the holder of the key")
    trial.store.pause("default")
    expect([], other.claim(_request()), "what the other one claims from the paused queue")
    hourly = schedule(trial)
    trial.store.put_schedule(hourly, expected_revision=None)
    answers = [store.fire(hourly, fired(trial, hourly), []) for store in (other, trial.store)]
    expect([True, False], answers, "the answers to two fires")


@check(Capability.CROSS_PROCESS)
def closing_one_opening_leaves_the_other(trial: Trial) -> None:
    """One opening goes on when the other one is closed."""
    task_id = trial.add()
    _opened(trial, task_id).close()
    expect([task_id], [task.id for task in trial.claim()], "what is claimed")
    expect(State.SUCCESSFUL, trial.must(Event.SUCCEED, trial.get(task_id)).state, "the state")


@check(Capability.DURABLE)
def everything_is_there_after_closing(trial: Trial) -> None:
    """Tasks in all states, groups, keys, items, schedules, pauses and workers outlive the backend object."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=1))
    running = trial.take(trial.add(group_id="f" * 32, group_index=0))
    trial.must(Event.HEARTBEAT, running, items=(Item(task_id=running.id, epoch=1, sequence=0, at=trial.clock.now()),))
    parent = trial.add(queue_name="p")
    ids = [running.id, parent, trial.add(parents=(parent,)), trial.add(unique=UniqueKey(key="k"))]
    ids.append(trial.finish(trial.add(queue_name="d"), Event.FAIL).id)
    hourly = schedule(trial)
    trial.store.put_schedule(hourly, expected_revision=None)
    trial.store.pause("default")
    trial.store.beat(_worker(trial))

    def everything(store: Backend) -> tuple[object, ...]:
        return (
            store.get(ids),
            store.stats(),
            store.groups(GroupQuery()).items,
            store.unique_holder("k"),
            store.items(running.id).items,
            store.schedules(ScheduleQuery()).items,
            store.workers(),
            [task.id for task in store.children(parent).items],
        )

    before = everything(trial.store)
    trial.store.close()
    expect(before, everything(_opened(trial, running.id)), "everything in the store")


@check(Capability.DURABLE)
def fences_hold_after_closing(trial: Trial) -> None:
    """A worker that lost its connection settles through another opening, and a lost task is found there."""
    held, lost = trial.take(trial.add()), trial.take(trial.add())
    trial.store.close()
    other = _opened(trial, held.id)
    reply = other.apply([Change(task_id=held.id, event=Event.SUCCEED, fence=held.fence)])
    expect(Verdict.APPLIED, reply.applied[0].verdict, "the verdict")
    trial.clock.advance(LEASE)
    claimed = [task.id for number in range(2) for task in other.claim(_request(f"n{number}"))]
    expect([lost.id], claimed, "what is claimed when the lease of the lost one is over")


@check(Capability.DURABLE)
def what_is_owed_is_owed_after_closing(trial: Trial) -> None:
    """Dependents that a finish did not reach are let go by the claims of another opening."""
    parent = trial.add(queue_name="p")
    specs = [trial.spec(parents=(parent,), queue_name="children") for _ in range(250)]
    trial.store.add(specs)
    trial.finish(parent)
    trial.store.close()
    other = _opened(trial, parent)
    for number in range(20):
        other.claim(_request(f"n{number}"))
    states = {task and task.state for task in other.get([spec.id for spec in specs])}
    expect({State.READY}, states, "the states of the dependents")
