"""However many items a task adds, and however long the store is away: each call brings few, and none is lost."""

import threading
from contextlib import closing
from datetime import timedelta

import pytest

from taskcore import Client, Context, State, Worker, task
from taskcore._run._items import Allowance, Load
from taskcore.errors import BackendUnavailable, InvalidInput
from taskcore.protocol import ClaimRequest, Item
from taskcore.testing import FakeClock
from taskcore.testing._wrapper import Wrapper
from taskcore.testing.faults import DuplicatesCalls
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

SOON = timedelta(seconds=20)
CLOCK = FakeClock()


class Counting(Wrapper):
    """Notes the items of each apply, and the bytes of their data; fails every other one when it is told to.

    Before it reaches the store (``away``), or after the store has done it (``lost reply``).
    """

    def __init__(self, inner, *, fault=None):
        super().__init__(inner)
        self.calls = []
        self.fault = fault

    def apply(self, changes, claim=None):
        items = [item for change in changes for item in change.items]
        if items:
            self.calls.append((len(items), sum(len(item.data_json or "") for item in items)))
            if self.fault is not None and len(self.calls) % 2:
                if self.fault == "lost reply":
                    super().apply(changes, claim)
                raise BackendUnavailable(self.fault)
        return super().apply(changes, claim)

    @property
    def largest(self):
        return tuple(map(max, zip(*self.calls, strict=True)))


def an_item(size=0):
    data = '"' + "x" * (size - 2) + '"' if size else None
    return Item(task_id="t", epoch=1, sequence=0, at=CLOCK.now(), data_json=data)


def all_items(client, task_id):
    found = []
    page = client.items(task_id, limit=1000)
    found += page.items
    while page.cursor is not None:
        page = client.items(task_id, limit=1000, cursor=page.cursor)
        found += page.items
    return found


@pytest.fixture(params=["memory", "sqlite"])
def backend(request, tmp_path):
    with closing(MemoryBackend() if request.param == "memory" else SQLiteBackend(tmp_path / "queue.db")) as backend:
        yield backend


@pytest.mark.parametrize("fault", [None, "away", "lost reply", "duplicates"])
@pytest.mark.parametrize("ending", ["returns", "raises"])
def test_outcome_is_sent_behind_its_items(backend, fault, ending):
    """What an outcome brings goes in calls of a thousand items at most, in order, each stored once.

    Also when calls fail in between, when only their replies are lost, and when the network makes each call twice.
    """
    store = Counting(backend, fault=fault)
    client = Client(store)
    if fault == "duplicates":
        store.fault, store.inner = None, DuplicatesCalls(backend, rate=1)

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        for number in range(3500):
            ctx.item(count=number)
        if ending == "raises":
            raise ValueError(ending)

    handle = client.enqueue(work)
    with Worker(client, [work]):
        state = handle.wait(SOON).state
    assert (State.SUCCESSFUL if ending == "returns" else State.FAILED) is state
    assert list(range(3500)) == [item.count for item in all_items(client, handle.id)]
    assert 1000 == store.largest[0]


def test_large_items_go_a_megabyte_at_a_time():
    """The bytes of a call are bounded as well as the number."""
    store = Counting(MemoryBackend())
    client = Client(store)

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        for _ in range(35):
            ctx.item(data="x" * 99_998)

    handle = client.enqueue(work)
    Worker(client, [work]).drain()
    assert (State.SUCCESSFUL, 35) == (handle.state, len(all_items(client, handle.id)))
    assert store.largest[1] <= 1_000_000


def test_outcomes_of_many_tasks_share_a_call():
    """Tasks with few items are settled together, as long as all of it is within what a call takes."""
    store = Counting(MemoryBackend())
    client = Client(store)

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        for number in range(300):
            ctx.item(count=number)

    handles = client.enqueue_many(work.bind() for _ in range(20))
    with Worker(client, [work], concurrency=1):
        states = {handle.wait(SOON).state for handle in handles}
    assert ({State.SUCCESSFUL}, 6000) == (states, sum(len(all_items(client, handle.id)) for handle in handles))
    assert store.largest[0] <= 1000


def test_outcome_of_a_lost_task_brings_nothing():
    """When another worker holds the task, neither the items sent ahead nor the outcome are stored."""
    clock = FakeClock()
    client = Client(MemoryBackend(clock=clock))

    request = ClaimRequest(worker_id="other", nonce="n", queue_names=("default",), limit=1, lease=SOON)

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        for number in range(2500):
            ctx.item(count=number)
        clock.advance(timedelta(hours=1))
        assert [ctx.task.id] == [one.id for one in client.backend.claim(request)]

    handle = client.enqueue(work)
    Worker(client, [work]).drain()
    assert (State.RUNNING, []) == (handle.state, all_items(client, handle.id))


def test_heartbeats_catch_up():
    """A beat sends all that has come since the last one, call by call."""
    store = Counting(MemoryBackend())
    client = Client(store)
    release = threading.Event()

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        for number in range(5500):
            ctx.item(count=number)
        release.wait(20)

    handle = client.enqueue(work)
    with Worker(client, [work]):
        eventually(lambda: len(all_items(client, handle.id)) >= 5500)
        seen = all_items(client, handle.id)
        release.set()
        handle.wait(SOON)
    assert list(range(5500)) == [item.count for item in seen] == [item.count for item in all_items(client, handle.id)]
    assert 1000 == store.largest[0]


def test_a_run_has_so_many_items():
    """The item after the hundred thousandth is refused in the task, with what to do instead."""

    @task(takes_context=True)
    def work(ctx: Context) -> str:
        for _ in range(100_000):
            ctx.item()
        try:
            ctx.item()
        except InvalidInput as error:
            return str(error)
        return "taken"

    client = Client(MemoryBackend())
    handle = client.enqueue(work)
    Worker(client, [work]).drain()
    assert "at most 100,000 items" in handle.result()


def test_a_run_has_so_many_bytes_of_items():
    """A hundred megabytes are enough, too."""
    allowance, item = Allowance(), an_item(99_900)
    for _ in range(1000):
        allowance.take(item)
    with pytest.raises(InvalidInput, match="100 MB of them"):
        allowance.take(an_item())


def test_an_empty_load_takes_any_item():
    """An item larger than a load goes alone; none goes into a load that is full."""
    load, large = Load(), an_item(2_000_000)
    assert (1, 0, 0) == (len(load.take([large, large])), len(load.take([large])), len(load.take([an_item()])))
