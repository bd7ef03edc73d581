"""Checks of the registry of workers, and of pausing queues."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.protocol import Event, Order, State, WorkerInfo, WorkerState
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import Trial, expect

MINUTE = timedelta(minutes=1)


def _worker(trial: Trial, worker_id: str = "w", **options: object) -> WorkerInfo:
    now = trial.clock.now()
    info = WorkerInfo(
        id=worker_id,
        hostname="höst",
        pid=1,
        queue_names=("b", "a ü"),
        task_names=("n", "m"),
        concurrency=8,
        executor="threads",
        started_at=now,
        last_beat_at=now,
        expires_at=now + MINUTE,
    )
    return attrs.evolve(info, **options)  # type: ignore[arg-type]


@check()
def beat_stores_what_a_worker_says(trial: Trial) -> None:
    """Every field of a worker comes back; the answer is RUN when nobody ordered anything."""
    info = _worker(trial, state=WorkerState.STOPPING, running=("a" * 32, "b" * 32), completed=12, version="1.2")
    expect(Order.RUN, trial.store.beat(info), "the answer to the first beat")
    expect([info], trial.store.workers(), "the workers")


@check()
def next_beat_takes_the_place(trial: Trial) -> None:
    """A worker is listed once, as it said last."""
    trial.store.beat(_worker(trial))
    trial.clock.advance(MINUTE)
    info = _worker(trial, completed=3, running=())
    trial.store.beat(info)
    expect([info], trial.store.workers(), "the workers")


@check()
def order_is_answered_until_it_changes(trial: Trial) -> None:
    """A worker hears PAUSE with every beat until it is told to RUN again, or to STOP."""
    trial.store.beat(_worker(trial))
    heard = []
    for order in (Order.PAUSE, Order.RUN, Order.STOP):
        expect(True, trial.store.order("w", order), f"whether {order.value} found the worker")
        heard += [trial.store.beat(_worker(trial)) for _ in range(2)]
    expect([Order.PAUSE] * 2 + [Order.RUN] * 2 + [Order.STOP] * 2, heard, "what the worker hears")


@check()
def order_is_for_one_worker(trial: Trial) -> None:
    """The others hear nothing of it."""
    for worker_id in ("w", "v"):
        trial.store.beat(_worker(trial, worker_id))
    trial.store.order("w", Order.STOP)
    heard = [trial.store.beat(_worker(trial, worker_id)) for worker_id in ("v", "w")]
    expect([Order.RUN, Order.STOP], heard, "what the two workers hear")


@check()
def order_for_an_unknown_worker(trial: Trial) -> None:
    """An order for a worker that never beat finds nobody, and is not kept for one that comes later."""
    expect(False, trial.store.order("w", Order.STOP), "whether the worker is known")
    expect(Order.RUN, trial.store.beat(_worker(trial)), "what it hears when it comes")


@check()
def newest_beat_first(trial: Trial) -> None:
    """Workers are listed by their last beat, lost and stopped ones too."""
    for worker_id in ("a", "b", "c"):
        trial.store.beat(_worker(trial, worker_id))
        trial.clock.advance(MINUTE)
    trial.store.beat(_worker(trial, "a", state=WorkerState.STOPPED))
    expect(["a", "c", "b"], [info.id for info in trial.store.workers()], "the workers")


@check()
def workers_of_the_last_day(trial: Trial) -> None:
    """A worker that has not beaten for more than a day is not listed any more."""
    trial.store.beat(_worker(trial, "old"))
    trial.clock.advance(timedelta(hours=23))
    trial.store.beat(_worker(trial, "new"))
    expect(["new", "old"], [info.id for info in trial.store.workers()], "the workers after 23 hours")
    trial.clock.advance(timedelta(hours=2))
    expect(["new"], [info.id for info in trial.store.workers()], "the workers after 25 hours")


@check()
def paused_queue_gives_nothing(trial: Trial) -> None:
    """Nothing is claimed from a paused queue until it is resumed; the others go on."""
    paused, other = trial.add(queue_name="p", priority=100), trial.add(queue_name="o")
    trial.store.pause("p")
    claimed = [task.id for task in trial.claim("p", "o", limit=5)]
    expect([other], claimed, "what is claimed while it is paused")
    trial.store.resume("p")
    expect([paused], [task.id for task in trial.claim("p", "o", limit=5)], "what is claimed when it is resumed")


@check()
def pausing_is_for_one_queue(trial: Trial) -> None:
    """Queues whose names differ by case or a space are not paused with it."""
    for name in ("Q", "q "):
        trial.add(queue_name=name)
    trial.store.pause("q")
    expect(2, len(trial.claim("Q", "q ", limit=5)), "how many are claimed from the others")


@check()
def pausing_twice_is_pausing_once(trial: Trial) -> None:
    """One resume undoes any number of pauses; a resume of a queue that is not paused does nothing."""
    task_id = trial.add()
    trial.store.resume("default")
    trial.store.pause("default")
    trial.store.pause("default")
    trial.store.resume("default")
    expect([task_id], [task.id for task in trial.claim()], "what is claimed")


@check()
def what_runs_goes_on(trial: Trial) -> None:
    """A running task of a paused queue beats and settles; a retry waits for the resume."""
    first, second = trial.take(trial.add()), trial.take(trial.add(max_attempts=2))
    trial.store.pause("default")
    trial.must(Event.HEARTBEAT, first, extend=MINUTE)
    trial.must(Event.SUCCEED, first)
    trial.must(Event.RETRY, second)
    expect([State.SUCCESSFUL, State.READY], trial.states(first.id, second.id), "the states")
    expect([], trial.claim(), "what is claimed")


@check()
def tasks_added_to_a_paused_queue_wait(trial: Trial) -> None:
    """A queue may be paused before it has any task; tasks that come later wait as well."""
    trial.store.pause("new")
    task_id = trial.add(queue_name="new")
    expect([], trial.claim("new"), "what is claimed while it is paused")
    trial.store.resume("new")
    expect([task_id], [task.id for task in trial.claim("new")], "what is claimed when it is resumed")


@check()
def paused_queue_becomes_due_too(trial: Trial) -> None:
    """What became due while its queue was paused is claimed at once after the resume, in order."""
    low = trial.add()
    high = trial.add(priority=1, run_after=trial.clock.now() + MINUTE)
    trial.store.pause("default")
    trial.clock.advance(MINUTE)
    trial.housekeep()
    trial.store.resume("default")
    expect([high, low], [task.id for task in trial.claim(limit=2)], "the order of the claim")


@check()
def pause_is_seen_in_the_stats(trial: Trial) -> None:
    """A paused queue is shown as that, also when it has no tasks."""
    trial.add()
    trial.store.pause("default")
    trial.store.pause("empty")
    found = {queue.name: queue.is_paused for queue in trial.store.stats().queues}
    expect({"default": True, "empty": True}, found, "the paused queues")
    trial.store.resume("default")
    trial.store.resume("empty")
    found = {queue.name: queue.is_paused for queue in trial.store.stats().queues}
    expect({"default": False}, found, "the queues after the resume")
