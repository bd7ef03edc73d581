"""The page of groups: how many members stand where, and the way to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django._snapshot import copy_of_group
from taskcore.contrib.django.admin._base import ReadOnlyAdmin
from taskcore.contrib.django.admin._filters import PeriodFilter, StorageFilter
from taskcore.contrib.django.admin._looks import BADGES, badge, moment_cell, progress_cell
from taskcore.contrib.django.admin._stores import (
    Store,
    if_there,
    is_copy,
    plain_id,
    row_key,
    store_of,
    stores_of_model,
    using_stores,
)
from taskcore.contrib.django.admin._task_looks import NOTHING, code_block
from taskcore.protocol import Group, GroupQuery, Phase, Progress, State

__all__ = ["GroupAdmin"]

_KNOWN = "_taskcore_group"
_RESULTS_SHOWN = 50
_PHASES = {
    State.SUCCESSFUL: Phase.SUCCESSFUL,
    State.FAILED: Phase.FAILED,
    State.CANCELLED: Phase.CANCELLED,
    State.RUNNING: Phase.RUNNING,
    State.READY: Phase.READY,
    State.BLOCKED: Phase.BLOCKED,
}


def _phase(group: Group) -> Phase:
    """Return the badge of a whole group."""
    if group.is_successful:
        return Phase.SUCCESSFUL
    if group.is_finished:
        return Phase.FAILED if group.counts.get(State.FAILED) else Phase.CANCELLED
    return Phase.RUNNING if group.counts.get(State.RUNNING) or _finished(group) else Phase.READY


def _finished(group: Group) -> int:
    return sum(count for state, count in group.counts.items() if state.is_finished)


def _asked(store: Store, query: GroupQuery) -> tuple[Group, ...]:
    return store.client.backend.groups(query).items


class GroupAdmin(ReadOnlyAdmin):
    """Groups. One goes with its last member."""

    list_display: Any = ("group_id", "name", "state", "progress", "created", "finished")
    list_display_links: Any = ("group_id", "name")
    list_filter: ClassVar[Any] = (PeriodFilter, StorageFilter)
    search_fields: ClassVar[Any] = ("id", "name")
    search_help_text = gettext_lazy("The beginning of an ID, or a name.")
    ordering: ClassVar[Any] = ("-id",)
    actions: Any = ()
    change_form_template = "taskcore/admin/group.html"
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("group_id", "name", "state", "progress", "created", "finished")}),
        (gettext_lazy("Members"), {"fields": ("members", "failures")}),
        (gettext_lazy("Results"), {"fields": ("results",)}),
    )

    def search_scans(self, search_term: str) -> bool:
        """Names and ids have indexes."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by name, or the beginning of an id."""
        for word in search_term.split():
            queryset = queryset.filter(Q(id__gte=word, id__lt=f"{word}~") | Q(name=word))
        return queryset, False

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Give the rows their counts, all at once."""
        for store, by_id in using_stores(rows):
            query = GroupQuery(ids=tuple(by_id), limit=len(by_id))
            for group in if_there(partial(_asked, store, query), ()):
                setattr(by_id[group.id], _KNOWN, group)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row of a group; one that is not copied yet is made of the storage's answer."""
        row = super().get_object(request, object_id, from_field)
        if row is None and is_copy(self.model):
            for store in stores_of_model(self.model):
                plain = object_id.removesuffix(row_key(self.model, store.alias, ""))
                if plain != object_id:
                    found = store.client.backend.groups(GroupQuery(ids=(plain,), limit=1)).items
                    row = copy_of_group(found[0], store.alias) if found else None
        if row is not None:
            self.complete_rows(request, [row])
        return row

    @staticmethod
    def _known(row: Any) -> Group | None:
        known: Group | None = getattr(row, _KNOWN, None)
        return known

    @admin.display(description=gettext_lazy("group ID"))
    def group_id(self, row: Any) -> SafeString:
        """The id, in fixed width."""
        return format_html('<code class="taskcore-id">{}</code>', plain_id(row))

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> SafeString:
        """The badge of the whole."""
        known = self._known(row)
        return NOTHING if known is None else badge(BADGES[_phase(known)])

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, row: Any) -> SafeString:
        """How many members have finished."""
        known = self._known(row)
        if known is None:
            return NOTHING
        return progress_cell(Progress(current=_finished(known), total=known.total))

    @admin.display(description=gettext_lazy("created"))
    def created(self, row: Any) -> SafeString:
        """When it was made."""
        return moment_cell(row.created_at)

    @admin.display(description=gettext_lazy("finished"))
    def finished(self, row: Any) -> SafeString:
        """When all had finished for the first time."""
        return moment_cell(row.finished_at)

    def _tasks_link(self, row: Any, state: State | None, words: object) -> SafeString:
        try:
            name = "taskcopy" if is_copy(self.model) else "task"
            url = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{name}_changelist")
        except NoReverseMatch:
            return format_html("{}", words)
        wanted = "" if state is None else f"&state={'due' if state is State.READY else state.value.lower()}"
        return format_html('<a href="{}?group={}{}">{}</a>', url, row.pk, wanted, words)

    @admin.display(description=gettext_lazy("members"))
    def members(self, row: Any) -> SafeString:
        """The counts, each with the way to the tasks."""
        known = self._known(row)
        if known is None:
            return NOTHING
        parts = [
            (badge(BADGES[_PHASES[state]]), self._tasks_link(row, state, known.counts[state]))
            for state in State
            if known.counts.get(state)
        ]
        every = self._tasks_link(row, None, gettext("all members"))
        return format_html("{} {}", every, format_html_join("", '<div class="taskcore-count">{} {}</div>', parts))

    @admin.display(description=gettext_lazy("failed members"))
    def failures(self, row: Any) -> SafeString:
        """The newest members that have failed."""
        store = store_of(row)
        found = store.client.find(group_id=plain_id(row), states=(State.FAILED,), limit=10).items
        links = [self.link("task", row_key(self.model, store.alias, task.id), str(task.id)) for task in found]
        return SafeString("<br>".join(links)) if links else NOTHING

    @admin.display(description=gettext_lazy("results"))
    def results(self, row: Any) -> SafeString:
        """What the first members returned, in their order."""
        store = store_of(row)
        found = store.client.find(
            group_id=plain_id(row), states=(State.SUCCESSFUL,), is_oldest_first=True, limit=_RESULTS_SHOWN
        ).items
        lines = [
            f"{task.spec.group_index}: {task.result.value_json if task.result is not None else None}" for task in found
        ]
        return code_block("\n".join(lines))

    def get_urls(self) -> list[Any]:
        """Add the JSON endpoint."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_progress"
        view = self.admin_site.admin_view(self.progress_view)
        return [path("group-progress/<path:object_id>/", view, name=name), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell in JSON how a group stands."""
        if not self.has_view_permission(request):
            return JsonResponse({"error": gettext("You may not look at groups.")}, status=403)
        row = self.get_object(request, unquote(object_id))
        known = None if row is None else self._known(row)
        if known is None:
            return JsonResponse({"error": gettext("There is no such group.")}, status=404)
        return JsonResponse(
            {
                "id": known.id,
                "name": known.name,
                "total": known.total,
                "counts": {state.value: count for state, count in known.counts.items()},
                "finished": known.is_finished,
                "successful": known.is_successful,
            }
        )
