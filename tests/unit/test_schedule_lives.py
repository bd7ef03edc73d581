"""Whole lives of schedules, as a program and its operator see them: client, scheduler and worker on one clock."""

from __future__ import annotations

import datetime as dt

import pytest

from taskcore import CatchUp, InvalidSchedule, Scheduler, State, Task, TaskNotFound, every, hourly, once
from tests.unit.client_samples import HOUR, SECOND, Bench, add, fail, make_bench

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def bench() -> Bench:
    return make_bench()


def runs_in(bench: Bench, hours: int) -> list[int]:
    """Let hours go by, with a worker at each; return how many tasks it ran."""
    ran = []
    for _ in range(hours):
        bench.clock.advance(HOUR)
        ran.append(bench.drain())
    return ran


def last_task(bench: Bench, name: str) -> Task:
    task_id = bench.client.get_schedule(name).last_task_id
    assert task_id is not None
    return bench.client.get(task_id)


@pytest.mark.parity("DQ-19")
def test_an_hourly_schedule_with_24_repeats_runs_for_a_day(bench: Bench) -> None:
    """Each run takes one; at 0 it stays, and does not run any more."""
    bench.client.schedule("hourly", hourly(), add.bind(1), repeats=24)
    assert [1] * 10 == runs_in(bench, 10)
    assert 14 == bench.client.get_schedule("hourly").repeats
    assert [1] * 14 + [0] * 6 == runs_in(bench, 20)
    ended = bench.client.get_schedule("hourly")
    assert (0, 24, None) == (ended.repeats, ended.runs, ended.next_slot)


@pytest.mark.parity("DQ-20")
def test_an_endless_schedule_goes_on_counting_down(bench: Bench) -> None:
    """From -1 on: how far below tells how often it has run."""
    bench.client.schedule("hourly", hourly(), add.bind(1), repeats=-1)
    seen = []
    for _ in range(3):
        runs_in(bench, 1)
        seen.append(bench.client.get_schedule("hourly").repeats)
    assert [-2, -3, -4] == seen


@pytest.mark.parity("DQ-21", "DQ-22")
def test_a_single_moment_can_be_given_again(bench: Bench) -> None:
    """After its run it has no repeats; with a new moment and a repeat it runs once more."""
    bench.client.schedule("launch", once(bench.clock.now() + HOUR), add.bind(1), repeats=7)
    assert [1, 0] == runs_in(bench, 2)
    assert 0 == bench.client.get_schedule("launch").repeats
    bench.client.edit_schedule("launch", trigger=once(bench.clock.now() + HOUR), repeats=1)
    assert [1, 0] == runs_in(bench, 2)
    assert (0, 2) == (bench.client.get_schedule("launch").repeats, bench.client.get_schedule("launch").runs)


@pytest.mark.parity("DQ-22")
def test_a_single_moment_that_has_passed_can_be_run_at_once(bench: Bench) -> None:
    """By hand, at any time, without a new moment; its repeats stay at 0."""
    bench.client.schedule("launch", once(bench.clock.now() + HOUR), add.bind(1))
    assert [1] == runs_in(bench, 1)
    handle = bench.client.run_now("launch")
    assert 1 == bench.drain()
    assert (3, 0) == (handle.result(), bench.client.get_schedule("launch").repeats)


@pytest.mark.parity("DQ-23")
def test_a_schedule_whose_repeats_are_taken_away_pauses(bench: Bench) -> None:
    """With 0 it does not run; given others it goes on from then."""
    bench.client.schedule("hourly", hourly(), add.bind(1))
    bench.client.edit_schedule("hourly", repeats=0)
    assert [0, 0] == runs_in(bench, 2)
    bench.client.edit_schedule("hourly", repeats=-1)
    assert [1, 1] == runs_in(bench, 2)


@pytest.mark.parity("DQ-27")
@pytest.mark.parametrize(("catch_up", "runs"), [(CatchUp.NONE, 0), (CatchUp.LAST, 1), (CatchUp.ALL, 5)], ids=str)
def test_what_was_missed_is_made_up_for_as_the_schedule_says(bench: Bench, catch_up, runs) -> None:
    """Five hours without a worker, and some minutes."""
    bench.client.schedule("hourly", hourly(), add.bind(1), catch_up=catch_up)
    bench.clock.advance(5 * HOUR + 5 * MINUTE)
    assert runs == bench.drain()
    assert bench.clock.now() + 55 * MINUTE == bench.client.get_schedule("hourly").next_slot


@pytest.mark.parity("DQ-31", "DJC-18")
def test_a_run_has_the_options_of_its_call(bench: Bench) -> None:
    """Those of a slot and one by hand alike: queue, priority, metadata."""
    call = add.using(queue_name="mail", priority=5, metadata={"for": "shop"}).bind(1)
    schedule = bench.client.schedule("hourly", hourly(), call)
    bench.clock.advance(HOUR)
    Scheduler(bench.backend).tick()
    bench.client.run_now("hourly")
    found = bench.client.find(schedule_id=schedule.id).items
    assert [("mail", 5, '{"for":"shop"}')] * 2 == [
        (task.queue_name, task.priority, task.spec.metadata_json) for task in found
    ]


@pytest.mark.parity("DQ-14", "DQ-16")
def test_the_last_run_is_found_by_its_schedule(bench: Bench) -> None:
    """Whatever became of it."""
    bench.client.schedule("well", hourly(), add.bind(1))
    bench.client.schedule("badly", hourly(), fail.bind())
    runs_in(bench, 1)
    assert [State.SUCCESSFUL, State.FAILED] == [last_task(bench, name).state for name in ("well", "badly")]


@pytest.mark.parity("DQ-15")
def test_a_last_run_that_was_purged_is_told_as_gone(bench: Bench) -> None:
    """The schedule still has its id, and there is no task of that id; before the first run there is none to ask for."""
    assert None is bench.client.schedule("hourly", hourly(), add.bind(1)).last_task_id
    runs_in(bench, 1)
    bench.client.purge(states=[State.SUCCESSFUL])
    with pytest.raises(TaskNotFound):
        last_task(bench, "hourly")


@pytest.mark.parity("DJC-05")
def test_edits_and_deletions_are_seen_by_the_next_tick(bench: Bench) -> None:
    """A scheduler that has fired a schedule remembers nothing of it: the next tick goes by what is stored then."""
    scheduler = Scheduler(bench.backend)
    edited = bench.client.schedule("edited", every(MINUTE), add.bind(1))
    deleted = bench.client.schedule("deleted", every(MINUTE), add.bind(1))
    bench.clock.advance(MINUTE)
    scheduler.tick()
    bench.client.edit_schedule("edited", trigger=every(HOUR))
    bench.client.delete_schedule("deleted")
    bench.clock.advance(30 * MINUTE)
    assert bench.clock.now() + 30 * MINUTE == scheduler.tick()
    assert [1, 1] == [len(bench.client.find(schedule_id=one.id).items) for one in (edited, deleted)]


@pytest.mark.parity("DJC-06")
def test_a_disabled_schedule_keeps_what_it_has_counted(bench: Bench) -> None:
    """Only what it missed is forgotten: enabled again, it goes on from then."""
    bench.client.schedule("hourly", hourly(), add.bind(1), catch_up=CatchUp.ALL)
    runs_in(bench, 2)
    ran_at = bench.client.disable_schedule("hourly").last_run_at
    assert [0, 0, 0] == runs_in(bench, 3)
    again = bench.client.enable_schedule("hourly")
    assert (2, ran_at) == (again.runs, again.last_run_at)
    assert [1] == runs_in(bench, 1)


@pytest.mark.parity("DJC-06", "DJC-18")
def test_a_run_that_comes_too_late_is_cancelled(bench: Bench) -> None:
    """``expires_after`` counts from the slot: nobody runs it after that."""
    schedule = bench.client.schedule("hourly", hourly(), add.bind(1), expires_after=MINUTE)
    bench.clock.advance(HOUR)
    Scheduler(bench.backend).tick()
    bench.clock.advance(MINUTE + SECOND)
    assert 0 == bench.drain()
    assert [State.CANCELLED] == [task.state for task in bench.client.find(schedule_id=schedule.id).items]


@pytest.mark.parity("DJC-18")
def test_a_single_run_can_take_its_schedule_away(bench: Bench) -> None:
    """One repeat, and deleted when done; the task stays."""
    schedule = bench.client.schedule("launch", hourly(), add.bind(1), repeats=1, delete_when_done=True)
    assert [1, 0] == runs_in(bench, 2)
    assert [] == list(bench.client.schedules())
    assert [State.SUCCESSFUL] == [task.state for task in bench.client.find(schedule_id=schedule.id).items]


@pytest.mark.parity("DQ-26")
def test_one_name_is_one_schedule(bench: Bench) -> None:
    """Asked for twice it is changed, not made twice; what cannot be is refused and changes nothing."""
    made = bench.client.schedule("hourly", hourly(), add.bind(1))
    bench.client.schedule("hourly", every(MINUTE), add.bind(2))
    with pytest.raises(InvalidSchedule, match="slot_argument"):
        bench.client.schedule("hourly", hourly(), add.bind(1), slot_argument="for")
    (stored,) = bench.client.schedules()
    assert (made.id, '{"a":[2]}') == (stored.id, stored.spec.arguments_json)
