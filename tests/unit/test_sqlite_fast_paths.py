"""What SQLiteBackend writes without asking the machine is what the machine says, for tasks of every kind and state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from taskcore.protocol import (
    TRANSITIONS,
    CancelLevel,
    CancelReason,
    Change,
    ClaimRequest,
    Event,
    Failure,
    Fence,
    Group,
    KeepPer,
    Lease,
    OnConflict,
    OnParentFailure,
    Progress,
    Refused,
    Retention,
    Retry,
    State,
    Task,
    TaskSpec,
    Transition,
    UniqueKey,
    UniqueUntil,
    Verdict,
    accept,
    step,
)
from taskcore.records.columns import SETTLES
from taskcore.testing import FakeClock
from taskcore_backends.sqlite import SQLiteBackend

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def backend(tmp_path: Path, clock: FakeClock) -> Iterator[SQLiteBackend]:
    made = SQLiteBackend(tmp_path / "queue.db", clock=clock)
    yield made
    made.close()


def kinds(clock: FakeClock) -> dict[str, TaskSpec]:
    """Specs that use every field: all that a row, and what is beside it, has to bring back."""
    now = clock.now()
    plain = TaskSpec(id="0" * 32, name="noop", enqueued_at=now - timedelta(microseconds=1))
    options = {
        "plain": {},
        "later": {"run_after": now - timedelta(microseconds=1500)},
        "everything": {
            "queue_name": "mail",
            "priority": -7,
            "arguments_json": '{"a":["ä\\u0000"]}',
            "expires_at": now + timedelta(days=3, microseconds=1),
            "timeout": timedelta(minutes=5, microseconds=3),
            "soft_timeout": timedelta(minutes=4),
            "max_attempts": 9,
            "retry": Retry(max_attempts=9, on=(ConnectionError, ValueError)),
            "max_crashes": 7,
            "on_parent_failure": OnParentFailure.RUN,
            "schedule_id": "s",
            "slot": now,
            "label": "a label",
            "metadata_json": '{"m": 1}',
        },
        "unique": {"unique": UniqueKey(key="k", until=UniqueUntil.STARTED, on_conflict=OnConflict.REPLACE)},
        "window": {"unique": UniqueKey(key="k", until=UniqueUntil.MOMENT, moment=now + SECOND)},
        "member": {"group_id": "g", "group_index": 3},
        "kept": {
            "retention": Retention(
                successful=SECOND, failed=2 * SECOND, cancelled=3 * SECOND, keep_latest=4, keep_per=KeepPer.GROUP
            )
        },
        "unlimited": {"max_attempts": None},
        "at most once": {"max_crashes": 0},
        "bulky": {"arguments_json": '"' + "x" * 100_000 + '"'},
    }
    return {kind: attrs.evolve(plain, **fields) for kind, fields in options.items()}


KINDS = tuple(kinds(FakeClock()))


def add(backend: SQLiteBackend, spec: TaskSpec) -> None:
    group = None
    if spec.group_id is not None:
        group = Group(id=spec.group_id, name="g", created_at=backend.now())
    backend.add([spec], group=group)


def request() -> ClaimRequest:
    return ClaimRequest(worker_id="w", nonce="n", queue_names=("default", "mail"), limit=5, lease=30 * SECOND)


def stored(backend: SQLiteBackend) -> Task:
    (task,) = backend.get(["0" * 32])
    assert task is not None
    return task


@pytest.mark.parametrize("kind", KINDS)
def test_added_task_is_what_accept_makes(backend: SQLiteBackend, clock: FakeClock, kind: str) -> None:
    """The row of an INSERT, read back, is the task that accept gives."""
    spec = kinds(clock)[kind]
    add(backend, spec)
    assert accept(spec, clock.now()) == stored(backend)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_second", [False, True])
def test_claimed_task_is_what_step_makes(backend: SQLiteBackend, clock: FakeClock, kind: str, is_second: bool) -> None:
    """What claim returns, and what it has stored, is the CLAIM of the machine: the first, and one after a retry."""
    add(backend, kinds(clock)[kind])
    if is_second and kind not in ("plain", "member"):
        (task,) = backend.claim(request())
        failure = Failure(exception_type="E", message="m", cause=Failure(exception_type="C", message="c"))
        progress = Progress(current=1, total=2.5, message="half", counters={"a": 1}, updated_at=clock.now())
        event = Event.RETRY if task.spec.max_attempts != 1 else Event.RELEASE
        change = Change(task_id=task.id, event=event, fence=task.fence, failure=failure, progress=progress)
        assert [Verdict.APPLIED] == [applied.verdict for applied in backend.apply([change]).applied]
        clock.advance(SECOND)
    lease = Lease(nonce="n2", worker_id="w", claimed_at=clock.now(), expires_at=clock.now() + 30 * SECOND)
    before = stored(backend)
    expected = step(before, Change(task_id=before.id, event=Event.CLAIM, grant=lease), clock.now())
    claimed = backend.claim(attrs.evolve(request(), nonce="n2"))
    assert ([expected], expected) == (claimed, stored(backend))


def changes(clock: FakeClock, fence: Fence) -> list[Change]:
    """Every SUCCEED and HEARTBEAT that takes the fast path."""
    progress = Progress(current=3, total=4, counters={"x": 0.5}, updated_at=clock.now())
    values = [
        {},
        {"value_json": '"v"', "started_at": clock.now() - SECOND},
        {"value_json": "1", "progress": progress},
        {"extend": timedelta(hours=1)},
        {"extend": SECOND, "progress": progress},
    ]
    return [
        Change(task_id="0" * 32, event=event, fence=fence, **fields)
        for event in (Event.SUCCEED, Event.HEARTBEAT)
        for fields in values
    ]


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_cancel_wanted", [False, True])
def test_settled_task_is_what_step_makes(
    backend: SQLiteBackend, clock: FakeClock, kind: str, number: int, is_cancel_wanted: bool
) -> None:
    """SUCCEED and HEARTBEAT of the holder leave the task that the machine makes, and answer as it stands then."""
    add(backend, kinds(clock)[kind])
    (task,) = backend.claim(request())
    if is_cancel_wanted:
        backend.apply([Change(task_id=task.id, event=Event.CANCEL, level=CancelLevel.TERMINATE)])
    clock.advance(SECOND)
    change = changes(clock, task.fence)[number]
    expected = step(stored(backend), change, clock.now())
    assert isinstance(expected, Task)
    (applied,) = backend.apply([change]).applied
    assert expected == stored(backend)
    answer = (applied.verdict, applied.state, applied.version, applied.cancel_level)
    assert (Verdict.APPLIED, expected.state, expected.version, expected.cancel_level) == answer


def bring(backend: SQLiteBackend, clock: FakeClock, state: State) -> Fence:
    """Bring a task to a state through a claim where that is on the way; return a fence that it has or had."""
    spec = attrs.evolve(kinds(clock)["plain"], max_attempts=3)
    if state is State.BLOCKED:
        parent = attrs.evolve(spec, id="1" * 32, queue_name="elsewhere")
        backend.add([parent, attrs.evolve(spec, parents=(parent.id,))])
        return Fence(1, "n")
    backend.add([spec])
    if state is State.READY:
        return Fence(1, "n")
    (task,) = backend.claim(request())
    end = {State.SUCCESSFUL: Event.SUCCEED, State.FAILED: Event.FAIL, State.CANCELLED: Event.ABORT}.get(state)
    if end is not None:
        backend.apply([Change(task_id=task.id, event=end, fence=task.fence, value_json="1")])
    return task.fence


@pytest.mark.parametrize("event", [Event.SUCCEED, Event.HEARTBEAT])
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("wrong", ["", "epoch", "nonce", "none"])
def test_batch_refuses_what_step_refuses(
    backend: SQLiteBackend, clock: FakeClock, event: Event, state: State, wrong: str
) -> None:
    """In every state, with the right fence and wrong ones, the fast path and the machine say the same."""
    fence: Fence | None = bring(backend, clock, state)
    if wrong == "epoch":
        fence = attrs.evolve(fence, epoch=9)
    elif wrong == "nonce":
        fence = attrs.evolve(fence, nonce="other")
    elif wrong == "none":
        fence = None
    change = Change(task_id="0" * 32, event=event, fence=fence, value_json="2")
    before = stored(backend)
    expected = step(before, change, clock.now())
    (applied,) = backend.apply([change]).applied
    if isinstance(expected, Refused):
        assert (expected.verdict, expected.why, before) == (applied.verdict, applied.why, stored(backend))
    else:
        assert (Verdict.APPLIED, expected) == (applied.verdict, stored(backend))


def test_fast_paths_have_the_rows_they_were_written_for() -> None:
    """A change of the table for CLAIM, SUCCEED or HEARTBEAT shows here: the statements have to follow it."""
    rows = {
        row.event: [
            (row.source, row.target, [guard.name for guard in row.guards], [effect.name for effect in row.effects])
        ]
        for row in TRANSITIONS
        if row.event in (Event.CLAIM, Event.SUCCEED, Event.HEARTBEAT)
    }
    settle = ["SETTLE", "TAKE_PROGRESS", "TAKE_VALUE", "CLEAR_CANCEL"]
    claim = ["RAISE_EPOCH", "GRANT_LEASE", "FORGET_SETTLE", "CLEAR_CANCEL"]
    expected = {
        Event.CLAIM: [(State.READY, State.RUNNING, ["DUE", "NOT_OVERDUE"], claim)],
        Event.HEARTBEAT: [(State.RUNNING, State.RUNNING, ["HELD"], ["EXTEND_LEASE", "TAKE_PROGRESS"])],
        Event.SUCCEED: [(State.RUNNING, State.SUCCESSFUL, ["HELD"], settle)],
    }
    assert expected == rows


def test_every_settle_has_a_number() -> None:
    """Each event whose transition settles can be stored as the last one."""
    settling = {row.event for row in TRANSITIONS if any(effect.name == "SETTLE" for effect in row.effects)}
    assert settling == set(SETTLES.values())


def takes_one_change(row: Transition) -> bool:
    """Return whether a task can make a transition by one change: the others have checks of their own in the kit."""
    guards = {guard.name for guard in row.guards}
    takes_parents = row.event in (Event.UNBLOCK, Event.REPLACE) and State.BLOCKED in (row.source, row.target)
    is_another_call = row.event is Event.CLAIM or takes_parents
    return not is_another_call and not {"CRASHES_SPENT", "OVERDUE", "PARENTS_UNFINISHED"} & guards


@pytest.mark.parametrize(
    "row",
    [row for row in TRANSITIONS if takes_one_change(row)],
    ids=lambda row: f"{row.event.value} {row.source.value}-{row.target.value}",
)
def test_transition_is_stored_as_step_makes_it(backend: SQLiteBackend, clock: FakeClock, row: Transition) -> None:
    """A task after each transition, with all that it has gathered, comes back as it was written."""
    fence = bring(backend, clock, row.source)
    guards = {guard.name for guard in row.guards}
    if "CANCEL_WANTED" in guards:
        backend.apply([Change(task_id="0" * 32, event=Event.CANCEL, reason=CancelReason.USER)])
    if "LAPSED" in guards:
        clock.advance(timedelta(hours=1))
    before = stored(backend)
    change = Change(
        task_id=before.id,
        event=row.event,
        fence=fence if {"HELD", "HELD_OR_LAPSED"} & guards else None,
        failure=Failure(exception_type="E", message="m") if row.event in (Event.FAIL, Event.RETRY) else None,
        started_at=clock.now(),
        progress=Progress(current=1),
        spec=attrs.evolve(before.spec, priority=4, arguments_json='"new"') if "SAME_ID" in guards else None,
    )
    expected = step(before, change, clock.now())
    assert isinstance(expected, Task)
    (applied,) = backend.apply([change]).applied
    assert (row.target, Verdict.APPLIED, expected) == (expected.state, applied.verdict, stored(backend))
