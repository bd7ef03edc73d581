"""What `add` decides where the protocol leaves it open, and what is refused at the door."""

from datetime import datetime

import attrs
import pytest

from taskcore.errors import InvalidInput, UniqueConflict
from taskcore.protocol import (
    AddVerdict,
    Change,
    Event,
    Group,
    GroupQuery,
    Item,
    OnConflict,
    PurgeRequest,
    Query,
    Retry,
    State,
    UniqueKey,
    UniqueUntil,
)
from tests.unit.records_store import SECOND, Store


@pytest.fixture
def store():
    return Store()


def test_only_earlier_specs_of_a_call_are_parents(store):
    """A spec may wait for one before it in the same call, not for one behind it: so nothing waits in a circle."""
    first = store.spec()
    second = store.spec(parents=(first.id,))
    store.backend.add([first, second])
    assert [State.READY, State.BLOCKED] == store.states(first.id, second.id)
    third = store.spec()
    with pytest.raises(InvalidInput, match=third.id):
        store.backend.add([store.spec(parents=(third.id,)), third])


def test_spec_that_waits_for_itself_is_refused(store):
    """A task cannot be its own parent, nor wait for its own group."""
    group_id, _ = store.group(0)
    for options in ({"id": "x", "parents": ("x",)}, {"group_id": group_id, "parents": (group_id,)}):
        with pytest.raises(InvalidInput, match=r"itself|not in this store"):
            store.add(**options)


def test_replacement_that_waits_for_the_holder_is_refused(store):
    """The holder of a key cannot be replaced by a call that waits for the holder's own child."""
    key = UniqueKey(key="k", on_conflict=OnConflict.REPLACE)
    holder = store.add(unique=key)
    child = store.add(parents=(holder,))
    with pytest.raises(InvalidInput, match="waits for it, or for its group"):
        store.add(unique=key, parents=(child,))
    assert () == store.backend.get([holder])[0].spec.parents


def test_replacement_with_a_failed_parent_is_cancelled(store):
    """A holder that is replaced by a call whose parent has failed is CANCELLED, and its children with it."""
    failed = store.add()
    store.finish(failed, Event.FAIL)
    key = UniqueKey(key="k", on_conflict=OnConflict.REPLACE)
    holder = store.add(unique=key)
    child = store.add(parents=(holder,))
    assert [AddVerdict.REPLACED] == [
        one.verdict for one in store.backend.add([store.spec(unique=key, parents=(failed,))])
    ]
    assert [State.CANCELLED, State.CANCELLED] == store.states(holder, child)
    assert None is store.backend.unique_holder("k")


def test_replaced_parents_let_go_no_more(store):
    """A task whose parents were replaced does not wait for the old ones, and does for the new ones."""
    old, new = store.add(), store.add()
    key = UniqueKey(key="k", on_conflict=OnConflict.REPLACE)
    holder = store.add(unique=key, parents=(old,))
    store.backend.add([store.spec(unique=key, parents=(new,))])
    tasks = {task.id: task for task in store.claim(10)}
    store.apply(Event.SUCCEED, tasks[old])
    assert [State.BLOCKED] == store.states(holder)
    store.apply(Event.SUCCEED, tasks[new])
    assert [State.READY] == store.states(holder)


def test_conflict_that_raises_undoes_the_whole_call(store):
    """Tasks, keys, groups, counts and edges of a call that raises are as if it had not been made."""
    holder = store.add(unique=UniqueKey(key="k"))
    before = store.backend.stats()
    group = Group(id="g", name="g", created_at=store.clock.now(), total=1)
    specs = [
        store.spec(group_id="g", unique=UniqueKey(key="other"), parents=(holder,)),
        store.spec(unique=UniqueKey(key="k", on_conflict=OnConflict.RAISE)),
    ]
    with pytest.raises(UniqueConflict):
        store.backend.add(specs, group=group)
    assert before == store.backend.stats()
    assert () == store.backend.groups(GroupQuery()).items
    assert () == store.backend.children(holder).items
    assert None is store.backend.unique_holder("other")


def test_sealed_group_takes_no_more(store):
    """A member beyond the total is refused; the call stores nothing."""
    group_id, _ = store.group(1)
    with pytest.raises(InvalidInput, match="sealed"):
        store.add(group_id=group_id)
    assert 1 == store.count_of(State.READY)


def test_members_that_others_stand_for_are_taken_off_the_total(store):
    """A group still finishes when a unique key was held and one spec of the sealing call became no member."""
    store.add(unique=UniqueKey(key="k"), queue_name="other")
    group = Group(id="g", name="g", created_at=store.clock.now(), total=2)
    store.backend.add([store.spec(group_id="g"), store.spec(group_id="g", unique=UniqueKey(key="k"))], group=group)
    (member,) = store.claim(9)
    store.apply(Event.SUCCEED, member)
    (found,) = store.backend.groups(GroupQuery(ids=("g",))).items
    assert (1, True) == (found.total, found.is_finished)


def test_members_purged_before_the_seal_still_count(store):
    """A total that counts members which were purged since does not keep the group from finishing."""
    group = Group(id="g", name="g", created_at=store.clock.now())
    first = store.spec(group_id="g")
    store.backend.add([first], group=group)
    store.finish(first.id)
    assert 1 == store.backend.purge(PurgeRequest())
    second = store.spec(group_id="g")
    store.backend.add([second], group=attrs.evolve(group, total=2))
    store.finish(second.id)
    (found,) = store.backend.groups(GroupQuery(ids=("g",))).items
    assert (1, store.clock.now()) == (found.total, found.finished_at)


@pytest.mark.parametrize(
    "options",
    [
        {"arguments_json": {"a": 1}},
        {"arguments_json": b"{}"},
        {"metadata_json": {}},
        {"run_after": datetime(2026, 1, 1)},
        {"expires_at": datetime(2026, 1, 1)},
        {"enqueued_at": datetime(2026, 1, 1)},
        {"slot": datetime(2026, 1, 1)},
        {"run_after": SECOND},
        {"priority": 101},
        {"priority": -101},
        {"priority": True},
        {"priority": 1.0},
        {"id": ""},
        {"name": ""},
        {"queue_name": ""},
        {"queue_name": "a\0b"},
        {"name": "\ud800"},
        {"max_attempts": 0},
        {"max_crashes": -1},
        {"group_index": 1},
        {"parents": ["x"]},
        {"parents": "x"},
        {"retry": Retry(backoff=lambda _failures, _error: SECOND)},
        {"unique": UniqueKey(key="")},
        {"unique": UniqueKey(key="k", until=UniqueUntil.MOMENT)},
        {"unique": UniqueKey(key="k", until=UniqueUntil.MOMENT, moment=datetime(2026, 1, 1))},
    ],
    ids="-".join,
)
def test_bad_specs_are_refused_at_the_door(store, options):
    """What no store could keep as it is raises InvalidInput, and nothing of the call is stored."""
    with pytest.raises(InvalidInput):
        store.backend.add([store.spec(), store.spec(**options)])
    assert () == store.backend.find(Query()).items


def test_bad_changes_are_refused_at_the_door(store):
    """A change that brings what cannot be stored raises InvalidInput, and no change of the call is made."""
    task_id = store.add()
    for options in (
        {"run_after": datetime(2026, 1, 1)},
        {"started_at": datetime(2026, 1, 1)},
        {"value_json": 1},
        {"items": (Item(task_id="another", epoch=1, sequence=0, at=store.clock.now()),)},
        {"tasks": (store.spec(priority=1000),)},
    ):
        with pytest.raises(InvalidInput):
            store.backend.apply(
                [
                    Change(task_id=task_id, event=Event.CANCEL),
                    Change(task_id=task_id, event=Event.CANCEL, **options),
                ]
            )
    assert [State.READY] == store.states(task_id)


def test_group_sealed_before_its_members_finishes_with_one_that_never_runs(store):
    """A member that is CANCELLED as it is added finishes a group whose total was told before."""
    failed = store.add()
    store.finish(failed, Event.FAIL)
    store.backend.add([], group=Group(id="g", name="g", created_at=store.clock.now(), total=1))
    store.add(group_id="g", parents=(failed,))
    (found,) = store.backend.groups(GroupQuery(ids=("g",))).items
    assert store.clock.now() == found.finished_at
