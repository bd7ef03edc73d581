"""Client: putting tasks into the store, one by one, in bulk and as groups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import attrs
import pytest

from taskcore import (
    BackendUnavailable,
    Call,
    Client,
    EnqueueFailed,
    Group,
    GroupHandle,
    InvalidArguments,
    InvalidInput,
    InvalidOption,
    MissingParent,
    NotEncodable,
    PayloadTooLarge,
    Query,
    State,
    TaskNotFound,
    TaskSpec,
    UniqueConflict,
    every,
)
from taskcore.protocol import Added
from taskcore_backends.memory import MemoryBackend
from tests.unit.client_samples import HOUR, Bench, add, counting, fail, make_bench, total


@pytest.fixture
def bench() -> Bench:
    return make_bench()


class Recording(MemoryBackend):
    """A memory store that remembers the sizes of the chunks it was given, and can lose a reply."""

    def __init__(self, lost: int | None = None) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.lost = lost

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        added = super().add(specs, group=group)
        self.sizes.append(len(specs))
        if self.lost == len(self.sizes):
            raise BackendUnavailable("the reply was lost")
        return added


class Refusing(MemoryBackend):
    """A memory store that takes only so many chunks, and lets something happen just before the next."""

    chunks = 0
    before_add: Callable[[], object] | None = None

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        before, self.before_add = self.before_add, None
        if before is not None:
            before()
        self.chunks += 1
        if self.chunks > 2:
            raise BackendUnavailable("gone")
        return super().add(specs, group=group)


def test_long_calls_go_in_smaller_chunks() -> None:
    """A chunk is a thousand tasks, or fewer whose arguments are ten megabytes, in a group as well, and none is lost."""
    store = Recording()
    client = Client(store)
    texts = ["x" * 900_000] * 25
    handles = client.enqueue_many(fail.bind(text) for text in texts)
    group = client.group("long", (fail.bind(text) for text in texts), then=add.bind(1, 2))
    assert [11, 11, 3, 11, 11, 4] == store.sizes
    assert (25, 25, 25) == (len({handle.id for handle in handles}), group.refresh().total, len(list(group.handles())))


@pytest.mark.parity("DQ-35")
def test_enqueue_stores_a_task_that_runs(bench: Bench) -> None:
    """The call comes back as its result."""
    handle = bench.client.enqueue(add, 1, b=4)
    bench.drain()
    assert 5 == handle.result()


@pytest.mark.parity("DQ-36")
def test_using_brings_options(bench: Bench) -> None:
    """Options go in with `using`, and a relative delay counts from the store's now."""
    handle = bench.client.enqueue(add.using(run_after=HOUR, priority=7, queue_name="mail"), 1)
    task = handle.refresh()
    assert (bench.clock.now() + HOUR, 7, "mail") == (task.run_after, task.priority, task.queue_name)


def test_own_clock_is_used_for_the_moment_of_enqueueing(bench: Bench) -> None:
    """A client with a clock of its own writes that down, whatever the store's says."""
    other = make_bench()
    other.clock.advance(HOUR)
    handle = Client(bench.backend, clock=other.clock).enqueue(add, 1)
    assert other.clock.now() == handle.refresh().spec.enqueued_at


def test_call_is_enqueued_as_bound(bench: Bench) -> None:
    """`enqueue_call` takes what `bind` made, with the options of `using`."""
    handle = bench.client.enqueue_call(add.using(priority=3).bind(1))
    assert 3 == handle.refresh().priority


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda client: client.enqueue(add), InvalidArguments),
        (lambda client: client.enqueue(add, 1, c=2), InvalidArguments),
        (lambda client: client.enqueue(add, "one"), NotEncodable),
        (lambda client: client.enqueue(add, object()), NotEncodable),
        (lambda client: client.enqueue(total, list(range(100_000)) * 3), PayloadTooLarge),
        (lambda client: client.enqueue(add.using(depends_on="0" * 32), 1), MissingParent),
    ],
)
def test_bad_input_is_refused_before_anything_is_stored(bench: Bench, call, error) -> None:
    """What cannot be enqueued raises its own error, and leaves no task behind."""
    with pytest.raises(error):
        call(bench.client)
    assert () == bench.client.find().items


LONG = total.bind([1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, _id: client.enqueue(total, [1, 2, 3, 4, 5]),
        lambda client, _id: client.enqueue_call(LONG),
        lambda client, _id: client.enqueue_many([LONG]),
        lambda client, _id: client.group("g", [LONG]),
        lambda client, _id: client.group("g", [add.bind(1)], then=LONG),
        lambda client, _id: client.schedule("s", every(HOUR), LONG),
        lambda client, task_id: client.amend(task_id, LONG),
        lambda client, task_id: client.replace(task_id, LONG),
    ],
    ids=["enqueue", "enqueue_call", "enqueue_many", "group", "callback", "schedule", "amend", "replace"],
)
def test_payload_limit_is_the_clients(bench: Bench, ask: Callable[[Client, str], object]) -> None:
    """A client may allow less, by whichever way the arguments come."""
    waiting = bench.client.enqueue(total.using(run_after=HOUR), [])
    with pytest.raises(PayloadTooLarge, match="over the limit of 12"):
        ask(Client(bench.backend, payload_limit=12), waiting.id)


@pytest.mark.parametrize("limit", [0, -1, "big", 1.5])
def test_payload_limit_is_checked(bench: Bench, limit) -> None:
    """A limit that is no number of bytes is refused when the client is made."""
    with pytest.raises(InvalidOption, match="payload_limit"):
        Client(bench.backend, payload_limit=limit)


def test_client_of_a_url_string_says_what_to_do() -> None:
    """A URL in the place of a backend is the likeliest mistake, so the error names the way."""
    with pytest.raises(InvalidOption, match="from_url"):
        Client("sqlite:///tasks.db")  # type: ignore[arg-type]


def test_held_key_returns_the_holder(bench: Bench) -> None:
    """Of two tasks with one key the second handle is the first task's."""
    once = add.using(unique_key="k")
    first, second = bench.client.enqueue(once, 1), bench.client.enqueue(once, 2)
    assert first == second


def test_held_key_raises_when_asked_to(bench: Bench) -> None:
    """`on_conflict="raise"` names the holder."""
    holder = bench.client.enqueue(add.using(unique_key="k"), 1)
    with pytest.raises(UniqueConflict) as caught:
        bench.client.enqueue(add.using(unique_key="k", on_conflict="raise"), 1)
    assert holder.id == caught.value.task_id


@pytest.mark.parity("DQ-35", "C35-03")
def test_output_makes_a_dependency(bench: Bench) -> None:
    """A task that is given others' outputs waits for them, and gets their values."""
    first, second = bench.client.enqueue(add, 1), bench.client.enqueue(add, 10)
    both = bench.client.enqueue(add, first.output, second.output)
    assert State.BLOCKED is both.state
    bench.drain()
    assert 15 == both.result()


# In bulk


def test_many_keep_their_order(bench: Bench) -> None:
    """Handles come in the order of the calls."""
    handles = bench.client.enqueue_many(add.bind(n) for n in range(2500))
    assert [f'{{"a":[{n}]}}' for n in range(2500)] == [handle.refresh().spec.arguments_json for handle in handles]


def test_many_go_in_chunks() -> None:
    """A thousand tasks are one atomic step."""
    backend = Recording()
    Client(backend).enqueue_many(add.bind(n) for n in range(2300))
    assert [1000, 1000, 300] == backend.sizes


def test_many_read_the_iterable_as_they_are_stored() -> None:
    """No more of the calls is taken than the next chunk needs."""
    backend = Recording()
    stored_when_read = []

    def calls() -> Iterator[Call[int]]:
        for n in range(3000):
            stored_when_read.append(len(backend.sizes))
            yield add.bind(n)

    Client(backend).enqueue_many(calls())
    assert [n // 1000 for n in range(3000)] == stored_when_read


def test_many_of_nothing(bench: Bench) -> None:
    """No calls, no handles."""
    assert [] == bench.client.enqueue_many([])


def test_many_survive_a_lost_reply() -> None:
    """A chunk whose reply was lost is sent again, and stored once."""
    backend = Recording(lost=2)
    client = Client(backend)
    handles = client.enqueue_many(add.bind(n) for n in range(3000))
    assert 3000 == len({handle.id for handle in handles}) == sum(1 for _ in client.iterate())


def test_one_survives_a_lost_reply() -> None:
    """A task whose reply was lost is sent again, with the same id, and stored once."""
    backend = Recording(lost=1)
    client = Client(backend)
    handle = client.enqueue(add, 1, 2)
    assert ([1, 1], [handle.id]) == (backend.sizes, [found.id for found in client.iterate()])


def test_many_say_what_was_accepted() -> None:
    """When the store goes away part of the way, the ids stored so far are told, in order."""
    backend = Refusing()
    client = Client(backend)
    with pytest.raises(EnqueueFailed) as caught:
        client.enqueue_many(add.bind(n) for n in range(5000))
    stored = [task.id for task in client.iterate(is_oldest_first=True)]
    assert (2000, stored) == (len(caught.value.accepted), list(caught.value.accepted))
    assert isinstance(caught.value.__cause__, BackendUnavailable)


def test_many_tell_of_a_bad_call_after_some_were_stored(bench: Bench) -> None:
    """The chunk with the bad call is left out as a whole, those before it stay."""
    calls = [add.bind(n) for n in range(1500)]
    calls[1200] = add.bind("x")  # type: ignore[arg-type]
    with pytest.raises(EnqueueFailed, match="1,000 tasks were stored") as caught:
        bench.client.enqueue_many(calls)
    assert isinstance(caught.value.__cause__, NotEncodable)


def test_many_raise_the_cause_itself_when_nothing_was_stored(bench: Bench) -> None:
    """A bad call in the first chunk is raised as it is."""
    with pytest.raises(NotEncodable):
        bench.client.enqueue_many([add.bind(1), add.bind("x")])  # type: ignore[arg-type]
    assert () == bench.client.find().items


# Groups


@pytest.mark.parity("DQ-35", "DCR-14")
def test_group_counts_its_members(bench: Bench) -> None:
    """A group that spans chunks is sealed with the number of its members."""
    group = bench.client.group("march", (add.bind(n) for n in range(2100)))
    assert (2100, {State.READY: 2100}) == (group.refresh().total, group.refresh().counts)


@pytest.mark.parity("DQ-35", "C35-10")
def test_group_results_come_in_order(bench: Bench) -> None:
    """Results are in the order of the calls."""
    group = bench.client.group("march", (add.bind(n) for n in range(20)))
    bench.drain()
    assert [n + 2 for n in range(20)] == group.result()


@pytest.mark.parity("DCR-14")
def test_callback_gets_the_outputs(bench: Bench) -> None:
    """`then` as a function is given what stands for the list of all values."""
    group = bench.client.group("march", (add.bind(n) for n in range(5)), then=total.bind)
    bench.drain()
    assert group.callback is not None
    assert 20 == group.callback.result()


def test_callback_as_a_call_waits_too(bench: Bench) -> None:
    """A plain call as `then` depends on the group all the same."""
    group = bench.client.group("march", [add.bind(1)], then=add.bind(1, 1))
    assert group.callback is not None
    assert (State.BLOCKED, (group.id,)) == (group.callback.state, group.callback.refresh().spec.parents)


def test_callback_of_an_empty_group_runs_at_once(bench: Bench) -> None:
    """Nothing to wait for: the callback is READY, with an empty list to come."""
    group = bench.client.group("none", [], then=total.bind)
    assert group.callback is not None
    assert State.READY is group.callback.state
    bench.drain()
    assert 0 == group.callback.result()


@pytest.mark.parity("DCR-14")
def test_callback_goes_in_with_the_last_chunk() -> None:
    """The step that seals the group stores its last members and the callback."""
    backend = Recording()
    Client(backend).group("march", (add.bind(n) for n in range(1500)), then=add.bind(1))
    assert [1000, 501] == backend.sizes


def test_group_with_a_held_key_finishes(bench: Bench) -> None:
    """A call whose key is held by a task outside does not become a member, and the group does not wait for it."""
    bench.client.enqueue(add.using(unique_key="k", run_after=HOUR), 1)
    group = bench.client.group("march", [add.bind(1), add.using(unique_key="k").bind(2)], then=add.bind(0))
    bench.drain()
    assert group.callback is not None
    assert (1, State.SUCCESSFUL) == (group.refresh().total, group.callback.state)


def test_group_that_stopped_says_what_was_accepted() -> None:
    """A group whose store went away tells its stored members, and is not sealed."""
    backend = Refusing()
    client = Client(backend)
    with pytest.raises(EnqueueFailed) as caught:
        client.group("march", (add.bind(n) for n in range(3000)))
    assert (2000, None) == (len(caught.value.accepted), client.groups().items[0].total)


def half_stored(backend: Refusing) -> GroupHandle[object]:
    """Return a group of 2,000 members that is not sealed, as its program could not go on."""
    client = Client(backend)
    with pytest.raises(EnqueueFailed):
        client.group("march", (add.bind(n) for n in range(3000)))
    return client.group_handle(client.groups().items[0].id)


def test_group_of_a_program_that_died_can_be_sealed() -> None:
    """It expects no more members than it has, so it finishes with them, and what waits for it goes on."""
    backend = Refusing()
    group = half_stored(backend)
    backend.chunks = -10
    after = Client(backend).enqueue(add.using(depends_on=group, on_parent_failure="run"), 1)
    assert (2000, False) == (group.seal().total, group.refresh().is_finished)
    assert 2000 == group.cancel().changed
    assert (True, State.READY) == (group.refresh().is_finished, after.state)


def test_open_group_that_was_partly_purged_can_be_sealed() -> None:
    """Members that were purged meanwhile are not waited for."""
    backend = Refusing()
    group = half_stored(backend)
    backend.chunks = -10
    group.cancel()
    assert 2000 == Client(backend).purge(older_than=dt.timedelta(0), at_most=2000)
    sealed = group.seal()
    assert (0, 2000, True) == (sealed.total, sealed.purged, sealed.is_finished)


def test_sealed_group_stays_as_it_is(bench: Bench) -> None:
    """To seal what is sealed changes nothing, and a group that is not there is an error."""
    group = bench.client.group("march", [add.bind(1)])
    assert group.refresh() == group.seal()
    with pytest.raises(TaskNotFound, match="no group"):
        bench.client.group_handle("0" * 32).seal()


def test_member_that_comes_while_a_group_is_sealed() -> None:
    """Sealing looks again when members came in between, and the next chunk is refused once it is done."""
    backend = Refusing()
    group = half_stored(backend)
    backend.chunks = -10
    now = backend.now()
    late = TaskSpec(id=f"{1:032x}", name="t", enqueued_at=now, group_id=group.id, group_index=2000)
    later = attrs.evolve(late, id=f"{2:032x}", group_index=2001)
    backend.before_add = lambda: MemoryBackend.add(backend, [late])
    assert 2001 == group.seal().total
    with pytest.raises(InvalidInput, match="sealed: it has all of its 2001 members"):
        backend.add([later])


def test_then_has_to_return_a_call(bench: Bench) -> None:
    """A function that calls the task instead of binding it is told so, before anything is stored."""
    with pytest.raises(InvalidInput, match="bind"):
        bench.client.group("march", [add.bind(1)], then=lambda outputs: add(1))  # type: ignore[arg-type,return-value]
    assert () == bench.client.groups().items


def test_group_needs_a_name(bench: Bench) -> None:
    """An empty name is refused."""
    with pytest.raises(InvalidInput, match="name of a group"):
        bench.client.group("", [add.bind(1)])


def test_group_progress_is_the_sum(bench: Bench) -> None:
    """What members have told is added up, counters too."""
    group = bench.client.group("march", [counting.bind(n) for n in (1, 2, 3)])
    bench.drain()
    progress = group.progress()
    assert (6, 30, {"steps": 6}) == (progress.current, progress.total, progress.counters)


def test_group_progress_without_any(bench: Bench) -> None:
    """Members that tell nothing make a sum of nothing, with no total."""
    progress = bench.client.group("march", [add.bind(1)]).progress()
    assert (0, None, {}) == (progress.current, progress.total, progress.counters)


def test_group_can_be_cancelled(bench: Bench) -> None:
    """All members that wait are cancelled, and the callback with them."""
    group = bench.client.group("march", [add.bind(n) for n in range(5)], then=add.bind(0))
    assert 5 == group.cancel().changed
    assert group.callback is not None
    assert State.CANCELLED is group.callback.state


@pytest.mark.parity("DJC-02")
def test_group_is_found_again_by_its_id(bench: Bench) -> None:
    """A handle of the id alone gives the same results, as JSON has them."""
    group = bench.client.group("march", [add.bind(1), add.bind(2)])
    bench.drain()
    again = bench.client.group_handle(group.id)
    assert (group, [3, 4]) == (again, again.result())


def test_group_names_its_members_handles(bench: Bench) -> None:
    """Each member has a handle of its own."""
    group = bench.client.group("march", [add.bind(1), add.bind(2)])
    bench.drain()
    assert [3, 4] == [handle.result() for handle in group.handles()]


def test_purged_member_is_left_out(bench: Bench) -> None:
    """What has been purged is no member any more."""
    group = bench.client.group("march", [add.bind(1), add.bind(2)])
    bench.drain()
    bench.client.purge(ids=[next(group.handles()).id])
    assert [4] == group.result()


@pytest.mark.parity("DJC-02", "DQ-35")
def test_purged_group_is_told(bench: Bench) -> None:
    """A group goes with its last member, and says so."""
    group = bench.client.group("march", [add.bind(1)])
    bench.drain()
    bench.client.purge(group_id=group.id)
    with pytest.raises(TaskNotFound, match=group.id):
        group.result()


# Again


@pytest.mark.parity("DQ-08")
def test_duplicate_runs_the_same_call(bench: Bench) -> None:
    """A copy has an id of its own and does what the first one did."""
    first = bench.client.enqueue(add.using(run_after=HOUR, priority=5), 1)
    copy = bench.client.duplicate(first.id, queue_name="other")
    task = copy.refresh()
    assert ("other", 5, State.READY) == (task.queue_name, task.priority, task.state)
    assert first != copy


def test_duplicate_takes_no_key_and_joins_no_group(bench: Bench) -> None:
    """What ties the first one to others does not tie the copy."""
    group = bench.client.group("march", [add.using(unique_key="k").bind(1)])
    member = next(group.tasks())
    copy = bench.client.duplicate(member.id).refresh()
    assert (None, None) == (copy.spec.unique, copy.spec.group_id)


def test_duplicate_drops_an_expiry_that_has_passed(bench: Bench) -> None:
    """A copy of a task that came too late is not too late itself."""
    first = bench.client.enqueue(add.using(expires_at=HOUR), 1)
    bench.clock.advance(2 * HOUR)
    assert None is bench.client.duplicate(first.id).refresh().spec.expires_at


def test_duplicate_of_nothing(bench: Bench) -> None:
    """An id that the store does not know is told."""
    with pytest.raises(TaskNotFound):
        bench.client.duplicate("0" * 32)


def test_find_takes_a_query_or_keywords(bench: Bench) -> None:
    """Both ways, and both together, find the same."""
    bench.client.enqueue_many([add.bind(1), fail.bind()])
    client = bench.client
    by_name = client.find(name=add.name)
    assert by_name == client.find(Query(name=add.name)) == client.find(Query(limit=1), name=add.name, limit=100)


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"nme": "x"}, "nme"),
        ({"limit": 0}, "limit"),
        ({"states": ["READY"]}, "'READY'"),
        ({"enqueued_from": dt.datetime(2026, 1, 1)}, "enqueued_from"),
    ],
)
def test_bad_filters_are_named(bench: Bench, filters, named) -> None:
    """An unknown filter, or a value that cannot be, is refused by name."""
    with pytest.raises(InvalidInput, match=named):
        bench.client.find(**filters)


def test_iterate_goes_through_all_pages(bench: Bench) -> None:
    """Every task is met once, however small the pages."""
    handles = bench.client.enqueue_many(add.bind(n) for n in range(25))
    found = [task.id for task in bench.client.iterate(limit=4)]
    assert [handle.id for handle in reversed(handles)] == found


@pytest.mark.parity("SCR-05")
def test_items_are_read_by_pages(bench: Bench) -> None:
    """Sub-results of a task are found with it."""
    handle = bench.client.enqueue(counting, 3)
    bench.drain()
    (item,) = bench.client.items(handle.id).items
    assert (3, {"shop": "a"}) == (item.count, item.dimensions)
