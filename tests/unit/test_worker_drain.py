"""``Worker.drain``: what tasks can do and what becomes of them, on the memory backend and a clock that stands still."""

import asyncio
import logging
from datetime import timedelta

import pytest

from taskcore import (
    Abort,
    CancelLevel,
    CancelRequested,
    Client,
    Context,
    Event,
    LeaseLost,
    Retry,
    Snooze,
    SoftTimeout,
    State,
    TaskCancelled,
    TaskFailed,
    TaskOutcome,
    Worker,
    constant,
    current_context,
    every,
    exponential,
    task,
)
from taskcore.errors import InvalidDefinition, InvalidOption
from taskcore.protocol import CancelReason, Change, ClaimRequest
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend

SECOND = timedelta(seconds=1)


@task
def add(a: int, b: int) -> int:
    return a + b


@task
async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


@task
def total(values: list[int | None]) -> int:
    return sum(value or 0 for value in values)


@task
def fail(kind: str = "ValueError") -> None:
    raise {"ValueError": ValueError, "KeyError": KeyError, "SystemExit": SystemExit}[kind]("no")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def client(clock):
    return Client(MemoryBackend(clock=clock))


def drain(client, *tasks, **options):
    return Worker(client, tasks, **options).drain()


# What is run


def test_drain_runs_what_is_due_and_says_how_many(client, clock):
    """A task for later waits until the clock says so."""
    client.enqueue(add, 1, 2)
    later = client.enqueue(add.using(run_after=timedelta(hours=1)), 3, 4)
    assert 1 == drain(client, add)
    clock.advance(timedelta(hours=1))
    assert 1 == drain(client, add)
    assert 7 == later.result()


def test_drain_runs_what_the_tasks_enqueue(client):
    """It ends when nothing is due, not when the first batch is done."""

    @task
    def parent() -> None:
        for n in range(3):
            client.enqueue(add, n, n)

    client.enqueue(parent)
    assert 4 == drain(client, parent, add)


def test_drain_obeys_priority_even_for_what_comes_while_it_runs(client):
    """One task is claimed at a time, so a newcomer of higher priority is next."""
    order = []

    @task
    def note(name: str) -> None:
        order.append(name)
        if name == "first":
            client.enqueue(note.using(priority=10), "urgent")

    client.enqueue(note, "first")
    client.enqueue(note, "last")
    drain(client, note)
    assert ["first", "urgent", "last"] == order


def test_drain_runs_async_tasks(client):
    """On a private loop, in the calling thread."""
    handle = client.enqueue(add_later, 1, 2)
    assert 1 == drain(client, add_later)
    assert 3 == handle.result()


def test_drain_runs_async_tasks_inside_a_running_loop(client):
    """An async test may call it: loops do not nest, so it takes a thread for the time."""

    async def main() -> int:
        client.enqueue(add_later, 1, 2)
        return drain(client, add_later)

    assert 1 == asyncio.run(main())


def test_drain_fires_due_schedules(client, clock):
    """A worker is a scheduler, too."""
    client.schedule("tick", every(timedelta(hours=1)), add.bind(1, 2))
    assert 0 == drain(client, add)
    clock.advance(timedelta(hours=1, seconds=1))
    assert 1 == drain(client, add)


@pytest.mark.parity("DQ-31")
def test_only_the_queues_of_its_tasks_and_default_are_served(client):
    """What other queues hold is none of its business."""
    client.enqueue(add.using(queue_name="elsewhere"), 1, 2)
    mine = client.enqueue(fail.using(queue_name="mail"))
    assert 1 == drain(client, add, fail.using(queue_name="mail"))
    assert State.FAILED is mine.refresh().state


def test_a_task_of_an_unknown_name_goes_back_with_a_delay_and_a_warning(client, clock, caplog):
    """It is neither failed nor dropped: another worker may know it."""
    handle = client.enqueue(fail)
    assert 0 == drain(client, add)
    seen = handle.refresh()
    assert (State.READY, 1, 0) == (seen.state, seen.releases, seen.failures)
    assert clock.now() < seen.run_after
    assert ["WARNING"] == [record.levelname for record in caplog.records]
    assert "knows no task named" in caplog.text


# How tasks end


def test_an_exception_fails_a_task_without_a_retry(client):
    """The failure tells type and message; the result raises it as TaskFailed."""
    handle = client.enqueue(fail)
    drain(client, fail)
    with pytest.raises(TaskFailed) as caught:
        handle.result()
    assert caught.value.failure is not None
    assert ("builtins.ValueError", "no") == (caught.value.failure.exception_type, caught.value.failure.message)


def test_the_traceback_begins_in_the_function_of_the_user(client):
    """The frames of the worker are nobody's concern."""
    handle = client.enqueue(fail)
    drain(client, fail)
    result = handle.refresh().result
    assert result is not None
    assert result.failure is not None
    assert "_run.py" not in result.failure.traceback
    assert "test_worker_drain.py" in result.failure.traceback


@pytest.mark.parity("DQ-40")
def test_a_retry_waits_by_its_backoff(client, clock):
    """1 s, then 2 s, then it has failed."""
    flaky = fail.using(retry=Retry(max_attempts=3, backoff=exponential(SECOND), jitter=0))
    handle = client.enqueue(flaky)
    ran = []
    for _ in range(4):
        ran.append(drain(client, flaky))
        clock.advance(SECOND)
    assert [1, 1, 0, 1] == ran
    assert (State.FAILED, 3) == (handle.refresh().state, handle.refresh().failures)


def test_a_backoff_function_is_told_the_failures_and_the_exception(client, clock):
    """Its answer is the delay."""
    asked = []

    def backoff(failures: int, error: BaseException) -> timedelta:
        asked.append((failures, type(error)))
        return 7 * SECOND

    @task(retry=Retry(max_attempts=2, backoff=backoff, jitter=0))
    def flaky() -> None:
        raise KeyError("x")

    handle = client.enqueue(flaky)
    drain(client, flaky)
    assert [(1, KeyError)] == asked
    assert clock.now() + 7 * SECOND == handle.refresh().run_after


def test_a_backoff_function_can_end_the_tries(client):
    """``timedelta.max`` means: not again, whatever is left of the attempts."""

    @task(retry=Retry(max_attempts=5, backoff=lambda failures, error: timedelta.max))
    def flaky() -> None:
        raise KeyError("x")

    handle = client.enqueue(flaky)
    drain(client, flaky)
    assert (State.FAILED, 1) == (handle.refresh().state, handle.refresh().failures)


@pytest.mark.parity("DQ-38")
def test_a_hook_is_told_what_a_task_returned(client):
    """As JSON text, and the state it left; nothing for a task that did not succeed."""
    outcomes = []
    definition = task(name="answer")(lambda: [1, 2])
    client.enqueue(definition)
    client.enqueue(fail)
    Worker(client, [definition, fail], on_outcome=outcomes.append).drain()
    told = [(outcome.value_json, outcome.state) for outcome in outcomes]
    assert [("[1,2]", State.SUCCESSFUL), (None, State.FAILED)] == told


@pytest.mark.parametrize("answer", [None, 3, timedelta(seconds=-1), timedelta(days=10**6), ZeroDivisionError("bug")])
def test_a_broken_backoff_function_never_changes_the_outcome(client, clock, answer, caplog):
    """It is logged, and the default curve stands in."""

    def backoff(failures: int, error: BaseException) -> timedelta:
        if isinstance(answer, Exception):
            raise answer
        return answer

    @task(retry=Retry(max_attempts=2, backoff=backoff, jitter=0))
    def flaky() -> None:
        raise KeyError("x")

    handle = client.enqueue(flaky)
    drain(client, flaky)
    assert (State.READY, clock.now() + SECOND) == (handle.refresh().state, handle.refresh().run_after)
    assert "backoff function" in caplog.text


def test_a_system_exit_in_a_task_is_its_failure(client):
    """``sys.exit`` in a task does not end the worker."""
    handle = client.enqueue(fail, "SystemExit")
    assert 1 == drain(client, fail)
    assert State.FAILED is handle.refresh().state


def test_a_keyboard_interrupt_gives_the_task_back_and_goes_on_up(client):
    """Ctrl-C in a test or script ends the drain, and costs the task nothing."""

    @task
    def interrupted() -> None:
        raise KeyboardInterrupt

    handle = client.enqueue(interrupted)
    with pytest.raises(KeyboardInterrupt):
        drain(client, interrupted)
    assert (State.READY, 0) == (handle.refresh().state, handle.refresh().failures)


def test_a_snooze_is_no_failure(client, clock):
    """The task runs again after the delay, with all its tries."""

    @task(takes_context=True)
    def wait(ctx: Context) -> int:
        if not ctx.task.releases:
            raise Snooze(timedelta(hours=1))
        return ctx.attempt

    handle = client.enqueue(wait)
    drain(client, wait)
    assert (State.READY, 0) == (handle.refresh().state, handle.refresh().failures)
    clock.advance(timedelta(hours=1))
    drain(client, wait)
    assert 1 == handle.result()


def test_an_outcome_is_one_log_line(client, caplog):
    """Whatever characters the exception's message has, and however long it is."""

    @task
    def talk() -> None:
        raise ValueError("first\nsecond \x1b[31m" + 5000 * "x")

    client.enqueue(talk)
    with caplog.at_level(logging.INFO, "taskcore.worker"):
        drain(client, talk)
    (line,) = [record.getMessage() for record in caplog.records]
    assert (True, True, True) == (r"first second \x1b[31mxxx" in line, line.isprintable(), len(line) < 1000)


def test_abort_cancels_the_task_and_keeps_its_words(client):
    """Whatever its Retry says."""

    @task(retry=Retry(max_attempts=5))
    def give_up() -> None:
        raise Abort("nothing to do")

    handle = client.enqueue(give_up)
    drain(client, give_up)
    with pytest.raises(TaskCancelled):
        handle.result()
    seen = handle.refresh()
    assert CancelReason.ABORTED is seen.reason
    assert seen.attempts[0].failure is not None
    assert "nothing to do" == seen.attempts[0].failure.message


def test_a_value_that_cannot_travel_fails_and_is_not_tried_again(client):
    """To run it again would repeat its effects, not its mistake."""

    @task(retry=Retry(max_attempts=5))
    def wrong() -> object:
        return object()

    handle = client.enqueue(wrong)
    assert 1 == drain(client, wrong)
    seen = handle.refresh()
    assert (State.FAILED, 1) == (seen.state, seen.failures)
    assert seen.result is not None
    assert seen.result.failure is not None
    assert "NotEncodable" in seen.result.failure.exception_type


def test_a_value_over_the_limit_fails_the_task(client):
    """The message says how large it was."""

    @task
    def large() -> str:
        return "x" * 2000

    handle = client.enqueue(large)
    drain(client, large, result_limit=1000)
    with pytest.raises(TaskFailed, match="2,002 bytes"):
        handle.result()


def test_arguments_that_fit_no_more_go_back_first(client, clock):
    """They may be written by newer code than this worker's; after some ten minutes the task fails."""

    @task(name="changing")
    def old(a: int) -> int:
        return a

    @task(name="changing")
    def new(text: str, *, more: str) -> str:
        return text + more

    handle = client.enqueue(old, 1)
    drain(client, new)
    assert (State.READY, 0) == (handle.refresh().state, handle.refresh().failures)
    for _ in range(6):
        clock.advance(timedelta(hours=1))
        drain(client, new)
    seen = handle.refresh()
    assert State.FAILED is seen.state
    assert seen.result is not None
    assert seen.result.failure is not None
    assert "UndecodablePayload" in seen.result.failure.exception_type


def test_a_task_that_expires_while_it_waits_is_never_started(client, clock):
    """The claim itself sees to it."""
    handle = client.enqueue(add.using(expires_at=timedelta(minutes=1)), 1, 2)
    clock.advance(timedelta(minutes=1))
    assert 0 == drain(client, add)
    assert CancelReason.EXPIRED is handle.refresh().reason


# The context


@pytest.mark.parity("SCR-17")
def test_the_context_tells_and_is_told(client):
    """Progress, items and new tasks are stored with the success, in one step."""
    ids = []

    @task(takes_context=True)
    def work(ctx: Context, n: int) -> int:
        ctx.progress(n, total=10, message="half", counters={"rows": 2})
        ctx.item(count=3, data={"file": "x"}, shop="a")
        ctx.item(count=4)
        ids.append(ctx.enqueue(add.bind(1, 1)))
        return ctx.attempt

    handle = client.enqueue(work, 5)
    assert 2 == drain(client, work, add)
    seen = handle.refresh()
    assert seen.progress is not None
    assert (5, 10, "half", {"rows": 2}) == (
        seen.progress.current,
        seen.progress.total,
        seen.progress.message,
        dict(seen.progress.counters),
    )
    assert [(0, 3), (1, 4)] == [(item.sequence, item.count) for item in client.items(handle.id).items]
    assert 2 == client.result(ids[0])


def test_what_a_failed_run_enqueued_is_not_stored(client):
    """``ctx.enqueue`` is part of the success."""
    ids = []

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        ids.append(ctx.enqueue(add.bind(1, 1)))
        raise ValueError("no")

    client.enqueue(work)
    drain(client, work, add)
    assert [None] == client.backend.get(ids)


def test_a_run_enqueues_a_thousand_at_most(client):
    """One more is refused where it is asked for: all of them are one atomic step of the store."""

    @task(takes_context=True)
    def work(ctx: Context, count: int) -> None:
        for _ in range(count):
            ctx.enqueue(add.bind(1, 1))

    done, refused = client.enqueue(work, 1000), client.enqueue(work, 1001)
    drain(client, work)
    assert [State.SUCCESSFUL, State.FAILED] == [done.refresh().state, refused.refresh().state]
    assert refused.refresh().result.failure.message.startswith(f"Task {work.name!r}: a run enqueues at most 1,000 ")
    assert {State.READY: 1000, State.SUCCESSFUL: 1, State.FAILED: 1} == dict(client.stats().queues[0].counts)


def test_what_a_run_enqueues_is_held_to_the_limit_of_the_client(client):
    """The task that hands over too much hears of it, and nothing of it is stored."""

    @task
    def keep(text: str) -> None: ...

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        ctx.enqueue(keep.bind("x" * 100))

    handle = client.enqueue(work)
    Worker(Client(client.backend, payload_limit=50), [work, keep]).drain()
    with pytest.raises(TaskFailed, match=r"PayloadTooLarge.*over the limit of 50"):
        handle.result()
    assert [work.name] == [one.name for one in client.find().items]


def test_what_a_task_raises_is_known_by_its_public_name(client):
    """A failure says the name that people import, as the module of its class is nobody's business."""

    @task
    def slow() -> None:
        raise SoftTimeout("It has run for its soft timeout.")

    handle = client.enqueue(slow)
    drain(client, slow)
    assert "taskcore.SoftTimeout" == handle.refresh().result.failure.exception_type


def test_the_context_is_there_without_an_argument(client):
    """And only while a task runs."""

    @task
    def who() -> str:
        context = current_context()
        assert context is not None
        return context.task.id

    handle = client.enqueue(who)
    drain(client, who)
    assert handle.id == handle.result()
    assert current_context() is None


@pytest.mark.parity("SCR-11")
def test_a_cancel_that_is_wanted_stops_the_task_at_its_next_check(client):
    """It ends CANCELLED, by the user's wish."""
    reached = []

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        client.cancel(ctx.task.id)
        assert ctx.is_cancel_wanted
        try:
            ctx.check()
        except CancelRequested:
            reached.append("cleaned up")
            raise
        reached.append("went on")

    handle = client.enqueue(work)
    drain(client, work)
    assert ["cleaned up"] == reached
    assert (State.CANCELLED, CancelReason.USER) == (handle.refresh().state, handle.refresh().reason)


def test_a_task_that_ends_well_in_spite_of_a_wanted_cancel_has_succeeded(client):
    """Its result is kept."""

    @task(takes_context=True)
    def work(ctx: Context) -> int:
        client.cancel(ctx.task.id, CancelLevel.KILL)
        return 1

    handle = client.enqueue(work)
    drain(client, work)
    assert 1 == handle.result()


@pytest.mark.parity("DQ-40")
def test_a_lost_lease_is_noticed_and_its_late_result_refused(client, clock, caplog):
    """Another worker took the task: this one may go on, but changes nothing, and the log shows it."""
    seen = []

    @task(takes_context=True)
    def slow(ctx: Context) -> str:
        clock.advance(timedelta(minutes=5))
        request = ClaimRequest(
            worker_id="other", nonce="x", queue_names=("default",), limit=1, lease=timedelta(hours=1)
        )
        seen.extend(client.backend.claim(request))
        with pytest.raises(LeaseLost):
            ctx.check()
        return "late"

    handle = client.enqueue(slow)
    drain(client, slow)
    now = handle.refresh()
    assert [handle.id] == [other.id for other in seen]
    assert (State.RUNNING, "other", 1) == (now.state, now.lease and now.lease.worker_id, now.crashes)
    assert "refused by the store (stale)" in caplog.text


# Parents


def test_the_outputs_of_parents_take_their_places(client):
    """At top level and inside a list; of a group all values in order."""
    one, two = client.enqueue(add, 1, 1), client.enqueue(add, 2, 2)
    both = client.enqueue(add, one.output, two.output)
    listed = client.enqueue(total, [one.output, 5, two.output])
    group = client.group("g", (add.bind(n, n) for n in range(4)), then=total.bind)
    drain(client, add, total)
    assert (6, 11) == (both.result(), listed.result())
    assert [0, 2, 4, 6] == [handle.result() for handle in group.handles()]
    callback = group.callback
    assert callback is not None
    assert 12 == callback.result()


def test_a_parent_without_a_value_is_none(client):
    """It failed and the task runs anyway; or it was purged."""
    bad = client.enqueue(fail)
    child = client.enqueue(total.using(on_parent_failure="run"), [bad.output, 4])
    drain(client, fail, total)
    assert 4 == child.result()


# Suspects


def test_at_most_once_tasks_are_started_in_the_store_before_they_run(client):
    """``max_crashes=0``: START is written first, so that a crash is known to have hit it."""
    seen = []

    @task(takes_context=True, max_crashes=0)
    def once(ctx: Context) -> None:
        (stored,) = client.backend.get([ctx.task.id])
        assert stored is not None
        seen.append((stored.lease and stored.lease.is_started, ctx.task.lease and ctx.task.lease.is_started))

    client.enqueue(once)
    drain(client, once)
    assert [(True, True)] == seen


# Words


def test_a_success_is_one_line_with_structured_extra(client, caplog):
    """INFO on ``taskcore.worker``."""
    caplog.set_level(logging.INFO, "taskcore.worker")
    handle = client.enqueue(add, 1, 2)
    drain(client, add)
    (record,) = caplog.records
    assert ("INFO", handle.id, add.name, "default", 1, "SUCCEED", "applied") == (
        record.levelname,
        record.task_id,
        record.task_name,
        record.queue_name,
        record.attempt,
        record.outcome,
        record.verdict,
    )


@pytest.mark.parametrize(("attempts", "level"), [(1, "ERROR"), (2, "WARNING")])
def test_a_failure_is_an_error_and_a_retry_a_warning(client, caplog, attempts, level):
    """Both name the exception."""
    flaky = fail.using(retry=Retry(max_attempts=attempts, backoff=constant(SECOND)))
    client.enqueue(flaky)
    drain(client, flaky)
    (record,) = caplog.records
    assert (level, "builtins.ValueError") == (record.levelname, record.failure_type)
    assert "builtins.ValueError: no" in record.getMessage()


@pytest.mark.parity("DQ-36", "DQ-38")
def test_hooks_are_told_what_the_store_answered(client):
    """One call an outcome."""
    told: list[TaskOutcome] = []
    handle = client.enqueue(add, 1, 2)
    drain(client, add, on_outcome=told.append)
    assert [(handle.id, Event.SUCCEED, "applied")] == [(o.task.id, o.event, o.verdict.value) for o in told]


@pytest.mark.parity("DQ-38")
def test_a_hook_that_raises_changes_nothing(client, caplog):
    """Its exception is logged."""

    def hook(outcome: object) -> None:
        raise RuntimeError("hook")

    handle = client.enqueue(add, 1, 2)
    drain(client, add, on_outcome=hook)
    assert 3 == handle.result()
    assert "A hook raised" in caplog.text


def test_captured_log_lines_are_items_of_the_task(client):
    """Only of the task that logged them, bounded in number and length."""
    logger = logging.getLogger("shop")

    @task
    def talk(count: int) -> None:
        for n in range(count):
            logger.warning("line %d %s", n, "x" * 10_000)

    one, two = client.enqueue(talk, 2), client.enqueue(talk, 1500)
    drain(client, talk, capture_logs=True)
    logger.warning("outside")
    lines = client.items(one.id).items
    assert [("log", "WARNING", "shop")] * 2 == [
        (line.kind.value, line.dimensions["level"], line.dimensions["logger"]) for line in lines
    ]
    assert all(len(line.data_json or "") < 5000 for line in lines)
    assert 1000 == len(client.items(two.id, limit=5000).items)


def test_log_lines_are_not_captured_unless_that_is_asked_for(client):
    """A task that logs leaves no items by itself."""

    @task
    def talk() -> None:
        logging.getLogger("shop").warning("a line")

    handle = client.enqueue(talk)
    drain(client, talk)
    assert (State.SUCCESSFUL, ()) == (handle.state, tuple(client.items(handle.id).items))


# At the door


@pytest.mark.parity("DQ-37")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"executor": "gevent"}, "executor"),
        ({"lease": 30}, "lease"),
        ({"lease": timedelta(0)}, "lease"),
        ({"grace": timedelta(seconds=-1)}, "grace"),
        ({"batch_size": 0}, "batch_size"),
        ({"poll_interval": timedelta(0)}, "poll_interval"),
        ({"queue_names": "mail"}, "queue_names"),
        ({"queue_names": []}, "queue_names"),
        ({"capture_logs": "yes"}, "capture_logs"),
        ({"max_tasks_per_child": 5}, "max_tasks_per_child"),
        ({"max_memory_per_child": 10**9}, "max_memory_per_child"),
        ({"executor": "processes", "max_memory_per_child": 500}, "max_memory_per_child"),
        ({"on_outcome": [3]}, "on_outcome"),
    ],
    ids=str,
)
def test_an_option_out_of_its_range_is_refused_by_name(client, options, words):
    """When the worker is made, not at night."""
    with pytest.raises(InvalidOption, match=words):
        Worker(client, [add], **options)


@pytest.mark.parity("C35-10")
def test_a_worker_needs_definitions(client):
    """Not functions, not nothing, not two of one name."""

    @task(name=add.name)
    def other() -> None: ...

    for tasks, error in [([], InvalidOption), ([len], InvalidDefinition), ([add, other], InvalidDefinition)]:
        with pytest.raises(error):
            Worker(client, tasks)


def test_a_nested_function_is_no_task_for_processes(client):
    """Children import their tasks; the message says what to do."""

    @task
    def nested() -> None: ...

    with pytest.raises(InvalidDefinition, match="inside a function"):
        Worker(client, [nested], executor="processes")


def test_a_plain_function_is_no_task_for_an_async_worker(client):
    """It would block the loop."""
    with pytest.raises(InvalidDefinition, match="plain function"):
        Worker(client, [add], executor="async")


def test_a_refused_change_of_an_operator_does_not_stop_a_drain(client):
    """A task that is settled by its own hand meanwhile is reported, and the next one runs."""

    @task(takes_context=True)
    def meddle(ctx: Context) -> None:
        change = Change(task_id=ctx.task.id, event=Event.RELEASE, fence=ctx.task.fence, delay=timedelta(hours=1))
        client.backend.apply([change])

    client.enqueue(meddle)
    other = client.enqueue(add, 1, 2)
    assert 2 == drain(client, meddle, add)
    assert 3 == other.result()


def test_the_exception_of_an_async_task_is_told_without_others(client):
    """Nothing that the worker itself met and handled is taken for its cause."""

    @task
    async def fail_async() -> None:
        raise KeyError("x")

    handle = client.enqueue(fail_async)
    drain(client, fail_async)
    failure = handle.refresh().result.failure
    assert ("builtins.KeyError", None) == (failure.exception_type, failure.cause)
