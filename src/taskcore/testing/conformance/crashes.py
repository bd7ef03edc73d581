"""Checks of lost workers: leases that are over, crashes counted apart, quarantine, and who is not to blame."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import CancelReason, ClaimRequest, Event, State, Task, Verdict
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, expect


def _lose(trial: Trial, task_id: str, *, is_started: bool = False) -> Task:
    """Claim a task, let its lease pass, let the store act on it; return it."""
    trial.clock.advance(timedelta(minutes=2))  # longer than any backoff of a lost task
    task = trial.take(task_id)
    if is_started:
        trial.must(Event.START, task)
    trial.clock.advance(LEASE)
    trial.housekeep()
    return trial.get(task_id)


@check()
def lost_task_is_ready_again(trial: Trial) -> None:
    """Once the lease is over, a claim makes the task READY: a crash more, no failure, and a note of it."""
    task = _lose(trial, trial.add())
    counted = (task.state, task.crashes, task.failures, task.releases, task.lease)
    expect((State.READY, 1, 0, 0, None), counted, "state, crashes, failures, releases, lease")
    expect([(1, Event.RECLAIM)], [(note.epoch, note.event) for note in task.attempts], "the attempts")


@check()
def lease_holds_up_to_its_end(trial: Trial) -> None:
    """A millisecond before its end the lease holds; at its end it is over."""
    task = trial.take(trial.add())
    trial.clock.advance(LEASE - timedelta(milliseconds=1))
    trial.housekeep()
    before = trial.get(task.id).state
    trial.clock.advance(timedelta(milliseconds=1))
    trial.housekeep()
    expect((State.RUNNING, State.READY), (before, trial.get(task.id).state), "the states before and at the end")


@check()
def lost_task_can_be_claimed_in_the_same_call(trial: Trial) -> None:
    """After the first crash nothing waits: the claim that finds the lease over may hand the task out at once."""
    task_id = trial.add()
    trial.take(task_id)
    trial.clock.advance(LEASE)
    claimed = [task.id for _ in range(2) for task in trial.claim()]
    expect([task_id], claimed, "what the next two claims return")


@check()
def crash_spends_no_retry(trial: Trial) -> None:
    """A task with one try that loses its worker is tried again, and may still fail by itself once."""
    task_id = trial.add(max_attempts=1)
    expect(State.READY, _lose(trial, task_id).state, "the state after the crash")
    task = trial.finish(task_id, Event.FAIL)
    expect((1, 1), (task.failures, task.crashes), "failures and crashes")


@check()
def deploys_spend_no_crash(trial: Trial) -> None:
    """A release counts neither as a failure nor as a crash."""
    task = trial.finish(trial.add(max_crashes=0), Event.RELEASE)
    expect((State.READY, 0, 0), (task.state, task.failures, task.crashes), "state, failures, crashes")


@check()
def one_crash_too_many_is_quarantined(trial: Trial) -> None:
    """With ``max_crashes=1`` the second crash of a started run leaves the task FAILED, with a failure that says so."""
    task_id = trial.add(max_crashes=1)
    _lose(trial, task_id)
    task = _lose(trial, task_id, is_started=True)
    expect((State.FAILED, 2), (task.state, task.crashes), "state and crashes")
    failure = task.result and task.result.failure
    expect("taskcore.WorkerLost", failure and failure.exception_type, "the type of the failure")


@check()
def crash_loop_ends(trial: Trial) -> None:
    """A task that kills every worker is run ``max_crashes`` + 1 times, and never again."""
    task_id = trial.add()
    runs = 0
    while trial.get(task_id).state is State.READY and runs < 10:
        _lose(trial, task_id, is_started=True)
        runs += 1
    expect((4, State.FAILED), (runs, trial.get(task_id).state), "the number of runs, and the state")


@check()
def crashed_task_that_had_not_started_is_not_blamed(trial: Trial) -> None:
    """After a crash, a run that was lost before START costs no further one."""
    task_id = trial.add(max_crashes=1)
    _lose(trial, task_id)
    for _ in range(3):
        task = _lose(trial, task_id)
        expect((State.READY, 1), (task.state, task.crashes), "state and crashes of a run lost before its START")


@check()
def at_most_once_task_that_had_not_started_runs_later(trial: Trial) -> None:
    """With ``max_crashes=0`` a task that was lost before START is READY again, with no crash."""
    task = _lose(trial, trial.add(max_crashes=0))
    expect((State.READY, 0), (task.state, task.crashes), "state and crashes")


@check()
def at_most_once_task_that_had_started_fails(trial: Trial) -> None:
    """With ``max_crashes=0`` a task that was lost after START is FAILED: it may have run."""
    task = _lose(trial, trial.add(max_crashes=0), is_started=True)
    expect((State.FAILED, 1), (task.state, task.crashes), "state and crashes")


@check()
def first_crash_waits_for_nothing_the_next_ones_do(trial: Trial) -> None:
    """After the first crash the task is due at once, after the second in 1 s, after the third in 2 s."""
    task_id = trial.add(max_crashes=9)
    waits = [_lose(trial, task_id, is_started=True).run_after - trial.clock.now() for _ in range(3)]
    expect([timedelta(seconds=seconds) for seconds in (0, 1, 2)], waits, "the waits after each crash")


@check()
def lost_task_whose_cancel_is_wanted_is_let_go(trial: Trial) -> None:
    """A task whose cancel is wanted is CANCELLED when its lease is over, with the reason of the cancel."""
    task = trial.take(trial.add())
    trial.must(Event.CANCEL, task.id, reason=CancelReason.USER)
    trial.clock.advance(LEASE)
    trial.housekeep()
    after = trial.get(task.id)
    expect((State.CANCELLED, CancelReason.USER, None), (after.state, after.reason, after.cancel_level), "the task")


@check()
def parent_reports_the_death_of_its_child(trial: Trial) -> None:
    """The holder may say RECLAIM at once, without waiting for the lease."""
    task = trial.take(trial.add())
    after = trial.must(Event.RECLAIM, task)
    expect((State.READY, 1), (after.state, after.crashes), "state and crashes")


@check()
def leases_of_queues_that_nobody_serves_end(trial: Trial) -> None:
    """A claim from one queue acts on leases that are over in any other."""
    task = trial.take(trial.add(queue_name="abandoned"))
    trial.clock.advance(LEASE)
    expect([], trial.claim("other"), "what is claimed from the other queue")
    expect([State.READY], trial.states(task.id), "the state")


@check()
def leases_of_paused_queues_end(trial: Trial) -> None:
    """A lost task of a paused queue becomes READY, and is not claimed before the queue is resumed."""
    task = trial.take(trial.add())
    trial.store.pause("default")
    trial.clock.advance(LEASE)
    expect([], trial.claim(), "what is claimed from the paused queue")
    expect([State.READY], trial.states(task.id), "the state")


@check()
def claims_of_suspects_only_do_housekeeping_too(trial: Trial) -> None:
    """A claim that does not allow suspects acts on leases that are over as any other."""
    task = trial.take(trial.add())
    trial.clock.advance(LEASE)
    expect([], trial.claim("other", allow_suspects=False), "what is claimed")
    expect([State.READY], trial.states(task.id), "the state")


@check()
def claim_that_comes_with_changes_does_housekeeping(trial: Trial) -> None:
    """A worker that only ever claims together with settles still notices leases that are over."""
    task = trial.take(trial.add())
    trial.clock.advance(LEASE)
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("other",), limit=1, lease=LEASE)
    trial.store.apply([], request)
    expect([State.READY], trial.states(task.id), "the state")


@check()
def many_leases_end_in_a_few_claims(trial: Trial) -> None:
    """Of 300 tasks whose leases are over at once, each is READY after a bounded number of claims."""
    specs = [trial.spec() for _ in range(300)]
    trial.store.add(specs)
    expect(300, len(trial.claim(limit=300)), "how many are claimed")
    trial.clock.advance(LEASE)
    trial.housekeep(times=30)
    states = set(trial.states(*[spec.id for spec in specs]))
    expect({State.READY}, states, "the states after 30 claims")


@check()
def tasks_that_nobody_knows_are_reclaimed_too(trial: Trial) -> None:
    """A lost task is given back whatever its name: the store knows no names."""
    task = _lose(trial, trial.add(name="removed.in.the.last.deploy"))
    expect(State.READY, task.state, "the state")


@check()
def lease_that_holds_cannot_be_ended_by_others(trial: Trial) -> None:
    """RECLAIM, ABANDON and LET_GO without a fence are REFUSED while the lease holds."""
    task = trial.take(trial.add())
    trial.must(Event.CANCEL, task.id)
    before = trial.get(task.id)
    events = (Event.RECLAIM, Event.ABANDON, Event.LET_GO)
    verdicts = [trial.apply(event, task.id).verdict for event in events]
    expect([Verdict.REFUSED] * 3, verdicts, "the verdicts")
    expect(before, trial.get(task.id), "the task")


@check()
def clock_that_steps_back_ends_no_lease(trial: Trial) -> None:
    """After the wall clock was set back an hour the holder still settles, and nobody else gets the task."""
    task = trial.take(trial.add())
    trial.clock.step(-timedelta(hours=1))
    expect([], trial.claim(), "what another worker claims")
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, task).verdict, "the verdict of SUCCEED")


@check()
def clock_that_steps_back_loses_no_task(trial: Trial) -> None:
    """Tasks from before the step are claimed once the clock has come to their moment again."""
    task_id = trial.add()
    trial.clock.step(-timedelta(hours=1))
    trial.claim()
    trial.clock.advance(timedelta(hours=1))
    claimed_before = trial.get(task_id).state is State.RUNNING
    expect(True, claimed_before or [task_id] == [task.id for task in trial.claim()], "whether it is claimed")


@check()
def clock_that_steps_ahead_runs_no_task_twice_at_once(trial: Trial) -> None:
    """After the clock was set ahead another worker may get the task; then the first one's settle is STALE."""
    task_id = trial.add()
    first = trial.take(task_id)
    trial.clock.step(timedelta(hours=1))
    trial.housekeep()
    second = trial.take(task_id)
    expect(Verdict.STALE, trial.apply(Event.SUCCEED, first).verdict, "the verdict of the first holder")
    expect(Verdict.APPLIED, trial.apply(Event.SUCCEED, second).verdict, "the verdict of the second holder")


@check()
def lost_task_that_is_overdue_expires(trial: Trial) -> None:
    """When a lease is over and the expiry has passed meanwhile, the task is not run again: it expires."""
    task = trial.take(trial.add(expires_at=trial.clock.now() + LEASE))
    trial.clock.advance(LEASE)
    expect([], trial.claim(), "what is claimed")
    after = trial.get(task.id)
    found = (after.state, after.reason, after.crashes)
    expect((State.CANCELLED, CancelReason.EXPIRED, 1), found, "state, reason and crashes")


@check()
def clock_that_steps_back_hides_no_task(trial: Trial) -> None:
    """However many tasks of high priority are in the future after a step back, one that is due is claimed soon."""
    specs = [trial.spec(priority=100) for _ in range(300)]
    trial.store.add(specs)
    trial.clock.step(-timedelta(hours=1))
    due = trial.add(priority=-100)
    claimed = [task.id for _ in range(20) for task in trial.claim(limit=5)]
    expect(1, claimed.count(due), "how often the task that is due was claimed in 20 claims")
    later = set(claimed) - {due}
    expect(set(), later, "what was claimed before its moment")
