"""Checks of schedules: stored whole, compared before every write, fired once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import attrs

from taskcore._triggers import cron, daily, once
from taskcore.errors import InvalidInput
from taskcore.protocol import (
    CatchUp,
    Event,
    OnConflict,
    Overlap,
    Schedule,
    ScheduleQuery,
    State,
    UniqueKey,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import HOUR, fired, schedule
from taskcore.testing.conformance._trial import Trial, all_pages, expect, expect_raises, in_threads

MINUTE = timedelta(minutes=1)


def _put(trial: Trial, **options: object) -> Schedule:
    new = schedule(trial, **options)
    expect(True, trial.store.put_schedule(new, expected_revision=None), "whether the new schedule was stored")
    return new


def _stored(trial: Trial, schedule_id: str) -> Schedule | None:
    items = trial.store.schedules(ScheduleQuery(ids=(schedule_id,))).items
    return items[0] if items else None


@check()
def every_field_comes_back(trial: Trial) -> None:
    """A schedule is returned as it was given, with its trigger and its template."""
    now = trial.clock.now()
    whole = schedule(
        trial,
        name="nächtlich / 1 ",
        spec=trial.spec(name="n", queue_name="q", priority=3, unique=UniqueKey(key="k"), arguments_json='{"a":  []}'),
        enabled=False,
        starts_at=now + MINUTE,
        ends_at=now + timedelta(days=400, microseconds=1),
        repeats=7,
        catch_up=CatchUp.ALL,
        catch_up_limit=3,
        overlap=Overlap.SKIP,
        jitter=timedelta(seconds=1.5),
        expires_after=MINUTE,
        slot_argument="slot",
        delete_when_done=True,
        description="Für Übersichten",
        next_slot=now + timedelta(microseconds=1),
        revision=4,
        generation=3,
        runs=2,
        skipped=1,
        last_slot=now - HOUR,
        last_run_at=now,
        last_task_id="a" * 32,
    )
    trial.store.put_schedule(whole, expected_revision=None)
    stored = _stored(trial, whole.id)
    for field in attrs.fields(Schedule):
        expect(getattr(whole, field.name), getattr(stored, field.name, None), f"Schedule.{field.name}")


@check()
def every_kind_of_trigger_comes_back(trial: Trial) -> None:
    """Triggers give the same slots when they are read again."""
    now = trial.clock.now()
    triggers = (cron("30 2 * * *", tz="Europe/Berlin"), once(now + HOUR), daily(anchor=now))
    for trigger in triggers:
        new = _put(trial, trigger=trigger)
        stored = _stored(trial, new.id)
        expect(trigger, stored and stored.trigger, "the trigger")
        expect(trigger.next_after(now), stored and stored.trigger.next_after(now), "its next slot")


@check()
def name_is_taken_once(trial: Trial) -> None:
    """A new schedule with a name that is taken is not stored; names are compared to the character."""
    first = _put(trial, name="n")
    for name in ("N", "n ", "ñ"):
        _put(trial, name=name)
    second = schedule(trial, name="n")
    expect(False, trial.store.put_schedule(second, expected_revision=None), "whether the second one was stored")
    expect((first, None), (_stored(trial, first.id), _stored(trial, second.id)), "the two schedules")


@check()
def new_schedule_put_twice_is_stored_once(trial: Trial) -> None:
    """A schedule that is there is not stored again as a new one."""
    first = _put(trial)
    expect(False, trial.store.put_schedule(first, expected_revision=None), "the answer to the second put")


@check()
def revision_is_compared(trial: Trial) -> None:
    """An edit is stored if the revision is the expected one, and not otherwise."""
    first = _put(trial)
    edited = attrs.evolve(first, description="edited", revision=2)
    for revision in (0, 2, 99):
        stored = trial.store.put_schedule(edited, expected_revision=revision)
        expect((False, first), (stored, _stored(trial, first.id)), f"an edit that expects revision {revision}")
    expect(True, trial.store.put_schedule(edited, expected_revision=1), "an edit that expects revision 1")
    expect(edited, _stored(trial, first.id), "the schedule after the edit")
    lost = attrs.evolve(first, description="lost", revision=2)
    expect(False, trial.store.put_schedule(lost, expected_revision=1), "a second edit that expects revision 1")


@check()
def edit_of_a_schedule_that_is_gone(trial: Trial) -> None:
    """An edit of a schedule that was deleted is not stored: it would bring it back."""
    first = _put(trial)
    trial.store.delete_schedule(first.id)
    edited = attrs.evolve(first, revision=2)
    expect(False, trial.store.put_schedule(edited, expected_revision=1), "whether the edit was stored")
    expect(None, _stored(trial, first.id), "the schedule")


@check()
def schedule_is_renamed(trial: Trial) -> None:
    """A rename is found by the new name only, and is refused if the name is another's."""
    first, other = _put(trial, name="a"), _put(trial, name="b")
    stolen = attrs.evolve(first, name="b", revision=2)
    expect(False, trial.store.put_schedule(stolen, expected_revision=1), "a rename to a name that is taken")
    renamed = attrs.evolve(first, name="c", revision=2)
    expect(True, trial.store.put_schedule(renamed, expected_revision=1), "a rename to a free name")
    found = [trial.store.schedules(ScheduleQuery(names=(name,))).items for name in "abc"]
    expect([(), (other,), (renamed,)], found, "the schedules by name")
    _put(trial, name="a")


@check()
def deleted_schedule_is_gone(trial: Trial) -> None:
    """Deleting says whether it was there; the name is free again; tasks of the schedule stay."""
    first = _put(trial, name="n")
    task_id = trial.add(schedule_id=first.id, slot=trial.clock.now())
    answers = [trial.store.delete_schedule(schedule_id) for schedule_id in (first.id, first.id, "0" * 32)]
    expect([True, False, False], answers, "the answers")
    expect((None, [task_id]), (_stored(trial, first.id), trial.found(schedule_id=first.id)), "schedule and tasks")
    _put(trial, name="n")


@check()
def schedules_are_listed_by_name(trial: Trial) -> None:
    """All schedules come by name, page by page; some by ids, some by names."""
    made = {name: _put(trial, name=name) for name in ("d", "b", "e", "a", "c")}
    every = all_pages(lambda cursor: trial.store.schedules(ScheduleQuery(cursor=cursor, limit=2)))
    expect(list("abcde"), [one.name for one in every], "the names of all")
    some = trial.store.schedules(ScheduleQuery(names=("e", "unknown", "b"))).items
    expect({"b", "e"}, {one.name for one in some}, "the names of some, by names")
    some = trial.store.schedules(ScheduleQuery(ids=(made["d"].id, "0" * 32, made["a"].id))).items
    expect({"a", "d"}, {one.name for one in some}, "the names of some, by ids")


@check()
def due_schedules_come_by_slot(trial: Trial) -> None:
    """With ``due_by`` those whose next slot has come are listed, the earliest slot first, page by page."""
    now = trial.clock.now()
    for name, minutes in (("b", 3), ("c", 1), ("a", 2), ("later", 60)):
        _put(trial, name=name, next_slot=now + minutes * MINUTE)
    _put(trial, name="never", next_slot=None)
    due = all_pages(
        lambda cursor: trial.store.schedules(ScheduleQuery(due_by=now + 3 * MINUTE, cursor=cursor, limit=2))
    )
    expect(["c", "a", "b"], [one.name for one in due], "the names of those due")
    expect((), trial.store.schedules(ScheduleQuery(due_by=now)).items, "those due now")


@check()
def due_schedules_with_one_slot(trial: Trial) -> None:
    """Schedules that share their slot are all listed by id, whatever their names, over pages of one."""
    slot = trial.clock.now() + MINUTE
    ids = [_put(trial, name=name, next_slot=slot).id for name in ("c", "a", "d", "b")]
    due = all_pages(lambda cursor: trial.store.schedules(ScheduleQuery(due_by=slot, cursor=cursor, limit=1)))
    expect(ids, [one.id for one in due], "the ids of those due")


@check()
def schedules_come_by_the_code_points_of_their_names(trial: Trial) -> None:
    """Without ``due_by`` capitals come before small letters, and an umlaut after z, page by page."""
    for name in ("ä", "b", "B", "z", "a"):
        _put(trial, name=name)
    every = all_pages(lambda cursor: trial.store.schedules(ScheduleQuery(cursor=cursor, limit=1)))
    expect(["B", "a", "b", "z", "ä"], [one.name for one in every], "the names")


@check()
def fire_moves_the_schedule_and_adds_the_tasks(trial: Trial) -> None:
    """A fire puts the new schedule in place and adds the specs, in one step."""
    before = _put(trial)
    after = fired(trial, before)
    spec = trial.spec(schedule_id=before.id, slot=before.next_slot, run_after=before.next_slot)
    expect(True, trial.store.fire(before, after, [spec]), "whether it fired")
    expect(after, _stored(trial, before.id), "the schedule")
    expect([spec], [trial.get(task_id).spec for task_id in trial.found()], "the tasks")
    due = trial.store.schedules(ScheduleQuery(due_by=before.next_slot)).items
    expect((), due, "the schedules due at the slot that was fired")


@check()
def task_of_a_slot_waits_for_its_moment(trial: Trial) -> None:
    """A scheduler whose clock is fast cannot run a task early: the task waits for its slot."""
    before = _put(trial)
    spec = trial.spec(schedule_id=before.id, slot=before.next_slot, run_after=before.next_slot)
    trial.store.fire(before, fired(trial, before), [spec])
    expect([], trial.claim(), "what is claimed before the slot")
    trial.clock.advance(HOUR)
    expect([spec.id], [task.id for task in trial.claim()], "what is claimed at the slot")


@check()
def fire_is_compared(trial: Trial) -> None:
    """A fire from an older revision changes nothing and adds nothing: an edit never loses to it."""
    before = _put(trial)
    edited = attrs.evolve(before, description="edited", revision=2, generation=2)
    trial.store.put_schedule(edited, expected_revision=1)
    expect(False, trial.store.fire(before, fired(trial, before), [trial.spec()]), "whether it fired")
    expect(edited, _stored(trial, before.id), "the schedule")
    expect([], trial.found(), "the tasks")


@check()
def repeated_fire_adds_nothing(trial: Trial) -> None:
    """The second of two schedulers, or a repeat after a lost reply, is told that it did not fire."""
    before = _put(trial)
    after = fired(trial, before)
    spec = trial.spec()
    answers = [trial.store.fire(before, after, [spec]) for _ in range(2)]
    answers.append(trial.store.fire(before, after, [trial.spec()]))
    expect([True, False, False], answers, "the answers")
    expect(([spec.id], after), (trial.found(), _stored(trial, before.id)), "the tasks and the schedule")


@check()
def fire_of_a_task_that_is_there(trial: Trial) -> None:
    """A spec whose id is stored already is left as it is; the schedule moves on."""
    before = _put(trial)
    spec = trial.spec()
    trial.store.add([spec])
    done = trial.finish(spec.id)
    expect(True, trial.store.fire(before, fired(trial, before), [spec]), "whether it fired")
    expect(done, trial.get(spec.id), "the task that was there")


@check()
def fire_without_tasks(trial: Trial) -> None:
    """A slot that is skipped moves the schedule and adds nothing."""
    before = _put(trial)
    after = fired(trial, before)
    expect(True, trial.store.fire(before, after, []), "whether it fired")
    expect(([], after), (trial.found(), _stored(trial, before.id)), "the tasks and the schedule")


@check()
def last_fire_deletes_the_schedule(trial: Trial) -> None:
    """A fire without a schedule after it deletes it and adds its tasks; a repeat does not fire."""
    before = _put(trial, name="n")
    spec = trial.spec()
    answers = [trial.store.fire(before, None, [spec]) for _ in range(2)]
    expect([True, False], answers, "the answers")
    expect((None, [spec.id]), (_stored(trial, before.id), trial.found()), "the schedule and the tasks")
    _put(trial, name="n")


@check()
def fire_of_a_deleted_schedule(trial: Trial) -> None:
    """A schedule that was deleted meanwhile does not fire and does not come back."""
    before = _put(trial)
    trial.store.delete_schedule(before.id)
    expect(False, trial.store.fire(before, fired(trial, before), [trial.spec()]), "whether it fired")
    expect((None, []), (_stored(trial, before.id), trial.found()), "the schedule and the tasks")


@check()
def unique_conflict_does_not_stop_a_fire(trial: Trial) -> None:
    """When the key is held the holder stands for the task, also with on_conflict RAISE; the others are added."""
    holder = trial.add(unique=UniqueKey(key="k"))
    before = _put(trial)
    specs = [trial.spec(unique=UniqueKey(key="k", on_conflict=OnConflict.RAISE)), trial.spec()]
    expect(True, trial.store.fire(before, fired(trial, before), specs), "whether it fired")
    expect([specs[1].id, holder], trial.found(), "the tasks")


@check()
def fired_task_is_an_ordinary_task(trial: Trial) -> None:
    """A task of a schedule takes its unique key, and gives it back when it has finished."""
    before = _put(trial)
    spec = trial.spec(unique=UniqueKey(key="k"))
    trial.store.fire(before, fired(trial, before), [spec])
    expect(spec.id, trial.store.unique_holder("k"), "the holder of the key")
    trial.finish(spec.id, Event.FAIL)
    expect((None, [State.FAILED]), (trial.store.unique_holder("k"), trial.states(spec.id)), "holder and state")


@check()
def one_of_many_schedulers_fires(trial: Trial) -> None:
    """Of eight threads that fire one slot at once one is told that it did, and one task is there."""
    before = _put(trial)
    after = fired(trial, before)
    specs = [trial.spec() for _ in range(8)]
    answers = in_threads([partial(trial.store.fire, before, after, [spec]) for spec in specs])
    expect((1, 1), (sum(answers), len(trial.found())), "how many fired, and how many tasks there are")


@check()
def one_of_many_edits_is_stored(trial: Trial) -> None:
    """Of eight threads that edit what they have read at once one is told that it did."""
    first = _put(trial)
    edits = [attrs.evolve(first, description=f"{number}", revision=2) for number in range(8)]
    answers = in_threads([partial(trial.store.put_schedule, edit, expected_revision=1) for edit in edits])
    expect(1, sum(answers), "how many were stored")
    expect(edits[answers.index(True)], _stored(trial, first.id), "the schedule")


@check()
def disabled_schedule_is_not_due(trial: Trial) -> None:
    """A schedule that is not enabled is not listed as due, though it has a next slot, and is listed otherwise."""
    new = _put(trial, enabled=False)
    expect((), trial.store.schedules(ScheduleQuery(due_by=trial.clock.now() + 2 * HOUR)).items, "those due")
    expect((new,), trial.store.schedules(ScheduleQuery()).items, "all")


@check()
def fire_moves_one_schedule(trial: Trial) -> None:
    """A fire that would rename the schedule, or put another one in its place, is refused; nothing changes."""
    before = _put(trial, name="n")
    after = fired(trial, before)
    for moved in (attrs.evolve(after, name="m"), attrs.evolve(after, id="0" * 32)):
        expect_raises(InvalidInput, partial(trial.store.fire, before, moved, [trial.spec()]), "a fire that renames")
    expect((before, []), (_stored(trial, before.id), trial.found()), "the schedule and the tasks")
