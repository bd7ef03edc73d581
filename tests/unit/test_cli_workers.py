"""What ``status`` and ``workers`` say of workers: those not heard of for a while, and what they all do together."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import attrs
import pytest

from taskcore import Client, Worker
from taskcore._cli._pace import pace_of, pace_words
from taskcore._cli._snapshot import worker_row, worker_word
from taskcore._cli._values import size
from taskcore._client._words import duration_words, size_words
from taskcore.protocol import Query, WorkerInfo, WorkerState
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from tests.unit.client_samples import TASKS, add

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


LIVE = attrs.evolve(SILENT, concurrency=4, running=("t1",), last_beat_at=NOW, expires_at=NOW + timedelta(seconds=30))


@pytest.mark.parity("DQ-39")
@pytest.mark.parametrize(
    ("completed", "words"),
    [
        (0, "1 of 4 slots busy; 0 tasks done"),
        (1, "1 of 4 slots busy; 1 task done, 1 an hour"),
        (90, "1 of 4 slots busy; 90 tasks done, 1.5 a minute"),
        (7_200, "1 of 4 slots busy; 7,200 tasks done, 2 a second"),
        (7_200_000, "1 of 4 slots busy; 7,200,000 tasks done, 2,000 a second"),
    ],
)
def test_the_rate_is_told_for_the_shortest_fitting_time(completed, words):
    """One worker, an hour after its start."""
    assert words == pace_words(pace_of([attrs.evolve(LIVE, completed=completed)], [], NOW))


@pytest.mark.parity("DQ-39")
def test_a_slow_rate_is_told_by_the_day():
    """Three in four days, however little that is."""
    slow = attrs.evolve(LIVE, completed=3, started_at=NOW - timedelta(days=4))
    assert pace_words(pace_of([slow], [], NOW)).endswith("3 tasks done, 0.75 a day")


@pytest.mark.parity("DQ-39")
def test_workers_are_taken_together():
    """Those that are there: what stopped or is silent does nothing now."""
    stopped = attrs.evolve(LIVE, state=WorkerState.STOPPED, completed=999)
    just_begun = attrs.evolve(LIVE, started_at=NOW, running=())
    pace = pace_of([attrs.evolve(LIVE, completed=3_600), just_begun, SILENT, stopped], [], NOW)
    assert (2, 8, 1, 3_600, 1.0) == (pace.workers, pace.slots, pace.busy, pace.completed, pace.per_second)


def test_tasks_handed_to_a_child_at_a_time_take_one_slot():
    """A worker with processes names all of them as running; no more slots are busy than there are."""
    handed = attrs.evolve(LIVE, running=tuple(f"t{number}" for number in range(12)))
    assert "4/4" in worker_row(handed, NOW)
    assert (8, 5) == ((pace := pace_of([handed, attrs.evolve(LIVE, id="other")], [], NOW)).slots, pace.busy)


@pytest.mark.parity("DQ-39")
def test_the_mean_duration_is_that_of_the_newest_successes():
    """From the start of a run to its end; nothing is said when nobody is there and nothing has run."""
    clock = FakeClock(NOW)
    client = Client(MemoryBackend(clock=clock))
    assert "" == pace_words(pace_of([], [], NOW))
    client.enqueue_many([add.bind(1), add.bind(2)])
    Worker(client, TASKS).drain()
    ran = client.find(Query()).items
    took = [timedelta(seconds=1), timedelta(seconds=4)]
    newest = [
        attrs.evolve(one, result=attrs.evolve(one.result, finished_at=one.result.started_at + took.pop()))
        for one in ran
    ]
    assert "the last 2 successes took 2.5 s each" == pace_words(pace_of([], newest, NOW))
    assert "the last success took 4 s" == pace_words(pace_of([], newest[:1], NOW))


@pytest.mark.parity("DQ-39")
@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 MiB"), (33_554_432, "32 MiB"), (123_456_789, "118 MiB"), (1_610_612_736, "1.5 GiB")]
)
def test_memory_is_told_in_words(size, words):
    """In units of 1,024."""
    assert words == size_words(size)


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(0, "0 ms"), (1.25, "1.25 ms"), (999.4, "999 ms"), (999.7, "1 s"), (1250, "1.25 s")]
)
def test_short_durations_are_told_in_words(milliseconds, words):
    """With three digits, and never with an exponent."""
    assert words == duration_words(timedelta(milliseconds=milliseconds))


@pytest.mark.parametrize(
    ("text", "expected"), [("500M", 500 * 2**20), ("1.5G", 3 * 2**29), ("64k", 2**16), ("2GiB", 2**31), ("2MB", 2**21)]
)
def test_sizes_are_read(text, expected):
    """In units of 1,024, as operating systems count memory."""
    assert expected == size(text)


@pytest.mark.parity("DJC-07")
def test_workers_come_with_the_newest_beat_first():
    """So who has just been heard of stands at the top."""
    backend = MemoryBackend(clock=FakeClock(NOW))
    for minutes, worker_id in ((2, "b"), (1, "a"), (3, "c")):
        backend.beat(attrs.evolve(LIVE, id=worker_id, last_beat_at=NOW - timedelta(minutes=minutes)))
    assert ["a", "b", "c"] == [worker.id for worker in Client(backend).workers()]
