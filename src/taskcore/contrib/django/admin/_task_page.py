"""The page of one task: its parts, who may do what to it, and how its edits and its deletion reach the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django._snapshot import renew
from taskcore.contrib.django.admin._editing import EDITABLE, TaskEditForm, save_edit
from taskcore.contrib.django.admin._looks import (
    moment_cell,
    pretty_json,
)
from taskcore.contrib.django.admin._operations import TASK_OPERATIONS, Operation, next_level
from taskcore.contrib.django.admin._rows import truth_of
from taskcore.contrib.django.admin._stores import (
    admin_setting,
    if_there,
    is_copy,
    plain_id,
    row_key,
    store_of,
)
from taskcore.contrib.django.admin._task_list import TaskList
from taskcore.contrib.django.admin._task_looks import (
    NOTHING,
    code_block,
    failure_block,
    items_block,
    options_table,
    timeline,
)
from taskcore.contrib.django.admin.launching import TaskLaunch
from taskcore.errors import TaskcoreError
from taskcore.protocol import CancelLevel, Item, Page, Task
from taskcore.records.columns import BLOCKED, RUNNING

__all__ = ["TaskPage"]

_ITEMS_SHOWN = 50


class TaskPage(TaskList):
    """Tasks as rows, and each with a page of its own."""

    launches: ClassVar[Sequence[TaskLaunch | str]] = ()
    """Tasks that operators start with forms of their own; the others have forms that are made of their signatures."""
    change_form_template = "taskcore/admin/task.html"
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
