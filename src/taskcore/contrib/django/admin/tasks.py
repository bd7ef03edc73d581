"""The page of tasks, and the lists of those that have succeeded and failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django._snapshot import renew
from taskcore.contrib.django.admin._base import StoreAdmin, actions_of
from taskcore.contrib.django.admin._duplicating import duplicate_page
from taskcore.contrib.django.admin._editing import EDITABLE, TaskEditForm, save_edit
from taskcore.contrib.django.admin._export import FORMATS, export_response
from taskcore.contrib.django.admin._filters import (
    GroupFilter,
    NameFilter,
    PeriodFilter,
    QueueFilter,
    ScheduleFilter,
    StateFilter,
    StorageFilter,
    WorkerFilter,
)
from taskcore.contrib.django.admin._live import MOST_IDS, live_response
from taskcore.contrib.django.admin._looks import (
    attempt_of,
    badge_of,
    duration_cell,
    duration_words,
    localized,
    moment_cell,
    now,
    phase_of,
    pretty_json,
    progress_cell,
    progress_of,
    run_span,
    shorten,
)
from taskcore.contrib.django.admin._operations import TASK_OPERATIONS, Operation, next_level
from taskcore.contrib.django.admin._rows import fresh_rows, truth_of
from taskcore.contrib.django.admin._starting import allowed, start_page, start_task_endpoint
from taskcore.contrib.django.admin._stores import (
    admin_setting,
    if_there,
    is_copy,
    plain_id,
    row_key,
    store_of,
    stores_of_model,
)
from taskcore.contrib.django.admin._task_looks import (
    NOTHING,
    code_block,
    failure_block,
    items_block,
    options_table,
    timeline,
)
from taskcore.contrib.django.admin.launching import TaskLaunch
from taskcore.errors import TaskcoreError, TaskNotFound
from taskcore.protocol import CancelLevel, Item, Page, Task
from taskcore_backends.django._codes import BLOCKED, FAILED, RUNNING, STATES, SUCCESSFUL

__all__ = ["FailedTaskAdmin", "SuccessfulTaskAdmin", "TaskAdmin"]

_ID = re.compile(r"[0-9a-f]{8,64}")
_ITEMS_SHOWN = 50
_DEFERRED = ("options", "arguments", "value", "document")
_START = "start_task:"


def _export_action(file_format: str, words: Any) -> Callable[..., Any]:
    def export(model_admin: TaskAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        return export_response(queryset, file_format)

    export.__name__ = f"export_{file_format}"
    made: Callable[..., Any] = admin.action(export, permissions=["export"], description=words)
    return made


class TaskAdmin(StoreAdmin):
    """Tasks in any state."""

    operations: ClassVar[Sequence[Operation]] = TASK_OPERATIONS
    launches: ClassVar[Sequence[TaskLaunch | str]] = ()
    """Tasks that operators start with forms of their own; the others have forms that are made of their signatures."""
    only_code: ClassVar[int | None] = None
    """The state that the page is about, as a number."""
    scanning_filters: ClassVar[Sequence[str]] = ("name", "queue", "worker")

    list_display: Any = (
        "task_id",
        "title",
        "state",
        "progress_bar",
        "duration",
        "row_buttons",
        "attempt",
        "queue_name",
        "call",
        "schedule_name",
        "enqueued",
        "finished",
        "worker",
    )
    list_display_links: Any = ("task_id", "title")
    list_filter: ClassVar[Any] = (
        StateFilter,
        PeriodFilter,
        NameFilter,
        QueueFilter,
        WorkerFilter,
        GroupFilter,
        ScheduleFilter,
        StorageFilter,
    )
    search_fields: ClassVar[Any] = ("id", "name", "label", "state", "arguments", "worker")
    search_help_text = gettext_lazy(
        "The beginning of an ID, or part of a name, label, argument or error; also a state, worker, group or key."
    )
    ordering: ClassVar[Any] = ("-id",)
    actions: Any = (
        *actions_of(TASK_OPERATIONS),
        _export_action("csv", gettext_lazy("Export selected %(verbose_name_plural)s as CSV")),
        _export_action("jsonl", gettext_lazy("Export selected %(verbose_name_plural)s as JSON lines")),
    )
    change_form_template = "taskcore/admin/task.html"
    change_list_template = "taskcore/admin/task_list.html"
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    "task_id",
                    "title",
                    "state",
                    "why",
                    "queue_name",
                    "priority",
                    "run_after",
                    "worker",
                    "schedule_link",
                    "group_link",
                    "parents",
                )
            },
        ),
        (gettext_lazy("Progress"), {"fields": ("progress_bar", "duration", "attempt")}),
        (gettext_lazy("Parameters"), {"fields": ("arguments_json", "metadata_json", "options_shown")}),
        (gettext_lazy("Result"), {"fields": ("value_shown", "failure_shown", "enqueued", "started", "finished")}),
        (gettext_lazy("Attempts"), {"fields": ("timeline_shown",)}),
        (gettext_lazy("Sub-results"), {"fields": ("items_shown",)}),
    )

    # Rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without their payloads, and the beginning of the arguments."""
        queryset = self._all_rows(request)
        return queryset if self.only_code is None else queryset.filter(code=self.only_code)

    def _all_rows(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        columns = {field.name for field in self.opts.concrete_fields}
        queryset = queryset.defer(*(name for name in _DEFERRED if name in columns))
        queryset = queryset.annotate(preview=Left("arguments", 160))
        return queryset.filter(is_hidden=False) if is_copy(self.model) else queryset

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Give the rows their buttons, and the names of their schedules."""
        keys = {row.schedule_id for row in rows if row.schedule_id is not None}
        names: dict[str, str] = {}
        if keys:
            names = dict(self.sibling_rows("Schedule").filter(pk__in=keys).values_list("pk", "name"))
        for row in rows:
            row.taskcore_schedule = names.get(row.schedule_id)
            row.taskcore_buttons = self.buttons(request, row)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row of a task as its storage has it now; a copy when the storage has it no more."""
        shown = getattr(request, "taskcore_row", None)
        if shown is not None and shown.pk == object_id:
            return shown
        rows = self._all_rows(request)
        found = fresh_rows(self.model, stores_of_model(self.model, rows.db), [object_id])
        row = found[0] if found else rows.filter(pk=object_id).first() if is_copy(self.model) else None
        return (
            row
            if row is None or self.storage is None or not is_copy(self.model) or row.storage == self.storage
            else None
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the beginning of an id, by exact keys, or by parts of texts within the window of the list."""
        for word in search_term.split():
            queryset = queryset.filter(self._search_condition(word))
        return queryset, False

    def search_scans(self, search_term: str) -> bool:
        """Whether no index serves a search: anything but ids does."""
        return not all(_ID.fullmatch(word) for word in search_term.split())

    def _search_condition(self, word: str) -> Q:
        if _ID.fullmatch(word):
            keys = [row_key(self.model, store.alias, word) for store in stores_of_model(self.model)]
            by_id = Q(id__gte=word, id__lt=f"{word}~")
            return by_id | Q(unique_key=word) | Q(group_id__in=keys) | Q(schedule_id__in=keys)
        condition = Q(unique_key=word) | Q(worker_id=word)
        for column in ("name", "label", "arguments", "error"):
            condition |= Q(**{f"{column}__icontains": word})
        states = [code for code, state in enumerate(STATES) if state.value == word.upper()]
        if states:
            condition |= Q(code__in=states)
        workers = self.sibling_rows("Worker").filter(hostname__icontains=word)[:100]
        hosts = [plain_id(row) for row in workers]
        return condition | Q(worker_id__in=hosts) if hosts else condition

    # Columns, of lists and of the page of one

    def _live(self, row: Any, cell: str, content: object) -> SafeString:
        return format_html('<span data-taskcore-task="{}" data-taskcore-cell="{}">{}</span>', row.pk, cell, content)

    @admin.display(description=gettext_lazy("task ID"))
    def task_id(self, row: Any) -> SafeString:
        """The id, in fixed width."""
        found = plain_id(row)
        words = f"{found[:12]}…{found[-4:]}" if len(found) > 20 and not hasattr(row, "taskcore_whole") else found
        return format_html('<code class="taskcore-id" title="{}">{}</code>', found, words)

    @admin.display(description=gettext_lazy("task"))
    def title(self, row: Any) -> SafeString:
        """The label, or the last part of the name; the name as the title."""
        words = row.label or ".".join(row.name.split(".")[-2:])
        return format_html('<span title="{}">{}</span>', row.name, shorten(words, 60))

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> SafeString:
        """The badge."""
        return self._live(row, "state", badge_of(row))

    @admin.display(description=gettext_lazy("progress"))
    def progress_bar(self, row: Any) -> SafeString:
        """The bar, the numbers and the message."""
        return self._live(row, "progress", progress_cell(progress_of(row)))

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, row: Any) -> SafeString:
        """How long it has run."""
        return self._live(row, "duration", duration_cell(row))

    @admin.display(description=gettext_lazy("attempt"))
    def attempt(self, row: Any) -> SafeString:
        """The number of the present or next run."""
        return self._live(row, "attempt", attempt_of(row))

    @admin.display(description=gettext_lazy("arguments"))
    def call(self, row: Any) -> SafeString:
        """The beginning of the arguments."""
        text = (row.preview if hasattr(row, "preview") else row.arguments) or "…"
        return format_html('<code class="taskcore-call" title="{}">{}</code>', text, shorten(text, 64))

    @admin.display(description=gettext_lazy("enqueued"))
    def enqueued(self, row: Any) -> SafeString:
        """When it was enqueued."""
        return moment_cell(row.enqueued_at)

    @admin.display(description=gettext_lazy("started"))
    def started(self, row: Any) -> SafeString:
        """When its last run began."""
        return moment_cell(row.started_at or row.claimed_at)

    @admin.display(description=gettext_lazy("finished"))
    def finished(self, row: Any) -> SafeString:
        """When it finished."""
        return moment_cell(row.changed_at if row.code > RUNNING else None)

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, row: Any) -> SafeString:
        """Who runs it, or ran it to its end."""
        if not row.worker_id:
            return NOTHING
        key = row_key(self.model, store_of(row).alias, row.worker_id) if is_copy(self.model) else row.worker_id
        return self.link("worker", key, shorten(row.worker_id, 12))

    @admin.display(description=gettext_lazy("schedule"))
    def schedule_name(self, row: Any) -> SafeString:
        """The schedule that enqueued it."""
        if row.schedule_id is None:
            return NOTHING
        return self.link("schedule", row.schedule_id, getattr(row, "taskcore_schedule", None) or gettext("schedule"))

    @admin.display(description=gettext_lazy("schedule"))
    def schedule_link(self, row: Any) -> SafeString:
        """The schedule that enqueued it."""
        return self.schedule_name(row)

    @admin.display(description=gettext_lazy("group"))
    def group_link(self, row: Any) -> SafeString:
        """The group that it belongs to."""
        return NOTHING if row.group_id is None else self.link("group", row.group_id, shorten(row.group_id, 32))

    @admin.display(description=gettext_lazy("error"))
    def short_error(self, row: Any) -> str:
        """The beginning of the error."""
        return shorten(row.error or "", 100)

    @admin.display(description=gettext_lazy("actions"))
    def row_buttons(self, row: Any) -> SafeString:
        """The buttons of the row."""
        return self._live(row, "buttons", getattr(row, "taskcore_buttons", ""))

    # The page of one

    @staticmethod
    def _truth(row: Any) -> Task:
        task = truth_of(row)
        if task is None:
            raise Http404
        return task

    @admin.display(description=gettext_lazy("reason"))
    def why(self, row: Any) -> str:
        """Why it is cancelled, or is to be."""
        return row.reason or "–"

    @admin.display(description=gettext_lazy("Priority"))
    def priority(self, row: Any) -> int:
        """-100 to 100, higher first."""
        return int(row.priority)

    @admin.display(description=gettext_lazy("run after"))
    def due_at(self, row: Any) -> SafeString:
        """The moment that it does not start before."""
        return moment_cell(row.run_after)

    @admin.display(description=gettext_lazy("waits for"))
    def parents(self, row: Any) -> SafeString:
        """The tasks and groups that must finish first."""
        found = self._truth(row).spec.parents
        links = [self.link("task", row_key(self.model, store_of(row).alias, parent), parent) for parent in found[:20]]
        return SafeString("<br>".join(links)) if links else NOTHING

    @admin.display(description=gettext_lazy("arguments"))
    def arguments_json(self, row: Any) -> SafeString:
        """All of the arguments."""
        return code_block(pretty_json(self._truth(row).spec.arguments_json))

    @admin.display(description=gettext_lazy("metadata"))
    def metadata_json(self, row: Any) -> SafeString:
        """The metadata."""
        return code_block(pretty_json(self._truth(row).spec.metadata_json))

    @admin.display(description=gettext_lazy("options"))
    def options_shown(self, row: Any) -> SafeString:
        """What was asked for besides."""
        return options_table(self._truth(row))

    @admin.display(description=gettext_lazy("return value"))
    def value_shown(self, row: Any) -> SafeString:
        """What it returned."""
        result = self._truth(row).result
        return NOTHING if result is None else code_block(pretty_json(result.value_json))

    @admin.display(description=gettext_lazy("error"))
    def failure_shown(self, row: Any) -> SafeString:
        """Why it failed."""
        result = self._truth(row).result
        return failure_block(None if result is None else result.failure)

    @admin.display(description=gettext_lazy("timeline"))
    def timeline_shown(self, row: Any) -> SafeString:
        """Its runs."""
        return timeline(self._truth(row))

    @admin.display(description=gettext_lazy("sub-results"))
    def items_shown(self, row: Any) -> SafeString:
        """The first sub-results, and where the others are."""
        client, nothing = store_of(row).client, Page[Item](())
        page = if_there(lambda: client.items(plain_id(row), limit=_ITEMS_SHOWN), nothing)
        url = f"{self.link_to_items()}?{urlencode({'task': row.pk})}"
        return items_block(page.items, url, has_more=page.cursor is not None)

    def link_to_items(self) -> str:
        """Return the address of the list of sub-results."""
        name = "itemcopy" if is_copy(self.model) else "item"
        try:
            return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{name}_changelist")
        except NoReverseMatch:
            return ""

    # Permissions

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Whether the user may requeue."""
        return self._may(request, "requeue_task")

    def has_duplicate_permission(self, request: HttpRequest) -> bool:
        """Whether the user may duplicate."""
        return self._may(request, "duplicate_task")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel."""
        return self._may(request, "cancel_task")

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Whether the user may stop what runs, by force too."""
        return self._may(request, "stop_task")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether the user may export."""
        return self._may(request, "export_task")

    def has_start_permission(self, request: HttpRequest) -> bool:
        """Whether the user may start tasks."""
        return self._may(request, "start_task")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may edit: only where the settings allow it, and only what waits."""
        is_open = bool(admin_setting("ALLOW_EDITS", default=False)) and (obj is None or obj.code <= BLOCKED)
        return is_open and super().has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may look; who may change in principle may, whatever the settings allow."""
        return super().has_view_permission(request, obj) or super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may delete; a task that has not finished is cancelled instead."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.code > RUNNING)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all fields; where ``ALLOW_EDITS`` is on, those of a waiting task that stay as they are."""
        names = [name for _title, options in self.fieldsets for name in options["fields"]]
        if obj is not None and self.has_change_permission(request, obj):
            return [name for name in names if name not in EDITABLE]
        return ["due_at" if name == "run_after" else name for name in names]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the parts of the page; a moment that cannot be edited is shown as others are."""
        found = super().get_fieldsets(request, obj)
        if obj is not None and self.has_change_permission(request, obj):
            return found
        return [
            (title, {**options, "fields": ["due_at" if name == "run_after" else name for name in options["fields"]]})
            for title, options in found
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for what can be edited."""
        if obj is not None and self.has_change_permission(request, obj):
            kwargs["form"] = TaskEditForm
        return super().get_form(request, obj, change, **kwargs)

    # Changing

    def button_label(self, operation: Operation, row: Any) -> Any:
        """Say how hard the next stop is."""
        if operation.name == "stop" and row.cancel is not None:
            level = next_level(CancelLevel(row.cancel))
            return gettext("Terminate") if level is CancelLevel.TERMINATE else gettext("Kill")
        return operation.label

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Have the client make the changes."""
        try:
            save_edit(obj, form)
        except TaskcoreError as error:
            self._refuse(request, error)
        else:
            renew(store_of(obj).alias, store_of(obj).client, [obj])

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Have the client delete it."""
        operation = next(one for one in TASK_OPERATIONS if one.is_deletion)
        store = store_of(obj)
        work = operation.run(store.client, [plain_id(obj)])
        renew(store.alias, store.client, [obj])
        if work.refused:
            self._refuse(request, work.refused[0][1])
        elif is_copy(self.model):
            type(obj).objects.filter(pk=obj.pk).delete()

    def _refuse(self, request: HttpRequest, why: object) -> None:
        request.taskcore_refused = True  # pyright: ignore[reportAttributeAccessIssue]
        self.message_user(request, str(why), messages.ERROR)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Do not say that it was changed when it was not."""
        if getattr(request, "taskcore_refused", False):
            return HttpResponseRedirect(request.get_full_path())
        return super().response_change(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Do not say that it was deleted when it was not."""
        if getattr(request, "taskcore_refused", False):
            return HttpResponseRedirect(self.url("change", obj_id))
        return super().response_delete(request, obj_display, obj_id)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what is deleted; what belongs to it goes with it."""
        named = [str(one) for one in objs]
        return named, {self.opts.verbose_name_plural: len(named)}, set(), []

    # Views

    def get_urls(self) -> list[Any]:
        """Add the further views."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("live/", wrap(self.live_view), name=f"{prefix}_live"),
            path("export/", wrap(self.export_view), name=f"{prefix}_export"),
            path("start/", wrap(self.start_view), name=f"{prefix}_start"),
            path("start-task/", wrap(self.start_task_view), name=f"{prefix}_start_task"),
            path("stop-task/<path:object_id>/", wrap(self.stop_task_view), name=f"{prefix}_stop_task"),
            path("task-progress/<path:object_id>/", wrap(self.progress_view), name=f"{prefix}_progress"),
            path("<path:object_id>/duplicate/", wrap(self.duplicate_view), name=f"{prefix}_duplicate"),
            path("<path:object_id>/explain/", wrap(self.explain_view), name=f"{prefix}_explain"),
            *super().get_urls(),
        ]

    def _row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the poll of a page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        keys = [key for key in request.GET.get("ids", "").split(",") if key][:MOST_IDS]
        if is_copy(self.model):
            rows = fresh_rows(self.model, stores_of_model(self.model), keys)
        else:
            rows = list(self._all_rows(request).filter(pk__in=keys).order_by("-id")) if keys else []
        return live_response(self, request, rows)

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Answer with the filtered list as a file."""
        file_format = request.GET.get("format", "csv")
        if not self.has_view_permission(request) or not self.has_export_permission(request):
            raise PermissionDenied
        if file_format not in FORMATS:
            raise Http404
        parameters = request.GET.copy()
        parameters.pop("format", None)
        request.GET = parameters  # type: ignore[assignment]
        return export_response(self.get_changelist_instance(request).get_queryset(request), file_format)

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Show what can be started, and start it."""
        return start_page(self, request)

    def start_task_view(self, request: HttpRequest) -> HttpResponse:
        """Start a task; answer in JSON."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return start_task_endpoint(self, request)

    def stop_task_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop a task, one step harder than before; answer in JSON."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        operation = next(one for one in TASK_OPERATIONS if one.name == "stop")
        if not self.has_view_permission(request) or not self.allows(request, operation):
            return JsonResponse({"error": gettext("You may not stop tasks.")}, status=403)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return JsonResponse({"error": gettext("There is no such task.")}, status=404)
        done, refused = self._run(request, operation, [row])
        now_there = self.get_object(request, unquote(object_id))
        answer = {
            "id": plain_id(row),
            "stopped": bool(done),
            "state": None if now_there is None else STATES[now_there.code].value,
            "level": None
            if now_there is None or now_there.cancel is None
            else CancelLevel(now_there.cancel).name.lower(),
            "error": refused[0][1] if refused else None,
        }
        return JsonResponse(answer, status=200 if done else 409)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell in JSON how a task stands."""
        if not self.has_view_permission(request):
            return JsonResponse({"error": gettext("You may not look at tasks.")}, status=403)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return JsonResponse({"error": gettext("There is no such task.")}, status=404)
        return JsonResponse(_status(row, self._truth(row)))

    def duplicate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Duplicate a task with edited arguments."""
        if not self.has_view_permission(request) or not self.has_duplicate_permission(request):
            raise PermissionDenied
        return duplicate_page(self, request, self._row_or_404(request, object_id))

    def explain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say why a task does not run."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self._row_or_404(request, object_id)
        try:
            explanation = store_of(row).client.explain(plain_id(row))
        except TaskNotFound as error:
            raise Http404 from error
        context = {
            "title": gettext("Where it stands, and why"),
            "original": row,
            "explanation": explanation,
            "list_url": self.url("changelist"),
            "back": self.url("change", row.pk),
        }
        return self.page(request, "taskcore/admin/explain.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one task, with its buttons."""
        row = self.get_object(request, unquote(object_id))
        context = {
            "title": gettext("Task detail"),
            "live_url": self.url("live"),
            **(extra_context or {}),
        }
        if row is not None:
            context.update(
                buttons=self._live(row, "buttons", self.buttons(request, row)),
                duplicate_url=self.url("duplicate", row.pk) if self.has_duplicate_permission(request) else None,
                explain_url=self.url("explain", row.pk) if row.code <= RUNNING else None,
            )
            row.taskcore_whole = True
            request.taskcore_row = row  # pyright: ignore[reportAttributeAccessIssue]
        return super().change_view(request, object_id, form_url, context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, or go on to the form of "Start new …", which needs nothing selected."""
        action = request.POST.get("action", "")
        if request.method == "POST" and action.startswith(_START):
            return HttpResponseRedirect(f"{self.url('start')}?{urlencode({'task': action.removeprefix(_START)})}")
        query = request.GET.urlencode()
        context = {
            "live_url": self.url("live"),
            "start_url": self.url("start") if self._startable(request) else None,
            "export_urls": [
                (name, f"{self.url('export')}?{query}{'&' if query else ''}format={name}") for name in FORMATS
            ]
            if self.has_export_permission(request)
            else [],
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def _startable(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """Return names and titles of what the user may start and has a launch of its own; all tasks as one more."""
        try:
            found = [
                (one.name, one.title)
                for store in stores_of_model(self.model)[:1]
                for one in allowed(self, request, store).values()
                if one.is_declared
            ]
        except Exception:
            found = []
        return [*found, ("", gettext("task"))] if found or self.has_start_permission(request) else []

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = None
    ) -> list[tuple[str, Any]]:
        """Add "Start new …" for what has a launch of its own. Django 6.1 has actions on the pages of things, too."""
        given = {"default_choices": default_choices, "action_location": action_location}
        choices: Any = super().get_action_choices(
            request, **{name: value for name, value in given.items() if value is not None}
        )
        if action_location is not None and action_location.name != "CHANGE_LIST":
            return list(choices)
        started = [
            (f"{_START}{name}", gettext("Start new %(task)s…") % {"task": title})
            for name, title in self._startable(request)
        ]
        return [*choices, *started]


def _status(row: Any, task: Task) -> dict[str, Any]:
    """Return how a task stands, as JSON has it."""
    progress, result, moment = progress_of(row), task.result, now()
    span = run_span(row, moment)
    percent = None
    if progress is not None and progress.total:
        percent = max(0.0, min(100.0, 100 * progress.current / progress.total))
    failure = None if result is None else result.failure
    return {
        "id": task.id,
        "name": task.name,
        "label": task.spec.label,
        "state": task.state.value,
        "phase": phase_of(row, moment).value,
        "finished": task.state.is_finished,
        "attempt": attempt_of(row),
        "version": task.version,
        "progress": None
        if progress is None
        else {
            "current": progress.current,
            "total": progress.total,
            "percent": percent,
            "message": progress.message,
            "counters": dict(progress.counters),
        },
        "duration": None if span is None else span.total_seconds(),
        "duration_words": "" if span is None else duration_words(span),
        "enqueued_at": task.spec.enqueued_at,
        "finished_at": None if result is None else result.finished_at,
        "finished_words": "" if result is None else str(localized(result.finished_at)),
        "result": None if result is None or result.value_json is None else json.loads(result.value_json),
        "error": None
        if failure is None
        else {"type": failure.exception_type, "message": failure.message, "traceback": failure.traceback},
    }


class SuccessfulTaskAdmin(TaskAdmin):
    """Tasks that have succeeded."""

    only_code = SUCCESSFUL
    list_display: Any = (
        "task_id",
        "title",
        "group_link",
        "queue_name",
        "call",
        "started",
        "finished",
        "duration",
        "worker",
        "row_buttons",
    )
    list_filter: ClassVar[Any] = (
        PeriodFilter,
        NameFilter,
        QueueFilter,
        WorkerFilter,
        GroupFilter,
        ScheduleFilter,
        StorageFilter,
    )
    shows_total = False


class FailedTaskAdmin(TaskAdmin):
    """Tasks that have failed."""

    only_code = FAILED
    list_display: Any = (
        "task_id",
        "title",
        "group_link",
        "queue_name",
        "started",
        "finished",
        "attempt",
        "short_error",
        "row_buttons",
    )
    list_filter: ClassVar[Any] = (
        PeriodFilter,
        NameFilter,
        QueueFilter,
        WorkerFilter,
        GroupFilter,
        ScheduleFilter,
        StorageFilter,
    )
    shows_total = False
