"""What is read in several statements is of one moment: no task is half of what it was and half of what it is."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections

from taskcore.protocol import Change, ClaimRequest, Event, PurgeRequest, Query, TaskSpec
from taskcore_backends.django import DjangoBackend

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

PATIENCE = 20.0
LONG = '{"a": ["' + "x" * 3000 + '"]}'
LONGER = '{"a": ["' + "y" * 4000 + '"]}'
VALUE = '"' + "z" * 3000 + '"'
LEASE = timedelta(seconds=60)


class Between:
    """Has somebody else do something once, just before a statement that names a table is run."""

    def __init__(self, table, call):
        self.table, self.call = table, call

    def __call__(self, execute, sql, parameters, many, context):
        if self.table in sql and self.call is not None:
            call, self.call = self.call, None
            thread = threading.Thread(target=partial(self.run, call))
            thread.start()
            thread.join(PATIENCE)
        return execute(sql, parameters, many, context)

    @staticmethod
    def run(call):
        try:
            call()
        finally:
            connections.close_all()


@pytest.fixture
def backend(database):
    made = DjangoBackend(database.alias)
    yield made
    made.close()


def read_between(backend, table, call, read):
    """Read a task while somebody does something before what stands beside it is read."""
    between = Between(table, call)
    with connections[backend.alias].execute_wrapper(between):
        found = read(backend)
    assert between.call is None
    return found


READS = {"get": lambda backend: backend.get(["t"])[0], "find": lambda backend: (*backend.find(Query()).items, None)[0]}


def spec(backend, **fields):
    return TaskSpec(id="t", name="t", enqueued_at=backend.now(), **fields)


def finish(backend, event, **fields):
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=LEASE)
    (task,) = backend.claim(request)
    backend.apply([Change(task_id="t", event=event, fence=task.fence, **fields)])


@pytest.mark.parametrize("read", list(READS))
def test_task_that_is_purged_meanwhile_is_whole_or_not_there(backend, read):
    """A long value whose task is purged between two statements of a read is never shown as none."""
    backend.add([spec(backend, arguments_json=LONG)])
    finish(backend, Event.SUCCEED, value_json=VALUE)
    purge = partial(backend.purge, PurgeRequest(ids=("t",)))
    assert read_between(backend, "taskcore_payload", purge, READS[read]) is None


@pytest.mark.parametrize("read", list(READS))
def test_task_that_is_replaced_meanwhile_has_arguments_of_its_own(backend, read):
    """Long arguments that take the place of others between two statements of a read go with their own spec."""
    old, new = spec(backend, arguments_json=LONG, priority=1), spec(backend, arguments_json=LONGER, priority=2)
    backend.add([old])
    replace = partial(backend.apply, [Change(task_id="t", event=Event.REPLACE, spec=new)])
    found = read_between(backend, "taskcore_payload", replace, READS[read])
    assert (2, LONGER) == (found.spec.priority, found.spec.arguments_json)


def test_attempts_of_a_task_that_is_purged_meanwhile_are_all_there_or_it_is_not(backend):
    """A failed task whose attempts are purged between two statements of a read is not shown without them."""
    backend.add([spec(backend)])
    finish(backend, Event.FAIL)
    purge = partial(backend.purge, PurgeRequest(ids=("t",)))
    assert read_between(backend, "taskcore_attempt", purge, READS["get"]) is None
