"""Running Django's tasks with a worker of taskcore: contexts, results, errors, attempts and signals."""

import logging
from datetime import timedelta

import pytest
from django.test import override_settings

from taskcore import Client, Worker
from taskcore.contrib.django import client, definitions, worker
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from tests.contrib import settings as site

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock():
    """The clock of a memory storage that stands behind the alias."""
    clock = FakeClock()
    backend = MemoryBackend(clock=clock)
    tasks = {"default": {**site.TASKS["default"], "OPTIONS": {"storage": backend}}}
    with override_settings(TASKS=tasks):
        yield clock


def ran(task, *args, drain, **kwargs):
    """Return the result of a task that has been run."""
    result = task.enqueue(*args, **kwargs)
    drain()
    result.refresh()
    return result


def paths(result):
    return [error.exception_class_path for error in result.errors]


@pytest.mark.parametrize("name", ["noop", "noop_async"])
def test_a_task_runs(api, drain, name):
    """Plain and async functions; the worker and the moments are there afterwards."""
    result = ran(getattr(api.tasks, name), 1, two=2, drain=drain)
    assert api.base.TaskResultStatus.SUCCESSFUL == result.status
    assert result.is_finished
    assert {"noop": None, "noop_async": "done"}[name] == result.return_value
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.started_at == result.last_attempted_at
    assert (1, 1) == (result.attempts, len(result.worker_ids))
    assert [] == result.errors


def test_annotations_mean_nothing_to_arguments(api, drain):
    """Django gives a function what JSON made of them."""
    assert ["2026-01-01", 1] == ran(api.tasks.calculate, "2026-01-01", drain=drain).return_value


def test_return_values_become_json(api, drain):
    """By Django's own rules."""
    assert [1, "two", {"3": "four"}] == ran(api.tasks.return_tuple, drain=drain).return_value


@pytest.mark.parametrize("name", ["return_complex", "return_nan"])
def test_a_return_value_that_is_no_json_fails_the_task(api, drain, name):
    """With a TypeError, whose traceback says why."""
    result = ran(getattr(api.tasks, name), drain=drain)
    assert api.base.TaskResultStatus.FAILED == result.status
    assert TypeError is result.errors[0].exception_class
    assert {"return_complex": "Unsupported type", "return_nan": "not JSON compliant"}[name] in result.errors[
        0
    ].traceback


def test_such_a_return_value_is_not_tried_again(api, drain):
    """It would be the same."""
    result = ran(api.ours.task(api.tasks.return_complex.func).using(max_attempts=3), drain=drain)
    assert (api.base.TaskResultStatus.FAILED, 1) == (result.status, result.attempts)


@pytest.mark.parametrize(
    ("name", "path"),
    [("fail_value", "builtins.ValueError"), ("fail_async", "builtins.ValueError"), ("leave", "builtins.SystemExit")],
)
def test_an_exception_fails_the_task(api, drain, name, path):
    """The traceback begins in the task's own function."""
    result = ran(getattr(api.tasks, name), drain=drain)
    assert (api.base.TaskResultStatus.FAILED, [path]) == (result.status, paths(result))
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value
    lines = result.errors[0].traceback.splitlines()
    assert "Traceback (most recent call last):" == lines[0]
    assert "both.txt" in lines[1], lines
    assert result.errors[0].exception_class.__name__ in lines[-1]


def test_the_causes_of_an_exception_are_told(api, drain):
    """As Python prints them."""
    text = ran(api.tasks.fail_chain, drain=drain).errors[0].traceback
    assert text.index("KeyError: 'the first'") < text.index("direct cause") < text.index("ValueError: the second")


def test_a_context_knows_its_attempt_and_its_result(api, drain):
    """The result is RUNNING, and counts the attempt."""
    result = ran(api.tasks.attempt_of, drain=drain)
    assert [1, "RUNNING", 1] == result.return_value
    again = ran(api.tasks.attempt_of_async, drain=drain)
    assert [1, again.id] == again.return_value


def test_arguments_come_after_the_context(api, drain):
    """By position and by name."""
    assert [[1, 2], {"three": 3}] == ran(api.tasks.echo_with_context, 1, 2, three=3, drain=drain).return_value


def test_a_context_has_metadata_and_what_taskcore_offers(api, drain):
    """Progress, for example, which is stored with the task."""
    result = ran(api.tasks.with_metadata, drain=drain)
    assert {"team": "shop"} == result.return_value
    progress = client().get(result.id).progress
    assert (1, 2, "half") == (progress.current, progress.total, progress.message)
    other = ran(api.tasks.with_metadata.using(metadata={"team": "mail"}), drain=drain)
    assert {"team": "mail"} == other.return_value


def test_the_timeout_of_a_task_is_that_of_its_definition(api):
    """Workers read it where the function is."""
    (found,) = [one for one in definitions() if one.name == api.tasks.with_metadata.module_path]
    assert timedelta(seconds=30) == found.options.timeout


def test_attempts_are_counted_and_their_errors_kept(api, clock, drain):
    """READY between the tries, FAILED after the last."""
    result = api.tasks.flaky.enqueue()
    for attempt in (1, 2, 3):
        assert 1 == drain()
        result.refresh()
        assert (attempt, ["builtins.ConnectionError"] * attempt) == (result.attempts, paths(result))
        assert (api.base.TaskResultStatus.FAILED if attempt == 3 else api.base.TaskResultStatus.READY) == result.status
        clock.advance(2 * SECOND)
    assert 0 == drain()
    assert result.started_at < result.last_attempted_at


def test_many_attempts_are_all_counted(api, clock, drain):
    """The store keeps the first and the last; their number stays right."""
    result = api.tasks.flaky.using(max_attempts=60, backoff=0).enqueue()
    assert 60 == drain()
    result.refresh()
    assert 60 == result.attempts


def test_a_backoff_function_is_given_the_exception_and_the_result(api, clock, drain):
    """Its answer are seconds."""
    result = api.tasks.choosy.enqueue("later")
    drain()
    assert clock.now() + 10 * SECOND == client().get(result.id).run_after
    clock.advance(10 * SECOND)
    drain()
    assert clock.now() + 20 * SECOND == client().get(result.id).run_after


def test_a_backoff_function_that_says_none_ends_the_tries(api, clock, drain):
    """Whatever is left of them."""
    result = ran(api.tasks.choosy, "final", drain=drain)
    assert (api.base.TaskResultStatus.FAILED, 1) == (result.status, result.attempts)


def test_defaults_of_the_alias_hold_for_tasks_that_say_nothing(api):
    """``max_attempts`` and ``timeout`` of the options."""
    options = {"storage": site.memory, "max_attempts": 4, "timeout": 60}
    with override_settings(TASKS={"default": {**site.TASKS["default"], "OPTIONS": options}}):
        result = api.tasks.noop.enqueue()
        assert 4 == client().get(result.id).spec.max_attempts
        found = {one.name: one.options.timeout for one in definitions()}
        assert timedelta(seconds=60) == found[api.tasks.noop.module_path]
        assert timedelta(seconds=30) == found[api.tasks.with_metadata.module_path]
        assert result == api.tasks.noop.get_result(result.id)


def test_a_snooze_costs_no_attempt(api, clock, drain):
    """What taskcore's tasks can raise, Django's can."""
    result = ran(api.tasks.snooze, drain=drain)
    assert (api.base.TaskResultStatus.READY, 0, []) == (result.status, result.attempts, result.errors)


@pytest.mark.parity("DQ-38")
def test_signals_are_sent_in_order_with_the_result_as_it_is(api, heard, drain):
    """The sender is the class of the backend."""
    result = ran(api.tasks.calculate, 1, drain=drain)
    for received in (heard.task_enqueued, heard.task_started, heard.task_finished):
        assert [result.id] == [told.id for _, told in received]
        assert {type(api.framework.task_backends["default"])} == {sender for sender, _ in received}
    statuses = api.base.TaskResultStatus
    (_, enqueued), (_, started), (_, finished) = heard.task_enqueued[0], heard.task_started[0], heard.task_finished[0]
    assert [statuses.READY, statuses.RUNNING, statuses.SUCCESSFUL] == [
        enqueued.status,
        started.status,
        finished.status,
    ]
    assert (0, 1, 1) == (enqueued.attempts, started.attempts, finished.attempts)
    assert [1, 1] == finished.return_value
    assert finished.finished_at >= finished.started_at


def test_a_failed_task_is_finished_once_its_tries_are_over(api, clock, heard, drain):
    """It is started each time."""
    api.tasks.flaky.enqueue()
    for _ in range(3):
        drain()
        clock.advance(3 * SECOND)
    assert 3 == len(heard.task_started)
    ((_, finished),) = heard.task_finished
    assert (api.base.TaskResultStatus.FAILED, 3) == (finished.status, len(finished.errors))


@pytest.mark.parity("DQ-38")
@pytest.mark.parametrize("signal", ["task_enqueued", "task_started", "task_finished"])
def test_a_receiver_that_raises_changes_nothing(api, drain, signal, caplog):
    """It is logged; the task is enqueued, run and finished all the same."""

    def receiver(**kwargs):
        raise ZeroDivisionError("a receiver's bug")

    getattr(api.signals, signal).connect(receiver)
    try:
        result = ran(api.tasks.calculate, 1, drain=drain)
    finally:
        getattr(api.signals, signal).disconnect(receiver)
    assert (api.base.TaskResultStatus.SUCCESSFUL, [1, 1]) == (result.status, result.return_value)
    assert "a receiver's bug" in caplog.text or signal == "task_enqueued"


def test_the_outcome_is_stored_before_receivers_are_told(api, drain):
    """Whoever asks the store in a receiver finds it."""
    seen = []

    def receiver(task_result, **kwargs):
        seen.append(client().get(task_result.id).state.value)

    api.signals.task_finished.connect(receiver)
    try:
        api.tasks.noop.enqueue()
        drain()
    finally:
        api.signals.task_finished.disconnect(receiver)
    assert ["SUCCESSFUL"] == seen


@pytest.mark.parity("DQ-37")
def test_a_failure_is_logged_with_its_traceback(api, drain, caplog):
    """To the logger of the API, whose records reporters of errors take."""
    caplog.set_level(logging.INFO)
    result = ran(api.tasks.fail_value, drain=drain)
    name = "django.tasks" if api.name == "core" else "django_tasks"
    record = next(one for one in caplog.records if one.name == name and one.levelno == logging.ERROR)
    assert result.id in record.getMessage()
    assert record.exc_info is not None
    assert "This task failed" in caplog.text


def test_a_task_of_taskcores_own_runs_beside_them(drain):
    """With its annotations, and its own context."""
    from tests.contrib.shop.tasks import pack

    handle = client().enqueue(pack, 7, gift=True)
    assert 1 == drain()
    assert "7 as a gift" == handle.result()


def test_both_apis_share_one_store(drain):
    """A site may use both at once; each gets results of its own types."""
    pytest.importorskip("django_tasks")
    TaskResultMismatch = pytest.importorskip("django.tasks.exceptions").TaskResultMismatch  # noqa: N806
    from tests.contrib.shop.tasks import backport, core

    first, second = core.noop.enqueue(1), backport.noop.enqueue(2)
    assert type(first) is not type(second)
    assert 2 == drain()
    assert 2 == len(client().find().items)
    first.refresh()
    second.refresh()
    assert [True, True] == [first.is_finished, second.is_finished]
    with pytest.raises(TaskResultMismatch, match="no task of this API"):
        core.noop.get_backend().get_result(second.id)


def test_a_worker_does_not_run_what_is_not_on_its_list():
    """A name in the store that leads to a function of some module is run by nobody, and nothing is imported for it."""
    import sys

    from taskcore import task

    stranger = task(name="wsgiref.simple_server.demo_app")(lambda: None)
    sys.modules.pop("wsgiref.simple_server", None)
    handle = client().enqueue(stranger)
    worker().drain()
    found = handle.refresh()
    assert ("READY", 1) == (found.state.value, found.releases)
    assert "wsgiref.simple_server" not in sys.modules


def test_a_worker_with_threads_runs_them(api, drain):
    """Not only in the calling thread."""
    results = [api.tasks.calculate.enqueue(number) for number in range(20)]
    results += [api.tasks.noop_async.enqueue() for _ in range(5)]
    worker(concurrency=4).run(burst=True)
    for result in results:
        result.refresh()
    assert {api.base.TaskResultStatus.SUCCESSFUL} == {result.status for result in results}


@pytest.mark.integration
def test_a_worker_with_processes_runs_them(api):
    """Children set Django up by themselves, and see the database."""
    with override_settings(TASKS={"default": {**site.TASKS["default"], "OPTIONS": {"storage": site.sqlite}}}):
        result, own = api.tasks.with_metadata.enqueue(), None
        from tests.contrib.shop.tasks import pack

        own = client().enqueue(pack, 3)
        failing = api.tasks.fail_value.enqueue()
        worker(executor="processes", concurrency=1).run(burst=True)
        result.refresh()
        failing.refresh()
        assert {"team": "shop"} == result.return_value
        assert "3" == own.result()
        assert ["builtins.ValueError"] == paths(failing)


def test_a_worker_of_ones_own_runs_the_definitions(api):
    """``definitions`` are what any worker takes."""
    result = api.tasks.noop.enqueue()
    assert isinstance(client(), Client)
    assert 1 == Worker(client(), [one for one in definitions() if not one.is_atomic]).drain()
    result.refresh()
    assert result.is_finished
