"""Schedules as rows: what the list of them, and the page of one, shows of a schedule, and who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._base import StoreAdmin
from taskcore.contrib.django.admin._looks import BADGES, badge, moment_cell, now
from taskcore.contrib.django.admin._schedule_form import next_slots
from taskcore.contrib.django.admin._schedule_words import trigger_words, zone_of
from taskcore.contrib.django.admin._stores import Store, if_there, is_copy, plain_id, row_key, store_of, using_stores
from taskcore.contrib.django.admin._task_looks import NOTHING
from taskcore.protocol import Schedule, ScheduleQuery, Task, phase

__all__ = ["ScheduleList"]

_KNOWN = "_taskcore_schedule"
_LAST = "_taskcore_last"


class ScheduleList(StoreAdmin):
    """Rows of schedules, each known together with the task of its last run."""

    # Rows

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Give the rows their schedules and the tasks of their last runs, all at once."""
        for store, by_id in using_stores(rows):
            found, last = if_there(partial(_asked, store, tuple(by_id)), ((), {}))
            for schedule in found:
                setattr(by_id[schedule.id], _KNOWN, schedule)
                setattr(by_id[schedule.id], _LAST, last.get(schedule.last_task_id or ""))
        for row in rows:
            row.taskcore_buttons = self.buttons(request, row)

    def known(self, row: Any) -> Schedule | None:
        """Return the schedule of a row; ``None`` when it is gone, or its store does not answer."""
        if not hasattr(row, _KNOWN):
            self._complete_one(row)
        known: Schedule | None = getattr(row, _KNOWN, None)
        return known

    def note(self, row: Any, schedule: Schedule) -> None:
        """Have a row show a schedule as it was just stored."""
        setattr(row, _KNOWN, schedule)

    def _last(self, row: Any) -> Task | None:
        if not hasattr(row, _LAST):
            self._complete_one(row)
        last: Task | None = getattr(row, _LAST, None)
        return last

    def _complete_one(self, row: Any) -> None:
        found, last = if_there(partial(_asked, store_of(row), (plain_id(row),)), ((), {}))
        known = found[0] if found else None
        setattr(row, _KNOWN, known)
        setattr(row, _LAST, None if known is None else last.get(known.last_task_id or ""))

    # Columns

    @admin.display(description=gettext_lazy("enabled"), boolean=True)
    def is_enabled(self, row: Any) -> bool:
        """Whether it fires."""
        return bool(row.enabled)

    @admin.display(description=gettext_lazy("when"))
    def trigger(self, row: Any) -> str:
        """Its trigger in words."""
        known = self.known(row)
        return "–" if known is None else trigger_words(known.trigger)

    @admin.display(description=gettext_lazy("repeats"))
    def repeats_left(self, row: Any) -> Any:
        """How many runs are left; below 0 it runs for ever, and counts."""
        known = self.known(row)
        if known is None:
            return "–"
        if known.repeats < 0:
            return format_html('<span title="{}">∞ ({})</span>', gettext("for ever"), known.repeats)
        return known.repeats

    @admin.display(description=gettext_lazy("next run"))
    def next_run(self, row: Any) -> SafeString:
        """When it fires next."""
        return moment_cell(row.next_slot)

    @admin.display(description=gettext_lazy("last run"))
    def last_run(self, row: Any) -> SafeString:
        """The task of the last run, while it is there."""
        last = self._last(row)
        if last is None:
            return NOTHING
        key = row_key(self.model, store_of(row).alias, last.id)
        known = self.known(row)
        moment = moment_cell(known.last_run_at if known is not None else None)
        return format_html("{} {}", self.link("task", key, f"[{last.spec.label or last.name}]"), moment)

    @admin.display(description=gettext_lazy("success"))
    def success(self, row: Any) -> SafeString:
        """How the last run ended, if it did and is still there."""
        last = self._last(row)
        if last is None:
            return NOTHING
        return badge(BADGES[phase(last, now())])

    @admin.display(description=gettext_lazy("actions"))
    def row_buttons(self, row: Any) -> SafeString:
        """The buttons of the row."""
        return getattr(row, "taskcore_buttons", NOTHING)

    @admin.display(description=gettext_lazy("next five runs"))
    def next_five(self, row: Any) -> SafeString:
        """The next slots, on the clocks of its zone."""
        known = self.known(row)
        slots = [] if known is None else next_slots(known)
        if not slots:
            return NOTHING
        return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((slot,) for slot in slots)))

    @admin.display(description=gettext_lazy("runs"))
    def runs_shown(self, row: Any) -> SafeString:
        """How often it has run, with the way to the tasks."""
        known = self.known(row)
        if known is None:
            return NOTHING
        url = f"{self._tasks_url()}?schedule={row.pk}"
        words = gettext("%(runs)d runs, %(skipped)d left out") % {"runs": known.runs, "skipped": known.skipped}
        return format_html('<a href="{}">{}</a>', url, words)

    def _tasks_url(self) -> str:
        try:
            name = "taskcopy" if is_copy(self.model) else "task"
            return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{name}_changelist")
        except NoReverseMatch:
            return ""

    @admin.display(description=gettext_lazy("time zone"))
    def zone(self, row: Any) -> str:
        """The zone of its clocks."""
        known = self.known(row)
        return "–" if known is None else zone_of(known.trigger)

    # Permissions

    def _may_model(self, request: HttpRequest, action: str) -> bool:
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.{action}_{self.opts.model_name}"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may make schedules."""
        return self._may_model(request, "add")

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run schedules at once."""
        return self._may(request, "run_schedule")

    def has_enable_permission(self, request: HttpRequest) -> bool:
        """Whether the user may enable and disable."""
        return self._may(request, "enable_schedule")


def _asked(store: Store, ids: tuple[str, ...]) -> tuple[tuple[Schedule, ...], dict[str, Task]]:
    """Return schedules, and the tasks of their last runs by id."""
    found = store.client.backend.schedules(ScheduleQuery(ids=ids, limit=len(ids))).items
    last_ids = [one.last_task_id for one in found if one.last_task_id is not None]
    last = store.client.backend.get(last_ids) if last_ids else []
    return found, {task.id: task for task in last if task is not None}
