"""Making and changing schedules.

Every write compares the revision that was read. One that lost a race, to another edit or to a fire, is made again on
what is there now, so that neither is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs
from typing_extensions import TypedDict

from taskcore._call import Call
from taskcore._client._enqueueing import Session
from taskcore._client._handle import Handle
from taskcore._naming import shown
from taskcore._options import check_name
from taskcore._scheduling import edited, prepared, run_now, upcoming
from taskcore._triggers import BuiltInTrigger, unless_same
from taskcore.errors import InvalidInput, InvalidSchedule, ScheduleConflict, TaskNotFound
from taskcore.protocol import CatchUp, Overlap, Schedule, ScheduleQuery, TaskSpec, Trigger, UniqueUntil

__all__ = ["Planner", "ScheduleOptions"]

_TRIES = 20
"""How often a write is made again when somebody else was faster."""


class ScheduleOptions(TypedDict, total=False):
    """How a schedule goes about its slots: the fields of ``Schedule`` that are given as keywords."""

    enabled: bool
    starts_at: datetime | None
    """No slot before this moment."""
    ends_at: datetime | None
    """No slot after this moment."""
    repeats: int
    """How many runs; below 0: for ever. It counts down, so ``schedule`` sets it only when it makes a new schedule."""
    catch_up: CatchUp
    catch_up_limit: int
    overlap: Overlap
    jitter: timedelta
    expires_after: timedelta | None
    """Each task is cancelled unless it has started this long after its slot."""
    slot_argument: str | None
    """The keyword argument of the function that is given the slot."""
    delete_when_done: bool
    description: str


class Planner:
    """Makes, edits and runs the schedules of one store."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._backend = session.backend

    def schedule(self, name: str, trigger: Trigger, call: Call[object], options: ScheduleOptions) -> Schedule:
        """Make a schedule, or bring the one of this name to what is asked; unchanged it is not written."""
        check_name("name of a schedule", name)
        _check_options(name, options)
        _check_trigger(name, trigger)
        spec = self._template(name, call, options.get("slot_argument"))
        changes: dict[str, Any] = {key: value for key, value in options.items() if key != "repeats"}

        def change(old: Schedule) -> Schedule:
            new_spec = attrs.evolve(spec, id=old.spec.id, enqueued_at=old.spec.enqueued_at)
            return attrs.evolve(old, trigger=unless_same(trigger, old.trigger), spec=new_spec, **changes)

        for _ in range(_TRIES):
            stored = self._find(name)
            if stored is not None:
                try:
                    return self._change(stored, change)
                except TaskNotFound:  # deleted meanwhile: it is made anew
                    continue
            now = self._session.now()
            new = prepared(
                Schedule(
                    id=self._session.ids.new(now),
                    name=name,
                    trigger=trigger,
                    spec=spec,
                    created_at=now,
                    updated_at=now,
                    **options,
                )
            )
            if self._backend.put_schedule(new, expected_revision=None):
                return new
        raise _conflict(name)

    def edit(self, name: str, trigger: Trigger | None, call: Call[object] | None, options: ScheduleOptions) -> Schedule:
        """Change what is given of the schedule of this name."""
        _check_options(name, options)
        changes: dict[str, Any] = {**options}
        if trigger is not None:
            _check_trigger(name, trigger)
            changes["trigger"] = trigger
        stored = self.get(name)
        if call is not None:
            template = self._template(name, call, options.get("slot_argument", stored.slot_argument))
            changes["spec"] = attrs.evolve(template, id=stored.spec.id, enqueued_at=stored.spec.enqueued_at)
        return self._change(stored, lambda old: attrs.evolve(old, **changes))

    def _change(self, stored: Schedule, change: Callable[[Schedule], Schedule]) -> Schedule:
        for _ in range(_TRIES):
            changed = change(stored)
            if changed == stored:
                return stored
            new = edited(changed, self._session.now())
            if self._backend.put_schedule(new, expected_revision=stored.revision):
                return new
            stored = self.get(stored.name)
        raise _conflict(stored.name)

    def delete(self, name: str) -> bool:
        """Delete the schedule of this name; return whether it was there."""
        stored = self._find(name)
        return stored is not None and self._backend.delete_schedule(stored.id)

    def get(self, name: str) -> Schedule:
        """Return the schedule of this name; raise TaskNotFound when there is none."""
        stored = self._find(name)
        if stored is None:
            raise TaskNotFound(f"The store holds no schedule named {name!r}.", task_id=name)
        return stored

    def run_now(self, name: str) -> Handle[object]:
        """Enqueue the call of a schedule at once; it counts as a run, the cursor stays."""
        for _ in range(_TRIES):
            stored = self.get(name)
            firing = run_now(stored, self._session.now())
            if self._backend.fire(stored, firing.after, firing.specs):
                return Handle(self._backend, self._stored_as(firing.specs[0]))
        raise _conflict(name)

    def _stored_as(self, spec: TaskSpec) -> str:
        """Return the id of the task, or of the one that holds its unique key and stands for it."""
        if spec.unique is None or self._backend.get([spec.id])[0] is not None:
            return spec.id
        return self._backend.unique_holder(spec.unique.key) or spec.id

    def preview(self, name: str, count: int) -> tuple[datetime, ...]:
        """Return the next slots of a schedule, from its cursor on."""
        return upcoming(self.get(name), count)

    def _find(self, name: str) -> Schedule | None:
        return next(iter(self._backend.schedules(ScheduleQuery(names=(name,), limit=1)).items), None)

    def _template(self, name: str, call: Call[object], slot_argument: str | None) -> TaskSpec:
        """Return the spec that each task is made of; refuse what means nothing, or not the same, at each slot."""
        if not isinstance(call, Call):
            raise InvalidInput(f"Schedule {name!r}: {shown(call)} is no call: make one with definition.bind(…).")
        spec = self._session.spec(call)
        for option, is_given, instead in (
            ("run_after", spec.run_after is not None, "the trigger says when it runs"),
            ("expires_at", spec.expires_at is not None, "give the schedule expires_after=… instead"),
            ("depends_on", bool(spec.parents), "a schedule's tasks wait for nothing but their slots"),
            (
                "unique_until",
                spec.unique is not None and spec.unique.until is UniqueUntil.MOMENT,
                "a moment would be the same for all of its tasks; use 'started' or 'finished'",
            ),
        ):
            if is_given:
                raise InvalidSchedule(f"Schedule {name!r}: its call cannot have {option}: {instead}.")
        if slot_argument is not None:
            self._check_slot_argument(name, call, slot_argument)
        return spec

    def _check_slot_argument(self, name: str, call: Call[object], slot_argument: str) -> None:
        now = self._session.now()
        refusal: InvalidInput | None = None
        for value in (now.isoformat(), now):  # for a parameter that takes a text, and for one that takes a moment
            try:
                arguments = {**call.kwargs, slot_argument: value}
                self._session.spec(attrs.evolve(call.definition.bind(*call.args, **arguments)))
            except InvalidInput as error:
                refusal = error
            else:
                return
        raise InvalidSchedule(
            f"Schedule {name!r}: slot_argument {slot_argument!r} does not fit: {refusal}"
        ) from refusal


def _check_options(name: str, options: ScheduleOptions) -> None:
    unknown = sorted(set(options) - set(ScheduleOptions.__annotations__))
    if unknown:
        known = ", ".join(sorted(ScheduleOptions.__annotations__))
        raise InvalidSchedule(f"Schedule {name!r}: unknown option {', '.join(unknown)}. The options are {known}.")
    for option, kind in (
        ("catch_up", CatchUp),
        ("overlap", Overlap),
        ("enabled", bool),
        ("delete_when_done", bool),
        ("description", str),
    ):
        if option in options and not isinstance(options.get(option), kind):
            raise InvalidSchedule(
                f"Schedule {name!r}: {option} is {shown(options.get(option))}: it should be a {kind.__name__}."
            )
    slot_argument = options.get("slot_argument")
    if slot_argument is not None and not isinstance(slot_argument, str):
        raise InvalidSchedule(f"Schedule {name!r}: slot_argument is {shown(slot_argument)}: it should be a text.")


def _check_trigger(name: str, trigger: Trigger) -> None:
    if not isinstance(trigger, BuiltInTrigger):
        raise InvalidSchedule(
            f"Schedule {name!r}: {shown(trigger)} is no trigger that can be stored: make one with cron(), every(), "
            "daily(), once() and so on."
        )


def _conflict(name: str) -> ScheduleConflict:
    return ScheduleConflict(f"Schedule {name!r} was changed by others {_TRIES} times meanwhile: try again.")
