"""Which commits wait for the disk on PostgreSQL: all that is promised, and nothing that is only a claim."""

from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from taskcore.protocol import Change, ClaimRequest, Event, TaskSpec
from taskcore_backends.django import DjangoBackend

pytestmark = [pytest.mark.integration, pytest.mark.servers]

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def request():
    lease = timedelta(minutes=5)
    return ClaimRequest(worker_id="w", nonce=uuid4().hex, queue_names=("default",), limit=1, lease=lease)


@pytest.fixture
def backend(postgres):
    found = DjangoBackend(using="postgres", listen=False)
    found.add([TaskSpec(id=f"{number:032x}", name="task", enqueued_at=NOW) for number in range(3)])
    yield found
    found.close()


@pytest.fixture
def connection(backend):
    """The connection of this thread, whose commits wait unless they are told otherwise."""
    found = connections["postgres"]
    with found.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
    yield found
    found.close()


def waits(connection):
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0] == "on"


def is_unsynced(queries):
    return any("'synchronous_commit', 'off'" in query["sql"] for query in queries)


def test_a_claim_does_not_wait_for_the_disk(backend, connection):
    """A claim alone says so, for its own transaction; one that brings results waits."""
    with CaptureQueriesContext(connection) as queries:
        (task,) = backend.claim(request())
    assert is_unsynced(queries)
    assert waits(connection)
    settle = Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1")
    with CaptureQueriesContext(connection) as queries:
        backend.apply([settle], claim=request())
    assert not is_unsynced(queries)


def test_a_claim_leaves_the_callers_transaction_alone(backend, connection):
    """Inside ``atomic`` the commit is the caller's, and waits as he wants."""
    with transaction.atomic(using="postgres"):
        assert 1 == len(backend.claim(request()))
        assert waits(connection)
