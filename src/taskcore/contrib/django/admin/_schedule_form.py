"""The form of a schedule: one trigger of all kinds, the call, and how slots are gone about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import attrs
from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from taskcore import _triggers
from taskcore._call import Call
from taskcore._scheduling import edited, prepared, upcoming
from taskcore.contrib.django.admin._arguments import JSONText, call_of
from taskcore.contrib.django.admin._looks import now, pretty_json
from taskcore.contrib.django.admin._schedule_words import slot_words, trigger_words, zone_of
from taskcore.contrib.django.admin._stores import Store, known_definitions
from taskcore.errors import InvalidInput, InvalidSchedule, TaskcoreError, TaskNotFound
from taskcore.protocol import CatchUp, Overlap, Schedule, TaskSpec, Trigger

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:  # at run time Django's form is no generic
    _ModelForm = forms.ModelForm

__all__ = ["KINDS", "OPTIONS", "TRIGGER_FIELDS", "ScheduleForm", "TriggerForm", "fields_of", "next_slots", "preview_of"]

KINDS = (
    ("cron", gettext_lazy("Cron expression")),
    ("every", gettext_lazy("Interval")),
    ("hourly", gettext_lazy("Hourly")),
    ("daily", gettext_lazy("Daily")),
    ("weekly", gettext_lazy("Weekly")),
    ("biweekly", gettext_lazy("Every second week")),
    ("monthly", gettext_lazy("Monthly")),
    ("bimonthly", gettext_lazy("Every second month")),
    ("quarterly", gettext_lazy("Quarterly")),
    ("yearly", gettext_lazy("Yearly")),
    ("once", gettext_lazy("Once")),
)

_CALENDAR = tuple(kind for kind, _words in KINDS if kind not in {"cron", "every", "once"})

TRIGGER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "cron": ("expression",),
    "every": ("every_count", "every_unit", "anchor"),
    "once": ("at",),
    **dict.fromkeys(_CALENDAR, ("anchor",)),
}
"""The fields that belong to each kind; the zone belongs to all."""

_UNITS = {
    "seconds": (gettext_lazy("seconds"), timedelta(seconds=1)),
    "minutes": (gettext_lazy("minutes"), timedelta(minutes=1)),
    "hours": (gettext_lazy("hours"), timedelta(hours=1)),
    "days": (gettext_lazy("days"), timedelta(days=1)),
}

OPTIONS = (
    "enabled",
    "description",
    "starts_at",
    "ends_at",
    "repeats",
    "catch_up",
    "catch_up_limit",
    "overlap",
    "jitter",
    "expires_after",
    "slot_argument",
    "delete_when_done",
)
"""The fields that are options of ``Client.schedule``."""


@lru_cache(maxsize=1)
def _zones() -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in sorted(available_timezones()))


class WallTime(forms.CharField):
    """A date and time on the clocks of the schedule's zone: naive."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}), **options)

    def clean(self, value: Any) -> Any:
        """Return a naive datetime, ``None`` for nothing."""
        text = super().clean(value)
        if not text:
            return None
        try:
            found = parse_datetime(text)
        except ValueError:
            found = None
        if found is None or found.tzinfo is not None:
            raise ValidationError(gettext("This should be a date and a time, as 2027-03-28 01:30."))
        return found


class TriggerForm(forms.Form):
    """When it fires. Only the fields of the kind that is chosen count."""

    kind = forms.ChoiceField(label=gettext_lazy("Trigger"), choices=KINDS, initial="daily")
    expression = forms.CharField(
        label=gettext_lazy("Cron expression"),
        required=False,
        help_text=gettext_lazy("Minute, hour, day of month, month, day of week: 0 3 * * 1-5"),
    )
    every_count = forms.IntegerField(label=gettext_lazy("Every"), required=False, min_value=1, initial=10)
    every_unit = forms.ChoiceField(
        label=gettext_lazy("Unit"),
        required=False,
        choices=[(name, words) for name, (words, _span) in _UNITS.items()],
        initial="minutes",
    )
    anchor = WallTime(
        label=gettext_lazy("First run"),
        required=False,
        help_text=gettext_lazy("Later ones are counted from it. Left empty: from when the schedule is made."),
    )
    at = WallTime(label=gettext_lazy("At"), required=False)
    tz = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=_zones, initial=get_current_timezone_name)

    def clean(self) -> Any:
        """Make the trigger; what it refuses is said at its field."""
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind")
        if kind and "tz" in cleaned and not any(name in self.errors for name in TRIGGER_FIELDS[kind]):
            field = TRIGGER_FIELDS[kind][0]
            try:
                cleaned["trigger"] = trigger_of(cleaned)
            except InvalidSchedule as error:
                self.add_error(field, str(error))
            except KeyError:
                self.add_error(field, gettext("This field is required."))
        return cleaned


def trigger_of(cleaned: Mapping[str, Any]) -> Trigger:
    """Return the trigger of cleaned fields. Raises InvalidSchedule; KeyError when what the kind needs is missing."""
    kind, tz, anchor = cleaned["kind"], cleaned["tz"], cleaned.get("anchor")
    if kind == "cron":
        return _triggers.cron(_needed(cleaned, "expression"), tz=tz)
    if kind == "once":
        return _triggers.once(_needed(cleaned, "at").replace(tzinfo=ZoneInfo(tz)))
    if kind == "every":
        step = _needed(cleaned, "every_count") * _UNITS[cleaned.get("every_unit") or "minutes"][1]
        return _triggers.every(step, None if anchor is None else anchor.replace(tzinfo=ZoneInfo(tz)))
    make = getattr(_triggers, kind)
    made: Trigger = make(anchor, tz=tz)
    return made


def _needed(cleaned: Mapping[str, Any], name: str) -> Any:
    value = cleaned.get(name)
    if value in (None, ""):
        raise KeyError(name)
    return value


def _wall(moment: datetime | None, zone: str) -> str:
    return (
        "" if moment is None else moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(timespec="seconds")
    )


def fields_of(trigger: Trigger) -> dict[str, Any]:
    """Return what the form shows for a trigger."""
    zone = zone_of(trigger)
    if isinstance(trigger, _triggers.Cron):
        return {"kind": "cron", "expression": trigger.expression, "tz": zone}
    if isinstance(trigger, _triggers.Once):
        return {"kind": "once", "at": _wall(trigger.at, zone), "tz": zone}
    if isinstance(trigger, _triggers.CalendarStep):
        anchor = None if trigger.anchor is None else trigger.anchor.isoformat(timespec="seconds")
        return {"kind": trigger.step.value, "anchor": anchor, "tz": zone}
    if isinstance(trigger, _triggers.Every):
        name = next(
            (name for name in ("days", "hours", "minutes") if not trigger.step % _UNITS[name][1]),
            "seconds",
        )
        count = trigger.step // _UNITS[name][1]
        shown = {"every_count": count, "every_unit": name, "anchor": _wall(trigger.anchor, zone), "tz": zone}
        is_hourly = trigger.step == timedelta(hours=1)
        return {"kind": "hourly" if is_hourly else "every", **shown}
    return {}


class ScheduleForm(TriggerForm, _ModelForm):
    """All of a schedule."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=255)
    task_name = forms.ChoiceField(label=gettext_lazy("Task"), choices=())
    positional = JSONText(label=gettext_lazy("Positional arguments"), required=False, help_text=gettext_lazy("A list."))
    keywords = JSONText(label=gettext_lazy("Keyword arguments"), required=False, help_text=gettext_lazy("An object."))
    queue_name = forms.CharField(
        label=gettext_lazy("Queue"),
        max_length=255,
        required=False,
        help_text=gettext_lazy("Left empty: the task's own."),
    )
    priority = forms.IntegerField(label=gettext_lazy("Priority"), required=False, min_value=-100, max_value=100)
    enabled = forms.BooleanField(label=pgettext_lazy("schedule", "Enabled"), required=False, initial=True)
    description = forms.CharField(label=gettext_lazy("Description"), required=False, widget=forms.Textarea({"rows": 2}))
    starts_at = WallTime(label=gettext_lazy("Not before"), required=False)
    ends_at = WallTime(label=gettext_lazy("Not after"), required=False)
    repeats = forms.IntegerField(
        label=gettext_lazy("Repeats"),
        initial=-1,
        help_text=gettext_lazy("Runs left: counts down to 0 and stops. Below 0: for ever, and still counts down."),
    )
    catch_up = forms.ChoiceField(
        label=gettext_lazy("Missed runs"),
        initial=CatchUp.NONE.value,
        choices=[
            (CatchUp.NONE.value, gettext_lazy("leave out")),
            (CatchUp.LAST.value, gettext_lazy("run the last one")),
            (CatchUp.ALL.value, gettext_lazy("run all")),
        ],
    )
    catch_up_limit = forms.IntegerField(label=gettext_lazy("Of all at most"), initial=100, min_value=1)
    overlap = forms.ChoiceField(
        label=gettext_lazy("While the last one is unfinished"),
        initial=Overlap.ALLOW.value,
        choices=[(Overlap.ALLOW.value, gettext_lazy("run")), (Overlap.SKIP.value, gettext_lazy("leave out"))],
    )
    jitter = forms.DurationField(
        label=gettext_lazy("Jitter"), initial=timedelta(0), help_text=gettext_lazy("Runs start up to so much later.")
    )
    expires_after = forms.DurationField(
        label=gettext_lazy("Expires after"),
        required=False,
        help_text=gettext_lazy("A run that has not started so long after its slot is cancelled."),
    )
    slot_argument = forms.CharField(
        label=gettext_lazy("Argument for the slot"),
        required=False,
        help_text=gettext_lazy("The keyword argument that is given the moment that was meant."),
    )
    delete_when_done = forms.BooleanField(label=gettext_lazy("Delete when done"), required=False)

    store: Store
    stored: Schedule | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = sorted(known_definitions(self.store.options))
        if self.stored is not None:
            names = sorted({*names, self.stored.spec.name})
            self.fields.pop("name", None)
            self.initial.update(self._initial(self.stored))
        if "task_name" in self.fields:
            chosen: Any = self.fields["task_name"]
            chosen.choices = [(name, name) for name in names]

    @staticmethod
    def _initial(stored: Schedule) -> dict[str, Any]:
        code = json.loads(stored.spec.arguments_json)
        shown = fields_of(stored.trigger)
        zone = str(shown.get("tz") or get_current_timezone_name())
        options: dict[str, Any] = {name: getattr(stored, name) for name in OPTIONS}
        options.update(
            starts_at=_wall(stored.starts_at, zone),
            ends_at=_wall(stored.ends_at, zone),
            catch_up=stored.catch_up.value,
            overlap=stored.overlap.value,
            slot_argument=stored.slot_argument or "",
        )
        return {
            **shown,
            **options,
            "task_name": stored.spec.name,
            "positional": pretty_json(json.dumps(code.get("a", []))),
            "keywords": pretty_json(json.dumps(code.get("k", {}))),
            "queue_name": stored.spec.queue_name,
            "priority": stored.spec.priority,
        }

    def _post_clean(self) -> None:
        """Leave the row alone: the client makes the changes."""

    def clean_name(self) -> str:
        """Refuse the name of another schedule."""
        name = str(self.cleaned_data["name"])
        try:
            self.store.client.get_schedule(name)
        except TaskNotFound:
            return name
        raise ValidationError(gettext("There is a schedule of this name already."))

    def clean(self) -> Any:
        """Make the call, and see whether the whole would be accepted."""
        cleaned = super().clean()
        for name in ("starts_at", "ends_at"):
            if cleaned.get(name) is not None and "tz" in cleaned:
                cleaned[name] = cleaned[name].replace(tzinfo=ZoneInfo(cleaned["tz"])).astimezone(timezone.utc)
        if not self.errors:
            try:
                cleaned["call"] = self._call(cleaned)
                self._check(cleaned)
            except TaskcoreError as error:
                self.add_error(None, str(error))
        return cleaned

    def _call(self, cleaned: Mapping[str, Any]) -> Call[object] | None:
        """Return the call; ``None`` when all of it is as it was."""
        code = {key: value for key, value in (("a", cleaned["positional"]), ("k", cleaned["keywords"])) if value}
        if not isinstance(code.get("a", []), list) or not isinstance(code.get("k", {}), dict):
            raise InvalidInput(gettext("Positional arguments are a JSON list, keyword arguments a JSON object."))
        options = {name: cleaned[name] for name in ("queue_name", "priority") if cleaned.get(name) not in (None, "")}
        spec = None if self.stored is None else self.stored.spec
        if spec is not None and _is_same(spec, cleaned["task_name"], code, options):
            return None
        definition = known_definitions(self.store.options).get(cleaned["task_name"])
        if definition is None:
            raise InvalidInput(gettext("The site has no task of this name, so its arguments cannot be checked."))
        if spec is not None and spec.name == definition.name:
            options = {**_kept(spec), **options}
        call = call_of(definition, code)
        return call.using(**options) if options else call

    def changes(self) -> dict[str, Any]:
        """Return the options that are to be given to the client: all of a new schedule, else what was changed."""
        names = OPTIONS if self.stored is None else [name for name in OPTIONS if name in self.changed_data]
        found = {name: self.cleaned_data[name] for name in names}
        if "catch_up" in found:
            found["catch_up"] = CatchUp(found["catch_up"])
        if "overlap" in found:
            found["overlap"] = Overlap(found["overlap"])
        if "slot_argument" in found:
            found["slot_argument"] = found["slot_argument"] or None
        return found

    def _check(self, cleaned: Mapping[str, Any]) -> None:
        """Raise InvalidSchedule for what the client would refuse."""
        if self.stored is not None:
            edited(attrs.evolve(self.stored, **{**self.changes(), "trigger": cleaned["trigger"]}), now())
            return
        moment = now()
        spec = TaskSpec(id="", name=cleaned["task_name"], enqueued_at=moment)
        prepared(
            Schedule(
                id="new",
                name=cleaned["name"],
                trigger=cleaned["trigger"],
                spec=spec,
                created_at=moment,
                updated_at=moment,
                **self.changes(),
            )
        )

    @property
    def trigger(self) -> Trigger | None:
        """The trigger for the client: ``None`` when no field of it was changed."""
        if self.stored is None:
            found: Trigger = self.cleaned_data["trigger"]
            return found
        names = {"kind", "tz", *TRIGGER_FIELDS[self.cleaned_data["kind"]]}
        return self.cleaned_data["trigger"] if names & set(self.changed_data) else None


def _is_same(spec: TaskSpec, name: str, code: object, options: Mapping[str, object]) -> bool:
    """Whether a call is the one that is stored."""
    is_same_call = name == spec.name and code == json.loads(spec.arguments_json)
    return is_same_call and all(getattr(spec, option) == value for option, value in options.items())


def _kept(spec: TaskSpec) -> dict[str, Any]:
    """Return the options of a call that the form does not show."""
    found: dict[str, Any] = {}
    for name in ("label", "timeout", "soft_timeout", "retry"):
        if getattr(spec, name) is not None:
            found[name] = getattr(spec, name)
    if spec.metadata_json is not None:
        found["metadata"] = json.loads(spec.metadata_json)
    return found


def preview_of(trigger: Trigger, count: int = 5) -> dict[str, Any]:
    """Return a trigger in words and its next slots in its zone, for a page or as JSON."""
    zone = zone_of(trigger)
    moment = now()
    slots = _triggers.preview(_triggers.anchored(trigger, moment), moment, count)
    return {"words": trigger_words(trigger), "zone": zone, "next": [slot_words(slot, zone) for slot in slots]}


def next_slots(schedule: Schedule, count: int = 5) -> list[str]:
    """Return the next slots of a stored schedule in its zone."""
    return [slot_words(slot, zone_of(schedule.trigger)) for slot in upcoming(schedule, count)]
