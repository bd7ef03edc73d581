"""Connections that end, a server that restarts, transactions in each other's way: nothing is lost, nothing doubled."""

import itertools
import threading
import time
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections, transaction

from taskcore import BackendUnavailable, Client, State, Worker
from taskcore.protocol import OnConflict, TaskSpec, UniqueKey, first_id_at
from taskcore_backends.django import DjangoBackend
from tests.contrib.django_backend.child import square
from tests.waiting import surely

pytestmark = [pytest.mark.integration, pytest.mark.servers, pytest.mark.timeout(120)]

PATIENCE = 60.0
COUNT = 300
NUMBERS = itertools.count()


def enqueue_surely(client, calls):
    """Enqueue as a program does that repeats what failed: by the ids that it has."""
    now = surely(client.backend.now, PATIENCE)
    specs = [
        TaskSpec(
            id=f"{first_id_at(now)[:12]}7{next(NUMBERS):019x}",
            name=square.name,
            enqueued_at=now,
            arguments_json=f'{{"a": [{number}]}}',
        )
        for number in range(calls)
    ]
    for spec in specs:
        surely(partial(client.backend.add, [spec]), PATIENCE)
    return [spec.id for spec in specs]


def run_through(alias, disturb):
    """Enqueue and run tasks while ``disturb`` is called again and again; return the states they end in."""
    with Client(DjangoBackend(alias)) as client:
        first = enqueue_surely(client, COUNT)
        worker = Worker(
            client, [square], concurrency=2, lease=timedelta(seconds=2), poll_interval=timedelta(seconds=0.2)
        )
        worker.start()
        is_over = threading.Event()
        disturber = threading.Thread(target=disturb, args=(is_over,))
        disturber.start()
        second = enqueue_surely(client, COUNT)
        deadline = time.monotonic() + PATIENCE
        states = set()
        while time.monotonic() < deadline and states != {State.SUCCESSFUL}:
            time.sleep(0.1)
            states = {task.state for task in surely(lambda: client.backend.get([*first, *second]), PATIENCE)}
            if states == {State.SUCCESSFUL}:
                break
        is_over.set()
        disturber.join()
        worker.stop()
        assert worker.join(timedelta(seconds=30))
        tallied = surely(client.stats, PATIENCE).queues[0].counts
    return states, dict(tallied)


def test_terminated_connections_lose_nothing(databases):
    """While all connections are terminated again and again each task is run to its end, and counted once."""
    opened = databases["postgres"]
    opened.empty()

    def terminate(is_over):
        sql = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
        """
        for _ in range(6):
            with connections[opened.alias].cursor() as cursor:
                cursor.execute(sql)
            is_over.wait(0.3)
        connections[opened.alias].close()

    ids = run_through(opened.alias, terminate)
    assert ({State.SUCCESSFUL}, {State.SUCCESSFUL: ids[1][State.SUCCESSFUL]}) == ids
    assert ids[1][State.SUCCESSFUL] <= 2 * COUNT


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_restarts_lose_nothing(databases, alias):
    """A server that is stopped and started again under load: the worker comes back, and each task is run."""
    opened = databases[alias]
    opened.empty()
    if opened.server is None:
        pytest.skip("a server that a URL names is not ours to restart")

    def restart(_is_over):
        for _ in range(2):
            time.sleep(0.3)
            opened.server.restart()

    states, _counts = run_through(alias, restart)
    assert {State.SUCCESSFUL} == states


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_connection_that_breaks_with_autocommit_off_is_opened_again(databases, alias, monkeypatch):
    """A server that goes away before Django has switched autocommit on leaves nothing that is taken for a caller's."""
    opened = databases[alias]
    opened.empty()
    wrapper = type(connections[alias])
    switch = wrapper._set_autocommit

    def switch_too_late(self, autocommit):
        if autocommit:
            self.connection.close()
        switch(self, autocommit)

    with Client(DjangoBackend(alias)) as client:
        client.enqueue(square.using(unique_key="first"), 0)
        with monkeypatch.context() as patched:
            patched.setattr(wrapper, "_set_autocommit", switch_too_late)
            for _ in range(2):
                with pytest.raises(BackendUnavailable):
                    client.enqueue(square.using(unique_key="k"), 1)
        assert State.READY is client.enqueue(square.using(unique_key="k"), 1).refresh().state


def in_threads(calls):
    errors = []

    def run(call):
        try:
            call()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()  # a transaction of the caller's own has one that the backend leaves alone

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return errors


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_transactions_in_each_others_way_are_run_again(databases, alias):
    """Threads that take the same unique keys in opposite orders, which deadlocks, all succeed: one task a key."""
    opened = databases[alias]
    opened.empty()
    keys = [f"key {number}" for number in range(10)]
    with Client(DjangoBackend(alias)) as client:
        now = client.backend.now()

        def specs(thread, names):
            return [
                TaskSpec(
                    id=f"{first_id_at(now)[:12]}7{thread:03}{number:016x}",
                    name="t",
                    enqueued_at=now,
                    unique=UniqueKey(key=name, on_conflict=OnConflict.RETURN_EXISTING),
                )
                for number, name in enumerate(names)
            ]

        calls = [partial(client.backend.add, specs(thread, keys if thread % 2 else keys[::-1])) for thread in range(6)]
        assert [] == in_threads(calls)
        assert {State.READY: len(keys)} == dict(client.stats().queues[0].counts)


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_deadlock_in_a_callers_transaction_is_the_callers(databases, alias):
    """Inside atomic() nothing is run again behind the caller's back: the error is raised, and the block rolls back."""
    opened = databases[alias]
    opened.empty()
    with Client(DjangoBackend(alias)) as client:
        now = client.backend.now()
        both = threading.Barrier(2)

        def spec(number, key):
            task_id = f"{first_id_at(now)[:12]}7{number:019x}"
            return TaskSpec(id=task_id, name="t", enqueued_at=now, unique=UniqueKey(key=key))

        def cross(first, second, offset):
            with transaction.atomic(using=alias):
                try:
                    client.backend.add([spec(offset, first)])
                except BaseException:
                    both.abort()  # the other one need not wait: what went wrong is among the errors
                    raise
                both.wait(PATIENCE)
                client.backend.add([spec(offset + 1, second)])

        one, other = f"one {now}", f"other {now}"  # deleted keys of other tests are still there
        errors = in_threads([partial(cross, one, other, 0), partial(cross, other, one, 10)])
        assert [BackendUnavailable] == [type(error) for error in errors], errors
        assert {State.READY: 2} == dict(client.stats().queues[0].counts)
