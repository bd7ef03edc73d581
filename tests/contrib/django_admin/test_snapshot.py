"""Copies of other stores: written by newer news only, renewed after changes, expiring on their own."""

import io
from datetime import datetime, timedelta, timezone

import attrs
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from taskcore import daily
from taskcore.contrib.django._snapshot import Limits, copy_of_task, take
from taskcore.contrib.django.models import GroupCopy, ItemCopy, ScheduleCopy, TaskCopy, WorkerCopy
from taskcore.protocol import State
from taskcore.records.columns import FAILED, SUCCESSFUL
from tests.contrib.django_admin import jobs
from tests.contrib.django_admin.test_pages import worker_info


@pytest.mark.parity("DJC-10", "DJC-08")
def test_round_copies_tasks_schedules_groups_workers_and_items(memory):
    """One round copies all there is; the next one writes nothing, for there is no news."""
    memory.client.enqueue(jobs.scrape, ["a", "b"])
    memory.client.group("march", [jobs.add.bind(1), jobs.add.bind(2)])
    memory.client.schedule("nightly", daily(), jobs.add.bind(1))
    memory.client.backend.beat(worker_info())
    memory.drain()
    first, second = take("default", memory.client), take("default", memory.client)
    counts = [model.objects.count() for model in (TaskCopy, ItemCopy, GroupCopy, ScheduleCopy)]
    assert (3, 0, [3, 2, 1, 1], True) == (
        first.tasks,
        second.tasks,
        counts,
        WorkerCopy.objects.filter(hostname="crane").exists(),
    )


@pytest.mark.parity("DJC-10")
def test_news_out_of_order_change_nothing(memory):
    """A task as it was before never takes the place of a newer copy, whichever comes first."""
    from taskcore.contrib.django._snapshot import _write

    handle = memory.client.enqueue(jobs.add, 1)
    old = memory.client.get(handle.id)
    memory.drain()
    new = memory.client.get(handle.id)
    for task in (new, old, new):
        _write([copy_of_task(task, "default")], "version")
    row = TaskCopy.objects.get()
    assert (SUCCESSFUL, new.version) == (row.code, row.version)


def test_requeued_task_is_no_downgrade(memory):
    """A failed task that somebody requeued is copied as waiting again: its version is newer."""
    handle = memory.client.enqueue(jobs.fail)
    memory.drain()
    memory.copy()
    before = TaskCopy.objects.get().code
    memory.client.requeue(handle.id)
    memory.copy()
    assert (FAILED, True) == (before, TaskCopy.objects.get().code < FAILED)


def test_task_that_finished_between_rounds_is_seen(memory):
    """A task that was unfinished in one round is asked for in the next, however old it is."""
    handle = memory.client.enqueue(jobs.add, 1)
    memory.copy()
    memory.drain()
    memory.copy()
    assert (SUCCESSFUL, handle.id) == (TaskCopy.objects.get().code, TaskCopy.objects.get().plain_id)


def test_unfinished_task_that_is_gone_is_forgotten(memory):
    """A copy of an unfinished task goes when the store has the task no more: how it ended nobody knows."""
    handle = memory.client.enqueue(jobs.add, 1)
    memory.copy()
    memory.drain()
    memory.client.purge(ids=[handle.id])
    memory.copy()
    assert 0 == TaskCopy.objects.count()


def test_finished_task_that_was_purged_stays_as_a_copy(memory):
    """A copy of a finished task outlives the task itself."""
    handle = memory.client.enqueue(jobs.add, 1)
    memory.drain()
    memory.copy()
    memory.client.purge(ids=[handle.id])
    memory.copy()
    assert 1 == TaskCopy.objects.count()


def test_round_that_stops_at_its_limit_is_gone_on_with(memory):
    """A bounded round copies the oldest first, and the next goes on where it stopped."""
    memory.client.enqueue_many(jobs.add.bind(n) for n in range(25))
    memory.drain()
    counts = []
    for _ in range(4):
        take("default", memory.client, Limits(tasks=10))
        counts.append(TaskCopy.objects.count())
    assert [10, 20, 25, 25] == counts


@pytest.mark.parity("DJC-11", "DJC-09")
def test_copies_expire_by_state(memory):
    """Copies are hidden once they have expired, successful ones sooner than failed ones, and deleted a round later."""
    memory.client.enqueue(jobs.add, 1)
    memory.client.enqueue(jobs.fail)
    memory.drain()
    memory.copy()
    TaskCopy.objects.update(changed_at=datetime.now(timezone.utc) - timedelta(days=2), version=99)
    memory.copy()
    hidden = list(TaskCopy.objects.filter(is_hidden=True).values_list("code", flat=True))
    memory.client.purge(states=[State.SUCCESSFUL])
    memory.copy()
    left = list(TaskCopy.objects.values_list("code", flat=True))
    assert ([SUCCESSFUL], [FAILED]) == (hidden, left)


@pytest.mark.parity("DJC-11")
def test_expiry_is_a_setting(memory):
    """Ages are settings of their own, and None keeps copies for ever."""
    memory.client.enqueue(jobs.add, 1)
    memory.client.enqueue(jobs.fail)
    memory.drain()
    memory.copy()
    TaskCopy.objects.update(changed_at=datetime.now(timezone.utc) - timedelta(days=400), version=99)
    with override_settings(TASKCORE={"SNAPSHOT_EXPIRE": {"successful": None, "failed": timedelta(days=500)}}):
        memory.copy()
    assert 0 == TaskCopy.objects.filter(is_hidden=True).count()


@pytest.mark.parity("DJC-10", "DJC-07")
def test_mere_beats_are_written_once_a_minute(memory):
    """A worker's beat is written at most every 60 seconds, a change of its state at once."""
    info = worker_info()
    memory.client.backend.beat(info)
    memory.copy()
    memory.client.backend.beat(attrs.evolve(info, last_beat_at=info.last_beat_at + timedelta(seconds=20)))
    memory.copy()
    after = WorkerCopy.objects.get(hostname="crane").last_beat_at
    memory.client.backend.beat(attrs.evolve(info, last_beat_at=info.last_beat_at + timedelta(seconds=90)))
    memory.copy()
    later = WorkerCopy.objects.get(hostname="crane").last_beat_at
    assert (timedelta(0), timedelta(seconds=90)) == (after - info.last_beat_at, later - info.last_beat_at)


def test_deleted_schedule_goes_with_the_next_round(memory):
    """A schedule that is there no more has no copy after the next round."""
    memory.client.schedule("nightly", daily(), jobs.add.bind(1))
    memory.copy()
    memory.client.delete_schedule("nightly")
    memory.copy()
    assert 0 == ScheduleCopy.objects.count()


@pytest.mark.parity("DJC-10", "DJC-17")
def test_command_takes_a_round(memory):
    """``taskcore_snapshot --once`` takes a round of every storage outside of the database."""
    memory.client.enqueue(jobs.add, 1)
    out = io.StringIO()
    call_command("taskcore_snapshot", "--once", stdout=out)
    assert ("default: 1 tasks", 1) == (out.getvalue()[:16], TaskCopy.objects.count())


def test_command_refuses_a_site_that_needs_no_copies(database):
    """Where every storage is in the database the command says that there is nothing to copy."""
    with pytest.raises(CommandError, match="Every storage is in the database"):
        call_command("taskcore_snapshot", "--once")


def test_copies_tell_what_tasks_are(memory):
    """A copy has the columns that lists show, and all of the task in its document."""
    handle = memory.client.enqueue(jobs.add.using(priority=5, label="mine", unique_key="k"), 1)
    memory.copy()
    row = TaskCopy.objects.get()
    assert (5, "mine", "k", "default", handle.id, State.READY) == (
        row.priority,
        row.label,
        row.unique_key,
        row.queue_name,
        row.plain_id,
        memory.client.get(handle.id).state,
    )
