"""Checks of ``expires_at``: a task that has not started by then is cancelled, wherever it waits."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import CancelReason, Event, State
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import Trial, expect

MINUTE = timedelta(minutes=1)
EXPIRED = (State.CANCELLED, CancelReason.EXPIRED)


def _fate(trial: Trial, task_id: str) -> tuple[State, CancelReason | None]:
    task = trial.get(task_id)
    return task.state, task.reason


@check()
def waiting_tasks_expire_wherever_they_wait(trial: Trial) -> None:
    """A claim from any queue cancels overdue tasks of queues that nobody serves, of paused ones, and blocked ones."""
    expiry = trial.clock.now() + MINUTE
    parent = trial.add(queue_name="p")
    waiting = [
        trial.add(queue_name="unserved", expires_at=expiry),
        trial.add(queue_name="paused", expires_at=expiry),
        trial.add(parents=(parent,), expires_at=expiry),
        trial.add(run_after=expiry + MINUTE, expires_at=expiry),
    ]
    trial.store.pause("paused")
    trial.clock.advance(MINUTE)
    trial.housekeep()
    expect([EXPIRED] * 4, [_fate(trial, task_id) for task_id in waiting], "the fates")


@check()
def running_task_does_not_expire(trial: Trial) -> None:
    """What has started by its expiry goes on."""
    task = trial.take(trial.add(expires_at=trial.clock.now() + MINUTE), lease=10 * MINUTE)
    trial.clock.advance(2 * MINUTE)
    trial.housekeep()
    expect(State.SUCCESSFUL, trial.must(Event.SUCCEED, task).state, "the state after SUCCEED")


@check()
def retry_that_comes_too_late_expires(trial: Trial) -> None:
    """A task that goes back to wait is cancelled when its expiry has passed."""
    task = trial.take(trial.add(expires_at=trial.clock.now() + MINUTE, max_attempts=2), lease=10 * MINUTE)
    trial.clock.advance(2 * MINUTE)
    trial.must(Event.RETRY, task)
    expect([], trial.claim(), "what is claimed")
    expect(EXPIRED, _fate(trial, task.id), "the fate")


@check()
def expiry_ends_by_cancelling_dependents(trial: Trial) -> None:
    """What waits for an expired task is CANCELLED, reason dependency."""
    parent = trial.add(expires_at=trial.clock.now() + MINUTE)
    child = trial.add(parents=(parent,))
    trial.clock.advance(MINUTE)
    trial.housekeep()
    expect((State.CANCELLED, CancelReason.DEPENDENCY), _fate(trial, child), "the fate of the child")


@check()
def requeue_drops_an_expiry_that_has_passed(trial: Trial) -> None:
    """An expired task that is requeued can run: the old expiry is dropped, one in the future is kept."""
    now = trial.clock.now()
    expired, failed = trial.add(expires_at=now + MINUTE), trial.add(expires_at=now + 10 * MINUTE, queue_name="f")
    trial.finish(failed, Event.FAIL)
    trial.clock.advance(MINUTE)
    trial.housekeep()
    kept = [trial.must(Event.REQUEUE, task_id).spec.expires_at for task_id in (expired, failed)]
    expect([None, now + 10 * MINUTE], kept, "the expiries after the requeue")
    expect([expired], [task.id for task in trial.claim()], "what is claimed")


@check()
def many_expire_in_a_few_claims(trial: Trial) -> None:
    """Of 300 tasks that are overdue at once, each is CANCELLED after a bounded number of claims."""
    specs = [trial.spec(expires_at=trial.clock.now() + MINUTE) for _ in range(300)]
    trial.store.add(specs)
    trial.clock.advance(MINUTE)
    trial.housekeep(times=30)
    states = set(trial.states(*[spec.id for spec in specs]))
    expect({State.CANCELLED}, states, "the states after 30 claims")


@check()
def task_added_overdue_expires(trial: Trial) -> None:
    """A task whose expiry has passed when it is added is stored, never started, and cancelled."""
    task_id = trial.add(expires_at=trial.clock.now() - MINUTE)
    expect([], trial.claim(), "what is claimed")
    expect(EXPIRED, _fate(trial, task_id), "the fate")
