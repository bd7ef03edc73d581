"""A hundred thousand tasks that become due in one second: each is claimed once, in order, a bounded piece a call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from taskcore.protocol import Backend, Change, ClaimRequest, Event, State, TaskSpec, Verdict
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend

pytestmark = pytest.mark.integration

MANY = 100_000
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _folder, clock: MemoryBackend(clock=clock), id="memory"),
        pytest.param(lambda folder, clock: SQLiteBackend(folder / "queue.db", clock=clock), id="sqlite"),
    ],
)
def test_tasks_that_become_due_in_one_second_are_each_run_once(
    make: Callable[[Path, FakeClock], Backend], tmp_path: Path
) -> None:
    """All have succeeded in the end, none was claimed twice, and the order is that of their moments."""
    clock = FakeClock()
    store = make(tmp_path, clock)
    now = clock.now()
    due = [now + HOUR + timedelta(microseconds=10 * number) for number in range(MANY)]
    specs = [
        TaskSpec(id=f"{number:032x}", name="task", enqueued_at=now, run_after=moment)
        for number, moment in enumerate(due)
    ]
    for start in range(0, MANY, 1000):
        store.add(specs[start : start + 1000])
    clock.advance(HOUR + timedelta(seconds=1))
    claimed: list[str] = []
    changes: list[Change] = []
    for number in range(2 * MANY // 100):
        request = ClaimRequest(
            worker_id="worker", nonce=f"{number}", queue_names=("default",), limit=100, lease=timedelta(seconds=30)
        )
        reply = store.apply(changes, request)
        assert {Verdict.APPLIED} >= {one.verdict for one in reply.applied}
        if not reply.claimed:
            break
        claimed += [task.id for task in reply.claimed]
        changes = [
            Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="1") for task in reply.claimed
        ]
    (queue,) = store.stats().queues
    store.close()
    assert [spec.id for spec in specs] == claimed
    assert {State.SUCCESSFUL: MANY} == queue.counts
