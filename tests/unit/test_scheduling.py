"""How a schedule begins, steps, is run by hand and edited: what is enqueued, and where the cursor stands."""

import json
from datetime import datetime, timedelta

import attrs
import pytest

from taskcore._scheduling import edited, first_slot, jitter_of, plan, prepared, run_now, upcoming
from taskcore._triggers import cron, every, once
from taskcore._vocabulary import CatchUp
from taskcore.errors import InvalidSchedule
from tests.unit.schedule_samples import DAY, HOUR, HOURLY, MINUTE, NOON, SECOND, after, hours, make, utc


class Forgetful:
    """A trigger of a user's own that does not go forward."""

    def next_after(self, moment):
        return NOON + HOUR if moment < NOON + HOUR else NOON


# First slot


@pytest.mark.parity("DQ-30")
def test_first_slot_lies_after_creation():
    """A slot at the very moment of creation does not count."""
    assert NOON + HOUR == make().next_slot


def test_creation_is_the_anchor():
    """A trigger without an anchor counts from the creation, which is no slot itself."""
    schedule = make(every(10 * MINUTE), created_at=NOON + 3 * SECOND)

    assert every(10 * MINUTE, anchor=NOON + 3 * SECOND) == schedule.trigger
    assert NOON + 10 * MINUTE + 3 * SECOND == schedule.next_slot


@pytest.mark.parity("DJC-18")
def test_start_is_the_anchor():
    """A trigger without an anchor counts from ``starts_at``, which is its first slot, when that is given."""
    schedule = make(every(10 * MINUTE), starts_at=NOON + 25 * MINUTE)

    assert every(10 * MINUTE, anchor=NOON + 25 * MINUTE) == schedule.trigger
    assert NOON + 25 * MINUTE == schedule.next_slot


def test_start_in_the_past():
    """A start before the creation moves nothing before the creation."""
    assert NOON + 5 * MINUTE == make(every(10 * MINUTE), starts_at=NOON - 25 * MINUTE).next_slot


def test_nothing_before_the_start():
    """No slot lies before ``starts_at``; one in that very moment counts."""
    assert utc("2026-05-06 00:00") == make(starts_at=utc("2026-05-06 00:00")).next_slot
    assert utc("2026-05-06 01:00") == make(starts_at=utc("2026-05-06 00:00:01")).next_slot


def test_nothing_after_the_end():
    """The last slot lies at ``ends_at`` at the latest."""
    assert NOON + HOUR == first_slot(HOURLY, NOON, ends_at=NOON + HOUR)
    assert first_slot(HOURLY, NOON, ends_at=NOON + HOUR - SECOND) is None


def test_disabled_has_no_cursor():
    """A schedule that is made disabled waits for an edit."""
    assert make(enabled=False).next_slot is None


def test_schedule_that_would_never_run():
    """A moment in the past, or an end before the first slot, is refused when the schedule is made."""
    with pytest.raises(InvalidSchedule, match="'nightly' would never run: its trigger has no slot after 2026-05-04"):
        make(once(NOON))
    with pytest.raises(InvalidSchedule, match="and up to 2026-05-04T12:30"):
        make(ends_at=NOON + 30 * MINUTE)


REFUSED = [
    ({"starts_at": datetime(2026, 5, 5)}, "starts_at is 2026-05-05T00:00:00, which has no time zone"),
    ({"ends_at": datetime(2026, 5, 5)}, "ends_at is 2026-05-05T00:00:00, which has no time zone"),
    ({"starts_at": NOON + DAY, "ends_at": NOON}, "starts_at .* is after ends_at"),
    ({"repeats": 1.5}, "repeats is 1.5"),
    ({"repeats": True}, "repeats is True"),
    ({"catch_up_limit": 0}, "catch_up_limit is 0, and must be 1 to 10,000"),
    ({"catch_up_limit": 10_001}, "catch_up_limit is 10001"),
    ({"jitter": -SECOND}, "jitter is -1 day"),
    ({"jitter": DAY + SECOND}, "jitter is 1 day, 0:00:01"),
    ({"jitter": 5}, "jitter is 5, and must be a timedelta"),
    ({"expires_after": timedelta(0)}, "expires_after is 0:00:00"),
    ({"expires_after": timedelta.max}, "expires_after is 999999999 days"),
    ({"expires_after": HOUR, "jitter": HOUR}, "expires_after 1:00:00 is not above jitter 1:00:00"),
    ({"slot_argument": "not a name"}, "slot_argument 'not a name'"),
    ({"trigger": "0 3 * * *"}, "'0 3 .* is no trigger"),
    ({"created_at": datetime(2026, 5, 5)}, "created_at is"),
]


@pytest.mark.parity("DQ-26")
@pytest.mark.parametrize(("options", "words"), REFUSED, ids=[row[1][:24] for row in REFUSED])
def test_options_out_of_range(options, words):
    """Options that cannot be are refused when the schedule is made, by name."""
    with pytest.raises(InvalidSchedule, match=words):
        make(**options)


@pytest.mark.parametrize("name", ["", "  ", None])
def test_schedule_needs_a_name(name):
    """A schedule without a name is refused."""
    with pytest.raises(InvalidSchedule, match="name"):
        prepared(attrs.evolve(make(), name=name))


# One step


def test_nothing_is_due():
    """Before its slot a schedule stays as it is, not even its revision moves."""
    schedule = make()

    assert schedule is plan(schedule, NOON + 59 * MINUTE).after


def test_slot_that_is_due():
    """A due slot is enqueued once, and the cursor goes to the next."""
    firing = plan(make(), NOON + HOUR + SECOND)

    assert (NOON + HOUR,) == firing.slots
    assert NOON + 2 * HOUR == after(firing).next_slot
    assert 0 == firing.skipped


@pytest.mark.parity("DQ-14", "DQ-31", "C35-07")
def test_what_a_step_counts():
    """A step raises the revision and the runs, and remembers slot, moment and task; the generation stays."""
    schedule, now = make(), NOON + HOUR + SECOND
    stepped = after(plan(schedule, now))

    assert (2, 1) == (stepped.revision, stepped.generation)
    assert (1, -2) == (stepped.runs, stepped.repeats)
    assert (NOON + HOUR, now) == (stepped.last_slot, stepped.last_run_at)
    assert plan(schedule, now).specs[0].id == stepped.last_task_id


def test_next_slot_comes_from_the_slot_before():
    """A late scheduler does not make the schedule drift."""
    stepped = after(plan(make(every(HOUR)), NOON + HOUR + 50 * SECOND))

    assert NOON + 2 * HOUR == stepped.next_slot


def test_planned_alike_by_everybody():
    """Two schedulers that plan the same slot at different moments make the same task id."""
    schedule = make()

    assert plan(schedule, NOON + HOUR).specs[0].id == plan(schedule, NOON + HOUR + 7 * SECOND).specs[0].id


def test_ids_differ_by_schedule_slot_and_generation():
    """Another schedule, slot or generation is another task; an id is 32 hex digits."""
    schedule = make(catch_up=CatchUp.ALL)
    others = [schedule, attrs.evolve(schedule, id="s2"), attrs.evolve(schedule, generation=2)]
    ids = {spec.id for other in others for spec in plan(other, NOON + 2 * HOUR).specs}

    assert 6 == len(ids)
    assert all(32 == len(task_id) and int(task_id, 16) for task_id in ids)


def test_naive_now():
    """A naive moment is refused."""
    for call in (plan, run_now, edited):
        with pytest.raises(InvalidSchedule, match="now is"):
            call(make(), datetime(2026, 5, 5))


def test_trigger_that_goes_back():
    """A trigger of a user's own that does not go forward is an error, not an endless loop."""
    with pytest.raises(InvalidSchedule, match="must go forward"):
        plan(make(Forgetful()), NOON + DAY)


# Tasks


def test_task_of_a_slot():
    """A task is the template with its own id, waiting for its slot."""
    schedule = make(expires_after=30 * MINUTE)
    template = attrs.evolve(schedule.spec, queue_name="mail", priority=7)
    now = NOON + HOUR + SECOND
    spec = plan(attrs.evolve(schedule, spec=template), now).specs[0]

    assert ("report", "mail", 7, "s1") == (spec.name, spec.queue_name, spec.priority, spec.schedule_id)
    assert (NOON + HOUR, NOON + HOUR, now) == (spec.slot, spec.run_after, spec.enqueued_at)
    assert NOON + HOUR + 30 * MINUTE == spec.expires_at


@pytest.mark.parity("DQ-28")
def test_slot_argument():
    """The slot is given to the task as the keyword argument named, beside the others."""
    schedule = make(slot_argument="at")
    spec = attrs.evolve(schedule.spec, arguments_json='{"a":[1],"k":{"to":"ä"}}')
    firing = plan(attrs.evolve(schedule, spec=spec), NOON + HOUR)

    assert {"a": [1], "k": {"to": "ä", "at": "2026-05-04T13:00:00+00:00"}} == json.loads(firing.specs[0].arguments_json)
    assert {"k": {"at": "2026-05-04T13:00:00+00:00"}} == json.loads(plan(schedule, NOON + HOUR).specs[0].arguments_json)


def test_jitter_is_a_hash():
    """Jitter depends on the schedule and the slot alone, stays below its bound, and is spread over it."""
    schedule = make(every(MINUTE), jitter=HOUR, catch_up=CatchUp.ALL)
    firing = plan(schedule, NOON + 100 * MINUTE)
    moved = [spec.run_after - slot for spec, slot in zip(firing.specs, firing.slots, strict=True) if spec.run_after]

    assert [jitter_of(schedule, slot) for slot in firing.slots] == moved
    assert all(timedelta(0) <= jitter < HOUR for jitter in moved)
    assert max(moved) - min(moved) > 50 * MINUTE
    assert len(set(moved)) > 90
    assert jitter_of(schedule, NOON) != jitter_of(attrs.evolve(schedule, id="s2"), NOON)


def test_no_jitter():
    """Without jitter a task runs at its slot."""
    assert timedelta(0) == jitter_of(make(), NOON)


# By hand


def test_run_now_keeps_the_cursor():
    """A run by hand counts, is a slot of that moment, and moves no other."""
    schedule, now = make(repeats=5), NOON + 10 * MINUTE
    firing = run_now(schedule, now)
    stepped = after(firing)

    assert ((now,), now, now) == (firing.slots, firing.specs[0].slot, firing.specs[0].run_after)
    assert (4, 1, 2) == (stepped.repeats, stepped.runs, stepped.revision)
    assert (NOON + HOUR, None, firing.specs[0].id) == (stepped.next_slot, stepped.last_slot, stepped.last_task_id)


def test_run_now_without_jitter():
    """Now is now."""
    assert NOON == run_now(make(jitter=HOUR), NOON).specs[0].run_after


def test_run_now_is_another_task_than_the_slot():
    """In the very moment of a slot a run by hand is a task of its own, and so is a second one."""
    schedule = make()
    by_hand = run_now(schedule, NOON + HOUR)
    again = run_now(after(by_hand), NOON + HOUR)
    slot = plan(after(again), NOON + HOUR)

    assert 3 == len({firing.specs[0].id for firing in (by_hand, again, slot)})


def test_run_now_takes_the_last_repeat():
    """With its last repeat used up by hand a schedule stops."""
    stepped = after(run_now(make(repeats=1), NOON))

    assert (0, None) == (stepped.repeats, stepped.next_slot)


def test_run_now_of_what_has_stopped():
    """A schedule that is disabled or has no repeats left can be run by hand, and stays so."""
    for schedule in (make(enabled=False), make(repeats=0)):
        stepped = after(run_now(schedule, NOON))

        assert (None, 1, schedule.enabled) == (stepped.next_slot, stepped.runs, stepped.enabled)
    assert 0 == after(run_now(make(repeats=0), NOON)).repeats


def test_run_now_keeps_a_moment_to_come():
    """A run by hand does not use up the moment of ``once``."""
    stepped = after(run_now(make(once(NOON + HOUR)), NOON))

    assert (NOON + HOUR, -2) == (stepped.next_slot, stepped.repeats)


# Edits


def test_edit_raises_generation_and_revision():
    """An edit is a write, and its tasks are others."""
    schedule, now = make(), NOON + 10 * MINUTE
    changed = edited(attrs.evolve(schedule, description="new"), now)

    assert (2, 2, now) == (changed.revision, changed.generation, changed.updated_at)
    assert "new" == changed.description


def test_edit_computes_the_cursor_from_now():
    """After an edit the next slot lies after now, whatever was missed."""
    changed = edited(attrs.evolve(make(), trigger=cron("30 * * * *")), NOON + 5 * HOUR + 10 * MINUTE)

    assert NOON + 5 * HOUR + 30 * MINUTE == changed.next_slot


def test_edit_never_repeats_a_slot():
    """A slot enqueued by a machine whose clock is ahead is not enqueued again by an edit."""
    fired = after(plan(make(), NOON + HOUR))
    changed = edited(attrs.evolve(fired, description="new"), NOON + HOUR - 2 * SECOND)

    assert NOON + 2 * HOUR == changed.next_slot


def test_edit_anchors_a_new_trigger():
    """A trigger that an edit brings counts from the edit; one that has its anchor keeps it."""
    now = NOON + 10 * MINUTE
    changed = edited(attrs.evolve(make(), trigger=every(HOUR)), now)

    assert (every(HOUR, anchor=now), now + HOUR) == (changed.trigger, changed.next_slot)
    assert changed.trigger == edited(changed, NOON + 3 * HOUR).trigger
    assert now + 3 * HOUR == edited(changed, NOON + 3 * HOUR).next_slot


def test_disable_and_enable():
    """Disabled there is no cursor; enabled again it is the next slot from then on."""
    disabled = edited(attrs.evolve(make(), enabled=False), NOON + MINUTE)
    enabled = edited(attrs.evolve(disabled, enabled=True), NOON + 5 * HOUR)

    assert disabled.next_slot is None
    assert disabled is plan(disabled, NOON + DAY).after
    assert NOON + 6 * HOUR == enabled.next_slot


@pytest.mark.parity("DQ-22")
def test_edit_gives_new_repeats():
    """A schedule that has stopped goes on with new repeats."""
    stopped = after(plan(make(repeats=1), NOON + HOUR))

    assert NOON + 4 * HOUR == edited(attrs.evolve(stopped, repeats=2), NOON + 3 * HOUR).next_slot


def test_edit_of_what_is_over():
    """A schedule that is over can be edited, and is still over."""
    over = after(plan(make(once(NOON + HOUR)), NOON + HOUR))

    assert edited(attrs.evolve(over, description="kept"), NOON + DAY).next_slot is None


def test_edit_is_checked():
    """What cannot be is refused in an edit too."""
    with pytest.raises(InvalidSchedule, match="jitter"):
        edited(attrs.evolve(make(), jitter=-SECOND), NOON)


# What comes next


@pytest.mark.parity("DQ-13")
def test_upcoming():
    """The next slots from the cursor on: no more than repeats are left, and none past the end."""
    assert ["13:00", "14:00", "15:00"] == hours(upcoming(make(), 3))
    assert ["13:00", "14:00"] == hours(upcoming(make(repeats=2), 3))
    assert ["13:00"] == hours(upcoming(make(ends_at=NOON + HOUR), 3))
    assert () == upcoming(make(enabled=False), 3)
