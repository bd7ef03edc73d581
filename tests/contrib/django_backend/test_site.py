"""The backend as a part of a site: aliases, routers, connections, and a site's own tests."""

import gc
import threading
import unittest
from datetime import timedelta

import pytest
from django.db import connections
from django.test import TestCase, TransactionTestCase, override_settings

from taskcore import BackendClosed, Client, State, Worker, task
from taskcore.errors import BackendCorrupt, InvalidInput, InvalidOption
from taskcore.protocol import TaskSpec, WorkerInfo
from taskcore_backends.django import DjangoBackend, from_url
from taskcore_backends.memory import MemoryBackend
from tests.contrib.django_backend.databases import add_alias, sqlite_settings
from tests.waiting import eventually

pytestmark = pytest.mark.integration


@task
def double(number: int) -> int:
    return 2 * number


class ToSecond:
    """A router that writes tasks to another database."""

    def db_for_write(self, model, **_hints):
        return "second" if model._meta.app_label == "taskcore" else None

    def allow_migrate(self, db, app_label, **_hints):
        return None


@pytest.fixture
def second(tmp_path):
    with pytest.MonkeyPatch.context():
        add_alias("second", sqlite_settings(tmp_path / "second.sqlite3"))
        from django.core.management import call_command

        call_command("migrate", "taskcore", database="second", verbosity=0)
        yield "second"
        connections["second"].close()
        del connections.settings["second"]


@pytest.fixture
def first(databases):
    databases["sqlite"].empty()
    return databases["sqlite"].alias


def test_two_databases_behind_one_site(first, second):
    """Two backends of one process keep their tasks apart, and each has a worker of its own."""
    with Client(DjangoBackend(first)) as one, Client(DjangoBackend(second)) as other:
        mine, theirs = one.enqueue(double, 1), other.enqueue(double, 2)
        assert 1 == Worker(one, [double]).drain()
        assert ([None], State.READY) == (one.backend.get([theirs.id]), other.get(theirs.id).state)
        assert (1, 4) == (Worker(other, [double]).drain(), theirs.result())
        assert 2 == mine.result()


def test_routers_are_asked(second):
    """Without using= the tasks are where the site's routers write them."""
    routers = ["tests.contrib.django_backend.test_site.ToSecond"]
    with override_settings(DATABASE_ROUTERS=routers), Client(DjangoBackend()) as client:
        assert ("second", "django:second") == (client.backend.alias, client.backend.url)


def test_unknown_alias_is_refused():
    """An alias that the site has not is refused when the backend is made, with those that there are."""
    with pytest.raises(InvalidOption, match="default"):
        DjangoBackend("nowhere")


def test_alias_that_does_not_commit_by_itself_is_refused(tmp_path):
    """With AUTOCOMMIT off a task would be stored when somebody commits: the backend is not made."""
    add_alias("by-hand", {**sqlite_settings(tmp_path / "by-hand.sqlite3"), "AUTOCOMMIT": False})
    with pytest.raises(InvalidOption, match="AUTOCOMMIT"):
        DjangoBackend("by-hand")
    del connections.settings["by-hand"]


def test_url_names_the_alias(first):
    """``django:alias`` opens the database of this alias."""
    with Client(from_url(f"django:{first}")) as client:
        assert client.backend.url == f"django:{first}"
    for url in ("django:a/b", "postgres:x", "django"):
        with pytest.raises(InvalidOption):
            from_url(url)


def test_missing_tables_are_said(tmp_path):
    """Without migrate each call says what to do."""
    add_alias("bare", sqlite_settings(tmp_path / "bare.sqlite3"))
    try:
        with Client(DjangoBackend("bare")) as client, pytest.raises(BackendCorrupt, match="migrate"):
            client.enqueue(double, 1)
    finally:
        del connections.settings["bare"]


@pytest.mark.servers
def test_connections_of_threads_are_closed(databases):
    """Connections that were opened in threads of a client are given back by close(), and before, once a thread ends."""
    alias = databases["postgres"].alias

    def count():
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return cursor.fetchone()[0]

    before = count()
    backend = DjangoBackend(alias)
    for _ in range(5):
        thread = threading.Thread(target=backend.now)
        thread.start()
        thread.join()
    eventually(lambda: count() <= before + 2)  # the server takes a moment to notice
    backend.close()
    eventually(lambda: count() <= before)
    with pytest.raises(BackendClosed):
        backend.now()


def test_connection_of_a_request_is_left_alone(first):
    """What was open before the backend was used is open after it was closed, in the middle of a request."""
    connections[first].ensure_connection()
    before = connections[first].connection
    with Client(DjangoBackend(first)) as client:
        client.enqueue(double, 1)
    assert before is connections[first].connection


def test_backend_that_is_forgotten_gives_back_what_it_holds(first):
    """Nobody has to call close(): when the backend is gone, so are its threads and connections."""
    backend = DjangoBackend(first)
    session = backend._session
    del backend
    gc.collect()
    assert session.is_closed


def run_case(case):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return [text for _test, text in (*result.failures, *result.errors)], result.testsRun


@pytest.mark.parametrize("base", [TestCase, TransactionTestCase])
def test_tests_of_a_site_can_use_it(first, base):
    """In both kinds of Django's tests tasks are enqueued and drained; TestCase leaves nothing behind."""

    class Orders(base):  # type: ignore[valid-type,misc,unused-ignore]
        databases = frozenset({first})
        available_apps = ("taskcore_backends.django",)

        def test_task_is_run(self):
            with Client(DjangoBackend(first)) as client:
                handle = client.enqueue(double.using(run_after=timedelta(0)), 21)
                assert (1, 42) == (Worker(client, [double]).drain(), handle.result())

    assert ([], 1) == run_case(Orders)
    with Client(DjangoBackend(first)) as client:
        assert () == client.stats().queues


def test_memory_is_the_fast_default_of_tests():
    """A site's test needs no database for its tasks."""

    class Orders(unittest.TestCase):
        def test_task_is_run(self):
            client = Client(MemoryBackend())
            handle = client.enqueue(double, 21)
            assert (1, 42) == (Worker(client, [double]).drain(), handle.result())

    assert ([], 1) == run_case(Orders)


@pytest.mark.servers
@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_what_no_column_holds_is_refused(databases, alias):
    """A name that is too long is the caller's fault, and said so: it would be tried again for ever otherwise."""
    databases[alias].empty()
    with Client(DjangoBackend(alias)) as client:
        now = client.backend.now()
        spec = TaskSpec(id="1" * 32, name="n" * 300, enqueued_at=now)
        with pytest.raises(InvalidInput):
            client.backend.add([spec])


def test_tally_is_put_together(first):
    """Rows that count finished tasks do not pile up: each beat of a worker puts them together, and the sum stays."""
    with Client(DjangoBackend(first)) as client:
        for number in range(30):
            client.enqueue(double, number)
            Worker(client, [double]).drain()
        now = client.backend.now()
        worker = WorkerInfo(
            id="w",
            hostname="h",
            pid=1,
            queue_names=("default",),
            task_names=(),
            concurrency=1,
            executor="threads",
            started_at=now,
            last_beat_at=now,
            expires_at=now,
        )
        client.backend.beat(worker)
        with connections[first].cursor() as cursor:
            cursor.execute("SELECT count(*), sum(number) FROM taskcore_tally")
            assert (1, 30) == cursor.fetchone()
