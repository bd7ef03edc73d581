"""A site whose connections are lent by a pool: each operation has one, no thread keeps one."""

import threading

import pytest
from django.db import connections, transaction

from taskcore import Client, State, Worker, task
from taskcore_backends.django import DjangoBackend
from tests.contrib.django_backend.databases import add_alias

pytest.importorskip("psycopg_pool")

pytestmark = [pytest.mark.integration, pytest.mark.servers, pytest.mark.timeout(60)]

PATIENCE = 20.0


@task
def plain(number: int) -> int:
    return number


@pytest.fixture
def pooled(postgres):
    """An alias of PostgreSQL with two connections."""
    settings = dict(connections[postgres.alias].settings_dict)
    settings["OPTIONS"] = {**settings.get("OPTIONS", {}), "pool": {"min_size": 1, "max_size": 2, "timeout": PATIENCE}}
    add_alias("pooled", settings)
    yield "pooled"
    connections["pooled"].close()
    connections["pooled"].close_pool()


def test_more_threads_than_connections(pooled):
    """Threads that are more than the pool has connections all enqueue, though none of them ends before the last has."""
    together, errors = threading.Barrier(8), []
    with Client(DjangoBackend(pooled)) as client:

        def run(number):
            try:
                client.enqueue(plain, number)
                together.wait(PATIENCE)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE)
        assert ([], {State.READY: 8}) == (errors, dict(client.stats().queues[0].counts))


def test_transaction_keeps_its_connection(pooled):
    """What is enqueued in a block is rolled back with it, and a worker runs what is enqueued after it."""
    with Client(DjangoBackend(pooled)) as client:
        with transaction.atomic(using=pooled):
            gone = client.enqueue(plain, 1)
            transaction.set_rollback(True, using=pooled)
        kept = client.enqueue(plain, 2)
        assert (1, 2) == (Worker(client, [plain]).drain(), kept.result())
        assert client.backend.get([gone.id]) == [None]
