"""``decide``: which change answers which outcome of a run."""

from datetime import datetime, timedelta, timezone

import attrs
import pytest

from taskcore._data import Attempt, Failure, Item, Lease, Progress, Task, TaskSpec
from taskcore._machine import WORKER_LOST, accept, step
from taskcore._policy import (
    DEFAULT_BACKOFF,
    HARD_TIMEOUT,
    SNOOZE,
    UNDECODABLE_RELEASES,
    Aborted,
    CancelObeyed,
    GivenBack,
    Overdue,
    Raised,
    Returned,
    Snoozed,
    TimedOut,
    Undecodable,
    UnknownName,
    Unstorable,
    WorkerDied,
    decide,
    retry_delay,
)
from taskcore._retry import Retry, constant, exponential
from taskcore._transitions import Change
from taskcore._vocabulary import CancelReason, Event, State

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
FAILURE = Failure(exception_type="builtins.ValueError", message="no")
NAMES = ("builtins.ValueError", "builtins.Exception", "builtins.BaseException", "builtins.object")
SECOND = timedelta(seconds=1)


def claimed(**fields) -> Task:
    """A task in the hands of a worker; fields of the spec and of the task may be given."""
    spec_fields = {name: fields.pop(name) for name in list(fields) if name in attrs.fields_dict(TaskSpec)}
    spec = TaskSpec(id="a" * 32, name="mail", enqueued_at=NOW, **spec_fields)
    lease = Lease(nonce="n", worker_id="w", claimed_at=NOW, expires_at=NOW + 30 * SECOND)
    task = step(accept(spec, NOW), Change(task_id=spec.id, event=Event.CLAIM, grant=lease), NOW)
    assert isinstance(task, Task)
    return attrs.evolve(task, **fields)


def raised(**fields) -> Raised:
    return Raised(**{"failure": FAILURE, "type_names": NAMES, **fields})


def release(exception_type: str | None) -> Attempt:
    failure = None if exception_type is None else Failure(exception_type=exception_type, message="")
    return Attempt(epoch=1, event=Event.RELEASE, worker_id="w", claimed_at=NOW, ended_at=NOW, failure=failure)


def test_a_return_succeeds_with_value_tasks_and_what_was_said():
    """What was returned, enqueued, and said on the way travels in one change with the fence of the claim."""
    spec = TaskSpec(id="b" * 32, name="child", enqueued_at=NOW)
    item = Item(task_id="a" * 32, epoch=1, sequence=0, at=NOW)
    task = claimed()
    change = decide(
        task, Returned("7", (spec,)), now=NOW, started_at=NOW, progress=Progress(current=1), items=(item,)
    ).change
    assert change == Change(
        task_id=task.id,
        event=Event.SUCCEED,
        fence=task.fence,
        value_json="7",
        tasks=(spec,),
        started_at=NOW,
        progress=Progress(current=1),
        items=(item,),
    )


OUTCOMES = [
    (Returned("1"), Event.SUCCEED),
    (raised(), Event.FAIL),
    (Unstorable(FAILURE), Event.FAIL),
    (Snoozed(SECOND), Event.RELEASE),
    (Aborted("enough"), Event.ABORT),
    (CancelObeyed(), Event.ABORT),
    (Overdue(), Event.ABORT),
    (TimedOut(SECOND, is_stopped=True), Event.FAIL),
    (TimedOut(SECOND, is_stopped=False), Event.FAIL),
    (WorkerDied("killed"), Event.RECLAIM),
    (GivenBack("shutdown"), Event.RELEASE),
    (UnknownName(), Event.RELEASE),
    (Undecodable(FAILURE), Event.RELEASE),
]


@pytest.mark.parametrize(
    ("outcome", "event"), OUTCOMES, ids=lambda value: getattr(value, "value", type(value).__name__)
)
def test_each_outcome_has_an_event_that_the_machine_takes(outcome, event):
    """Without any options each outcome is answered by its event, and the machine applies that to the claimed task."""
    task = claimed()
    change = decide(task, outcome, now=NOW).change
    assert event is change.event
    assert isinstance(step(task, change, NOW), Task)


@pytest.mark.parametrize(
    ("failures", "limit", "event"),
    [(0, 1, Event.FAIL), (0, 3, Event.RETRY), (1, 3, Event.RETRY), (2, 3, Event.FAIL), (1000, None, Event.RETRY)],
)
def test_max_attempts_counts_the_last_run_too(failures, limit, event):
    """Of ``max_attempts`` runs the last one that raises fails the task; None never does."""
    task = claimed(max_attempts=limit, failures=failures)
    assert event is decide(task, raised(), now=NOW, retry=Retry()).change.event


@pytest.mark.parametrize(
    ("on", "not_on", "event"),
    [
        ((), (), Event.RETRY),
        ((ValueError,), (), Event.RETRY),
        ((LookupError,), (), Event.FAIL),
        ((LookupError, Exception), (), Event.RETRY),
        ((), (ValueError,), Event.FAIL),
        ((ValueError,), (Exception,), Event.FAIL),
        (("builtins.ValueError",), (), Event.RETRY),
    ],
)
def test_filters_match_the_class_and_its_bases_by_dotted_name(on, not_on, event):
    """``not_on`` wins over ``on``; both match subclasses."""
    retry = Retry(max_attempts=5, on=on, not_on=not_on)
    assert event is decide(claimed(max_attempts=5), raised(), now=NOW, retry=retry).change.event


def test_what_is_no_exception_is_not_retried_by_default():
    """SystemExit in a task fails it: the default filter is every ``Exception``."""
    exits = raised(type_names=("builtins.SystemExit", "builtins.BaseException", "builtins.object"))
    assert Event.FAIL is decide(claimed(max_attempts=5), exits, now=NOW, retry=Retry(max_attempts=5)).change.event


def test_the_retry_of_the_spec_wins_over_that_of_the_definition():
    """``.using(retry=…)`` is obeyed, whatever the definition says."""
    task = claimed(max_attempts=5, retry=Retry(max_attempts=5, backoff=constant(9 * SECOND), jitter=0))
    change = decide(task, raised(), now=NOW, retry=Retry(not_on=Exception)).change
    assert (Event.RETRY, 9 * SECOND) == (change.event, change.delay)


def test_no_retry_is_planned_later_than_until():
    """``until`` counts from the first enqueueing, delay included."""
    retry = Retry(max_attempts=None, backoff=constant(10 * SECOND), jitter=0, until=60 * SECOND)
    task = claimed(max_attempts=None)
    assert Event.RETRY is decide(task, raised(), now=NOW + 50 * SECOND, retry=retry).change.event
    assert Event.FAIL is decide(task, raised(), now=NOW + 51 * SECOND, retry=retry).change.event


def test_until_may_be_later_than_the_last_moment_there_is():
    """A way to say "for ever" must not break the worker that counts."""
    retry = Retry(max_attempts=None, backoff=constant(10 * SECOND), until=timedelta.max)
    assert Event.RETRY is decide(claimed(max_attempts=None), raised(), now=NOW, retry=retry).change.event


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 8.0), (0.5, 6.0), (0.999999, 4.000004)])
def test_jitter_takes_away_the_random_part_of_the_delay(random, seconds):
    """Never later than the curve says, and earlier by up to the fraction that is jitter."""
    retry = Retry(max_attempts=5, backoff=exponential(2 * SECOND), jitter=0.5)
    assert timedelta(seconds=seconds) == retry_delay(retry, 3, random)


def test_a_backoff_function_without_an_answer_is_replaced_by_the_default_curve():
    """A function that raised changes when the task is tried again, never whether."""
    retry = Retry(max_attempts=9, backoff=lambda failures, error: SECOND, jitter=0)
    task = claimed(max_attempts=9, failures=2)
    assert DEFAULT_BACKOFF.delay(3) == decide(task, raised(), now=NOW, retry=retry).change.delay
    assert 7 * SECOND == decide(task, raised(custom_delay=7 * SECOND), now=NOW, retry=retry).change.delay


def test_a_run_that_was_stopped_at_its_timeout_is_retried_as_a_timeout_error():
    """``Retry(on=TimeoutError)`` covers hard timeouts of what can be killed."""
    retry = Retry(max_attempts=3, on=TimeoutError)
    change = decide(claimed(max_attempts=3), TimedOut(SECOND, is_stopped=True), now=NOW, retry=retry).change
    assert change.failure is not None
    assert (Event.RETRY, HARD_TIMEOUT) == (change.event, change.failure.exception_type)


def test_a_run_that_cannot_be_stopped_is_never_retried():
    """A second run beside a thread that still runs would be two at once."""
    timed_out = TimedOut(SECOND, is_stopped=False)
    assert Event.FAIL is decide(claimed(max_attempts=9), timed_out, now=NOW, retry=Retry(max_attempts=9)).change.event


@pytest.mark.parametrize(("before", "event"), [(0, Event.RELEASE), (1, Event.RELEASE), (2, Event.FAIL)])
def test_a_snooze_beyond_its_limit_fails(before, event):
    """Two snoozes allowed: the third one fails the task."""
    task = claimed(releases=before, attempts=tuple(release(SNOOZE) for _ in range(before)))
    assert event is decide(task, Snoozed(SECOND, limit=2), now=NOW).change.event


def test_a_shutdown_spends_no_snooze():
    """A deploy's restart releases the task too, and is not counted against the limit of its snoozes."""
    task = claimed(releases=3, attempts=(release(None), release(SNOOZE), release(None)))
    assert Event.RELEASE is decide(task, Snoozed(SECOND, limit=2), now=NOW).change.event


def test_snoozes_that_attempts_no_longer_show_still_count():
    """Only the first and the last attempts are kept; the count of releases remembers the rest."""
    task = claimed(releases=500, attempts=tuple(release(SNOOZE) for _ in range(21)))
    assert Event.FAIL is decide(task, Snoozed(SECOND, limit=400), now=NOW).change.event


@pytest.mark.parametrize(
    ("crashes", "limit", "event"),
    [(0, 0, Event.ABANDON), (0, 3, Event.RECLAIM), (2, 3, Event.RECLAIM), (3, 3, Event.ABANDON)],
)
def test_a_dead_process_costs_a_crash_by_the_rule_of_lapsed_leases(crashes, limit, event):
    """What its parent reports is counted as housekeeping would: against ``max_crashes``, never as a failure."""
    lease = Lease(nonce="n", worker_id="w", claimed_at=NOW, expires_at=NOW, is_started=True)
    task = claimed(max_crashes=limit, crashes=crashes, lease=lease)
    change = decide(task, WorkerDied("killed by signal 9"), now=NOW).change
    after = step(task, change, NOW)
    assert isinstance(after, Task)
    assert change.failure is not None
    assert (event, WORKER_LOST) == (change.event, change.failure.exception_type)
    assert (crashes + 1, 0) == (after.crashes, after.failures)


def test_a_suspect_that_its_process_had_not_begun_is_not_blamed():
    """Without START the crash of its process is not its own."""
    task = claimed(crashes=3, max_crashes=3)
    after = step(task, decide(task, WorkerDied("killed"), now=NOW).change, NOW)
    assert isinstance(after, Task)
    assert (State.READY, 3) == (after.state, after.crashes)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Overdue(), CancelReason.EXPIRED), (CancelObeyed(), CancelReason.USER), (Aborted(), CancelReason.ABORTED)],
)
def test_a_cancelled_task_says_why(outcome, reason):
    """Expired, asked for by a user, or given up by itself."""
    task = claimed()
    after = step(task, decide(task, outcome, now=NOW).change, NOW)
    assert isinstance(after, Task)
    assert (State.CANCELLED, reason) == (after.state, after.reason)


def test_an_unknown_name_goes_back_for_longer_each_time_up_to_a_minute():
    """It is never failed: a worker that knows it may come."""
    delays = [decide(claimed(releases=n), UnknownName(), now=NOW).change.delay for n in (0, 1, 2, 3, 4, 1000)]
    assert [timedelta(seconds=s) for s in (5, 10, 20, 40, 60, 60)] == delays


def test_an_undecodable_payload_goes_back_a_few_times_and_then_fails():
    """A deploy in progress gets about ten minutes; then the task fails and says what does not decode."""
    tries = []
    for before in range(UNDECODABLE_RELEASES + 1):
        attempts = tuple(release(FAILURE.exception_type) for _ in range(before))
        tries.append(decide(claimed(releases=before, attempts=attempts), Undecodable(FAILURE), now=NOW).change)
    delays = [change.delay for change in tries[:-1] if change.delay is not None]
    assert [Event.RELEASE] * UNDECODABLE_RELEASES == [change.event for change in tries[:-1]]
    assert timedelta(seconds=630) == sum(delays, timedelta(0))
    assert (Event.FAIL, FAILURE) == (tries[-1].event, tries[-1].failure)


def test_what_was_given_back_is_due_at_once_unless_it_says_otherwise():
    """A shutdown delays nothing."""
    assert timedelta(0) == decide(claimed(), GivenBack("shutdown"), now=NOW).change.delay
    assert SECOND == decide(claimed(), GivenBack("later", SECOND), now=NOW).change.delay


def test_what_may_run_at_most_once_is_not_given_back_once_it_has_begun():
    """A run that was cut short by a shutdown would begin a second time: it is lost instead."""
    lease = Lease(nonce="n", worker_id="w", claimed_at=NOW, expires_at=NOW, is_started=True)
    task = claimed(max_crashes=0, lease=lease)
    assert Event.RELEASE is decide(task, GivenBack("shutdown"), now=NOW).change.event
    change = decide(task, GivenBack("shutdown", has_begun=True), now=NOW).change
    after = step(task, change, NOW)
    assert isinstance(after, Task)
    assert (Event.ABANDON, State.FAILED) == (change.event, after.state)
    assert Event.RELEASE is decide(claimed(), GivenBack("shutdown", has_begun=True), now=NOW).change.event
