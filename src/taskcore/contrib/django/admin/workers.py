"""The page of workers: who is there, what they run, and what is wanted of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, pgettext_lazy

from taskcore.contrib.django._snapshot import copy_of_worker
from taskcore.contrib.django.admin._base import ReadOnlyAdmin, actions_of
from taskcore.contrib.django.admin._filters import OnlineFilter, StorageFilter
from taskcore.contrib.django.admin._looks import Look, badge, moment_cell, now, shorten
from taskcore.contrib.django.admin._operations import WORKER_OPERATIONS, Operation
from taskcore.contrib.django.admin._stores import if_there, is_copy, row_key, store_of, stores_of_model, using_stores
from taskcore.contrib.django.admin._task_looks import NOTHING
from taskcore.protocol import WorkerInfo

__all__ = ["WorkerAdmin"]

_KNOWN = "_taskcore_worker"
_RUNNING_SHOWN = 5

_ONLINE = Look("successful", "●", gettext_lazy("Online"))
_PAUSED = Look("waiting", "⏸", gettext_lazy("Paused"))
_STOPPING = Look("running", "◼", gettext_lazy("Stopping"))
_STOPPED = Look("cancelled", "⊘", pgettext_lazy("worker", "Stopped"))
_OFFLINE = Look("failed", "✖", gettext_lazy("Offline"))


class WorkerAdmin(ReadOnlyAdmin):
    """Workers. Those that are gone go by themselves."""

    operations: ClassVar[Sequence[Operation]] = WORKER_OPERATIONS
    list_display: Any = (
        "title",
        "status",
        "queues",
        "running",
        "executor",
        "completed",
        "memory",
        "started",
        "last_beat",
        "row_buttons",
    )
    list_display_links: Any = ("title",)
    list_filter: ClassVar[Any] = (OnlineFilter, StorageFilter)
    search_fields: ClassVar[Any] = ("hostname__startswith", "id__startswith")
    search_help_text = gettext_lazy("The beginning of the host's name, or of the worker's ID.")
    ordering: ClassVar[Any] = ("-last_beat_at", "-id")
    actions: Any = tuple(actions_of(WORKER_OPERATIONS))
    scan_limit = None
    change_form_template = "taskcore/admin/worker.html"
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("worker_id", "title", "status", "queues", "executor", "version")}),
        (gettext_lazy("Work"), {"fields": ("running", "completed", "memory", "knows")}),
        (gettext_lazy("Times"), {"fields": ("started", "last_beat")}),
    )

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Give the rows what their workers say of themselves, all at once."""
        for store, by_id in using_stores(rows):
            for worker in if_there(store.client.workers, []):
                row = by_id.get(worker.id)
                if row is not None:
                    setattr(row, _KNOWN, worker)
                    row.state, row.expires_at = worker.state.value, worker.expires_at
                    row.last_beat_at, row.completed = worker.last_beat_at, worker.completed
        for row in rows:
            row.taskcore_buttons = self.buttons(request, row)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row of a worker; one that is not copied yet is made of the storage's answer."""
        row = super().get_object(request, object_id, from_field)
        if row is None and is_copy(self.model):
            for store in stores_of_model(self.model):
                for worker in store.client.workers():
                    if row_key(self.model, store.alias, worker.id) == object_id:
                        row = copy_of_worker(worker, store.alias)
        if row is not None:
            self.complete_rows(request, [row])
        return row

    @staticmethod
    def _known(row: Any) -> WorkerInfo | None:
        known: WorkerInfo | None = getattr(row, _KNOWN, None)
        return known

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether the user may stop, pause and resume workers."""
        return self._may(request, "control_worker")

    @admin.display(description=gettext_lazy("worker"))
    def title(self, row: Any) -> str:
        """Host and process."""
        return f"{row.hostname} {row.pid}"

    @admin.display(description=gettext_lazy("worker ID"))
    def worker_id(self, row: Any) -> SafeString:
        """The id, in fixed width."""
        return format_html('<code class="taskcore-id">{}</code>', row.pk)

    @admin.display(description=gettext_lazy("status"))
    def status(self, row: Any) -> SafeString:
        """Whether it is there."""
        if row.state == "stopped":
            return badge(_STOPPED)
        if row.expires_at <= now():
            return badge(_OFFLINE)
        return badge({"paused": _PAUSED, "stopping": _STOPPING}.get(row.state, _ONLINE))

    @admin.display(description=gettext_lazy("queues"))
    def queues(self, row: Any) -> str:
        """What it serves."""
        known = self._known(row)
        return "–" if known is None else ", ".join(known.queue_names)

    @admin.display(description=gettext_lazy("running"))
    def running(self, row: Any) -> SafeString:
        """What it runs now, with the way there."""
        known = self._known(row)
        if known is None or not known.running:
            return NOTHING
        alias = store_of(row).alias
        links = [
            self.link("task", row_key(self.model, alias, task_id), shorten(task_id, 14))
            for task_id in known.running[:_RUNNING_SHOWN]
        ]
        left = len(known.running) - len(links)
        return SafeString(", ".join(links) + (f" … +{left}" if left else ""))

    @admin.display(description=gettext_lazy("executor"))
    def executor(self, row: Any) -> str:
        """What it runs tasks in, and how many at once."""
        known = self._known(row)
        return "–" if known is None else f"{known.executor} × {known.concurrency}"

    @admin.display(description=gettext_lazy("memory"))
    def memory(self, row: Any) -> str:
        """What its process and its children have, as it told last."""
        known = self._known(row)
        return "–" if known is None or known.memory is None else filesizeformat(known.memory)

    @admin.display(description=gettext_lazy("version"))
    def version(self, row: Any) -> str:
        """Its release of taskcore."""
        known = self._known(row)
        return "–" if known is None else known.version or "–"

    @admin.display(description=gettext_lazy("tasks it knows"))
    def knows(self, row: Any) -> SafeString:
        """The names of its definitions."""
        known = self._known(row)
        if known is None:
            return NOTHING
        return format_html('<pre class="taskcore-code">{}</pre>', "\n".join(known.task_names))

    @admin.display(description=gettext_lazy("started"))
    def started(self, row: Any) -> SafeString:
        """Since when."""
        return moment_cell(row.started_at)

    @admin.display(description=gettext_lazy("last beat"))
    def last_beat(self, row: Any) -> SafeString:
        """When it was last heard of."""
        return moment_cell(row.last_beat_at)

    @admin.display(description=gettext_lazy("actions"))
    def row_buttons(self, row: Any) -> SafeString:
        """The buttons of the row."""
        return getattr(row, "taskcore_buttons", NOTHING)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one worker, with its buttons."""
        row = self.get_object(request, unquote(object_id))
        context = {"buttons": "" if row is None else self.buttons(request, row), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)
