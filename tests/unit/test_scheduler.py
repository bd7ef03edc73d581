"""Firing over a store: once for each slot whatever races, and no schedule in another's way."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import attrs
import pytest

from taskcore._data import Schedule, TaskSpec
from taskcore._scheduler import Scheduler
from taskcore._scheduling import edited, prepared
from taskcore._triggers import every
from taskcore._vocabulary import CatchUp, Overlap, State
from taskcore.protocol import Query, ScheduleQuery
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    """A clock that moves only when told to."""
    return FakeClock(datetime(2026, 11, 20, 12, tzinfo=timezone.utc))


@pytest.fixture
def backend(clock):
    """An empty store."""
    return MemoryBackend(clock=clock)


def stored(backend, name="report", **options) -> Schedule:
    """Store a schedule of every minute."""
    now = backend.now()
    schedule = prepared(
        Schedule(
            id=f"id-{name}",
            name=name,
            trigger=options.pop("trigger", every(MINUTE)),
            spec=TaskSpec(id="0" * 32, name="report", enqueued_at=now),
            created_at=now,
            updated_at=now,
            **options,
        )
    )
    assert backend.put_schedule(schedule, expected_revision=None)
    return schedule


def current(backend, schedule: Schedule) -> Schedule:
    """Read a schedule again."""
    return backend.schedules(ScheduleQuery(ids=(schedule.id,))).items[0]


def tasks(backend):
    """All tasks, oldest first."""
    return backend.find(Query(is_oldest_first=True, limit=1000)).items


@pytest.mark.parity("C35-08")
def test_a_tick_enqueues_the_slot_that_is_due_and_says_when_the_next_is(backend, clock):
    """The task may not start before its slot, and the next tick is due a minute later."""
    schedule = stored(backend)
    clock.advance(MINUTE)
    due = Scheduler(backend).tick()
    assert ([schedule.next_slot], schedule.next_slot + MINUTE) == ([each.run_after for each in tasks(backend)], due)


@pytest.mark.parity("DQ-30")
def test_a_tick_before_the_slot_enqueues_nothing(backend):
    """A new schedule does not fire when it is made."""
    schedule = stored(backend)
    due = Scheduler(backend).tick()
    assert ((), schedule.next_slot) == (tasks(backend), due)


def test_a_tick_without_schedules_has_nothing_to_wait_for(backend):
    """No schedule, no moment."""
    assert Scheduler(backend).tick() is None


@pytest.mark.parity("DQ-32")
def test_two_schedulers_over_one_store_enqueue_once(backend, clock):
    """Both read the schedule before either fires: the second is refused by its revision."""
    schedule = stored(backend)
    clock.advance(MINUTE)
    first, second = Scheduler(backend), Scheduler(Overtaken(backend, first_tick := []))
    first_tick.append(first.tick)
    second.tick()
    assert (1, 1) == (len(tasks(backend)), current(backend, schedule).runs)


class Overtaken:
    """A backend on which somebody else acts between reading the schedules and firing."""

    def __init__(self, backend, meanwhile):
        self.backend, self.meanwhile = backend, meanwhile

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def fire(self, before, after, specs):
        """Let the other one act first."""
        while self.meanwhile:
            self.meanwhile.pop()()
        return self.backend.fire(before, after, specs)


@pytest.mark.parity("DJC-05")
def test_a_fire_loses_to_an_edit_that_came_between(backend, clock):
    """The edit stays as it was made, and nothing of the old schedule is enqueued."""
    schedule = stored(backend)
    clock.advance(MINUTE)
    change = edited(attrs.evolve(schedule, trigger=every(timedelta(hours=1))), clock.now())
    meanwhile = [lambda: backend.put_schedule(change, expected_revision=schedule.revision)]
    Scheduler(Overtaken(backend, meanwhile)).tick()
    assert ((), change) == (tasks(backend), current(backend, schedule))


def test_an_edit_made_of_an_older_reading_is_refused_after_a_fire(backend, clock):
    """The editor reads again instead of undoing the run."""
    schedule = stored(backend)
    clock.advance(MINUTE)
    Scheduler(backend).tick()
    change = edited(attrs.evolve(schedule, description="new"), clock.now())
    assert not backend.put_schedule(change, expected_revision=schedule.revision)


@pytest.mark.parity("DQ-32")
def test_a_trigger_that_raises_does_not_hold_up_the_others(backend, clock, caplog):
    """It is logged, set aside for a minute, and the other schedule fires."""
    stored(backend, "broken")
    sound = stored(backend, "sound")
    clock.advance(MINUTE)
    due = Scheduler(Misread(backend, "broken")).tick()
    assert ([sound.id], sound.next_slot + MINUTE, True) == (
        [each.spec.schedule_id for each in tasks(backend)],
        due,
        "'broken'" in caplog.text,
    )


class Misread:
    """A backend that gives one schedule with a trigger that raises."""

    def __init__(self, backend, name):
        self.backend, self.name = backend, name

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def schedules(self, query):
        """Put the trigger in."""
        page = self.backend.schedules(query)
        items = (attrs.evolve(each, trigger=Raises()) if each.name == self.name else each for each in page.items)
        return attrs.evolve(page, items=tuple(items))


class Raises:
    """A trigger with a bug."""

    def next_after(self, moment):
        """Never answer."""
        raise ZeroDivisionError(moment)


@pytest.mark.parity("DQ-33")
def test_overlap_skip_asks_the_store_whether_the_last_task_has_finished(backend, clock):
    """While it waits, further slots are skipped."""
    schedule = stored(backend, overlap=Overlap.SKIP)
    scheduler = Scheduler(backend)
    for _ in range(3):
        clock.advance(MINUTE)
        scheduler.tick()
    after = current(backend, schedule)
    assert (1, 1, 2) == (len(tasks(backend)), after.runs, after.skipped)


def test_missed_slots_beyond_one_step_are_caught_up_by_the_next(backend, clock):
    """250 missed minutes take three steps of at most 100, each due at once."""
    stored(backend, catch_up=CatchUp.ALL, catch_up_limit=1000)
    clock.advance(250 * MINUTE)
    scheduler = Scheduler(backend)
    counts = []
    for _ in range(3):
        assert scheduler.tick() is not None
        counts.append(len(tasks(backend)))
    assert [100, 200, 250] == counts


@pytest.mark.parity("DQ-21", "DJC-18")
def test_a_schedule_that_is_done_can_delete_itself(backend, clock):
    """``delete_when_done`` with one repeat left."""
    schedule = stored(backend, repeats=1, delete_when_done=True)
    clock.advance(MINUTE)
    Scheduler(backend).tick()
    assert ((), [State.READY]) == (
        backend.schedules(ScheduleQuery(ids=(schedule.id,))).items,
        [each.state for each in tasks(backend)],
    )
