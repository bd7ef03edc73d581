"""Checks of what happens during a run and at its end: heartbeats, progress, values, tries, notes of attempts."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import (
    CancelLevel,
    Event,
    Failure,
    Fence,
    Progress,
    State,
    Task,
    Verdict,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, expect

SECOND = timedelta(seconds=1)
BOOM = Failure(exception_type="builtins.ValueError", message="boom", traceback="line 1\nline 2")


def _lost_to_another(trial: Trial) -> tuple[Task, Task]:
    """Return a task as its first holder knew it, and as its second one holds it."""
    task_id = trial.add()
    first = trial.take(task_id)
    trial.clock.advance(LEASE)
    trial.housekeep()
    return first, trial.take(task_id)


@check()
def heartbeat_extends_the_lease(trial: Trial) -> None:
    """A heartbeat moves the end of the lease to the store's now plus the extension."""
    task = trial.take(trial.add())
    trial.clock.advance(LEASE / 2)
    after = trial.must(Event.HEARTBEAT, task, extend=LEASE)
    expect(trial.clock.now() + LEASE, after.lease and after.lease.expires_at, "the end of the lease")


@check()
def heartbeat_never_shortens_the_lease(trial: Trial) -> None:
    """A heartbeat with a short extension leaves a longer lease as it is."""
    task = trial.take(trial.add())
    after = trial.must(Event.HEARTBEAT, task, extend=SECOND)
    expect(task.lease, after.lease, "the lease")


@check()
def heartbeat_of_a_lost_task_is_stale(trial: Trial) -> None:
    """A late heartbeat does not take a task back that another worker holds."""
    first, second = _lost_to_another(trial)
    expect(Verdict.STALE, trial.apply(Event.HEARTBEAT, first, extend=LEASE).verdict, "the verdict")
    expect(second, trial.get(first.id), "the task of the second holder")


@check()
def heartbeat_of_a_reclaimed_task_is_stale(trial: Trial) -> None:
    """A late heartbeat does not take a task back that waits for another worker."""
    task = trial.take(trial.add())
    trial.clock.advance(LEASE)
    trial.housekeep()
    before = trial.get(task.id)
    expect(Verdict.STALE, trial.apply(Event.HEARTBEAT, task, extend=LEASE).verdict, "the verdict")
    expect(before, trial.get(task.id), "the task")


@check()
def late_heartbeat_saves_a_task_that_nobody_took(trial: Trial) -> None:
    """A heartbeat after the lease is over, before anybody acted on that, renews it."""
    task = trial.take(trial.add())
    trial.clock.advance(2 * LEASE)
    trial.must(Event.HEARTBEAT, task, extend=LEASE)
    trial.housekeep()
    expect([State.RUNNING], trial.states(task.id), "the state after housekeeping")


@check()
def healthy_long_run_is_never_taken_away(trial: Trial) -> None:
    """A task whose worker beats for a day stays with it: age alone is no sign of a lost worker."""
    task = trial.take(trial.add())
    for _ in range(100):
        trial.clock.advance(timedelta(minutes=15))
        trial.must(Event.HEARTBEAT, task, extend=timedelta(minutes=20))
        expect([], trial.claim(limit=10), "what another worker claims")
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, task).verdict, "the verdict of SUCCEED after a day")


@check()
def heartbeat_brings_progress(trial: Trial) -> None:
    """The progress of a heartbeat is stored; a heartbeat without one leaves it."""
    task = trial.take(trial.add())
    progress = Progress(current=3, total=10, message="x", counters={"a": 1.5}, updated_at=trial.clock.now())
    trial.must(Event.HEARTBEAT, task, progress=progress)
    expect(progress, trial.must(Event.HEARTBEAT, task, extend=LEASE).progress, "the progress")


@check()
def heartbeat_hears_of_a_wanted_cancel(trial: Trial) -> None:
    """The answer to a heartbeat tells the level of the cancel that is wanted, None before."""
    task = trial.take(trial.add())
    expect(None, trial.apply(Event.HEARTBEAT, task).cancel_level, "the level before the cancel")
    trial.must(Event.CANCEL, task.id, level=CancelLevel.TERMINATE)
    answer = trial.apply(Event.HEARTBEAT, task, extend=LEASE)
    expect(CancelLevel.TERMINATE, answer.cancel_level, "the level after the cancel")


@check()
def start_is_written_down(trial: Trial) -> None:
    """START marks the lease, keeps its end, and is the holder's alone."""
    task = trial.take(trial.add())
    expect(Verdict.STALE, trial.apply(Event.START, task, fence=Fence(1, "x")).verdict, "START with a wrong fence")
    lease = trial.must(Event.START, task).lease
    expect(
        (True, task.lease and task.lease.expires_at),
        (lease and lease.is_started, lease and lease.expires_at),
        "the lease",
    )


@check()
def success_stores_the_value(trial: Trial) -> None:
    """The value, the worker and the times of the run are in the result, to the character."""
    task_id = trial.add()
    task = trial.take(task_id, worker_id="wörker")
    started = trial.clock.now()
    trial.clock.advance(SECOND)
    result = trial.must(Event.SUCCEED, task, value_json='{"é":  [1.0, "\\u0000"]}', started_at=started).result
    wanted = ('{"é":  [1.0, "\\u0000"]}', "wörker", started, started + SECOND, None)
    found = result and (result.value_json, result.worker_id, result.started_at, result.finished_at, result.failure)
    expect(wanted, found, "the result")


@check()
def value_that_is_not_kept_is_none(trial: Trial) -> None:
    """SUCCEED without a value stores None, which is not the JSON text null."""
    kept, dropped = trial.add(), trial.add()
    values = [
        trial.must(Event.SUCCEED, trial.take(kept), value_json="null").result,
        trial.must(Event.SUCCEED, trial.take(dropped)).result,
    ]
    expect(["null", None], [result and result.value_json for result in values], "the values")


@check()
def retry_waits_for_its_delay(trial: Trial) -> None:
    """A retry is due after its delay, by the store's clock; an absolute moment wins over the delay."""
    relative, absolute = trial.add(max_attempts=2, queue_name="r"), trial.add(max_attempts=2, queue_name="a")
    moment = trial.clock.now() + 10 * SECOND
    trial.finish(relative, Event.RETRY, delay=5 * SECOND)
    trial.finish(absolute, Event.RETRY, delay=5 * SECOND, run_after=moment)
    due = [trial.get(relative).run_after, trial.get(absolute).run_after]
    expect([trial.clock.now() + 5 * SECOND, moment], due, "the moments")
    trial.clock.advance(5 * SECOND)
    expect([relative], [task.id for task in trial.claim("r", "a", limit=5)], "what is claimed after the delay")


@check()
def retry_without_tries_left_is_refused(trial: Trial) -> None:
    """RETRY of the last try is REFUSED and changes nothing: the worker has to FAIL it."""
    task = trial.take(trial.add(max_attempts=1))
    expect(Verdict.REFUSED, trial.apply(Event.RETRY, task, failure=BOOM).verdict, "the verdict")
    expect(task, trial.get(task.id), "the task")


@check()
def tries_are_counted(trial: Trial) -> None:
    """With ``max_attempts=3`` two retries are applied and the third is refused; failures say so."""
    task_id = trial.add(max_attempts=3)
    verdicts = [trial.apply(Event.RETRY, trial.take(task_id)).verdict for _ in range(3)]
    expect([Verdict.APPLIED, Verdict.APPLIED, Verdict.REFUSED], verdicts, "the verdicts")
    failed = trial.must(Event.FAIL, trial.get(task_id), failure=BOOM)
    expect((3, 0, 0), (failed.failures, failed.crashes, failed.releases), "failures, crashes, releases")


@check()
def releases_cost_no_try(trial: Trial) -> None:
    """A task with one try may be released often: a deploy or a snooze spends none."""
    task_id = trial.add(max_attempts=1)
    for _ in range(5):
        trial.finish(task_id, Event.RELEASE)
    task = trial.get(task_id)
    expect((0, 0, 5, 1), (task.failures, task.crashes, task.releases, task.attempt), "the counters and the attempt")


@check()
def attempts_are_noted(trial: Trial) -> None:
    """Each run that did not succeed is noted with its epoch, event, worker and failure, oldest first."""
    task_id = trial.add(max_attempts=5)
    trial.finish(task_id, Event.RETRY, failure=BOOM)
    trial.finish(task_id, Event.RELEASE)
    trial.finish(task_id, Event.SUCCEED)
    notes = [(note.epoch, note.event, note.failure) for note in trial.get(task_id).attempts]
    expect([(1, Event.RETRY, BOOM), (2, Event.RELEASE, None)], notes, "the attempts")


@check()
def attempts_are_bounded(trial: Trial) -> None:
    """Of 30 unsuccessful runs the first and the last 20 are kept."""
    task_id = trial.add(max_attempts=None)
    for _ in range(30):
        trial.finish(task_id, Event.RETRY)
    epochs = [note.epoch for note in trial.get(task_id).attempts]
    expect([1, *range(11, 31)], epochs, "the epochs of the attempts kept")
