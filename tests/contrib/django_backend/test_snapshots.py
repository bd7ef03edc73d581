"""A caller's block that sees what was there at its beginning, and decides by it, loses and forgets nothing.

What others commit after the block has begun is unknown to it. What it then does to the same tasks takes that into
account all the same, or is refused, so that the caller rolls back and begins again.
"""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connections, transaction

from taskcore.errors import BackendUnavailable
from taskcore.protocol import Change, ClaimRequest, Event, Group, PurgeRequest, State, TaskSpec, UniqueKey
from taskcore_backends.django import DjangoBackend
from tests.contrib.django_backend.isolations import SNAPSHOTS, add_snapshot_alias, in_thread

pytestmark = [pytest.mark.integration, pytest.mark.servers, pytest.mark.timeout(120)]

PATIENCE = 20.0
LEASE = timedelta(seconds=60)
BULK = '{"a": ["' + "x" * 3000 + '"]}'


class Site:
    """A block of a caller over one connection, and what somebody else does meanwhile over another one."""

    def __init__(self, alias, plain):
        self.alias = alias
        self.backend, self.other = DjangoBackend(alias), DjangoBackend(plain)
        self.now = self.other.now()

    def spec(self, task_id, **fields):
        return TaskSpec(id=task_id, name="t", enqueued_at=self.now, **fields)

    def claim(self, limit=10):
        """Return what is to be claimed, by id."""
        request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=limit, lease=LEASE)
        return {task.id: task for task in self.other.claim(request)}

    def finish(self, backend, task, event=Event.SUCCEED):
        backend.apply([Change(task_id=task.id, event=event, fence=task.fence)])

    def block(self, meanwhile, work):
        """Begin a block, have ``meanwhile`` done by another connection, then ``work``; begin again when refused."""
        try:
            with transaction.atomic(using=self.alias):
                with connections[self.alias].cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM taskcore_paused")  # from here on it is the state that it sees
                answers = []
                in_thread(meanwhile, answers).join(PATIENCE)
                assert [True] == [not isinstance(answer, Exception) for answer in answers], answers
                work()
        except BackendUnavailable:
            with transaction.atomic(using=self.alias):
                work()

    def state(self, task_id):
        (found,) = self.other.get([task_id])
        return None if found is None else found.state

    def close(self):
        self.backend.close()
        self.other.close()


@pytest.fixture(params=SNAPSHOTS)
def site(request, databases):
    """A site whose callers' blocks see an older state."""
    plain = request.param.partition("-")[0]
    databases[plain].empty()
    alias = add_snapshot_alias(request.param)
    made = Site(alias, plain)
    yield made
    made.close()
    connections[alias].close()


@pytest.mark.parametrize("has_children", [False, True])
def test_child_that_was_added_since_is_let_go(site, has_children):
    """A parent finishes in the block: a child that was enqueued after it began is READY, the first one or not."""
    site.other.add([site.spec("p")])
    if has_children:
        site.other.add([site.spec("first", parents=("p",))])
    parent = site.claim()["p"]
    add = partial(site.other.add, [site.spec("child", parents=("p",))])
    site.block(add, partial(site.finish, site.backend, parent))
    assert State.READY == site.state("child")


def test_child_of_a_group_that_was_added_since_is_let_go(site):
    """The last member of a group finishes in the block: a task that waits for the group since then is READY."""
    group = Group(id="g", name="g", created_at=site.now, total=1)
    site.other.add([site.spec("member", group_id="g", group_index=0)], group=group)
    site.other.add([site.spec("first", parents=("g",))])
    member = site.claim()["member"]
    add = partial(site.other.add, [site.spec("child", parents=("g",))])
    site.block(add, partial(site.finish, site.backend, member))
    assert State.READY == site.state("child")


def test_other_parent_that_finished_since_holds_nobody(site):
    """One of two parents finishes in the block, the other one did after it began: their child is READY."""
    site.other.add([site.spec("p0"), site.spec("p1"), site.spec("child", parents=("p0", "p1"))])
    held = site.claim()
    site.block(partial(site.finish, site.other, held["p0"]), partial(site.finish, site.backend, held["p1"]))
    assert State.READY == site.state("child")


def test_child_is_added_to_a_parent_that_finished_since(site):
    """A child is enqueued in the block for a parent that finished after it began: the child does not wait."""
    site.other.add([site.spec("p")])
    parent = site.claim()["p"]
    add = partial(site.backend.add, [site.spec("child", parents=("p",))])
    site.block(partial(site.finish, site.other, parent), add)
    assert State.READY == site.state("child")


def test_member_that_finished_since_is_counted(site):
    """Of the last two members of a group one finishes in the block, the other one did after it began."""
    group = Group(id="g", name="g", created_at=site.now, total=2)
    site.other.add([site.spec(f"m{number}", group_id="g", group_index=number) for number in range(2)], group=group)
    site.other.add([site.spec("child", parents=("g",))])
    held = site.claim()
    site.block(partial(site.finish, site.other, held["m0"]), partial(site.finish, site.backend, held["m1"]))
    assert State.READY == site.state("child")


def test_group_that_was_sealed_since_is_finished(site):
    """The last member finishes in the block, the group was sealed after it began: who waits for it goes."""
    group = partial(Group, id="g", name="g", created_at=site.now)
    site.other.add([site.spec("member", group_id="g", group_index=0)], group=group())
    site.other.add([site.spec("child", parents=("g",))])
    member = site.claim()["member"]
    seal = partial(site.other.add, [], group=group(total=1))
    site.block(seal, partial(site.finish, site.backend, member))
    assert State.READY == site.state("child")


@pytest.mark.parametrize("waits_for", ["p", "g"])
def test_parent_of_a_child_that_was_added_since_is_not_purged(site, waits_for):
    """A purge in the block leaves a task, or a member, for which somebody was enqueued to wait after it began."""
    group = Group(id="g", name="g", created_at=site.now, total=1)
    site.other.add([site.spec("p", group_id="g", group_index=0)], group=group)
    site.finish(site.other, site.claim()["p"])
    site.other.add([site.spec("first", parents=("p", "g"))])
    site.finish(site.other, site.claim()["first"])
    add = partial(site.other.add, [site.spec("child", parents=(waits_for,))])
    site.block(add, partial(site.backend.purge, PurgeRequest(ids=("p",))))
    assert (State.SUCCESSFUL, State.READY) == (site.state("p"), site.state("child"))


def test_task_that_was_requeued_since_is_not_purged(site):
    """A purge in the block leaves a failed task that was requeued after it began."""
    site.other.add([site.spec("t")])
    site.finish(site.other, site.claim()["t"], Event.FAIL)
    requeue = partial(site.other.apply, [Change(task_id="t", event=Event.REQUEUE)])
    site.block(requeue, partial(site.backend.purge, PurgeRequest(ids=("t",))))
    assert State.READY == site.state("t")


def test_long_arguments_that_were_written_since_stay(site):
    """A task with long arguments that was enqueued after the block began keeps them when it is amended in there."""
    spec = site.spec("t", arguments_json=BULK)
    change = Change(task_id="t", event=Event.AMEND, spec=site.spec("t", arguments_json=BULK, priority=5))
    site.block(partial(site.other.add, [spec]), partial(site.backend.apply, [change]))
    (found,) = site.other.get(["t"])
    assert BULK == found.spec.arguments_json


def test_key_that_was_given_back_since_can_be_taken(site):
    """A holder of a unique key that finished after the block began: another one can be enqueued after the block."""
    unique = UniqueKey(key="k")
    site.other.add([site.spec("holder", unique=unique)])
    holder = site.claim()["holder"]
    answers = []
    add = lambda: answers.extend(site.backend.add([site.spec("next", unique=unique)]))  # noqa: E731
    site.block(partial(site.finish, site.other, holder), add)
    site.other.add([site.spec("last", unique=unique)])
    holders = [task.id for task in site.other.get(["next", "last"]) if task is not None]
    assert [site.other.unique_holder("k")] == holders
