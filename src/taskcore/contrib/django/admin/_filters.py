"""Filters that know their choices: no list asks a table for its distinct values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_date
from django.utils.timezone import get_current_timezone
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._looks import now
from taskcore.contrib.django.admin._stores import is_copy, known_definitions, plain_id, stores_of_model
from taskcore.contrib.django.models import StateCode
from taskcore.protocol import first_id_at
from taskcore.records.columns import RUNNING

__all__ = [
    "EnabledFilter",
    "GroupFilter",
    "KindFilter",
    "NameFilter",
    "NextRunFilter",
    "OnlineFilter",
    "PeriodFilter",
    "QueueFilter",
    "ScheduleFilter",
    "StateFilter",
    "StorageFilter",
    "TriggerFilter",
    "ValueFilter",
    "WorkerFilter",
]


class ValueFilter(SimpleListFilter):
    """A filter by the value of a column; a value that is not among the choices is taken, too."""

    column = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the values to choose from."""
        return [(value, value) for value in self.values(model_admin)]

    def values(self, model_admin: Any) -> Iterable[str]:
        """Return the values to choose from."""
        raise NotImplementedError

    def has_output(self) -> bool:
        """Show it when there is a choice, and obey it when it is asked for by the address."""
        return bool(self.lookup_choices) or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that have the value."""
        value = self.value()
        if value is not None and "\0" in value:  # which no column holds, and PostgreSQL refuses to look for
            return queryset.none()
        return queryset if value is None else queryset.filter(**{self.column: value})

    def choices(self, changelist: Any) -> Any:
        """Yield the choices, with the one asked for even if it is unknown."""
        yield from super().choices(changelist)
        value = self.value()
        if value is not None and value not in {str(key) for key, _word in self.lookup_choices}:
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": value}


class StateFilter(SimpleListFilter):
    """By state, READY in two."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states, and those that are not finished together."""
        return [("unfinished", gettext("not finished")), *((code.name.lower(), code.label) for code in StateCode)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows in the state."""
        value = self.value()
        if value is None:
            return queryset
        if value == "unfinished":
            return queryset.filter(code__lte=RUNNING)
        found = StateCode.__members__.get(value.upper())
        return queryset.none() if found is None else queryset.filter(code=found.value)


class NameFilter(ValueFilter):
    """By task: those that the site knows."""

    title = gettext_lazy("task")
    parameter_name = "name"
    column = "name"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Return the names of the registered tasks; none when their modules cannot be imported."""
        found: set[str] = set()
        for store in stores_of_model(model_admin.model):
            try:
                found.update(known_definitions(store.options))
            except Exception:
                continue
        return sorted(found)


class QueueFilter(ValueFilter):
    """By queue: those that the settings and the registered tasks name."""

    title = gettext_lazy("queue")
    parameter_name = "queue"
    column = "queue_name"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Return the queues that are known."""
        found: set[str] = set()
        for store in stores_of_model(model_admin.model):
            found.update(store.options.queues)
            try:
                options = [definition.options for definition in known_definitions(store.options).values()]
            except Exception:
                continue
            found.update(one.queue_name for one in options if isinstance(one.queue_name, str))
        return sorted(found)


class WorkerFilter(ValueFilter):
    """By the worker that runs or ran it: those that have been seen lately."""

    title = gettext_lazy("worker")
    parameter_name = "worker"
    column = "worker_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the newest workers."""
        workers = model_admin.sibling_rows("Worker").order_by("-last_beat_at", "-id")[:20]
        return [(plain_id(row), f"{row.hostname} {row.pid}") for row in workers.only("id", "hostname", "pid")]


class GroupFilter(ValueFilter):
    """By group: what the page of a group links to."""

    title = gettext_lazy("group")
    parameter_name = "group"
    column = "group_id"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Offer none: there may be any number."""
        return ()


class ScheduleFilter(ValueFilter):
    """By schedule: what the page of a schedule links to."""

    title = gettext_lazy("schedule")
    parameter_name = "schedule"
    column = "schedule_id"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Offer none: there may be any number."""
        return ()


class StorageFilter(ValueFilter):
    """By storage, where copies of several stand together."""

    title = gettext_lazy("storage")
    parameter_name = "storage"
    column = "storage"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Return the aliases, when there are two or more."""
        found = [store.alias for store in stores_of_model(model_admin.model)] if is_copy(model_admin.model) else []
        return found if len(found) > 1 else ()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the storage."""
        return super().queryset(request, queryset) if is_copy(queryset.model) else queryset


_PERIODS = {
    "hour": (gettext_lazy("last hour"), timedelta(hours=1)),
    "day": (gettext_lazy("last 24 hours"), timedelta(days=1)),
    "week": (gettext_lazy("last 7 days"), timedelta(days=7)),
    "month": (gettext_lazy("last 30 days"), timedelta(days=30)),
}


class PeriodFilter(SimpleListFilter):
    """By when tasks were enqueued: ids sort by time, so a period is a range of the primary key.

    Besides the choices it takes a first and a last day.
    """

    title = gettext_lazy("enqueued")
    parameter_name = "period"
    template = "taskcore/admin/period_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.days = {name: params.pop(name)[-1] for name in ("from", "until") if name in params}
        self.others = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in {"from", "until", "period", "after", "before"}
        ]

    def expected_parameters(self) -> list[str | None]:
        """Return all that it takes from the address."""
        return [self.parameter_name, "from", "until"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the periods."""
        return [(key, words) for key, (words, _span) in _PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the period."""
        value = self.value()
        if value in _PERIODS:
            queryset = queryset.filter(id__gte=first_id_at(now() - _PERIODS[value][1]))
        try:
            return queryset.filter(_day_range(self.days.get("from", ""), self.days.get("until", "")))
        except ValueError:
            return queryset.none()


def _day_range(first: str, last: str) -> Q:
    condition = Q()
    begin, end = parse_date(first), parse_date(last)
    zone = get_current_timezone()
    if begin is not None:
        condition &= Q(id__gte=first_id_at(datetime(begin.year, begin.month, begin.day, tzinfo=zone)))
    if end is not None:
        after = datetime(end.year, end.month, end.day, tzinfo=zone) + timedelta(days=1)
        condition &= Q(id__lt=first_id_at(after))
    return condition


class EnabledFilter(SimpleListFilter):
    """Schedules that fire, and those that do not."""

    title = gettext_lazy("enabled")
    parameter_name = "enabled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return yes and no."""
        return [("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are so."""
        value = self.value()
        return queryset if value is None else queryset.filter(enabled=value == "yes")


class NextRunFilter(SimpleListFilter):
    """Schedules by when they fire next."""

    title = gettext_lazy("next run")
    parameter_name = "next"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the spans."""
        return [
            ("overdue", gettext_lazy("overdue")),
            ("hour", gettext_lazy("within an hour")),
            ("day", gettext_lazy("within 24 hours")),
            ("week", gettext_lazy("within 7 days")),
            ("never", gettext_lazy("never")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that fire in the span."""
        value, moment = self.value(), now()
        if value == "never":
            return queryset.filter(next_slot__isnull=True)
        if value == "overdue":
            return queryset.filter(next_slot__lt=moment)
        if value in _PERIODS:
            return queryset.filter(next_slot__gte=moment, next_slot__lte=moment + _PERIODS[value][1])
        return queryset


class TriggerFilter(SimpleListFilter):
    """Schedules by the kind of their trigger."""

    title = gettext_lazy("trigger")
    parameter_name = "trigger"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the kinds."""
        return [
            ("cron", gettext_lazy("cron expression")),
            ("every", gettext_lazy("interval")),
            ("calendar", gettext_lazy("calendar step")),
            ("once", gettext_lazy("once")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows whose trigger is of the kind."""
        value = self.value()
        return queryset if value is None else queryset.filter(document__contains=f'"kind":"{value}"')


class OnlineFilter(SimpleListFilter):
    """Workers that have beaten in time, and those that have not."""

    title = gettext_lazy("online")
    parameter_name = "online"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return yes and no."""
        return [("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are so."""
        value = self.value()
        if value is None:
            return queryset
        is_online = Q(expires_at__gt=now()) & ~Q(state="stopped")
        return queryset.filter(is_online if value == "yes" else ~is_online)


class KindFilter(SimpleListFilter):
    """Sub-results and log lines."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the two kinds."""
        return [("item", gettext_lazy("sub-results")), ("log", gettext_lazy("log lines"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the kind."""
        value = self.value()
        return queryset if value is None else queryset.filter(kind=value)
