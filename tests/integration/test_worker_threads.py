"""``Worker.run`` in threads and on its event loop, over a memory backend that can be made to fail."""

import asyncio
import logging
import threading
import time
from datetime import timedelta

import pytest

from taskcore import (
    CancelLevel,
    Client,
    Context,
    Handle,
    SoftTimeout,
    State,
    TaskDefinition,
    TaskOutcome,
    Worker,
    WorkerExit,
    task,
)
from taskcore.errors import BackendUnavailable, TaskcoreError
from taskcore.protocol import Change, ClaimRequest, Event, ItemKind, Order
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=10)


class Breaking:
    """A backend whose chosen methods raise while they are broken, before or after they have worked."""

    def __init__(self) -> None:
        self._inner = MemoryBackend()
        self.broken: dict[str, Exception] = {}
        self.loses_replies = 0
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> object:
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*args: object, **options: object) -> object:
            self.calls.append(name)
            if name in self.broken:
                raise self.broken[name]
            answer = method(*args, **options)
            if name in ("claim", "apply") and self.loses_replies:
                self.loses_replies -= 1
                raise BackendUnavailable("the reply was lost")
            return answer

        return call


@pytest.fixture
def backend():
    return Breaking()


@pytest.fixture
def client(backend):
    return Client(backend)


@task
def add(a: int, b: int) -> int:
    return a + b


@task
async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0.001)
    return a + b


def settled(client: Client) -> dict[State, int]:
    (queue,) = client.stats().queues
    return dict(queue.counts)


# Burst


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_burst_runs_all_there_is_and_ends(client, batch_size):
    """Plain and async ones, and what they enqueue."""

    @task(takes_context=True)
    def parent(ctx: Context) -> None:
        ctx.enqueue(add.bind(1, 1))

    client.enqueue_many(add.bind(n, n) for n in range(200))
    client.enqueue_many(add_later.bind(n, n) for n in range(50))
    client.enqueue_many(parent.bind() for _ in range(20))
    worker = Worker(client, [add, add_later, parent], concurrency=4, batch_size=batch_size)
    assert WorkerExit.FINISHED is worker.run(burst=True)
    assert {State.SUCCESSFUL: 290} == settled(client)


def test_burst_over_an_empty_store_ends_at_once(client):
    """Nothing to do is no reason to wait."""
    assert WorkerExit.FINISHED is Worker(client, [add]).run(burst=True)


def test_a_worker_can_run_again(client):
    """Each run is a new one."""
    worker = Worker(client, [add])
    for _ in range(2):
        handle = client.enqueue(add, 1, 2)
        worker.run(burst=True)
        assert 3 == handle.result(SOON)


# Embedded


def test_a_worker_in_a_thread_works_until_the_block_ends(client):
    """``with Worker(…):`` for programs that bring their own main loop."""
    with Worker(client, [add, add_later]) as worker:
        assert 3 == client.enqueue(add, 1, 2).result(SOON)
        assert 7 == client.enqueue(add_later, 3, 4).result(SOON)
        with pytest.raises(TaskcoreError, match="runs already"):
            worker.start()
    assert worker.join(SECOND)


def test_a_worker_that_was_started_is_not_run_beside_that(client):
    """Also when its thread has only just begun: the one that came first is the one that runs."""
    for _ in range(20):
        with Worker(client, [add]) as worker, pytest.raises(TaskcoreError, match="runs already"):
            worker.run(burst=True)


def test_tasks_run_beside_each_other(client):
    """Two that wait for one another both end: they are in different threads."""
    barrier = threading.Barrier(3)

    @task
    def meet() -> int:
        return barrier.wait(10)

    with Worker(client, [meet], concurrency=3):
        handles = [client.enqueue(meet) for _ in range(3)]
        assert [0, 1, 2] == sorted(handle.result(SOON) for handle in handles)


def test_concurrency_counts_plain_and_async_tasks_together(client):
    """Never more than that many at a time."""
    lock = threading.Lock()
    now, most = [0], [0]

    def enter() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])

    def leave() -> None:
        with lock:
            now[0] -= 1

    @task
    def plain() -> None:
        enter()
        time.sleep(0.005)
        leave()

    @task
    async def later() -> None:
        enter()
        await asyncio.sleep(0.005)
        leave()

    client.enqueue_many([one.bind() for _ in range(30) for one in (plain, later)])
    Worker(client, [plain, later], concurrency=3).run(burst=True)
    assert {State.SUCCESSFUL: 60} == settled(client)
    assert 3 == most[0]


def test_a_delayed_task_starts_when_it_is_due(client):
    """Though nobody writes anything at that moment, and the poll interval is long."""
    with Worker(client, [add], poll_interval=timedelta(seconds=60)):
        began = time.monotonic()
        client.enqueue(add.using(run_after=timedelta(seconds=0.2)), 1, 2).result(SOON)
        assert time.monotonic() - began < 2


def test_an_idle_worker_hardly_asks(client, backend):
    """No spinning: a handful of calls a second."""
    with Worker(client, [add]):
        client.enqueue(add, 1, 2).result(SOON)
        time.sleep(0.1)
        before = len(backend.calls)
        time.sleep(0.5)
        assert len(backend.calls) - before < 15


def test_the_outcome_of_a_long_task_is_not_held_back(client):
    """It is settled at once, though others are buffered behind it and one is still running."""
    release = threading.Event()

    @task
    def hold() -> None:
        release.wait(20)

    @task
    def brief() -> None:
        time.sleep(0.02)

    with Worker(client, [hold, brief], concurrency=2):
        held = client.enqueue(hold)
        try:
            client.enqueue(brief).result(SOON)
            assert State.RUNNING is held.refresh().state
        finally:
            release.set()


def test_short_tasks_do_not_wait_behind_a_long_one(client):
    """While one thread is held up, others take what is buffered."""
    release = threading.Event()

    @task
    def hold() -> None:
        release.wait(20)

    with Worker(client, [hold, add], concurrency=2):
        for handle in client.enqueue_many(add.bind(n, 1) for n in range(500)):
            handle.result(SOON)
        try:
            client.enqueue_many([hold.bind(), *(add.bind(n, 2) for n in range(100))])
            eventually(lambda: settled(client)[State.SUCCESSFUL] == 600, 5)
        finally:
            release.set()


def test_what_would_wait_for_a_slot_goes_back(client):
    """A worker that misjudged how long tasks take gives them to others, after about a second."""
    release = threading.Event()

    @task
    def sometimes(long: bool) -> None:
        if long:
            release.wait(20)

    with Worker(client, [sometimes], concurrency=1):
        for handle in client.enqueue_many(sometimes.bind(False) for _ in range(300)):
            handle.result(SOON)
        try:
            client.enqueue_many(sometimes.bind(True) for _ in range(10))
            eventually(lambda: settled(client).get(State.READY) == 9, 5)
        finally:
            release.set()


# News and orders


@pytest.mark.parity("SCR-02", "SCR-14")
def test_progress_and_items_are_seen_while_the_task_runs(client):
    """Heartbeats carry them; nothing is stored twice in the end."""
    release = threading.Event()

    @task(takes_context=True)
    def work(ctx: Context) -> None:
        ctx.progress(1, total=2)
        ctx.item(count=1)
        release.wait(20)
        ctx.item(count=2)

    with Worker(client, [work], lease=timedelta(seconds=0.6)):
        handle = client.enqueue(work)
        eventually(lambda: handle.refresh().progress is not None and client.items(handle.id).items)
        release.set()
        handle.result(SOON)
    assert [1, 2] == [item.count for item in client.items(handle.id).items]


@pytest.mark.parity("DQ-37")
def test_a_long_task_keeps_its_lease(client):
    """Heartbeats extend it: three leases long, one claim, no crash."""

    @task
    def slow() -> None:
        time.sleep(1)

    with Worker(client, [slow], lease=timedelta(seconds=0.3)):
        handle = client.enqueue(slow)
        handle.result(SOON)
    assert (1, 0) == (handle.refresh().epoch, handle.refresh().crashes)


@pytest.mark.parametrize("level", list(CancelLevel))
def test_a_wanted_cancel_ends_a_coroutine(client, level):
    """By asyncio's cancellation: it may clean up, and ends CANCELLED."""
    cleaned = threading.Event()

    @task
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    with Worker(client, [wait], lease=timedelta(seconds=0.6)):
        handle = client.enqueue(wait)
        eventually(lambda: handle.refresh().state is State.RUNNING)
        handle.cancel(level)
        handle.wait(SOON)
    assert cleaned.is_set()
    assert State.CANCELLED is handle.refresh().state


@pytest.mark.parity("DJC-15")
def test_a_paused_worker_starts_nothing_until_it_is_resumed(client, backend):
    """Orders come with the answer to a beat."""
    with Worker(client, [add], lease=timedelta(seconds=1)) as worker:
        eventually(client.workers)
        backend.order(worker.id, Order.PAUSE)
        eventually(lambda: client.workers()[0].state.value == "paused")
        handle = client.enqueue(add, 1, 2)
        time.sleep(0.2)
        assert State.READY is handle.refresh().state
        backend.order(worker.id, Order.RUN)
        assert 3 == handle.result(SOON)


# Timeouts


def test_the_soft_timeout_is_raised_in_a_coroutine_and_may_be_caught(client):
    """What it returns then is its result."""

    @task(soft_timeout=timedelta(seconds=0.05))
    async def wait() -> str:
        try:
            await asyncio.sleep(60)
        except SoftTimeout:
            await asyncio.sleep(0)
            return "part of it"
        return "all of it"

    with Worker(client, [wait]):
        assert "part of it" == client.enqueue(wait).result(SOON)


def test_the_soft_timeout_is_raised_in_a_thread_that_runs_python(client):
    """At its next step; a wait in C is not interrupted."""

    @task(soft_timeout=timedelta(seconds=0.05))
    def busy() -> str:
        try:
            while True:
                time.sleep(0.001)
        except SoftTimeout:
            return "part of it"

    with Worker(client, [busy]):
        assert "part of it" == client.enqueue(busy).result(SOON)


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_the_hard_timeout_of_a_coroutine_fails_it(client, is_stubborn):
    """It is cancelled; one that ignores that is given up a second later."""

    @task(timeout=timedelta(seconds=0.05))
    async def wait() -> None:
        while True:
            try:
                await asyncio.sleep(3)
                return
            except asyncio.CancelledError:
                if not is_stubborn:
                    raise

    with Worker(client, [wait], executor="async"):
        handle = client.enqueue(wait)
        handle.wait(SOON)
        result = handle.refresh().result
    assert result is not None
    assert result.failure is not None
    assert "taskcore.HardTimeout" == result.failure.exception_type


def test_a_thread_that_overruns_is_settled_at_its_deadline(client):
    """The task has failed while its function still runs; what that returns later changes nothing."""
    release = threading.Event()

    @task(timeout=timedelta(seconds=0.1))
    def slow() -> int:
        release.wait(20)
        return 1

    outcomes: list[TaskOutcome] = []
    with Worker(client, [slow, add], concurrency=4, on_outcome=outcomes.append):
        handle = client.enqueue(slow)
        handle.wait(timedelta(seconds=5))
        assert State.FAILED is handle.refresh().state
        assert 3 == client.enqueue(add, 1, 2).result(SOON)
        release.set()
    # Each once; two threads may tell of them in either order.
    assert [Event.FAIL, Event.SUCCEED] == sorted((outcome.event for outcome in outcomes), key=lambda one: one.value)
    assert State.FAILED is handle.refresh().state


# Suspects


def crashed(client: Client, definition: TaskDefinition[..., object], count: int) -> list[Handle[object]]:
    """Enqueue tasks whose worker was lost once: the next run of each is written down before it begins."""
    handles = [client.enqueue(definition) for _ in range(count)]
    request = ClaimRequest(worker_id="lost", nonce="x", queue_names=("default",), limit=count, lease=SECOND)
    for one in client.backend.claim(request):
        client.backend.apply([Change(task_id=one.id, event=Event.RECLAIM, fence=one.fence)])
    return handles


def test_tasks_that_crashed_before_run_one_at_a_time_in_threads(client):
    """If the next one takes the process down, it is known which one it was."""
    now, most = [0], [0]

    @task
    def suspicious() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.02)
        now[0] -= 1

    handles = crashed(client, suspicious, 6)
    Worker(client, [suspicious], concurrency=4).run(burst=True)
    assert {(State.SUCCESSFUL, 1)} == {(handle.refresh().state, handle.refresh().crashes) for handle in handles}
    assert 1 == most[0]


def test_at_most_once_tasks_that_never_crashed_run_beside_each_other(client):
    """Each is written down as started; a crash fails those that were."""
    barrier = threading.Barrier(3)

    @task(max_crashes=0)
    def once() -> int:
        return barrier.wait(10)

    with Worker(client, [once], concurrency=3):
        assert [0, 1, 2] == sorted(handle.result(SOON) for handle in [client.enqueue(once) for _ in range(3)])


def test_a_suspect_waits_for_a_store_that_cannot_write_its_start(client, backend):
    """It is not run without START, and runs once the store is back."""
    ran: list[float] = []

    @task(max_crashes=0)
    def once() -> None:
        ran.append(time.monotonic())

    real = backend._inner.apply
    fails = [True]
    refused: list[int] = []

    def apply(changes, claim=None):
        if fails[0] and any(change.event is Event.START for change in changes):
            refused.append(len(changes))
            raise BackendUnavailable("gone")
        return real(changes, claim)

    backend._inner.apply = apply
    with Worker(client, [once], concurrency=2):
        handle = client.enqueue(once)
        eventually(lambda: len(refused) >= 2)
        assert [] == ran
        fails[0] = False
        handle.result(SOON)
    assert 1 == len(ran)


# The store fails


@pytest.mark.parametrize(
    "error",
    [BackendUnavailable("gone"), OSError("driver"), RuntimeError("bug")],
    ids=lambda error: type(error).__name__,
)
def test_a_store_that_goes_away_and_comes_back_loses_nothing(client, backend, error, caplog):
    """Outcomes that were finished meanwhile are kept and delivered, each once."""
    gate = threading.Event()

    @task
    def wait() -> int:
        gate.wait(20)
        return 1

    with Worker(client, [wait, add], concurrency=4):
        handles = [client.enqueue(wait) for _ in range(4)]
        eventually(lambda: settled(client).get(State.RUNNING) == 4)
        backend.broken = dict.fromkeys(("apply", "claim", "wait", "get", "beat", "schedules", "purge"), error)
        known = len(backend.calls)
        gate.set()
        eventually(lambda: "apply" in backend.calls[known:])
        backend.broken = {}
        assert [1] * 4 == [handle.result(SOON) for handle in handles]
        assert 3 == client.enqueue(add, 1, 2).result(SOON)
    assert {1} == {handle.refresh().epoch for handle in handles}
    assert "The store failed" in caplog.text


@pytest.mark.parity("DCR-15")
def test_replies_that_are_lost_run_no_task_twice(client, backend):
    """Claims and settles are repeated with the same nonce and fence."""
    ran: list[int] = []

    @task
    def note(n: int) -> None:
        ran.append(n)
        if n % 50 == 0:
            backend.loses_replies += 1

    client.enqueue_many(note.bind(n) for n in range(300))
    backend.loses_replies = 2
    Worker(client, [note], concurrency=2, batch_size=20).run(burst=True)
    assert list(range(300)) == sorted(ran)
    assert {State.SUCCESSFUL: 300} == settled(client)


def test_one_outcome_that_the_store_chokes_on_does_not_hold_up_the_others(client, backend):
    """It is found, and its task fails with the store's words."""
    inner = backend._inner.apply

    def apply(changes, claim=None):
        if any(change.value_json == "13" for change in changes):
            raise ValueError("no such value")
        return inner(changes, claim)

    backend._inner.apply = apply
    handles = client.enqueue_many(add.bind(n, 0) for n in range(40))
    with Worker(client, [add], concurrency=1):
        for n, handle in enumerate(handles):
            handle.wait(SOON)
            assert (State.FAILED if n == 13 else State.SUCCESSFUL) is handle.refresh().state
    result = handles[13].refresh().result
    assert result is not None
    assert result.failure is not None
    assert "no such value" in result.failure.message


def test_a_backend_that_is_closed_ends_the_worker(client, backend):
    """There is nothing left to work for; the exit says so."""
    worker = Worker(client, [add], concurrency=1)
    ended: list[WorkerExit] = []
    thread = threading.Thread(target=lambda: ended.append(worker.run()))
    thread.start()
    client.enqueue(add, 1, 2).result(SOON)
    backend._inner.close()
    thread.join(10)
    assert [WorkerExit.CLOSED] == ended


# Stopping


def test_stop_ends_a_run_after_what_runs(client):
    """``stop`` is what a signal does."""

    @task
    def slow() -> int:
        time.sleep(0.2)
        return 1

    worker = Worker(client, [slow], concurrency=1)
    worker.start()
    handle = client.enqueue(slow)
    eventually(lambda: handle.refresh().state is State.RUNNING)
    worker.stop()
    assert worker.join(SOON)
    assert 1 == handle.result(SECOND)


def test_stopping_at_once_cancels_coroutines_and_gives_their_tasks_back(client):
    """They are READY again at no cost."""

    @task
    async def wait() -> None:
        await asyncio.sleep(60)

    worker = Worker(client, [wait])
    worker.start()
    handle = client.enqueue(wait)
    eventually(lambda: handle.refresh().state is State.RUNNING)
    worker.stop(at_once=True)
    assert worker.join(SOON)
    task_now = handle.refresh()
    assert (State.READY, 1, 0, 0) == (task_now.state, task_now.releases, task_now.failures, task_now.crashes)


def test_captured_lines_of_threads_that_run_beside_each_other_stay_apart(client):
    """Each task has its own lines, async ones too."""
    logger = logging.getLogger("shop")

    @task
    def plain(n: int) -> None:
        for _ in range(5):
            logger.warning("%d", n)
            time.sleep(0.001)

    @task
    async def later(n: int) -> None:
        for _ in range(5):
            logger.warning("%d", n)
            await asyncio.sleep(0.001)

    handles = client.enqueue_many([one.bind(n) for n in range(6) for one in (plain, later)])
    Worker(client, [plain, later], concurrency=6, capture_logs=True).run(burst=True)
    for index, handle in enumerate(handles):
        lines = client.items(handle.id).items
        assert [(ItemKind.LOG, f'{{"message":"{index // 2}"}}')] * 5 == [(line.kind, line.data_json) for line in lines]


def test_an_idle_worker_soon_cancels_thousands_of_dependents(client):
    """What a finish owes is drained by claims, a hundred at a time: they follow each other at once."""
    parent = client.enqueue(add.using(run_after=timedelta(hours=1)), 1, 2)
    children = client.enqueue_many(add.bind(1, parent.output) for _ in range(3000))
    with Worker(client, [add]):
        parent.cancel()
        assert [] == client.wait(children, SOON).unfinished


def test_workers_that_have_ended_leave_no_thread_behind(tmp_path):
    """Whichever of its threads is the last to hear of the end; each worker claims while it is stopped."""
    for n in range(200):
        with (
            Client(SQLiteBackend(tmp_path / "queue.db")) as client,
            Worker(client, [add, add_later], concurrency=3, name="brief"),
        ):
            client.enqueue(add, n, n)
            assert 2 * n == client.enqueue(add_later, n, n).result(SOON)
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("brief")])
