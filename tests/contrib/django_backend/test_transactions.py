"""What is enqueued inside a caller's transaction is part of it."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connections, transaction

from taskcore import Client, State, UniqueConflict, task
from taskcore.errors import MissingParent
from taskcore.protocol import ClaimRequest
from taskcore_backends.django import DjangoBackend
from tests.contrib.django_backend import ledger

pytestmark = pytest.mark.integration

PATIENCE = timedelta(seconds=10)


@task
def plain(number: int) -> int:
    return number


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


class Undone(Exception):
    """Raised to roll a block back."""


@pytest.fixture
def client(database):
    ledger.make_ledger(database.alias)
    with Client(DjangoBackend(database.alias)) as made:
        yield made
    ledger.drop_ledger(database.alias)


@pytest.fixture
def alias(database):
    return database.alias


def request(nonce="n", limit=10):
    return ClaimRequest(worker_id="w", nonce=nonce, queue_names=("default",), limit=limit, lease=timedelta(seconds=30))


def in_thread(call):
    """Call in another thread, that is over another connection; return the answer."""
    answers = []

    def run():
        answers.append(call())
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE.total_seconds())
    return answers[0]


def enqueue_kinds(client):
    """Enqueue a task of each kind that is stored in a way of its own."""
    one = client.enqueue(plain, 1)
    many = client.enqueue_many([plain.bind(2), plain.using(priority=5).bind(3)])
    unique = client.enqueue(plain.using(unique_key="k"), 4)
    child = client.enqueue(plain, one.output)
    group = client.group("g", [plain.bind(5)], then=total.bind)
    return [one.id, *[handle.id for handle in many], unique.id, child.id, group.callback.id]


def test_tasks_commit_with_the_callers_rows(client, alias):
    """What was enqueued in a block that commits is there afterwards, beside the rows of the block."""
    with transaction.atomic(using=alias):
        ledger.write(alias, "row")
        ids = enqueue_kinds(client)
    assert (["row"], True) == (ledger.entries(alias), None not in client.backend.get(ids))


def test_tasks_roll_back_with_the_callers_rows(client, alias):
    """What was enqueued in a block that is rolled back never was: no task, key, group, edge or count stays."""
    with pytest.raises(Undone), transaction.atomic(using=alias):  # noqa: PT012 - the block is the test
        ledger.write(alias, "row")
        ids = enqueue_kinds(client)
        raise Undone
    stats = client.stats()
    assert [None] * len(ids) == client.backend.get(ids)
    assert ([], (), 0, None) == (
        ledger.entries(alias),
        stats.queues,
        stats.groups,
        client.backend.unique_holder("k"),
    )


@pytest.mark.servers
def test_tasks_of_an_open_transaction_are_nobody_elses(databases):
    """Until the block ends no worker claims what was enqueued in it, and none waits for it."""
    opened = databases["postgres"]
    opened.empty()
    with Client(DjangoBackend(opened.alias)) as client:
        with transaction.atomic(using=opened.alias):
            handle = client.enqueue(plain, 1)
            before = in_thread(lambda: client.backend.claim(request("first")))
        after = in_thread(lambda: client.backend.claim(request("second")))
    assert ([], [handle.id]) == (before, [one.id for one in after])


def test_savepoint_rolls_back_alone(client, alias):
    """What was enqueued in an inner block that is rolled back is gone, what the outer block enqueued stays."""
    with transaction.atomic(using=alias):
        kept = client.enqueue(plain, 1)
        with pytest.raises(Undone), transaction.atomic(using=alias):  # noqa: PT012
            gone = client.enqueue(plain.using(unique_key="k"), 2)
            raise Undone
    assert [True, False] == [one is not None for one in client.backend.get([kept.id, gone.id])]


def test_refusal_leaves_the_block_usable(client, alias):
    """A conflict or a missing parent that is raised inside a block stores nothing, and the block goes on."""
    client.enqueue(plain.using(unique_key="k"), 1)
    with transaction.atomic(using=alias):
        with pytest.raises(UniqueConflict):
            client.enqueue(plain.using(unique_key="k", on_conflict="raise"), 2)
        with pytest.raises(MissingParent):
            client.enqueue(plain.using(depends_on="0" * 32), 3)
        ledger.write(alias, "row")
        client.enqueue(plain, 4)
    assert (["row"], {State.READY: 2}) == (ledger.entries(alias), dict(client.stats().queues[0].counts))


def test_worker_calls_inside_a_transaction_roll_back(client, alias):
    """A claim and a settle inside a block are undone with it: a test of a site can run tasks in its transaction."""
    handle = client.enqueue(plain, 1)
    with pytest.raises(Undone), transaction.atomic(using=alias):  # noqa: PT012
        assert [handle.id] == [one.id for one in client.backend.claim(request())]
        raise Undone
    assert (State.READY, 0) == ((found := client.get(handle.id)).state, found.epoch)


def test_waiting_threads_are_told_after_the_commit(client, alias):
    """A thread that waits for tasks is woken by the commit, in the same process."""
    woken = []
    thread = threading.Thread(target=lambda: woken.append(client.backend.wait(["default"], PATIENCE)))
    with transaction.atomic(using=alias):
        client.enqueue(plain, 1)
        connection = connections[alias]
        assert 1 <= len(connection.run_on_commit)
    thread.start()
    thread.join(2 * PATIENCE.total_seconds())
    assert [True] == woken


def test_clock_of_the_database_measures_leases(client):
    """Without a clock of a test's own, now() is the present moment, in UTC."""
    assert abs(client.backend.now() - datetime.now(timezone.utc)) < timedelta(minutes=1)
