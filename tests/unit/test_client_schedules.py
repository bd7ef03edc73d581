"""Client: schedules are made, edited and run so that no edit is lost to a fire, and no fire to an edit."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest

from taskcore import (
    CatchUp,
    Client,
    InvalidInput,
    InvalidOption,
    InvalidSchedule,
    Overlap,
    Schedule,
    ScheduleConflict,
    Scheduler,
    State,
    TaskNotFound,
    cron,
    daily,
    every,
    once,
    task,
)
from taskcore.protocol import ScheduleQuery
from taskcore_backends.memory import MemoryBackend
from tests.unit.client_samples import HOUR, SECOND, Bench, add, make_bench

MINUTE = dt.timedelta(minutes=1)


@task
def report(shop: str, slot: str = "") -> str:
    return f"{shop} {slot}"


@task
def archive(day: dt.datetime) -> str:
    return day.isoformat()


@pytest.fixture
def bench() -> Bench:
    return make_bench()


class Racing(MemoryBackend):
    """A memory store in which somebody else writes a schedule between the reading and the writing of it."""

    rivals = 0
    makers = 0
    deleters = 0

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        if self.makers and expected_revision is None:
            self.makers -= 1
            rival = attrs.evolve(schedule, id=schedule.id[::-1], description="theirs")
            assert super().put_schedule(rival, expected_revision=None)
            if self.makers:  # and more are to come, so this one has to go again
                assert not super().put_schedule(schedule, expected_revision=None)
                return not self.delete_schedule(rival.id)
        if self.deleters and expected_revision is not None:
            self.deleters -= 1
            self.delete_schedule(schedule.id)
        if self.rivals and expected_revision is not None:
            self.rivals -= 1
            stored = next(one for one in self.schedules(_by(schedule.name)).items)
            rival = attrs.evolve(stored, revision=stored.revision + 1, runs=stored.runs + 1)
            assert super().put_schedule(rival, expected_revision=stored.revision)
        return super().put_schedule(schedule, expected_revision=expected_revision)


def _by(name: str):
    return ScheduleQuery(names=(name,))


@pytest.mark.parity("DQ-31")
def test_schedule_fires(bench: Bench) -> None:
    """A new schedule enqueues its call at its slots."""
    schedule = bench.client.schedule("hourly", every(HOUR), add.bind(1))
    bench.clock.advance(HOUR)
    Scheduler(bench.backend).tick()
    (task,) = bench.client.find(schedule_id=schedule.id).items
    assert (add.name, bench.clock.now()) == (task.name, task.spec.slot)


@pytest.mark.parity("DQ-25", "DJC-06", "DJC-18")
def test_options_are_kept(bench: Bench) -> None:
    """Each option stands in the stored schedule."""
    options = {
        "starts_at": bench.clock.now() + HOUR,
        "ends_at": bench.clock.now() + 5 * HOUR,
        "repeats": 3,
        "catch_up": CatchUp.LAST,
        "overlap": Overlap.SKIP,
        "jitter": SECOND,
        "expires_after": MINUTE,
        "delete_when_done": True,
        "description": "for the shop",
    }
    bench.client.schedule("n", every(HOUR), add.bind(1), **options)
    stored = bench.client.get_schedule("n")
    assert options == {name: getattr(stored, name) for name in options}


def test_the_same_again_writes_nothing(bench: Bench) -> None:
    """A program may say its schedules each time it starts: cursor, counters and revision stay."""
    first = bench.client.schedule("n", every(HOUR), add.bind(1), description="x")
    bench.clock.advance(HOUR / 2)
    assert first == bench.client.schedule("n", every(HOUR), add.bind(1), description="x")


def test_a_change_is_made_in_place(bench: Bench) -> None:
    """The id and the counters stay, what differs changes, the generation rises."""
    first = bench.client.schedule("n", every(HOUR), add.bind(1))
    second = bench.client.schedule("n", daily(), add.bind(2))
    assert (first.id, '{"a":[2]}', 2) == (second.id, second.spec.arguments_json, second.generation)


def test_options_not_given_stay(bench: Bench) -> None:
    """A schedule that an operator disabled is not enabled by a restart."""
    bench.client.schedule("n", every(HOUR), add.bind(1))
    bench.client.disable_schedule("n")
    assert not bench.client.schedule("n", every(HOUR), add.bind(2)).enabled


def test_repeats_are_not_given_back_by_a_restart(bench: Bench) -> None:
    """What has been counted down stays so."""
    bench.client.schedule("n", every(HOUR), add.bind(1), repeats=3)
    bench.client.run_now("n")
    assert 2 == bench.client.schedule("n", every(HOUR), add.bind(1), repeats=3).repeats


@pytest.mark.parity("DJC-06", "DQ-11")
def test_edit_changes_what_is_given(bench: Bench) -> None:
    """The rest stays."""
    bench.client.schedule("n", every(HOUR), add.bind(1), description="x")
    edited = bench.client.edit_schedule("n", trigger=every(MINUTE), repeats=5)
    assert (5, "x", bench.clock.now() + MINUTE) == (edited.repeats, edited.description, edited.next_slot)


@pytest.mark.parity("DQ-25")
def test_edit_changes_the_call(bench: Bench) -> None:
    """Another call takes the place of the old one."""
    bench.client.schedule("n", every(HOUR), add.bind(1))
    assert add.name != bench.client.edit_schedule("n", call=report.bind("a")).spec.name


@pytest.mark.parity("DQ-33")
def test_disabled_schedule_has_no_next_slot(bench: Bench) -> None:
    """Until it is enabled, from its next slot after now on."""
    bench.client.schedule("n", every(HOUR), add.bind(1))
    assert None is bench.client.disable_schedule("n").next_slot
    bench.clock.advance(2 * HOUR + MINUTE)
    start = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.timezone.utc)
    assert start + 3 * HOUR == bench.client.enable_schedule("n").next_slot


@pytest.mark.parity("DQ-11")
def test_deleted_schedule_is_gone(bench: Bench) -> None:
    """The second time there is nothing to delete."""
    bench.client.schedule("n", every(HOUR), add.bind(1))
    assert [True, False] == [bench.client.delete_schedule("n"), bench.client.delete_schedule("n")]


def test_schedules_are_listed_by_name(bench: Bench) -> None:
    """All of them, whatever the order of making."""
    for name in ("b", "c", "a"):
        bench.client.schedule(name, every(HOUR), add.bind(1))
    assert ["a", "b", "c"] == [schedule.name for schedule in bench.client.schedules()]


@pytest.mark.parity("C35-07", "DQ-22")
def test_run_now_counts_and_keeps_the_cursor(bench: Bench) -> None:
    """A run by hand is one of the runs; the next slot stays."""
    before = bench.client.schedule("n", every(HOUR), add.bind(1))
    handle = bench.client.run_now("n")
    after = bench.client.get_schedule("n")
    bench.drain()
    assert (1, before.next_slot, 3) == (after.runs, after.next_slot, handle.result())


def test_run_now_of_a_held_key_is_the_holder(bench: Bench) -> None:
    """When the key is held, the handle is of the task that holds it."""
    holder = bench.client.enqueue(add.using(unique_key="k"), 1)
    bench.client.schedule("n", every(HOUR), add.using(unique_key="k").bind(1))
    assert holder == bench.client.run_now("n")


@pytest.mark.parity("DQ-13")
def test_preview_gives_the_next_slots(bench: Bench) -> None:
    """From the cursor on."""
    bench.client.schedule("n", every(HOUR), add.bind(1))
    now = bench.clock.now()
    assert (now + HOUR, now + 2 * HOUR) == bench.client.preview_schedule("n", 2)


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.edit_schedule("none", repeats=1),
        lambda client: client.enable_schedule("none"),
        lambda client: client.run_now("none"),
        lambda client: client.preview_schedule("none"),
        lambda client: client.get_schedule("none"),
    ],
)
def test_unknown_name_is_told(bench: Bench, act) -> None:
    """TaskNotFound names the schedule."""
    with pytest.raises(TaskNotFound, match="'none'"):
        act(bench.client)


def test_edit_after_a_lost_race_keeps_both(bench: Bench) -> None:
    """A fire between reading and writing is not undone by the edit."""
    backend = Racing()
    client = Client(backend)
    client.schedule("n", every(HOUR), add.bind(1))
    backend.rivals = 3
    edited = client.edit_schedule("n", description="new")
    assert ("new", 3) == (edited.description, edited.runs)


@pytest.mark.parity("DQ-26")
def test_schedule_that_somebody_else_made_meanwhile_is_brought_to_what_is_asked() -> None:
    """Two programs that start together make one schedule; with each asking for something else, the last one stands."""
    backend = Racing()
    backend.makers = 1
    client = Client(backend)
    made = client.schedule("n", every(HOUR), add.bind(1), description="ours")
    assert [made] == list(client.schedules())
    assert ("ours", 2) == (made.description, made.revision)


def test_schedule_that_somebody_deletes_meanwhile_is_made_anew() -> None:
    """Whoever asks for a schedule has it in the end; an edit says that there is none any more."""
    backend = Racing()
    client = Client(backend)
    first = client.schedule("n", every(HOUR), add.bind(1))
    backend.deleters = 1
    second = client.schedule("n", every(HOUR), add.bind(2))
    assert [second] == list(client.schedules())
    assert first.id != second.id
    backend.deleters = 1
    with pytest.raises(TaskNotFound, match="'n'"):
        client.edit_schedule("n", description="new")


def test_schedule_that_always_comes_and_goes_is_a_conflict() -> None:
    """It ends with ScheduleConflict, not never."""
    backend = Racing()
    backend.makers = 1000
    with pytest.raises(ScheduleConflict, match="'n'"):
        Client(backend).schedule("n", every(HOUR), add.bind(1))


def test_edit_that_always_loses_is_a_conflict() -> None:
    """It ends with ScheduleConflict, not never."""
    backend = Racing()
    client = Client(backend)
    client.schedule("n", every(HOUR), add.bind(1))
    backend.rivals = 1000
    with pytest.raises(ScheduleConflict, match="'n'"):
        client.edit_schedule("n", description="new")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (add.using(run_after=HOUR).bind(1), "run_after"),
        (add.using(expires_at=HOUR).bind(1), "expires_after"),
        (add.using(depends_on="0" * 32).bind(1), "depends_on"),
        (add.using(unique_key="k", unique_until=HOUR).bind(1), "unique_until"),
    ],
)
def test_options_that_mean_nothing_at_each_slot_are_refused(bench: Bench, call, named) -> None:
    """The error says what to use instead."""
    with pytest.raises(InvalidSchedule, match=named):
        bench.client.schedule("n", every(HOUR), call)


@pytest.mark.parity("DQ-26")
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"catchup": CatchUp.ALL}, "catchup"),
        ({"catch_up": "all"}, "catch_up"),
        ({"overlap": "skip"}, "overlap"),
        ({"enabled": "yes"}, "enabled"),
        ({"repeats": 1.5}, "repeats"),
        ({"jitter": 5}, "jitter"),
        ({"slot_argument": "nope"}, "nope"),
        ({"starts_at": dt.datetime(2026, 1, 1)}, "starts_at"),
    ],
)
def test_bad_options_are_named(bench: Bench, options, named) -> None:
    """An unknown option, or a value out of its range, is refused, and nothing is stored."""
    with pytest.raises(InvalidSchedule, match=named):
        bench.client.schedule("n", every(HOUR), add.bind(1), **options)
    assert [] == list(bench.client.schedules())
    made = bench.client.schedule("n", every(HOUR), add.bind(1))
    with pytest.raises(InvalidSchedule, match=named):
        bench.client.edit_schedule("n", **options, **({"call": add.bind(1)} if "slot_argument" in options else {}))
    assert [made] == list(bench.client.schedules())


@pytest.mark.parity("DQ-28")
def test_slot_argument_is_given_the_slot(bench: Bench) -> None:
    """The function gets the moment that the schedule meant."""
    schedule = bench.client.schedule("n", every(HOUR), report.bind("a"), slot_argument="slot")
    bench.clock.advance(HOUR)
    Scheduler(bench.backend).tick()
    (fired,) = bench.client.find(schedule_id=schedule.id).items
    assert f'{{"a":["a"],"k":{{"slot":"{bench.clock.now().isoformat()}"}}}}' == fired.spec.arguments_json


def test_slot_argument_may_be_a_moment(bench: Bench) -> None:
    """A parameter that is annotated as a datetime can take the slot."""
    call = archive.bind(day=bench.clock.now())
    assert "day" == bench.client.schedule("n", every(HOUR), call, slot_argument="day").slot_argument


def test_slot_argument_that_is_given_by_position_is_refused(bench: Bench) -> None:
    """The function would get it twice."""
    with pytest.raises(InvalidSchedule, match="shop"):
        bench.client.schedule("n", every(HOUR), report.bind("a"), slot_argument="shop")


def test_trigger_that_cannot_be_stored_is_refused(bench: Bench) -> None:
    """A class of the user's own works for previews, not for a store."""

    class Never:
        def next_after(self, moment: dt.datetime) -> dt.datetime | None:
            return None

    with pytest.raises(InvalidSchedule, match="no trigger that can be stored"):
        bench.client.schedule("n", Never(), add.bind(1))
    bench.client.schedule("n", every(HOUR), add.bind(1))
    with pytest.raises(InvalidSchedule, match="no trigger that can be stored"):
        bench.client.edit_schedule("n", trigger=Never())


def test_function_in_the_place_of_a_call_is_refused(bench: Bench) -> None:
    """The error says to bind."""
    with pytest.raises(InvalidInput, match="bind"):
        bench.client.schedule("n", every(HOUR), add)  # type: ignore[arg-type]


def test_schedule_that_never_runs_is_refused(bench: Bench) -> None:
    """A moment that has passed is no schedule."""
    with pytest.raises(InvalidSchedule, match="never run"):
        bench.client.schedule("n", once(bench.clock.now() - HOUR), add.bind(1))


@pytest.mark.parity("DQ-30", "DQ-33", "DJC-04")
def test_wall_clock_schedules_go_by_their_zone(bench: Bench) -> None:
    """Three in the morning in Berlin is two in UTC in winter."""
    schedule = bench.client.schedule("n", cron("0 3 * * *", tz="Europe/Berlin"), add.bind(1))
    assert dt.datetime(2026, 1, 2, 2, 0, tzinfo=dt.timezone.utc) == schedule.next_slot


def test_naive_moment_in_a_filter_is_refused(bench: Bench) -> None:
    """As everywhere, a moment needs its zone."""
    with pytest.raises(InvalidOption, match="with a zone"):
        bench.client.reschedule(bench.client.enqueue(add, 1).id, run_after=dt.datetime(2026, 1, 1))


def test_tasks_of_a_deleted_schedule_stay(bench: Bench) -> None:
    """What was enqueued runs."""
    bench.client.schedule("n", every(HOUR), add.bind(1))
    handle = bench.client.run_now("n")
    bench.client.delete_schedule("n")
    bench.drain()
    assert State.SUCCESSFUL is handle.state
