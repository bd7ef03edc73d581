"""The page of schedules: what fires when, made and edited by a form, run at once, enabled and disabled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django._snapshot import copy_of_schedule, renew
from taskcore.contrib.django.admin._base import actions_of
from taskcore.contrib.django.admin._filters import (
    EnabledFilter,
    NextRunFilter,
    QueueFilter,
    StorageFilter,
    TriggerFilter,
)
from taskcore.contrib.django.admin._operations import SCHEDULE_OPERATIONS, Operation
from taskcore.contrib.django.admin._schedule_form import (
    TRIGGER_FIELDS,
    ScheduleForm,
    TriggerForm,
    fields_of,
    preview_of,
)
from taskcore.contrib.django.admin._schedule_list import ScheduleList
from taskcore.contrib.django.admin._stores import (
    Store,
    known_definitions,
    store_of,
    stores_of_model,
)
from taskcore.contrib.django.models import Copy
from taskcore.errors import TaskcoreError
from taskcore.protocol import Schedule

__all__ = ["ScheduleAdmin"]


class ScheduleAdmin(ScheduleList):
    """Schedules."""

    operations: ClassVar[Sequence[Operation]] = SCHEDULE_OPERATIONS
    list_display: Any = (
        "name",
        "is_enabled",
        "task_name",
        "trigger",
        "queue_name",
        "repeats_left",
        "next_run",
        "last_run",
        "success",
        "runs",
        "row_buttons",
    )
    list_display_links: Any = ("name",)
    list_filter: ClassVar[Any] = (EnabledFilter, NextRunFilter, TriggerFilter, QueueFilter, StorageFilter)
    search_fields: ClassVar[Any] = ("name", "task_name")
    search_help_text = gettext_lazy("Part of the name, or of the name of the task.")
    ordering: ClassVar[Any] = ("name", "id")
    actions: Any = tuple(actions_of(SCHEDULE_OPERATIONS))
    scan_limit = None
    form = ScheduleForm
    change_form_template = "taskcore/admin/schedule.html"

    class Media:  # pyright: ignore[reportIncompatibleVariableOverride]
        js: ClassVar[Sequence[str]] = ("taskcore/schedule.js",)

    # The form

    def _store(self, request: HttpRequest, row: Any) -> Store:
        if row is not None:
            return store_of(row)
        stores = stores_of_model(self.model)
        wanted = request.POST.get("storage") or request.GET.get("storage") or self.storage
        return next((store for store in stores if store.alias == wanted), stores[0])

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for the schedule as it is stored."""
        if not (self.has_change_permission(request, obj) if obj is not None else self.has_add_permission(request)):
            kwargs["form"] = forms.ModelForm
            return super().get_form(request, obj, change, **kwargs)
        made: Any = super().get_form(request, obj, change, **kwargs)
        made.store = self._store(request, obj)
        made.stored = None if obj is None else self.known(obj)
        return made

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is shown beside the form; all of it to those who only look."""
        if obj is None:
            return ()
        if not self.has_change_permission(request, obj):
            return ("name", "is_enabled", "task_name", "trigger", "queue_name", "repeats_left", *_SHOWN)
        return ("name", *_SHOWN)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields, those of each kind of trigger apart, and only those of the chosen kind open."""
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": self.get_readonly_fields(request, obj)})]
        chosen = self._chosen_kind(request, obj)
        parts = [
            (None, {"fields": fields, "classes": [_trigger_classes(name, chosen)]})
            for name, fields in (
                ("expression", ["expression"]),
                ("every_count", [("every_count", "every_unit")]),
                ("at", ["at"]),
                ("anchor", ["anchor"]),
            )
        ]
        shown = [] if obj is None else [(gettext("Runs"), {"fields": list(_SHOWN)})]
        return [
            (None, {"fields": ["name", "enabled", "description"]}),
            *shown,
            (gettext("What"), {"fields": ["task_name", "positional", "keywords", ("queue_name", "priority")]}),
            (gettext("When"), {"fields": ["kind"], "classes": ["taskcore-kind"]}),
            *parts,
            (None, {"fields": ["tz"], "classes": ["taskcore-zone"]}),
            (gettext("How often"), {"fields": ["repeats", ("starts_at", "ends_at"), "delete_when_done"]}),
            (
                gettext("Late and overlapping runs"),
                {
                    "fields": [("catch_up", "catch_up_limit"), "overlap", ("jitter", "expires_after"), "slot_argument"],
                    "classes": ["collapse"],
                },
            ),
        ]

    def _chosen_kind(self, request: HttpRequest, obj: Any) -> str:
        asked = request.POST.get("kind") or request.GET.get("kind")
        if asked in TRIGGER_FIELDS:
            return str(asked)
        known = None if obj is None else self.known(obj)
        if known is None:
            return "daily"
        return str(fields_of(known.trigger).get("kind", "cron"))

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Return the row; the client saves."""
        return form.instance

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Have the client make or change the schedule."""
        store, cleaned = form.store, form.cleaned_data
        try:
            if change:
                saved = store.client.edit_schedule(
                    form.stored.name, trigger=form.trigger, call=cleaned["call"], **form.changes()
                )
            else:
                saved = store.client.schedule(cleaned["name"], form.trigger, cleaned["call"], **form.changes())
        except TaskcoreError as error:
            request.taskcore_refused = True  # pyright: ignore[reportAttributeAccessIssue]
            self.message_user(request, str(error), messages.ERROR)
            return
        self._show_saved(obj, saved, store)

    def _show_saved(self, obj: Any, saved: Schedule, store: Store) -> None:
        if isinstance(obj, Copy):
            fresh: Any = copy_of_schedule(saved, store.alias)
            for field in self.opts.concrete_fields:
                setattr(obj, field.attname, getattr(fresh, field.attname))
            renew(store.alias, store.client, [obj])
        else:
            obj.pk, obj.name = saved.id, saved.name
        self.note(obj, saved)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing is related."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log it, unless it was refused."""
        if not getattr(request, "taskcore_refused", False):
            return super().log_addition(request, obj, message)
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log it, unless it was refused."""
        if not getattr(request, "taskcore_refused", False):
            return super().log_change(request, obj, message)
        return None

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Do not say that it was made when it was not."""
        if getattr(request, "taskcore_refused", False):
            return HttpResponseRedirect(request.get_full_path())
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Do not say that it was changed when it was not."""
        if getattr(request, "taskcore_refused", False):
            return HttpResponseRedirect(request.get_full_path())
        return super().response_change(request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Have the client delete it."""
        store = store_of(obj)
        store.client.delete_schedule(obj.name)
        renew(store.alias, store.client, [obj])

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what is deleted; tasks stay."""
        named = [str(one) for one in objs]
        return named, {self.opts.verbose_name_plural: len(named)}, set(), []

    # Views

    def get_urls(self) -> list[Any]:
        """Add the preview."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_preview"
        return [path("preview/", self.admin_site.admin_view(self.preview_view), name=name), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Tell in JSON when the trigger of these fields would fire, in words and as the next five moments."""
        if not (self.has_view_permission(request) or self.has_add_permission(request)):
            return JsonResponse({"error": gettext("You may not look at schedules.")}, status=403)
        form = TriggerForm(request.GET)
        if not form.is_valid():
            errors = [str(error) for found in form.errors.values() for error in found]
            return JsonResponse({"error": " ".join(errors)}, status=400)
        return JsonResponse(preview_of(form.cleaned_data["trigger"]))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the empty form; say so when there is nothing that it could enqueue."""
        store = self._store(request, None)
        if request.method == "GET" and not known_definitions(store.options):
            text = gettext("The site has no tasks: define them in the module tasks of an app.")
            self.message_user(request, text, messages.WARNING)
        return super().add_view(request, form_url, self._context(request, None, extra_context))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one schedule, with its buttons."""
        row = self.get_object(request, unquote(object_id))
        return super().change_view(request, object_id, form_url, self._context(request, row, extra_context))

    def _context(self, request: HttpRequest, row: Any, extra: Any) -> dict[str, Any]:
        return {
            "preview_url": self.url("preview"),
            "buttons": "" if row is None else self.buttons(request, row),
            "trigger_fields": {kind: list(names) for kind, names in TRIGGER_FIELDS.items()},
            "chosen_kind": self._chosen_kind(request, row),
            **(extra or {}),
        }

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show the fields of another kind of trigger without saving, for pages without JavaScript."""
        if request.method == "POST" and "_choose" in request.POST:
            query = request.GET.copy()
            query["kind"] = request.POST.get("kind", "daily")
            return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
        return super().changeform_view(request, object_id, form_url, extra_context)


_SHOWN = ("trigger", "zone", "next_five", "last_run", "success", "runs_shown")


def _trigger_classes(name: str, chosen: str) -> str:
    """Return the classes of the fields of some kinds: which kinds, and whether they are shown."""
    kinds = [kind for kind, names in TRIGGER_FIELDS.items() if name in names]
    shown = "taskcore-shown" if chosen in kinds else ""
    return " ".join(["taskcore-trigger", *(f"taskcore-for-{kind}" for kind in kinds), shown])
