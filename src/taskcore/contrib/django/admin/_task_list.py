"""Tasks as rows: the columns, filters, searches and actions of their list."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.http import (
    HttpRequest,
    StreamingHttpResponse,
)
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._base import StoreAdmin, actions_of
from taskcore.contrib.django.admin._export import export_response
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
from taskcore.contrib.django.admin._looks import (
    attempt_of,
    badge_of,
    duration_cell,
    moment_cell,
    progress_cell,
    progress_of,
    shorten,
)
from taskcore.contrib.django.admin._operations import TASK_OPERATIONS, Operation
from taskcore.contrib.django.admin._rows import fresh_rows
from taskcore.contrib.django.admin._stores import (
    is_copy,
    plain_id,
    row_key,
    store_of,
    stores_of_model,
)
from taskcore.contrib.django.admin._task_looks import (
    NOTHING,
)
from taskcore.records.columns import RUNNING, STATES

__all__ = ["TaskList"]

_ID = re.compile(r"[0-9a-f]{8,64}")
_DEFERRED = ("options", "arguments", "value", "document")


def _export_action(file_format: str, words: Any) -> Callable[..., Any]:
    def export(model_admin: TaskList, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        return export_response(queryset, file_format)

    export.__name__ = f"export_{file_format}"
    made: Callable[..., Any] = admin.action(export, permissions=["export"], description=words)
    return made


class TaskList(StoreAdmin):
    """Tasks as rows: what the list of them shows, finds and offers."""

    operations: ClassVar[Sequence[Operation]] = TASK_OPERATIONS
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
