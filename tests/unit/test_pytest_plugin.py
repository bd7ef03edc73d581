"""The fixtures of the plugin, and what a test can say about tasks that were enqueued."""

import subprocess
import sys
from datetime import timedelta

import pytest

from taskcore import Context, TaskcoreError, task
from taskcore.errors import InvalidArguments
from taskcore.testing import FakeClock, assert_enqueued, assert_not_enqueued

HOUR = timedelta(hours=1)


@task(queue_name="mail")
def send(number: int, *, to: str = "all") -> str:
    return f"sent {number} to {to}"


@task
def report() -> str:
    return "done"


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task(takes_context=True)
def fan_out(ctx: Context, count: int) -> None:
    for number in range(count):
        ctx.enqueue(send.using(queue_name=f"q{number}").bind(number))


def message(call) -> str:
    with pytest.raises(AssertionError) as caught:
        call()
    return str(caught.value)


# Fixtures


def test_clock_is_that_of_the_store(taskcore_client, taskcore_clock):
    """The store's clock stands still, and moves with the fixture."""
    before = taskcore_client.backend.now()
    taskcore_clock.advance(HOUR)
    assert (True, HOUR) == (isinstance(taskcore_clock, FakeClock), taskcore_client.backend.now() - before)


def test_store_is_empty(taskcore_client):
    """Each test has a store of its own."""
    assert () == taskcore_client.stats().queues


@pytest.mark.parity("DJC-17")
def test_drain_runs_what_is_due(taskcore_client, taskcore_clock, taskcore_drain):
    """A task for later is run once the clock has come to it."""
    handle = taskcore_client.enqueue(send.using(run_after=HOUR), 7)
    counts = [taskcore_drain(send)]
    taskcore_clock.advance(HOUR)
    counts.append(taskcore_drain(send))
    assert ([0, 1], "sent 7 to all") == (counts, handle.result())


def test_drain_runs_what_tasks_enqueue(taskcore_client, taskcore_drain):
    """Tasks that are enqueued by those that run are run too, in whatever queue."""
    taskcore_client.enqueue(fan_out, 3)
    assert 4 == taskcore_drain(fan_out, send)


def test_drain_runs_its_own_tasks_only(taskcore_client, taskcore_drain):
    """A task that drain is not given stays."""
    handle = taskcore_client.enqueue(report)
    taskcore_client.enqueue(send, 1)
    taskcore_drain(send)
    assert "READY" == handle.refresh().state.value


# Assertions


def test_finds_a_task_by_its_arguments(taskcore_client):
    """The task that is returned is the one with these arguments."""
    handle = taskcore_client.enqueue(send, 7, to="ada")
    taskcore_client.enqueue(send, 8, to="ada")
    assert handle.id == assert_enqueued(taskcore_client, send, 7, to="ada").id


def test_finds_a_task_however_its_arguments_were_passed(taskcore_client):
    """By position, by name, and with a default left out or given: it is the same call."""
    handle = taskcore_client.enqueue(send, number=7)
    ids = {assert_enqueued(taskcore_client, send, 7).id, assert_enqueued(taskcore_client, send, 7, to="all").id}
    assert {handle.id} == ids


def test_finds_the_newest(taskcore_client):
    """Of several that match the newest is returned."""
    taskcore_client.enqueue(send, 7)
    handle = taskcore_client.enqueue(send, 7)
    assert handle.id == assert_enqueued(taskcore_client, send, 7).id


def test_finds_a_task_that_has_run(taskcore_client, taskcore_drain):
    """What became of the task plays no part."""
    handle = taskcore_client.enqueue(send, 7)
    taskcore_drain(send)
    assert handle.id == assert_enqueued(taskcore_client, send, 7).id


def test_without_arguments_any_will_do(taskcore_client):
    """A definition alone finds a task with whatever arguments."""
    handle = taskcore_client.enqueue(send, 7)
    assert handle.id == assert_enqueued(taskcore_client, send).id


def test_finds_a_task_by_its_options(taskcore_client):
    """Options of using() count, relative times from the moment of enqueueing."""
    handle = taskcore_client.enqueue(send.using(run_after=HOUR, priority=5, unique_key="k"), 7)
    found = [
        assert_enqueued(taskcore_client, send.using(run_after=HOUR), 7).id,
        assert_enqueued(taskcore_client, send.using(priority=5), 7).id,
        assert_enqueued(taskcore_client, send.using(priority=5)).id,
        assert_enqueued(taskcore_client, send.using(unique_key="k")).id,
        assert_enqueued(taskcore_client, send.using(queue_name="mail")).id,
    ]
    assert {handle.id} == set(found)


def test_finds_a_task_by_the_output_that_it_waits_for(taskcore_client):
    """An output among the arguments is compared as what it stands for."""
    first = taskcore_client.enqueue(send, 1)
    second = taskcore_client.enqueue(total, [first.output])
    assert second.id == assert_enqueued(taskcore_client, total, [first.output]).id


def test_says_in_what_the_near_misses_differ(taskcore_client):
    """The nearest miss comes first, with each argument that is not the expected one."""
    taskcore_client.enqueue(send, 8, to="bob")
    taskcore_client.enqueue(send, 7, to="bob")
    lines = message(lambda: assert_enqueued(taskcore_client, send, 7, to="ada")).splitlines()
    assert [
        f"{send.name}(number=7, to='ada') was not enqueued.",
        f"{send.name} was enqueued 2 times, with other arguments or options:",
        "      to: 'ada' expected, 'bob' enqueued",
        "      number: 7 expected, 8 enqueued",
        "      to: 'ada' expected, 'bob' enqueued",
    ] == [line for line in lines if "ready in" not in line]


def test_says_in_what_options_differ(taskcore_client):
    """An option that is not the expected one is told with both values."""
    taskcore_client.enqueue(send.using(priority=1), 7)
    text = message(lambda: assert_enqueued(taskcore_client, send.using(priority=5), 7))
    assert "option priority: 5 expected, 1 enqueued" in text


def test_one_and_true_are_not_the_same(taskcore_client):
    """Values that Python calls equal, and JSON does not, are told apart."""
    taskcore_client.enqueue(total, [1])
    assert "numbers" in message(lambda: assert_enqueued(taskcore_client, total, [2]))


def test_says_what_else_was_enqueued(taskcore_client):
    """When no task of that name is there, the names of the others are told."""
    taskcore_client.enqueue(report)
    text = message(lambda: assert_enqueued(taskcore_client, send, 7))
    assert f"What was enqueued: {report.name} (once)." in text


def test_says_that_nothing_was_enqueued(taskcore_client):
    """An empty store is told as that."""
    assert message(lambda: assert_enqueued(taskcore_client, report)).endswith("Nothing was.")


def test_arguments_that_do_not_fit_are_an_error_of_the_test(taskcore_client):
    """A call that could not be enqueued is no miss."""
    with pytest.raises(InvalidArguments):
        assert_enqueued(taskcore_client, send, 7, cc="ada")
    assert issubclass(InvalidArguments, TaskcoreError)


def test_not_enqueued(taskcore_client):
    """Nothing is said when there is no such task, or only ones with other arguments."""
    assert_not_enqueued(taskcore_client, send)
    taskcore_client.enqueue(send, 8)
    assert_not_enqueued(taskcore_client, send, 7)


def test_not_enqueued_shows_the_task(taskcore_client):
    """A task that was not to be there is shown."""
    handle = taskcore_client.enqueue(send, 7)
    text = message(lambda: assert_not_enqueued(taskcore_client, send, 7))
    assert (True, True) == ("was, once" in text, handle.id in text)


def test_plugin_is_cheap():
    """Loading the plugin, as pytest does everywhere, imports no client, no worker, and none of what others need."""
    code = (
        "import sys, taskcore.testing.pytest_plugin\n"
        "heavy = ('hypothesis', 'django', 'cattrs', 'croniter', 'asyncio', 'taskcore._client', 'taskcore_backends')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_kit_needs_neither_pytest_nor_hypothesis():
    """The clock, the checks, the faults and the assertions come without a test framework."""
    code = (
        "import sys, taskcore.testing, taskcore.testing.conformance, taskcore.testing.faults\n"
        "taskcore.testing.assert_enqueued\n"
        "print([name for name in ('pytest', 'hypothesis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
