"""How a schedule moves from slot to slot: which slots to enqueue now, which to leave out, where the cursor goes.

Pure: the caller brings the moment and what the store knows, and gives ``fire`` what comes back. The next slot is always
computed from the one before it, never from now, so a late scheduler neither drifts nor repeats. Slots that are due and
are not enqueued are *skipped*: they count in ``Schedule.skipped`` and not as repeats.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

import attrs
from typing_extensions import assert_never

from taskcore._data import Schedule, TaskSpec, Trigger
from taskcore._ids import slot_id
from taskcore._triggers import Every, Once, anchored, as_utc, preview
from taskcore._vocabulary import CatchUp, Overlap
from taskcore.errors import InvalidSchedule

__all__ = [
    "GRACE",
    "MAX_SLOTS",
    "Firing",
    "edited",
    "first_slot",
    "jitter_of",
    "plan",
    "prepared",
    "run_now",
    "upcoming",
]

GRACE = timedelta(seconds=60)
"""How late a slot may be and still run when missed slots are not caught up."""

MAX_SLOTS = 100
"""The most slots that one step enqueues; more stay due for the next step."""

MAX_PASSED = 5_000
"""About as many slots as one step passes over one by one, so that a year of missed minutes never stalls a scheduler."""

_MICROSECOND = timedelta(microseconds=1)
_MOST_CAUGHT_UP = 10_000
_LONGEST_JITTER = timedelta(days=1)
_LONGEST_EXPIRY = timedelta(days=36_525)


@attrs.frozen(kw_only=True)
class Firing:
    """What one step of a schedule comes to: what ``fire`` is given after the schedule as it was."""

    after: Schedule | None
    """The schedule after the step, its revision raised by one. ``None``: it is done, and to be deleted then.

    The very schedule given when nothing was due: then there is nothing to write.
    """
    slots: tuple[datetime, ...] = ()
    """The slots to enqueue now, oldest first; at most 100."""
    specs: tuple[TaskSpec, ...] = ()
    """Their tasks, in the same order, with the same ids whoever plans this step."""
    skipped: int = 0
    """How many due slots were passed over in this step."""


def plan(schedule: Schedule, now: datetime, *, is_last_finished: bool = True) -> Firing:
    """Return what ``schedule`` does at ``now``: bounded work, whatever was missed; what stays due, a next step does.

    Args:
        schedule: As stored. Nothing is due when it is disabled, or its cursor is ``None`` or later than ``now``.
        now: Aware. A clock that is ahead enqueues early; it cannot run early, for a task waits for its slot.
        is_last_finished: Whether the task ``schedule.last_task_id`` has finished, or is none. Asked for only by
            ``Overlap.SKIP``, which then enqueues one slot of those that are due, the oldest, or none.
    """
    now = as_utc(now, "now")
    cursor = schedule.next_slot
    if not schedule.enabled or cursor is None or cursor > now:
        return Firing(after=schedule)
    passed = _pass_over(schedule, cursor, now)
    due = _walk(schedule, passed.cursor, now, MAX_SLOTS) if passed.is_all else []
    cursor = _following(schedule, due[-1]) if due else passed.cursor
    slots = due if schedule.repeats < 0 else due[: schedule.repeats]
    skipped = passed.count
    if schedule.overlap is Overlap.SKIP:
        slots = slots[:1] if is_last_finished else []
        skipped += len(due) - len(slots)
    specs = tuple(_spec(schedule, slot_id(schedule.id, schedule.generation, slot), slot, now) for slot in slots)
    after = attrs.evolve(
        _counted(schedule, specs, now, goes_to_zero=isinstance(schedule.trigger, Once)),
        next_slot=cursor,
        last_slot=slots[-1] if slots else schedule.last_slot,
        skipped=schedule.skipped + skipped,
    )
    return Firing(after=_stopped(after), slots=tuple(slots), specs=specs, skipped=skipped)


def run_now(schedule: Schedule, now: datetime) -> Firing:
    """Return the step of an operator who runs the schedule once, at ``now``: it counts as a run, the cursor stays.

    It works on a disabled schedule too, and on one without repeats left, whose count then stays 0.
    """
    now = as_utc(now, "now")
    # Its own kind of id: a run by hand in the very moment of a slot is another task than the slot's.
    task_id = slot_id(f"{schedule.id}/run_now/{schedule.revision}", schedule.generation, now)
    spec = attrs.evolve(_spec(schedule, task_id, now, now), run_after=now)
    return Firing(after=_stopped(_counted(schedule, (spec,), now)), slots=(now,), specs=(spec,))


def _counted(schedule: Schedule, specs: tuple[TaskSpec, ...], now: datetime, *, goes_to_zero: bool = False) -> Schedule:
    """Return the schedule one revision later, with these runs counted."""
    schedule = attrs.evolve(schedule, revision=schedule.revision + 1)
    if not specs:
        return schedule
    return attrs.evolve(
        schedule,
        repeats=0 if goes_to_zero or schedule.repeats == 0 else schedule.repeats - len(specs),
        runs=schedule.runs + len(specs),
        last_run_at=now,
        last_task_id=specs[-1].id,
    )


def _stopped(schedule: Schedule) -> Schedule | None:
    """Return the schedule without a cursor when no repeats are left; ``None`` when it is done and is to be deleted."""
    if schedule.repeats == 0:
        schedule = attrs.evolve(schedule, next_slot=None)
    return None if schedule.delete_when_done and schedule.enabled and schedule.next_slot is None else schedule


def _spec(schedule: Schedule, task_id: str, slot: datetime, now: datetime) -> TaskSpec:
    """Return the task of a slot: the template, to run after its slot and the slot's jitter."""
    template = schedule.spec
    return attrs.evolve(
        template,
        id=task_id,
        enqueued_at=now,
        run_after=slot + jitter_of(schedule, slot),
        expires_at=template.expires_at if schedule.expires_after is None else slot + schedule.expires_after,
        arguments_json=_arguments(schedule, slot),
        schedule_id=schedule.id,
        slot=slot,
    )


def jitter_of(schedule: Schedule, slot: datetime) -> timedelta:
    """Return how much later than ``slot`` its task runs: below ``schedule.jitter``, and the same on every machine."""
    digest = hashlib.sha256(f"{schedule.id}:{slot.isoformat()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * (schedule.jitter // _MICROSECOND) // 2**64 * _MICROSECOND


def first_slot(
    trigger: Trigger, after: datetime, *, starts_at: datetime | None = None, ends_at: datetime | None = None
) -> datetime | None:
    """Return the first slot after ``after`` and from ``starts_at`` on; ``None`` if there is none up to ``ends_at``."""
    after = as_utc(after, "after")
    if starts_at is not None:
        starts_at = as_utc(starts_at, "starts_at")
        after = starts_at - _MICROSECOND if starts_at > after else after
    slot = trigger.next_after(after)
    return None if slot is None or (ends_at is not None and slot > as_utc(ends_at, "ends_at")) else slot


def upcoming(schedule: Schedule, count: int) -> tuple[datetime, ...]:
    """Return the next slots from the cursor on, at most ``count`` (up to 10,000) and no more than repeats are left."""
    if schedule.next_slot is None or not schedule.enabled:
        return ()
    left = count if schedule.repeats < 0 else min(count, schedule.repeats)
    slots = preview(schedule.trigger, schedule.next_slot - _MICROSECOND, left)
    return tuple(slot for slot in slots if schedule.ends_at is None or slot <= schedule.ends_at)


def prepared(schedule: Schedule) -> Schedule:
    """Return a new schedule ready to be stored: options checked, trigger anchored, the cursor on its first slot.

    The first slot lies strictly after ``created_at``. A trigger without an anchor gets ``starts_at``, else that.
    Raises InvalidSchedule when an option is out of its range, or when it would never run.
    """
    schedule = attrs.evolve(_checked(schedule), created_at=as_utc(schedule.created_at, "created_at"))
    ready = _from(schedule, schedule.created_at)
    if ready.next_slot is None and ready.enabled and ready.repeats != 0:
        raise InvalidSchedule(
            f"schedule {schedule.name!r} would never run: its trigger has no slot after "
            f"{schedule.created_at.isoformat()}{_until(schedule)}. To run a task at once, enqueue it."
        )
    return ready


def edited(changed: Schedule, now: datetime) -> Schedule:
    """Return an edited schedule ready to be stored over the one it was made of (by ``attrs.evolve``).

    Revision and generation rise by one, and the cursor is computed anew: the first slot after ``now`` that was not
    enqueued before, ``None`` when the schedule is disabled or has nothing left to do. Raises InvalidSchedule when an
    option is out of its range.
    """
    now = as_utc(now, "now")
    changed = _checked(changed)
    # Another machine with a clock ahead of ours may have enqueued a slot that lies after our now.
    after = now if changed.last_slot is None else max(now, changed.last_slot)
    return attrs.evolve(
        _from(changed, after),
        revision=changed.revision + 1,
        generation=changed.generation + 1,
        updated_at=now,
    )


def _from(schedule: Schedule, after: datetime) -> Schedule:
    """Return the schedule with its trigger anchored and its cursor on the first slot after a moment."""
    trigger = anchored(schedule.trigger, schedule.starts_at or after)
    slot = None
    if schedule.enabled and schedule.repeats != 0:
        slot = first_slot(trigger, after, starts_at=schedule.starts_at, ends_at=schedule.ends_at)
    return attrs.evolve(schedule, trigger=trigger, next_slot=slot)


@attrs.frozen
class _Passed:
    """Missed slots that a step leaves out."""

    count: int
    cursor: datetime | None
    """The first slot that is not left out."""
    is_all: bool
    """Whether nothing more is to be left out; otherwise the next step goes on."""


def _pass_over(schedule: Schedule, cursor: datetime, now: datetime) -> _Passed:
    """Leave out what ``catch_up`` says; past the bound on work, only what is certain by then."""
    if isinstance(schedule.trigger, Once):  # no later slot makes up for it, so it runs however late
        kept = 1
    elif schedule.catch_up is CatchUp.NONE:
        kept = None
    elif schedule.catch_up is CatchUp.LAST:
        kept = 1
    elif schedule.catch_up is CatchUp.ALL:
        kept = schedule.catch_up_limit
    else:
        assert_never(schedule.catch_up)
    if isinstance(schedule.trigger, Every):
        return _pass_over_steps(schedule, schedule.trigger, cursor, now, kept)
    most = MAX_PASSED + (kept or 0)
    walked = _walk(schedule, cursor, now, most)
    is_whole = len(walked) < most
    count = sum(slot < now - GRACE for slot in walked) if kept is None else max(0, len(walked) - kept)
    if count < len(walked):
        return _Passed(count, walked[count], is_whole)
    return _Passed(count, _following(schedule, walked[-1]), is_whole)


def _pass_over_steps(schedule: Schedule, every: Every, cursor: datetime, now: datetime, kept: int | None) -> _Passed:
    """Do the same for even steps by arithmetic: a year of missed seconds costs no more than one."""
    last = _last_moment(schedule, now)
    due = 1 + every.count_between(cursor, last)
    if kept is not None:
        count = max(0, due - kept)
    else:
        late = min(last, now - GRACE - _MICROSECOND)
        count = 0 if cursor > late else 1 + every.count_between(cursor, late)
    if count == 0:
        return _Passed(0, cursor, is_all=True)
    return _Passed(count, _following(schedule, cursor + (count - 1) * every.step), is_all=True)


def _walk(schedule: Schedule, cursor: datetime | None, now: datetime, most: int) -> list[datetime]:
    """Return the due slots from the cursor on, at most so many."""
    slots: list[datetime] = []
    while cursor is not None and cursor <= now and len(slots) < most:
        slots.append(cursor)
        cursor = _following(schedule, cursor)
    return slots


def _following(schedule: Schedule, slot: datetime) -> datetime | None:
    """Return the slot after ``slot``; ``None`` past ``ends_at``."""
    following = schedule.trigger.next_after(slot)
    if following is None:
        return None
    if following <= slot:
        raise InvalidSchedule(
            f"schedule {schedule.name!r}: its trigger {schedule.trigger!r} gave {following.isoformat()} as the "
            f"slot after {slot.isoformat()}: next_after() must go forward."
        )
    return None if schedule.ends_at is not None and following > schedule.ends_at else following


def _last_moment(schedule: Schedule, now: datetime) -> datetime:
    return now if schedule.ends_at is None else min(now, schedule.ends_at)


def _arguments(schedule: Schedule, slot: datetime) -> str:
    arguments_json = schedule.spec.arguments_json
    if schedule.slot_argument is None:
        return arguments_json
    arguments: dict[str, object] = json.loads(arguments_json)
    keywords = arguments.get("k")
    merged = {**(keywords if isinstance(keywords, dict) else {}), schedule.slot_argument: slot.isoformat()}
    return json.dumps({**arguments, "k": merged}, ensure_ascii=False, separators=(",", ":"))


def _until(schedule: Schedule) -> str:
    return "" if schedule.ends_at is None else f" and up to {schedule.ends_at.isoformat()}"


def _checked(schedule: Schedule) -> Schedule:
    """Return the schedule with its moments in UTC; raise InvalidSchedule when an option is out of its range."""
    name = schedule.name
    if not isinstance(name, str) or not name.strip():
        raise InvalidSchedule(
            f"schedule name {name!r} is empty or no text: give a name that is unique among schedules."
        )
    if not callable(getattr(schedule.trigger, "next_after", None)):
        raise InvalidSchedule(
            f"schedule {name!r}: {schedule.trigger!r} is no trigger; make one with cron(), every(), daily(), once() …"
        )
    _check_number(schedule, "repeats", schedule.repeats, None, None)
    _check_number(schedule, "catch_up_limit", schedule.catch_up_limit, 1, _MOST_CAUGHT_UP)
    _check_span(schedule, "jitter", schedule.jitter, timedelta(0), _LONGEST_JITTER)
    if schedule.expires_after is not None:
        _check_span(schedule, "expires_after", schedule.expires_after, _MICROSECOND, _LONGEST_EXPIRY)
        if schedule.expires_after <= schedule.jitter:
            raise InvalidSchedule(
                f"schedule {name!r}: expires_after {schedule.expires_after} is not above jitter {schedule.jitter}: "
                "tasks would expire before they may run."
            )
    argument = schedule.slot_argument
    if argument is not None and not (isinstance(argument, str) and argument.isidentifier()):
        raise InvalidSchedule(f"schedule {name!r}: slot_argument {argument!r} is no name of a keyword argument.")
    starts_at, ends_at = (
        None if moment is None else as_utc(moment, f"schedule {name!r}: {option}")
        for option, moment in (("starts_at", schedule.starts_at), ("ends_at", schedule.ends_at))
    )
    if starts_at is not None and ends_at is not None and starts_at > ends_at:
        raise InvalidSchedule(
            f"schedule {name!r}: starts_at {starts_at.isoformat()} is after ends_at {ends_at.isoformat()}."
        )
    return attrs.evolve(schedule, starts_at=starts_at, ends_at=ends_at)


def _check_number(schedule: Schedule, option: str, value: int, low: int | None, high: int | None) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidSchedule(f"schedule {schedule.name!r}: {option} is {value!r}, and must be a whole number.")
    if low is not None and high is not None and not low <= value <= high:
        raise InvalidSchedule(f"schedule {schedule.name!r}: {option} is {value}, and must be {low} to {high:,}.")


def _check_span(schedule: Schedule, option: str, value: timedelta, low: timedelta, high: timedelta) -> None:
    if not isinstance(value, timedelta):
        raise InvalidSchedule(f"schedule {schedule.name!r}: {option} is {value!r}, and must be a timedelta.")
    if not low <= value <= high:
        raise InvalidSchedule(f"schedule {schedule.name!r}: {option} is {value}, and must be {low} to {high}.")
