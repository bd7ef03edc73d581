"""Enqueueing through Django's API: what is stored, what ``get_result`` says, and what is refused at the door."""

import asyncio
import copy
import pickle
import types
from datetime import datetime, timedelta, timezone

import pytest
from django.test import override_settings
from django.utils import timezone as django_timezone

from taskcore import State
from taskcore.contrib.django import client
from taskcore.errors import InvalidArguments, PayloadTooLarge
from tests.contrib import settings as site

HOUR = timedelta(hours=1)


def test_the_result_of_enqueueing_is_that_of_get_result(api):
    """To the microsecond, with the arguments as JSON has them."""
    result = api.tasks.noop.enqueue(1, (2, b"three"), four={5: [6.5, None, True]})
    assert result == api.tasks.noop.get_result(result.id)
    assert [1, [2, "three"]] == result.args
    assert {"four": {"5": [6.5, None, True]}} == result.kwargs
    assert (api.base.TaskResultStatus.READY, "default", [], []) == (
        result.status,
        result.backend,
        result.errors,
        result.worker_ids,
    )
    assert isinstance(result, api.base.TaskResult)
    assert isinstance(result.enqueued_at, datetime)
    assert len(result.id) < 64


def test_enqueueing_and_asking_from_a_coroutine(api):
    """``aenqueue`` and ``aget_result`` do the same."""

    async def enqueue():
        result = await api.tasks.noop_async.aenqueue(1)
        return result, await api.tasks.noop_async.aget_result(result.id)

    result, found = asyncio.run(enqueue())
    assert result == found
    assert "tests.contrib.shop.tasks." + api.name + ".noop_async" == client().get(result.id).name


def test_options_of_django_are_those_of_the_stored_task(api):
    """Priority, queue and start."""
    moment = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    result = api.tasks.noop.using(priority=-7, queue_name="mail", run_after=moment).enqueue()
    stored = client().get(result.id)
    assert (-7, "mail", moment) == (stored.priority, stored.queue_name, stored.run_after)
    assert (-7, "mail", moment) == (result.task.priority, result.task.queue_name, result.task.run_after)
    assert result == api.tasks.noop.get_result(result.id)


def test_a_priority_may_be_a_float_that_is_whole(api):
    """Django lets it pass."""
    assert 5 == client().get(api.tasks.noop.using(priority=5.0).enqueue().id).priority


def test_a_start_may_be_relative(api):
    """It counts from each enqueueing, and the result has the moment."""
    soon = api.ours.task(api.tasks.noop.func).using(run_after=HOUR)
    result = soon.enqueue()
    stored = client().get(result.id)
    assert stored.spec.enqueued_at + HOUR == stored.run_after == result.task.run_after
    assert result == soon.get_result(result.id)


def test_without_time_zones_moments_are_naive_ones_of_the_site(api):
    """Those of the result, and the start that was asked for."""
    with override_settings(USE_TZ=False):
        start = datetime(2100, 7, 1, 12, 0)
        result = api.tasks.noop.using(run_after=start).enqueue()
        assert result == api.tasks.noop.get_result(result.id)
        assert start == result.task.run_after
        assert result.enqueued_at.tzinfo is None
        assert abs(result.enqueued_at - django_timezone.now()) < HOUR / 60
        assert datetime(2100, 7, 1, 10, 0, tzinfo=timezone.utc) == client().get(result.id).run_after


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"priority": 101}, "priority must be a whole number between -100 and 100."),
        ({"priority": 1.5}, "priority must be a whole number between -100 and 100."),
        ({"queue_name": "unknown"}, "Queue 'unknown' is not valid for backend."),
        ({"run_after": datetime(2100, 1, 1)}, "run_after must be an aware datetime."),
    ],
)
def test_what_django_refuses_is_refused_in_its_words(api, options, words):
    """When the task is made."""
    with pytest.raises(api.invalid_task) as caught:
        api.tasks.noop.using(**options)
    assert words == str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"run_after": timedelta(seconds=-1)},
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"timeout": -1},
        {"timeout": "long"},
        {"timeout": 0.0},
        {"backoff": "long"},
        {"metadata": [1]},
        {"metadata": {1: 2}},
    ],
)
def test_what_cannot_be_asked_of_taskcore_is_refused(api, options):
    """In one line that names the option."""
    with pytest.raises(api.invalid_task, match=next(iter(options))):
        api.tasks.flaky.using(**options)


def test_a_function_inside_a_function_is_no_task(api):
    """Django's own check, in its own words."""

    def inner():
        pass

    with pytest.raises(api.invalid_task, match="Task function must be defined at a module level"):
        api.framework.task(inner)


def test_a_context_has_to_be_called_so(api):
    """Django's own check."""
    with pytest.raises(api.invalid_task, match="does not have a first argument of 'context'"):
        api.framework.task(takes_context=True)(api.tasks.noop.func)


def test_settings_are_looked_at_again_when_enqueueing(api):
    """A queue may have gone since the task was made; sync and async."""
    changed = {"default": {**site.TASKS["default"], "QUEUES": ["other"]}}
    with override_settings(TASKS=changed):
        with pytest.raises(api.invalid_task, match="Queue 'default' is not valid"):
            api.tasks.noop.enqueue()
        with pytest.raises(api.invalid_task, match="Queue 'default' is not valid"):
            asyncio.run(api.tasks.noop.aenqueue())


def test_a_lambda_is_refused_when_it_is_enqueued(api):
    """It passes Django's check, and no worker could import it."""
    with pytest.raises(api.invalid_task, match="no worker could import it: it is a lambda"):
        api.tasks.lam.enqueue()


def test_a_function_of_the_main_module_is_refused(api):
    """The main module of a worker is another one."""
    function = types.FunctionType(api.tasks.noop.func.__code__, {}, "script")
    function.__module__, function.__qualname__ = "__main__", "script"
    with pytest.raises(api.invalid_task, match="it is defined in the main module"):
        api.framework.task(function).enqueue()


def test_a_function_that_its_module_does_not_have_is_refused(api):
    """A name that leads to something else, or nowhere."""
    function = types.FunctionType(api.tasks.noop.func.__code__, {}, "stranger")
    function.__module__ = api.tasks.__name__
    with pytest.raises(api.invalid_task, match="has no task of this function at its top level"):
        api.framework.task(function).enqueue()


def test_a_task_may_stand_under_another_name_than_its_function(api):
    """It is found, and known by the function's name."""
    result = api.tasks.shown.enqueue()
    assert f"{api.tasks.__name__}.hidden" == client().get(result.id).name
    assert result == api.tasks.shown.get_result(result.id)


def test_arguments_that_do_not_fit_are_refused(api):
    """As calling the function would refuse them."""
    with pytest.raises(InvalidArguments, match="calculate") as caught:
        api.tasks.calculate.enqueue()
    assert isinstance(caught.value, TypeError)
    with pytest.raises(InvalidArguments):
        api.tasks.send_mail.enqueue("a", cc="b")
    with pytest.raises(InvalidArguments):
        api.tasks.attempt_of.enqueue("the context is not the caller's")


@pytest.mark.parametrize(("value", "error"), [(object(), TypeError), (float("nan"), ValueError), (b"\xff", ValueError)])
def test_arguments_that_are_no_json_are_refused(api, value, error):
    """Nothing is stored."""
    with pytest.raises(error):
        api.tasks.noop.enqueue(value)
    with pytest.raises(error):
        api.tasks.noop.enqueue(key=[value])
    assert () == client().find().items


def test_arguments_can_be_too_large(api):
    """The limit is an option of the alias."""
    options = {"storage": site.memory, "payload_limit": 100}
    with override_settings(TASKS={"default": {**site.TASKS["default"], "OPTIONS": options}}):
        api.tasks.noop.enqueue("x" * 50)
        with pytest.raises(PayloadTooLarge):
            api.tasks.noop.enqueue("x" * 101)


def test_what_looks_like_an_output_stays_what_it_is(api, drain):
    """A dict of the caller's is never taken for the value of another task."""
    result = api.tasks.echo_with_context.enqueue({"$output": "x"}, [{"$plain": 1}], key={"$group_output": "y"})
    drain()
    result.refresh()
    assert [[{"$output": "x"}, [{"$plain": 1}]], {"key": {"$group_output": "y"}}] == result.return_value
    assert [{"$output": "x"}, [{"$plain": 1}]] == result.args


def test_an_unknown_result(api):
    """Django's exception."""
    with pytest.raises(api.exceptions.TaskResultDoesNotExist):
        api.framework.default_task_backend.get_result("0" * 32)
    with pytest.raises(api.exceptions.TaskResultDoesNotExist):
        asyncio.run(api.framework.default_task_backend.aget_result("nothing of ours"))


def test_a_result_of_another_task(api):
    """Django's exception; also for a task that was made with taskcore, not with Django."""
    from tests.contrib.shop.tasks import pack

    result = api.tasks.noop.enqueue()
    with pytest.raises(api.exceptions.TaskResultMismatch, match=r"noop"):
        api.tasks.calculate.get_result(result.id)
    with pytest.raises(api.exceptions.TaskResultMismatch, match=r"tests\.contrib\.shop\.tasks\.pack"):
        api.framework.default_task_backend.get_result(client().enqueue(pack, 1).id)


def test_what_is_cancelled_and_requeued_shows_in_the_result(api):
    """A cancelled task is FAILED, with an error whose class says so."""
    result = api.tasks.noop.enqueue()
    client().cancel(result.id)
    result.refresh()
    assert api.base.TaskResultStatus.FAILED == result.status
    assert result.finished_at is not None
    assert ["taskcore.contrib.django.exceptions.TaskCancelled"] == [
        error.exception_class_path for error in result.errors
    ]
    assert issubclass(result.errors[0].exception_class, Exception)
    client().requeue(result.id)
    result.refresh()
    assert (api.base.TaskResultStatus.READY, []) == (result.status, result.errors)


def test_a_task_of_djangos_own_class_can_be_enqueued(api):
    """One that was made while another backend stood in the settings."""
    immediate = f"{api.framework.__name__}.backends.immediate.ImmediateBackend"
    with override_settings(TASKS={"default": {"BACKEND": immediate}}):
        plain = api.framework.task(api.tasks.noop.func)
        assert type(plain) is api.base.Task
    result = plain.enqueue(1)
    assert State.READY is client().get(result.id).state
    assert result == plain.get_result(result.id)


def test_what_was_asked_with_using_comes_back_with_the_result(api):
    """Attempts, timeout and metadata; of a delay the curve that it is."""
    asked = api.tasks.flaky.using(max_attempts=7, timeout=12.5, metadata={"a": [1]}, backoff=timedelta(seconds=9))
    result = asked.enqueue()
    assert result == asked.get_result(result.id)
    assert (7, timedelta(seconds=12.5), {"a": [1]}) == (
        result.task.max_attempts,
        result.task.timeout,
        result.task.metadata,
    )
    stored = client().get(result.id).spec
    assert (7, timedelta(seconds=12.5), '{"a":[1]}') == (stored.max_attempts, stored.timeout, stored.metadata_json)


def test_a_function_as_backoff_cannot_travel(api):
    """It belongs to the decorator, where workers find it."""
    with pytest.raises(api.invalid_task, match="a function, which cannot travel"):
        api.tasks.flaky.using(backoff=lambda error, result: 1).enqueue()


def test_tasks_with_metadata_can_be_hashed(api):
    """Django's tasks can."""
    assert hash(api.tasks.flaky.using(metadata={"a": 1})) == hash(api.tasks.flaky.using(metadata={"a": 2}))


def test_results_can_be_copied_and_travel(api):
    """Deep copies, and on Django 6.1 pickles: caches and other processes want them."""
    result = api.tasks.flaky.using(metadata={"a": [1]}, run_after=HOUR).enqueue()
    copied = copy.deepcopy(result)
    assert (result, result.task.metadata) == (copied, copied.task.metadata)
    if hasattr(api.base.Task, "_reconstruct"):
        assert result == pickle.loads(pickle.dumps(result))
