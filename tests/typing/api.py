"""Each public name: one right use, and one wrong use that a type checker must reject.

Nothing here is run. mypy (``warn_unused_ignores``) and pyright (``reportUnnecessaryTypeIgnoreComment``) both say when
a wrong use has stopped being one; both are part of ``nox -s types``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from datetime import datetime, timedelta

from typing_extensions import assert_type

import taskcore
from taskcore import (
    Abort,
    AsyncClient,
    AsyncGroupHandle,
    AsyncHandle,
    Attempt,
    Backend,
    BulkCount,
    Call,
    CancelLevel,
    CancelReason,
    CancelRequested,
    Capability,
    CatchUp,
    Client,
    Clock,
    Context,
    Curve,
    Event,
    ExecutorKind,
    Explanation,
    Failure,
    Filters,
    Group,
    GroupHandle,
    Handle,
    Hindrance,
    Item,
    ItemKind,
    KeepPer,
    Lease,
    OnConflict,
    OnParentFailure,
    Order,
    Output,
    Overlap,
    Page,
    Phase,
    Progress,
    PurgeFilters,
    Query,
    QueueStats,
    Reason,
    Result,
    Retention,
    Retry,
    Schedule,
    ScheduleOptions,
    Scheduler,
    Snooze,
    SoftTimeout,
    State,
    Stats,
    SystemClock,
    Task,
    TaskDefinition,
    TaskOutcome,
    TaskSpec,
    Trigger,
    UniqueKey,
    UniqueUntil,
    Verdict,
    Waited,
    Worker,
    WorkerExit,
    WorkerInfo,
    WorkerState,
    backend_from_url,
    bimonthly,
    biweekly,
    constant,
    cron,
    current_context,
    daily,
    every,
    exponential,
    hourly,
    linear,
    monthly,
    once,
    phase,
    quarterly,
    task,
    weekly,
    yearly,
)
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend

SECOND = timedelta(seconds=1)

# Definitions: P and R come from the function, with or without a context, async or not


@task
def add(a: int, b: int) -> int:
    return a + b


@task(queue_name="mail", retry=Retry(max_attempts=5, backoff=exponential(SECOND), on=ConnectionError))
def send(order_id: int, *, to: str) -> str:
    return f"{order_id} {to}"


@task
async def fetch(url: str) -> bytes:
    return url.encode()


@task(atomic=True)
def transfer(amount: int) -> int:
    return amount


assert_type(transfer.bind(1), Call[int])


@task(takes_context=True, timeout=SECOND)
async def reindex(ctx: Context, shop: str) -> int:
    ctx.progress(1, total=10, message=shop)
    return 10


@task(takes_context=True, name="sum")
def total(ctx: Context, *values: int, start: int = 0) -> int:
    ctx.check()
    return sum(values, start)


@task
def report(name: str, outputs: list[int]) -> None:
    """Take what a group gives."""


def definitions() -> None:
    assert_type(add(1, b=2), int)
    assert_type(send(1, to="x"), str)
    _coroutine: Coroutine[object, None, bytes] = fetch("x")
    assert_type(add.bind(1, 2), Call[int])
    assert_type(fetch.bind("x"), Call[bytes])
    assert_type(reindex.bind("shop"), Call[int])
    assert_type(total.bind(1, 2, start=3), Call[int])
    assert_type(send.using(priority=1).bind(1, to="x"), Call[str])
    assert_type(send.using(priority=1)(1, to="x"), str)
    assert_type(add.bind(1, 2).using(label="x"), Call[int])
    add("1", 2)  # type: ignore[arg-type]
    send(1, "x")  # type: ignore[call-arg]
    add.bind(1)  # type: ignore[call-arg]
    add.bind(1, "2")  # type: ignore[arg-type]
    send.bind(1)  # type: ignore[call-arg]
    send.bind(1, to="x", cc="y")  # type: ignore[call-arg]
    reindex.bind()  # type: ignore[call-arg]
    total.bind("1")  # type: ignore[arg-type]
    reindex("shop")  # type: ignore[arg-type, call-arg, unused-coroutine]
    send.using(1, to="x")  # type: ignore[call-arg, arg-type]
    send.using(to="x")  # type: ignore[call-arg]


def options(handle: Handle[int], group: GroupHandle[int], now: datetime) -> None:
    add.using(
        queue_name="q",
        priority=-1,
        run_after=SECOND,
        expires_at=now,
        timeout=None,
        soft_timeout=SECOND,
        retry=None,
        max_crashes=0,
        unique_key=lambda a, b: f"{a}{b}",
        unique_until="started",
        on_conflict="replace",
        depends_on=[handle, group, "id"],
        on_parent_failure="run",
        retention=Retention(successful=SECOND),
        save=False,
        label="x",
        metadata={"a": [1]},
    )
    add.using(
        depends_on=handle, unique_until=SECOND, on_conflict=OnConflict.RAISE, on_parent_failure=OnParentFailure.CANCEL
    )
    add.using(priority="high")  # type: ignore[arg-type]
    add.using(run_after=5)  # type: ignore[arg-type]
    add.using(unique_until="never")  # type: ignore[arg-type]
    add.using(on_conflict="ignore")  # type: ignore[arg-type]
    add.using(depends_on=3)  # type: ignore[arg-type]
    add.using(timeout=10)  # type: ignore[arg-type]
    add.using(metadata=[1])  # type: ignore[arg-type]
    task(priority="high")  # type: ignore[call-overload]
    task(retries=3)  # type: ignore[call-overload]
    task(atomic="yes")  # type: ignore[call-overload]


@task(takes_context=True)  # type: ignore[arg-type]
def without_context(shop: str) -> int:
    return len(shop)


def own_functions(definition: TaskDefinition[[int, int], int], call: Call[int]) -> None:
    assert_type(definition.bind(1, 2), Call[int])
    assert_type(definition.name, str)
    definition.bind(1)  # type: ignore[call-arg]
    _wrong: TaskDefinition[[str], int] = add  # type: ignore[assignment]
    _wider: Call[object] = call
    _narrower: Call[str] = call  # type: ignore[assignment]


# What a task uses


def in_a_task(ctx: Context, call: Call[int]) -> None:
    assert_type(ctx.task, Task)
    assert_type(ctx.attempt, int)
    assert_type(ctx.remaining, timedelta | None)
    assert_type(ctx.enqueue(call), str)
    assert_type(current_context(), Context | None)
    ctx.item(count=2, data={"a": 1}, shop="x")
    ctx.progress("half")  # type: ignore[arg-type]
    ctx.item(shop=3)  # type: ignore[arg-type]
    ctx.enqueue(add)  # type: ignore[arg-type]
    current_context().check()  # type: ignore[union-attr]
    _no_context: Context = current_context()  # type: ignore[assignment]


def control() -> None:
    for error in (Snooze(SECOND, limit=3), Abort("enough"), SoftTimeout()):
        assert_type(str(error), str)
    _stop: BaseException = CancelRequested()
    Snooze(60)  # type: ignore[arg-type]
    Abort(3)  # type: ignore[arg-type]
    _swallowed: Exception = CancelRequested()  # type: ignore[assignment]
    SoftTimeout().seconds  # type: ignore[attr-defined]  # noqa: B018


def retries() -> None:
    curve: Curve = linear(SECOND, maximum=2 * SECOND)
    Retry(max_attempts=3, backoff=curve, on=(OSError, ValueError), not_on=KeyError, until=SECOND)
    Retry(backoff=lambda failures, error: failures * SECOND)
    assert_type(constant(SECOND), Curve)
    assert_type(exponential(SECOND, factor=3), Curve)
    Retry(3)  # type: ignore[call-arg]
    Retry(backoff=SECOND)  # type: ignore[arg-type]
    constant(1)  # type: ignore[arg-type]
    linear(1)  # type: ignore[arg-type]
    exponential(1.5)  # type: ignore[arg-type]
    curve.delay("1")  # type: ignore[arg-type]
    _no_curve: Curve = SECOND  # type: ignore[assignment]
    Retention(successful=3)  # type: ignore[arg-type]


# The client


def enqueueing(client: Client) -> None:
    assert_type(client.enqueue(add, 1, b=2), Handle[int])
    assert_type(client.enqueue(send.using(run_after=SECOND), 8, to="b"), Handle[str])
    assert_type(client.enqueue(fetch, "x"), Handle[bytes])
    assert_type(client.enqueue(reindex, shop="x"), Handle[int])
    assert_type(client.enqueue_call(add.bind(1, 2)), Handle[int])
    assert_type(client.enqueue_many(send.bind(n, to="x") for n in range(3)), list[Handle[str]])
    client.enqueue(add, 1)  # type: ignore[call-arg]
    client.enqueue(add, 1, "2")  # type: ignore[arg-type]
    client.enqueue(send, 7, to=8)  # type: ignore[arg-type]
    client.enqueue(reindex, None, "x")  # type: ignore[arg-type, call-arg]
    client.enqueue(send, 7, to="x", priority=1)  # type: ignore[call-arg]
    client.enqueue(lambda: 3)  # type: ignore[arg-type]
    client.enqueue_call(add)  # type: ignore[arg-type]
    client.enqueue_many([1])  # type: ignore[arg-type]


def outputs(client: Client, number: Handle[int], text: Handle[str], group: GroupHandle[int]) -> None:
    assert_type(number.output, int)
    assert_type(group.output, list[int])
    assert_type(client.enqueue(add, number.output, number.output), Handle[int])
    client.enqueue(report, "x", group.output)
    client.enqueue(report, "x", [number.output, 3])
    client.enqueue(add, number.output, text.output)  # type: ignore[arg-type]
    client.enqueue(report, "x", number.output)  # type: ignore[arg-type]
    assert_type(Output[int]("id").parent_id, str)
    Output(3)  # type: ignore[arg-type]


def groups(client: Client) -> None:
    calls = [send.bind(n, to="x") for n in range(9)]
    assert_type(client.group("march", calls), GroupHandle[str])
    group = client.group("sums", [add.bind(1, 2)], then=lambda values: report.bind("sums", values))
    assert_type(group.result(SECOND), list[int])
    assert_type(group.refresh(), Group)
    assert_type(group.seal(), Group)
    group.seal(3)  # type: ignore[call-arg]
    client.group("march", calls, then=lambda values: report.bind("march", values))  # type: ignore[arg-type]
    group.result(5)  # type: ignore[arg-type]
    _texts: GroupHandle[str] = group  # type: ignore[assignment]


def handles(client: Client, handle: Handle[str]) -> None:
    assert_type(handle.result(timeout=SECOND), str)
    assert_type(handle.state, State)
    assert_type(handle.refresh(), Task)
    assert_type(client.handle("id"), Handle[object])
    assert_type(client.handle("id", add), Handle[int])
    assert_type(client.wait([handle]), Waited[Handle[str]])
    assert_type(client.as_completed([handle]), Iterator[Handle[str]])
    _wider: Handle[object] = handle
    _narrower: Handle[int] = handle  # type: ignore[assignment]
    handle.result(timeout=5)  # type: ignore[arg-type]
    handle.cancel("kill")  # type: ignore[arg-type]
    client.wait([handle]).finished[0].result() + 1  # type: ignore[operator]


def looking(client: Client) -> None:
    assert_type(client.get("id"), Task)
    assert_type(client.find(Query(name="x"), states=[State.FAILED]), Page[Task])
    assert_type(client.iterate(queue_name="mail"), Iterator[Task])
    explanation = client.explain("id")
    assert_type(explanation, Explanation)
    assert_type(explanation.reasons, tuple[Reason, ...])
    assert_type(explanation.reasons[0].hindrance, Hindrance)
    assert_type(client.stats(), Stats)
    assert_type(client.stats().queues, tuple[QueueStats, ...])
    assert_type(client.items("id"), Page[Item])
    assert_type(client.workers(), list[WorkerInfo])
    filters: Filters = {"name": "x", "limit": 3}
    client.find(**filters)
    client.get(3)  # type: ignore[arg-type]
    client.find(state=State.FAILED)  # type: ignore[call-arg]
    client.find(states=["FAILED"])  # type: ignore[list-item]
    Query(limit="3")  # type: ignore[arg-type]
    client.find().items.append(1)  # type: ignore[attr-defined]
    _wrong: Filters = {"nmae": "x"}  # type: ignore[typeddict-unknown-key]
    explanation.reasons[0].words  # type: ignore[attr-defined]  # noqa: B018
    Explanation(summary="because")  # type: ignore[call-arg]
    Hindrance.TIRED  # type: ignore[attr-defined]  # noqa: B018
    client.stats().queues[0].size  # type: ignore[attr-defined]  # noqa: B018
    client.stats().tasks  # type: ignore[attr-defined]  # noqa: B018


def operating(client: Client, now: datetime) -> None:
    assert_type(client.cancel("id", CancelLevel.KILL), bool)
    assert_type(client.requeue("id", with_parents=True), Task)
    assert_type(client.reschedule("id", run_after=now), Task)
    assert_type(client.cancel_all(name="x"), BulkCount)
    assert_type(client.requeue_all(name="x").changed, int)
    assert_type(client.purge(older_than=SECOND), int)
    filters: PurgeFilters = {"keep_latest": 3, "keep_per": KeepPer.GROUP}
    client.purge(**filters)
    client.pause("mail")
    client.cancel("id", 9)  # type: ignore[arg-type]
    client.requeue_all(name=3)  # type: ignore[arg-type]
    client.cancel_all(name="x") + 1  # type: ignore[operator]
    client.purge(older_than=3)  # type: ignore[arg-type]
    _wrong: PurgeFilters = {"keep_per": "name"}  # type: ignore[typeddict-item]
    client.resume(None)  # type: ignore[arg-type]


def schedules(client: Client, now: datetime) -> None:
    call = reindex.bind("shop-1")
    assert_type(client.schedule("nightly", cron("0 3 * * *", tz="Europe/Berlin"), call), Schedule)
    client.schedule("often", every(SECOND), call, catch_up=CatchUp.LAST, overlap=Overlap.SKIP, repeats=3)
    chosen: ScheduleOptions = {"jitter": SECOND}
    client.schedule("once", once(now), call, **chosen)
    triggers: list[Trigger] = [
        hourly(now),
        daily(now, tz="Asia/Tokyo"),
        weekly(now),
        biweekly(now),
        monthly(now),
        bimonthly(now),
        quarterly(now),
        yearly(now),
    ]
    assert_type(triggers[0].next_after(now), datetime | None)
    client.schedule("nightly", "0 3 * * *", call)  # type: ignore[arg-type]
    client.schedule("nightly", every(SECOND), reindex)  # type: ignore[arg-type]
    client.schedule("nightly", every(SECOND), call, catchup=CatchUp.LAST)  # type: ignore[call-arg]
    _wrong: ScheduleOptions = {"overlap": "skip"}  # type: ignore[typeddict-item]
    cron(5)  # type: ignore[arg-type]
    every(60)  # type: ignore[arg-type]
    once("tomorrow")  # type: ignore[arg-type]
    hourly(1)  # type: ignore[arg-type]
    daily(tz=1)  # type: ignore[arg-type]
    weekly("monday")  # type: ignore[arg-type]
    biweekly("monday")  # type: ignore[arg-type]
    monthly(31)  # type: ignore[arg-type]
    bimonthly(31)  # type: ignore[arg-type]
    quarterly(1)  # type: ignore[arg-type]
    yearly(2026)  # type: ignore[arg-type]
    _trigger: Trigger = SECOND  # type: ignore[assignment]
    Schedule(name="x")  # type: ignore[call-arg]
    CatchUp.SOME  # type: ignore[attr-defined]  # noqa: B018
    Overlap.QUEUE  # type: ignore[attr-defined]  # noqa: B018


async def awaiting(client: AsyncClient) -> None:
    handle = await client.enqueue(add, 1, 2)
    assert_type(handle, AsyncHandle[int])
    assert_type(await handle.result(timeout=SECOND), int)
    assert_type(handle.output, int)
    assert_type(await client.enqueue_many([send.bind(1, to="x")]), list[AsyncHandle[str]])
    group = await client.group("sums", [add.bind(1, 2)])
    assert_type(group, AsyncGroupHandle[int])
    assert_type(await group.result(), list[int])
    assert_type(await group.seal(), Group)
    assert_type(client.as_completed([handle]), AsyncGenerator[AsyncHandle[int], None])
    assert_type(await client.get("id"), Task)
    await client.enqueue(add, 1)  # type: ignore[call-arg]
    client.enqueue(add, 1, 2).result()  # type: ignore[attr-defined]
    _texts: AsyncHandle[str] = handle  # type: ignore[assignment]
    _all_texts: AsyncGroupHandle[str] = group  # type: ignore[assignment]
    handle.result() + 1  # type: ignore[operator]
    await group.result(3)  # type: ignore[arg-type]
    async with AsyncClient(3) as wrong:  # type: ignore[arg-type]
        await wrong.close()


# Workers and stores


def told(outcome: TaskOutcome) -> None:
    assert_type(outcome.task, Task)
    assert_type(outcome.event, Event)
    assert_type(outcome.verdict, Verdict)
    Verdict.LATE  # type: ignore[attr-defined]  # noqa: B018
    outcome.result  # type: ignore[attr-defined]  # noqa: B018
    TaskOutcome(note="x")  # type: ignore[call-arg]


def working(client: Client) -> None:
    worker = Worker(client, [add, send, reindex, total], queue_names=["mail"], concurrency=8, on_outcome=told)
    Worker(client, [add], executor=ExecutorKind.PROCESSES, lease=SECOND, grace=SECOND)
    assert_type(worker.run(burst=True), WorkerExit)
    assert_type(worker.drain(), int)
    assert_type(WorkerExit.FINISHED.code, int)
    assert_type(Scheduler(client.backend).tick(), datetime | None)
    Worker(client)  # type: ignore[call-arg]
    Worker(client, [lambda: 3])  # type: ignore[list-item]
    Worker(client, [add], lease=30)  # type: ignore[arg-type]
    Scheduler(client)  # type: ignore[arg-type]
    ExecutorKind.GREENLETS  # type: ignore[attr-defined]  # noqa: B018
    WorkerExit.FINE  # type: ignore[attr-defined]  # noqa: B018


def stores(clock: Clock) -> None:
    memory: Backend = MemoryBackend(clock=FakeClock())
    sqlite: Backend = SQLiteBackend("tasks.db", clock=clock, synchronous="FULL")
    _system: Clock = SystemClock()
    assert_type(backend_from_url("memory:"), Backend)
    assert_type(memory.capabilities, frozenset[Capability])
    Client(sqlite)
    Client("sqlite:///tasks.db")  # type: ignore[arg-type]
    backend_from_url(3)  # type: ignore[arg-type]
    MemoryBackend(clock=5)  # type: ignore[arg-type]
    SQLiteBackend("tasks.db", synchronous="OFF")  # type: ignore[arg-type]
    FakeClock().advance(5)  # type: ignore[arg-type]
    _backend: Backend = object()  # type: ignore[assignment]
    _no_clock: Clock = datetime.now  # type: ignore[assignment]
    SystemClock(3)  # type: ignore[call-arg]
    Capability.MAGIC  # type: ignore[attr-defined]  # noqa: B018


# Data


def data(one: Task, now: datetime) -> None:
    assert_type(one.spec, TaskSpec)
    assert_type(one.lease, Lease | None)
    assert_type(one.attempts, tuple[Attempt, ...])
    assert_type(one.result, Result | None)
    assert_type(one.progress, Progress | None)
    assert_type(one.reason, CancelReason | None)
    assert_type(one.spec.unique, UniqueKey | None)
    assert_type(phase(one, now), Phase)
    _counts: Mapping[State, int] = Group(id="g", name="g", created_at=now).counts
    Failure(exception_type="a.B", message="m", cause=None)
    one.state = State.READY  # type: ignore[misc]
    Task(state=State.READY)  # type: ignore[call-arg]
    TaskSpec(id=1, name="x", enqueued_at=now)  # type: ignore[arg-type]
    Lease("nonce")  # type: ignore[call-arg]
    Attempt(epoch=1)  # type: ignore[call-arg]
    Result()  # type: ignore[call-arg]
    Progress(current="x")  # type: ignore[arg-type]
    Failure(message="m")  # type: ignore[call-arg]
    UniqueKey(until=UniqueUntil.STARTED)  # type: ignore[call-arg]
    Group(id="g")  # type: ignore[call-arg]
    Item(kind=ItemKind.LOG)  # type: ignore[call-arg]
    WorkerInfo(state=WorkerState.RUNNING)  # type: ignore[call-arg]
    Page[Task]([])  # type: ignore[arg-type]
    Reason("tired", "it is")  # type: ignore[arg-type]
    BulkCount("1", 2)  # type: ignore[arg-type]
    Waited[Handle[int]]([1], [])  # type: ignore[list-item]
    Stats(queues=())  # type: ignore[call-arg]
    QueueStats(counts={})  # type: ignore[call-arg]
    phase(one)  # type: ignore[call-arg]


def words() -> None:
    assert_type(State("READY"), State)
    assert_type(CancelLevel(1), CancelLevel)
    _right = (
        Event.CLAIM,
        Phase.LAPSED,
        Order.STOP,
        ItemKind.ITEM,
        KeepPer.NAME,
        CancelReason.USER,
        UniqueUntil.MOMENT,
        OnConflict.REPLACE,
        OnParentFailure.RUN,
        WorkerState.STOPPED,
    )
    State.DONE  # type: ignore[attr-defined]  # noqa: B018
    Event.POP  # type: ignore[attr-defined]  # noqa: B018
    Phase.LATE  # type: ignore[attr-defined]  # noqa: B018
    Order.DIE  # type: ignore[attr-defined]  # noqa: B018
    ItemKind.LINE  # type: ignore[attr-defined]  # noqa: B018
    KeepPer.QUEUE  # type: ignore[attr-defined]  # noqa: B018
    CancelLevel.STOP  # type: ignore[attr-defined]  # noqa: B018
    CancelReason.BORED  # type: ignore[attr-defined]  # noqa: B018
    UniqueUntil.NEVER  # type: ignore[attr-defined]  # noqa: B018
    OnConflict.IGNORE  # type: ignore[attr-defined]  # noqa: B018
    OnParentFailure.WAIT  # type: ignore[attr-defined]  # noqa: B018
    WorkerState.LOST  # type: ignore[attr-defined]  # noqa: B018
    assert_type(taskcore.__version__, str)
    taskcore.__version__ + 1  # type: ignore[operator]
