"""Sites whose databases isolate transactions otherwise, or who manage them by hand, lose nothing either."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections, transaction

from taskcore.errors import BackendUnavailable, InvalidInput
from taskcore.protocol import (
    AddVerdict,
    Change,
    ClaimRequest,
    Event,
    Group,
    GroupQuery,
    OnConflict,
    State,
    TaskSpec,
    UniqueKey,
    Verdict,
)
from taskcore_backends.django import DjangoBackend
from tests.contrib.django_backend import ledger
from tests.contrib.django_backend.isolations import SNAPSHOTS, add_snapshot_alias, in_thread
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.servers, pytest.mark.timeout(120)]

PATIENCE = 20.0
LEASE = timedelta(seconds=60)


@pytest.fixture(params=SNAPSHOTS)
def repeatable(request, databases):
    """An alias of a database over which transactions see what was there at their beginning, and its plain one."""
    plain = request.param.partition("-")[0]
    databases[plain].empty()
    alias = add_snapshot_alias(request.param)
    yield alias, plain
    connections[alias].close()


def test_parents_that_finish_at_once_let_their_child_go(repeatable):
    """Two last parents finish in transactions that overlap: the child is READY, whichever was first."""
    alias, plain = repeatable
    backend = DjangoBackend(alias)
    now = backend.now()
    parents = [TaskSpec(id=f"p{number}", name="t", enqueued_at=now) for number in range(2)]
    backend.add([*parents, TaskSpec(id="child", name="t", enqueued_at=now, parents=("p0", "p1"))])
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=2, lease=LEASE)
    held = backend.claim(request)
    answers = []
    with transaction.atomic(using=plain):
        with connections[plain].cursor() as cursor:  # both have begun when they come to the child
            cursor.execute("SELECT id FROM taskcore_task WHERE id = 'child' FOR UPDATE")
        settles = [Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence) for task in held]
        threads = [in_thread(partial(backend.apply, [settle]), answers) for settle in settles]
        wait_for_locks(plain, 2)
    for thread in threads:
        thread.join(PATIENCE)
    verdicts = [answer.applied[0].verdict for answer in answers]
    assert ([Verdict.APPLIED] * 2, State.READY) == (verdicts, backend.get(["child"])[0].state)
    backend.close()


def wait_for_locks(alias, number):
    """Wait until so many others wait for what this transaction has locked."""
    sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    if connections[alias].vendor == "mysql":
        sql = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"

    def are_there():
        with connections[alias].cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] >= number

    eventually(are_there, every=0.2)  # MariaDB looks anew only after a tenth of a second


@pytest.mark.parametrize("takes_id", [True, False])
def test_what_an_old_snapshot_does_not_show_is_not_taken_for_stored(repeatable, takes_id):
    """In a caller's transaction that began before the key, or the id, was taken: the truth, or an error."""
    alias, plain = repeatable
    backend, other = DjangoBackend(alias), DjangoBackend(plain)
    now = other.now()
    unique = UniqueKey(key="k", on_conflict=OnConflict.RETURN_EXISTING)
    known = TaskSpec(id="known", name="t", enqueued_at=now, unique=None if takes_id else unique)
    spec = TaskSpec(
        id="known" if takes_id else "new", name="t", enqueued_at=now, timeout=LEASE, unique=None if takes_id else unique
    )
    answers = []
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM taskcore_paused")  # MySQL may lock what is read, not what is taken
        in_thread(partial(other.add, [known]), answers).join(PATIENCE)
        try:
            (added,) = backend.add([spec])
        except BackendUnavailable:
            transaction.set_rollback(True, using=alias)
        else:
            wanted = AddVerdict.ALREADY if takes_id else AddVerdict.EXISTING
            assert (wanted, "known") == (added.verdict, added.task_id)
    assert [AddVerdict.ADDED] == [answer.verdict for answer in answers[0]]
    backend.close()
    other.close()


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_deadlock_in_a_transaction_by_hand_is_the_callers(databases, alias):
    """With autocommit off nothing is run again either: what the caller wrote before is gone with the transaction."""
    databases[alias].empty()
    ledger.make_ledger(alias)
    backend = DjangoBackend(alias)
    now, both = backend.now(), threading.Barrier(2)

    def cross(first, second):
        transaction.set_autocommit(False, using=alias)
        try:
            ledger.write(alias, first)
            backend.add([TaskSpec(id=f"{first}1", name="t", enqueued_at=now, unique=UniqueKey(key=first))])
            both.wait(PATIENCE)
            backend.add([TaskSpec(id=f"{first}2", name="t", enqueued_at=now, unique=UniqueKey(key=second))])
            transaction.commit(using=alias)
        except BaseException:
            transaction.rollback(using=alias)
            raise
        finally:
            transaction.set_autocommit(True, using=alias)

    answers = []
    for thread in [in_thread(partial(cross, *keys), answers) for keys in (("a", "b"), ("b", "a"))]:
        thread.join(PATIENCE)
    try:
        kept = [answer for answer in answers if answer is None]
        assert (1, 1) == (len(kept), len(ledger.entries(alias)))
    finally:
        ledger.drop_ledger(alias)
        backend.close()


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])
def test_what_is_too_long_is_not_cut(databases, alias):
    """A group's name, a unique key or a queue that no column holds is refused: it would be another one, cut."""
    databases[alias].empty()
    backend = DjangoBackend(alias)
    now = backend.now()
    long = "x" * 300
    group = Group(id="g", name=long, created_at=now)
    unique = TaskSpec(id="u", name="t", enqueued_at=now, unique=UniqueKey(key=long))
    for call in (
        partial(backend.add, [], group=group),
        partial(backend.add, [unique]),
        partial(backend.pause, long),
    ):
        with pytest.raises(InvalidInput):
            call()
    assert ((), ()) == (backend.stats().queues, backend.groups(GroupQuery()).items)
    backend.close()
