"""The page of tasks with all of its views, and the lists of those that have succeeded and failed."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.utils.http import urlencode
from django.utils.translation import gettext

from taskcore.contrib.django.admin._duplicating import duplicate_page
from taskcore.contrib.django.admin._export import FORMATS, export_response
from taskcore.contrib.django.admin._filters import (
    GroupFilter,
    NameFilter,
    PeriodFilter,
    QueueFilter,
    ScheduleFilter,
    StorageFilter,
    WorkerFilter,
)
from taskcore.contrib.django.admin._live import MOST_IDS, live_response
from taskcore.contrib.django.admin._looks import (
    attempt_of,
    duration_words,
    localized,
    now,
    phase_of,
    progress_of,
    run_span,
)
from taskcore.contrib.django.admin._operations import TASK_OPERATIONS
from taskcore.contrib.django.admin._rows import fresh_rows
from taskcore.contrib.django.admin._starting import allowed, start_page, start_task_endpoint
from taskcore.contrib.django.admin._stores import (
    is_copy,
    plain_id,
    store_of,
    stores_of_model,
)
from taskcore.contrib.django.admin._task_page import TaskPage
from taskcore.errors import TaskNotFound
from taskcore.protocol import CancelLevel, Task
from taskcore.records.columns import FAILED, RUNNING, STATES, SUCCESSFUL

__all__ = ["FailedTaskAdmin", "SuccessfulTaskAdmin", "TaskAdmin"]

_START = "start_task:"

_FILTERS = (PeriodFilter, NameFilter, QueueFilter, WorkerFilter, GroupFilter, ScheduleFilter, StorageFilter)
"""Of the lists of one state."""


class TaskAdmin(TaskPage):
    """Tasks in any state."""

    change_list_template = "taskcore/admin/task_list.html"

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
    list_filter: ClassVar[Any] = _FILTERS
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
    list_filter: ClassVar[Any] = _FILTERS
    shows_total = False
