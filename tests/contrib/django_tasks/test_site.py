"""A site's clients, its transactions and its tests."""

import os
import sys
import threading
import unittest
from datetime import timedelta
from importlib import import_module
from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import TestCase, TransactionTestCase, override_settings

from taskcore.contrib.django import client, definitions, worker
from taskcore.contrib.django.testing import memory_storage, run_tasks
from taskcore.errors import BackendClosed
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.contrib import settings as site
from tests.contrib.django_tasks.configured import found, moved, shop, tasks
from tests.contrib.shop.models import Order
from tests.contrib.shop.tasks import APIS, pack

# Clients


def test_a_client_is_the_same_in_all_threads():
    """Django makes a backend for each thread; the store is one."""
    found = []
    thread = threading.Thread(target=lambda: found.append(client()))
    thread.start()
    thread.join()
    assert [client()] == found


def test_aliases_with_one_storage_share_it():
    """What one enqueues, the other sees."""
    both = {**tasks(), "second": tasks()["default"], "third": tasks(storage=MemoryBackend)["default"]}
    with override_settings(TASKS=both):
        assert client() is client("second")
        assert client() is not client("third")


def test_a_client_is_closed_when_the_settings_change():
    """The next one is of the new settings."""
    before = client()
    with override_settings(TASKS=tasks()):
        with pytest.raises(BackendClosed):
            before.stats()
        assert () == client().stats().queues
    assert client() is not before


def test_a_given_backend_is_not_closed():
    """Who made it closes it."""
    backend = MemoryBackend()
    with override_settings(TASKS=tasks(storage=backend)):
        assert client().backend is backend
    assert () == backend.stats().queues


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_goes_on_with_the_store(tmp_path):
    """Also when another thread was opening a client at that moment."""
    from taskcore.contrib.django._clients import CLIENTS

    with override_settings(TASKS=tasks(storage=lambda: SQLiteBackend(tmp_path / "tasks.db"))):
        handle = client().enqueue(pack, 1)
        inside, leave = threading.Event(), threading.Event()

        def hold():
            with CLIENTS._lock:
                inside.set()
                leave.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(30)
        pid = os.fork()
        if not pid:
            try:
                with override_settings(TASKS=tasks()):
                    pass
                os._exit(0)
            finally:
                os._exit(1)
        leave.set()
        thread.join()
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert handle.id == client().get(handle.id).id


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        ({}, "settings.TASKS has no 'default'"),
        ({"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}, "not by taskcore"),
    ],
)
def test_an_alias_has_to_be_kept_by_taskcore(configured, words):
    """The error says what the settings have instead."""
    with override_settings(TASKS=configured), pytest.raises(ImproperlyConfigured, match=words):
        client()


def test_a_storage_that_is_none_is_refused():
    """With the forms that it can have."""
    with override_settings(TASKS=tasks(storage=7)), pytest.raises(ImproperlyConfigured, match="should be 'django'"):
        client()


# Which tasks there are


@pytest.mark.parity("C35-10")
def test_definitions_are_those_of_the_task_modules():
    """Of a package all modules; Django's and taskcore's own."""
    names = {one.name for one in definitions()}
    assert {pack.name, shop().noop.module_path, f"{shop().__name__}.hidden"} <= names
    assert not any("lambda" in name for name in names)


def test_modules_of_the_settings_are_looked_through(monkeypatch):
    """For tasks that stand elsewhere; also those that are only named for one worker."""
    module = ModuleType("shop_jobs")
    monkeypatch.setitem(sys.modules, "shop_jobs", module)
    module.work = shop().task(moved(shop().noop.func, "shop_jobs", "work"))
    assert "shop_jobs.work" not in {one.name for one in definitions()}
    assert "shop_jobs.work" in {one.name for one in definitions(modules=["shop_jobs"])}
    with override_settings(TASKS=tasks(modules=["shop_jobs"])):
        assert "shop_jobs.work" in {one.name for one in definitions()}


def test_a_worker_serves_the_queues_of_the_alias():
    """And those that its tasks name, which taskcore's own do without asking the settings."""
    assert ("default", "mail") == worker().settings.queue_names
    with override_settings(TASKS={"default": {**tasks()["default"], "QUEUES": ["other"]}}):
        assert ("default", "mail", "other") == worker().settings.queue_names
    with override_settings(TASKS={"default": {**tasks()["default"], "QUEUES": []}}):
        assert {"default", "mail"} == set(worker().settings.queue_names)
    assert ("x",) == worker(queue_names=["x"]).settings.queue_names


# Transactions


@pytest.mark.parametrize("wanted", [True, "default"])
def test_enqueueing_can_wait_for_the_commit(tables, wanted):
    """The result is there at once, the task and the signal once the transaction has committed."""
    heard = []
    signals = import_module(f"{shop().noop.__class__.__mro__[1].__module__.rpartition('.')[0]}.signals")
    receiver = lambda task_result, **kwargs: heard.append(task_result.id)  # noqa: E731
    signals.task_enqueued.connect(receiver, weak=False)
    try:
        with override_settings(TASKS=tasks(enqueue_on_commit=wanted)):
            with transaction.atomic():
                result = shop().noop.enqueue(1)
                assert ((), []) == (client().find().items, heard)
            assert [result.id] == heard
            assert result == shop().noop.get_result(result.id)
    finally:
        signals.task_enqueued.disconnect(receiver)


def test_what_is_rolled_back_is_not_enqueued(tables):
    """The task is part of what did not happen."""
    with override_settings(TASKS=tasks(enqueue_on_commit=True)):
        with transaction.atomic():
            shop().noop.enqueue(1)
            transaction.set_rollback(True)
        assert () == client().find().items


def test_outside_of_a_transaction_there_is_nothing_to_wait_for(tables):
    """It is stored at once."""
    with override_settings(TASKS=tasks(enqueue_on_commit=True)):
        shop().noop.enqueue(1)
        assert 1 == len(client().find().items)


# Tests of a site


@pytest.mark.parity("DJC-17")
def test_tests_have_a_storage_of_their_own():
    """All aliases share it, and it is gone afterwards."""
    clock = FakeClock()
    with memory_storage(clock=clock) as own:
        assert own is not client()
        result = shop().noop.using(queue_name="mail").enqueue()
        later = client().enqueue(pack.using(run_after=timedelta(hours=1)), 1)
        assert (1, 0) == (run_tasks(), run_tasks())
        clock.advance(timedelta(hours=1))
        assert 1 == run_tasks()
        assert "1" == later.result()
        result.refresh()
        assert result.is_finished
    assert () == client().find().items


def run_django_test(kind):
    """Run the one test of a Django test case, with what comes before and after; returns what went wrong."""
    result = unittest.TestSuite([kind("test_it")]).run(unittest.TestResult())
    return [text for _, text in result.errors + result.failures]


class InTestCase(TestCase):
    """A task sees what the test has written, and the test what the task has."""

    __test__ = False  # run below, with the tables

    def test_it(self):
        """One test."""
        Order.objects.create(name="of the test")
        with memory_storage():
            result = shop().make_order.enqueue("of the task")
            assert 1 == run_tasks()
            result.refresh()
            assert (2, 2) == (result.return_value, Order.objects.count())


class InTransactionTestCase(TransactionTestCase):
    """The same with real transactions."""

    __test__ = False

    def test_it(self):
        """One test."""
        with memory_storage():
            with transaction.atomic():
                Order.objects.create(name="of the test")
                result = shop().make_order.enqueue("of the task")
            assert 1 == run_tasks()
            result.refresh()
            assert 2 == result.return_value


@pytest.mark.parity("DJC-17")
@pytest.mark.parametrize("kind", [InTestCase, InTransactionTestCase])
def test_django_test_cases_can_run_tasks(tables, kind):
    """And leave nothing behind."""
    before = Order.objects.count()
    assert [] == run_django_test(kind)
    assert before == Order.objects.count() == 0


# Tasks in the database


@pytest.fixture
def in_database(tables):
    """Settings whose tasks are in the default database, and those of a second alias in the other one."""
    other = tasks(storage="django", database="other")["default"]
    with override_settings(TASKS={**tasks(storage="django"), "other": other}):
        yield
        for alias in ("default", "other"):
            client(alias).cancel_all()
            client(alias).purge(older_than=timedelta(0))
        Order.objects.all().delete()


@pytest.mark.parametrize("api", APIS)
def test_enqueueing_is_part_of_the_transaction(in_database, api):
    """It commits and rolls back with the caller's own rows; the result is there within it."""
    with transaction.atomic():
        Order.objects.create(name="of the caller")
        lost = shop(api).noop.enqueue(1)
        assert lost == shop(api).noop.get_result(lost.id)
        transaction.set_rollback(True)
    assert ((), 0) == (client().find().items, Order.objects.count())
    with transaction.atomic():
        Order.objects.create(name="of the caller")
        kept = shop(api).noop.enqueue(1)
    assert kept == shop(api).noop.get_result(kept.id)


@pytest.mark.parametrize("api", APIS)
def test_a_worker_runs_what_is_in_the_database(in_database, api):
    """In threads, with the connections of each."""
    results = [shop(api).make_order.enqueue(f"order {number}") for number in range(10)]
    results.append(shop(api).noop_async.enqueue())
    failing = shop(api).fail_value.enqueue()
    worker(concurrency=3).run(burst=True)
    for result in (*results, failing):
        result.refresh()
    assert 10 == Order.objects.count()
    assert all(result.status == "SUCCESSFUL" for result in results)
    assert ("FAILED", 1) == (failing.status, len(failing.errors))


def test_two_databases_behind_one_site(in_database):
    """Each alias has its own; a command line's ``--database`` reaches either."""
    handle = client("other").enqueue(pack, 1)
    assert () == client().find().items
    assert client(database="other").get(handle.id).id == handle.id
    assert 1 == worker("other").drain()
    assert "1" == handle.result()


@pytest.mark.integration
def test_child_processes_work_on_the_database(in_database):
    """They set Django up by themselves."""
    result = shop().make_order.enqueue("of a child")
    worker(executor="processes", concurrency=1).run(burst=True)
    result.refresh()
    assert ([], 1) == (result.errors, result.return_value)


@pytest.mark.parametrize("api", APIS)
def test_an_atomic_task_commits_with_its_success(in_database, api):
    """What a run wrote that failed is not there; what one wrote that succeeded is, once."""
    good = shop(api).make_order_atomically.enqueue("good")
    bad = shop(api).make_order_atomically.enqueue("bad", fail=True)
    worker(concurrency=2).run(burst=True)
    good.refresh()
    bad.refresh()
    assert ("SUCCESSFUL", "FAILED", 2) == (good.status, bad.status, bad.attempts)
    assert ["good"] == [order.name for order in Order.objects.all()]


def test_atomic_tasks_run_in_tests_on_memory(tables):
    """Each in a transaction of its own; a worker on such a storage leaves them out."""
    with memory_storage():
        good, bad = (shop().make_order_atomically.enqueue("of a test", fail=fail) for fail in (False, True))
        assert 0 == worker().drain()
        for task in client().find().items:
            client().reschedule(task.id, run_after=timedelta(0))
        assert 3 == run_tasks()
        good.refresh()
        bad.refresh()
        assert ("SUCCESSFUL", "FAILED") == (good.status, bad.status)
        assert 1 == Order.objects.filter(name="of a test").delete()[0]


def test_an_async_task_cannot_be_atomic():
    """A transaction belongs to one thread."""
    task = import_module(f"{type(shop().flaky).__module__}").task
    with pytest.raises(Exception, match="atomic is for plain functions"):
        task(atomic=True)(shop().noop_async.func)


def test_a_worker_can_be_for_some_tasks_alone():
    """By their names."""
    result, other = shop().noop.enqueue(), shop().calculate.enqueue(1)
    made = worker(only=["*.noop", "nothing"])
    assert 1 <= made.drain()
    result.refresh()
    other.refresh()
    assert [True, False] == [result.is_finished, other.is_finished]


@pytest.fixture
def other_app(tmp_path, monkeypatch):
    """Makes an app whose module ``tasks`` has this source, and installs it."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, source):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "tasks.py").write_text(source)
        return override_settings(INSTALLED_APPS=[*site.INSTALLED_APPS, name])

    return install


def test_an_app_for_another_queue_is_left_out(other_app, caplog):
    """Its tasks need what is not installed; those of the others run."""
    with other_app("elsewhere", "import no_such_queue\n"):
        assert pack.name in {one.name for one in definitions()}
    assert "The tasks of the app elsewhere are left out: they need no_such_queue" in caplog.text


@pytest.mark.parametrize("source", ["import brokenapp.gone\n", "1 / 0\n", "import json.gone\n"])
def test_a_module_with_tasks_that_is_broken_is_not_left_out(other_app, source):
    """A worker without some of its tasks would be found out late; a check says so, too."""
    with other_app("brokenapp", source):
        with pytest.raises((ImportError, ZeroDivisionError)):
            definitions()
        assert ["taskcore.E003"] == found(tasks())
    sys.modules.pop("brokenapp", None)


def test_definitions_have_the_words_of_their_functions():
    """Where a task is started by hand it is described by its docstring, Django's tasks as well as taskcore's."""
    assert {"Pack an order.", "Do nothing."} <= {one.function.__doc__ for one in definitions()}
