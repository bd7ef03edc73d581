"""``@task(atomic=True)``: what the function writes and its success are one transaction."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction

from taskcore import Abort, Client, Snooze, State, Worker, task
from taskcore.errors import BackendUnavailable, InvalidDefinition, InvalidOption, UnsupportedCapability
from taskcore.protocol import ClaimRequest
from taskcore.testing import FakeClock
from taskcore.testing.faults import LosesReplies
from taskcore_backends.django import DjangoBackend
from taskcore_backends.memory import MemoryBackend
from tests.contrib.django_backend import ledger

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)


@task(atomic=True)
def note(alias: str, entry: str) -> str:
    ledger.write(alias, entry)
    return entry


@task(atomic=True)
def note_and_fail(alias: str, entry: str, how: str) -> None:
    ledger.write(alias, entry)
    raise {"raise": ValueError("no"), "snooze": Snooze(MINUTE), "abort": Abort("enough")}[how]


@task(atomic=True)
def note_unstorable(alias: str) -> object:
    ledger.write(alias, "row")
    return object()


@task(atomic=True)
def swallow(alias: str) -> None:
    ledger.write(alias, "row")
    try:
        with connections[alias].cursor() as cursor, transaction.atomic(using=alias, savepoint=False):
            cursor.execute("INSERT INTO ledger (entry) VALUES (NULL)")
    except IntegrityError:
        pass


@pytest.fixture
def alias(database):
    ledger.make_ledger(database.alias)
    yield database.alias
    ledger.drop_ledger(database.alias)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def client(alias, clock):
    with Client(DjangoBackend(alias, clock=clock)) as made:
        yield made


def test_success_and_writes_are_both_there(client, alias):
    """A task that returns has written, has its value, and was claimed once."""
    handle = client.enqueue(note, alias, "row")
    assert 1 == Worker(client, [note]).drain()
    found = client.get(handle.id)
    assert (["row"], "row", State.SUCCESSFUL, 1) == (ledger.entries(alias), handle.result(), found.state, found.epoch)


def test_threads_of_a_worker_run_them_too(client, alias):
    """As above, in the threads of ``run``, many at once."""
    client.enqueue_many(note.bind(alias, f"{number:02}") for number in range(30))
    Worker(client, [note], concurrency=4).run(burst=True)
    assert [f"{number:02}" for number in range(30)] == ledger.entries(alias)
    assert {State.SUCCESSFUL: 30} == dict(client.stats().queues[0].counts)


@pytest.mark.parametrize(
    ("how", "state"), [("raise", State.FAILED), ("snooze", State.READY), ("abort", State.CANCELLED)]
)
def test_anything_but_success_undoes_the_writes(client, alias, how, state):
    """A task that fails, snoozes or gives up has written nothing, and stands as it would without a transaction."""
    handle = client.enqueue(note_and_fail, alias, "row", how)
    Worker(client, [note_and_fail]).drain()
    assert ([], state) == (ledger.entries(alias), client.get(handle.id).state)


def test_value_that_cannot_be_stored_undoes_the_writes(client, alias):
    """The task fails, and nothing of what it wrote stays."""
    handle = client.enqueue(note_unstorable, alias)
    Worker(client, [note_unstorable]).drain()
    assert ([], State.FAILED) == (ledger.entries(alias), client.get(handle.id).state)


def test_swallowed_database_error_fails_the_task(client, alias):
    """A transaction that cannot commit any more is the function's fault: the task fails, and says how to mend it."""
    handle = client.enqueue(swallow, alias)
    Worker(client, [swallow]).drain()
    found = client.get(handle.id)
    assert ([], State.FAILED) == (ledger.entries(alias), found.state)
    assert "was caught inside" in found.result.failure.message


class Overtaken(DjangoBackend):
    """A store in which something happens between the claim of a task and its run."""

    def settle_in_transaction(self, work):
        self.overtake()
        return super().settle_in_transaction(work)


def test_stale_fence_undoes_the_writes(alias, clock):
    """A worker that has lost its lease when its function returns changes nothing, not even by the function."""
    with Client(Overtaken(alias, clock=clock)) as client:
        others = []

        def overtake():
            clock.advance(MINUTE)
            lease = timedelta(minutes=5)
            others.extend(
                client.backend.claim(
                    ClaimRequest(worker_id="other", nonce="other", queue_names=("default",), limit=1, lease=lease)
                )
            )

        client.backend.overtake = overtake
        handle = client.enqueue(note, alias, "row")
        Worker(client, [note]).drain()
        found = client.get(handle.id)
    assert ([], State.RUNNING) == (ledger.entries(alias), found.state)
    assert (others[0].fence, 2) == (found.fence, found.epoch)


@pytest.mark.parametrize("seed", range(4))
def test_lost_replies_lose_no_write_and_double_none(alias, clock, seed):
    """Whether a commit whose reply was lost took place is found out by the fence: each entry is there once."""
    store = LosesReplies(DjangoBackend(alias, clock=clock), seed=seed, rate=0.3)
    with Client(DjangoBackend(alias, clock=clock)) as client:
        handles = client.enqueue_many(note.bind(alias, f"{number}") for number in range(8))
        worker = Worker(Client(store), [note])
        for _ in range(200):
            with suppress(BackendUnavailable):
                worker.drain()
            if all(handle.refresh().state.is_finished for handle in handles):
                break
            clock.advance(MINUTE)
        states = {handle.refresh().state for handle in handles}
    assert ([str(number) for number in range(8)], {State.SUCCESSFUL}) == (ledger.entries(alias), states)


def test_other_stores_refuse_them():
    """A worker on a store without transactions does not take such a task, and says what to do."""
    with pytest.raises(UnsupportedCapability, match="atomic"):
        Worker(Client(MemoryBackend()), [note])


@pytest.mark.parametrize("executor", ["processes", "async"])
def test_other_executors_refuse_them(client, executor):
    """Only the threads of a worker have a transaction of their own."""
    with pytest.raises(InvalidDefinition, match="threads"):
        Worker(client, [note], executor=executor)


def test_async_functions_cannot_be_atomic():
    """A coroutine has no thread of its own, so no transaction: it is refused where it is defined."""
    with pytest.raises(InvalidDefinition, match="atomic"):

        @task(atomic=True)
        async def never() -> None: ...


def test_atomic_is_no_option_of_a_call():
    """Workers read it from the definition: using(atomic=…) is refused."""
    with pytest.raises(InvalidOption):
        note.using(atomic=False)
