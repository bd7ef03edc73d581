"""One record of each kind, with every field that is not its default: what the golden files of version 1 hold."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

from taskcore._retry import linear
from taskcore._triggers import cron, daily, every, once
from taskcore.protocol import (
    Attempt,
    CancelLevel,
    CancelReason,
    CatchUp,
    Event,
    Failure,
    Fence,
    Group,
    Item,
    ItemKind,
    KeepPer,
    Lease,
    OnConflict,
    OnParentFailure,
    Overlap,
    Progress,
    Result,
    Retention,
    Retry,
    Schedule,
    Settle,
    State,
    Task,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    WorkerInfo,
    WorkerState,
)

GOLDEN = Path(__file__).parent / "golden" / "v1"


def at(second: int, microsecond: int = 0) -> datetime:
    return datetime(2026, 11, 20, 12, 0, second, microsecond, tzinfo=timezone.utc)


FAILURE = Failure(
    exception_type="builtins.ValueError",
    message="wrong: Grüße",
    traceback='Traceback (most recent call last):\n  File "x.py", line 1\nValueError: wrong\n',
    cause=Failure(exception_type="shop.Missing", message="", cause=Failure(exception_type="a.B", message="b")),
)
RETRY = Retry(
    max_attempts=None,
    backoff=linear(timedelta(seconds=2), maximum=timedelta(hours=1)),
    jitter=0.5,
    on=(ValueError, "shop.Missing"),
    not_on=KeyError,
    until=timedelta(days=2),
)
RETENTION = Retention(
    successful=timedelta(0),
    failed=timedelta(days=30),
    cancelled=timedelta(hours=1.5),
    keep_latest=10,
    keep_per=KeepPer.GROUP,
)
UNIQUE = UniqueKey(key="inv-8", until=UniqueUntil.MOMENT, moment=at(9), on_conflict=OnConflict.REPLACE)
SPEC = TaskSpec(
    id="019aa1b2c3d470008f241bb665a4798a",
    name="shop.mail.send_invoice",
    enqueued_at=at(1, 123456),
    queue_name="mail",
    priority=-3,
    arguments_json='{"a":[7],"k":{"to":"ada@example.org"}}',
    run_after=at(2),
    expires_at=at(59),
    timeout=timedelta(minutes=10),
    soft_timeout=timedelta(seconds=0.25),
    max_attempts=5,
    retry=RETRY,
    max_crashes=0,
    unique=UNIQUE,
    parents=("019aa1b2c3d470008f241bb665a4798b", "019aa1b2c3d470008f241bb665a4798c"),
    on_parent_failure=OnParentFailure.RUN,
    group_id="019aa1b2c3d470008f241bb665a4798c",
    group_index=0,
    schedule_id="019aa1b2c3d470008f241bb665a4798d",
    slot=at(3),
    retention=RETENTION,
    label="Invoice 7",
    metadata_json='{"tenant":"ö"}',
)
PLAIN_SPEC = TaskSpec(id="019aa1b2c3d470008f241bb665a4798a", name="shop.add", enqueued_at=at(1))
PROGRESS = Progress(current=1.5, total=10.0, message="half", counters={"rows": 3.0}, updated_at=at(4))
LEASE = Lease(nonce="n1", worker_id="w1", claimed_at=at(3), expires_at=at(33), is_started=True)
ATTEMPT = Attempt(
    epoch=1,
    event=Event.RETRY,
    worker_id="w0",
    claimed_at=at(1),
    started_at=at(2),
    ended_at=at(3),
    failure=FAILURE,
)
RESULT = Result(value_json="[1]", failure=FAILURE, worker_id="w1", started_at=at(4), finished_at=at(5))
TASK = Task(
    spec=SPEC,
    state=State.RUNNING,
    version=7,
    run_after=at(2),
    changed_at=at(3),
    epoch=2,
    lease=LEASE,
    last_settle=Settle(1, "n0", Event.LET_GO),
    failures=1,
    crashes=2,
    releases=3,
    cancel_level=CancelLevel.TERMINATE,
    reason=CancelReason.USER,
    progress=PROGRESS,
    attempts=(ATTEMPT,),
    result=RESULT,
)
SCHEDULE = Schedule(
    id="019aa1b2c3d470008f241bb665a4798d",
    name="nightly",
    trigger=cron("0 3 * * *", tz="Europe/Berlin"),
    spec=PLAIN_SPEC,
    enabled=False,
    starts_at=at(0),
    ends_at=at(58),
    repeats=3,
    catch_up=CatchUp.ALL,
    catch_up_limit=7,
    overlap=Overlap.SKIP,
    jitter=timedelta(seconds=30),
    expires_after=timedelta(hours=1),
    slot_argument="slot",
    delete_when_done=True,
    description="Each night",
    next_slot=at(10),
    revision=4,
    generation=2,
    created_at=at(1),
    updated_at=at(2),
    runs=5,
    skipped=1,
    last_slot=at(6),
    last_run_at=at(7),
    last_task_id="019aa1b2c3d470008f241bb665a4798a",
)


def _schedule(trigger: object) -> Schedule:
    return Schedule(id="1", name="s", trigger=trigger, spec=PLAIN_SPEC, created_at=at(1), updated_at=at(1))  # type: ignore[arg-type]


RECORDS: dict[str, object] = {
    "attempt": ATTEMPT,
    "failure": FAILURE,
    "fence": Fence(3, "n"),
    "group": Group(
        id="g",
        name="march",
        created_at=at(1),
        total=3,
        counts={State.SUCCESSFUL: 2, State.FAILED: 1},
        finished_at=at(2),
    ),
    "item": Item(
        task_id="t",
        epoch=1,
        sequence=2,
        kind=ItemKind.LOG,
        at=at(3),
        dimensions={"shop": "x"},
        count=2.0,
        data_json='{"rows":3}',
    ),
    "lease": LEASE,
    "progress": PROGRESS,
    "result": RESULT,
    "retention": RETENTION,
    "retry": RETRY,
    "schedule": SCHEDULE,
    "schedule_calendar": _schedule(daily(anchor=at(0), tz="Asia/Tokyo")),
    "schedule_every": _schedule(every(timedelta(minutes=5), anchor=at(0))),
    "schedule_once": _schedule(once(at(9))),
    "settle": Settle(1, "n", Event.FAIL),
    "task": TASK,
    "task_plain": Task(spec=PLAIN_SPEC, state=State.READY, run_after=at(1), changed_at=at(1)),
    "task_spec": SPEC,
    "task_spec_plain": PLAIN_SPEC,
    "unique_key": UNIQUE,
    "worker_info": WorkerInfo(
        id="w1",
        hostname="h",
        pid=3,
        queue_names=("mail", "default"),
        task_names=("shop.add",),
        concurrency=8,
        executor="threads",
        state=WorkerState.STOPPING,
        running=("t",),
        started_at=at(1),
        last_beat_at=at(2),
        expires_at=at(3),
        completed=9,
        memory=33_554_432,
        version="1",
    ),
}
"""By the name of the golden file."""
