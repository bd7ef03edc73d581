"""What ``status`` and ``workers`` say of a worker that has not been heard of for a while."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import attrs
import pytest

from taskcore._cli._status import worker_word
from taskcore.protocol import WorkerInfo, WorkerState

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
SILENT = WorkerInfo(
    id="w",
    hostname="shop-1",
    pid=1,
    queue_names=("default",),
    task_names=(),
    concurrency=1,
    executor="threads",
    started_at=NOW - timedelta(hours=1),
    last_beat_at=NOW - timedelta(minutes=5),
    expires_at=NOW - timedelta(minutes=4),
)


@pytest.mark.parity("DJC-07")
@pytest.mark.parametrize(
    ("state", "word"),
    [
        (WorkerState.RUNNING, "lost"),
        (WorkerState.PAUSED, "lost"),
        (WorkerState.STOPPING, "lost"),
        (WorkerState.STOPPED, "stopped"),
    ],
)
def test_a_silent_worker_is_lost_unless_it_said_that_it_stopped(state, word):
    """One that left in order is never shown as lost, however long ago that was."""
    assert word == worker_word(attrs.evolve(SILENT, state=state), NOW)


@pytest.mark.parity("DJC-07")
def test_a_worker_that_beats_is_what_it_says():
    """Before its beat is overdue, its own word stands."""
    assert "running" == worker_word(attrs.evolve(SILENT, expires_at=NOW + timedelta(seconds=1)), NOW)
