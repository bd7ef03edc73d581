"""The page of sub-results: what tasks found, by dimension, with filters and search."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from taskcore.contrib.django.admin._base import ReadOnlyAdmin
from taskcore.contrib.django.admin._filters import KindFilter, StorageFilter, ValueFilter
from taskcore.contrib.django.admin._looks import count_words, moment_cell, shorten
from taskcore.contrib.django.admin._stores import is_copy
from taskcore.contrib.django.admin._task_looks import NOTHING, dimensions_of
from taskcore.protocol import Item
from taskcore.records import load_data

__all__ = ["ItemAdmin"]

_ITEM = "_taskcore_item"


class _TaskFilter(ValueFilter):
    """By task: what the page of a task links to."""

    title = gettext_lazy("task")
    parameter_name = "task"
    column = "task_id"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Offer none: there may be any number."""
        return ()


class _DimensionFilter(ValueFilter):
    """By a dimension: ``prefecture:Bretagne`` in the address; the columns link to it."""

    title = gettext_lazy("dimension")
    parameter_name = "dimension"

    def values(self, model_admin: Any) -> Iterable[str]:
        """Offer none: they are the tasks' own."""
        return ()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that have the dimension."""
        value = self.value()
        if value is None:
            return queryset
        name, _, wanted = value.partition(":")
        return queryset.filter(document__contains=_pair(name, wanted))


def _pair(name: str, value: str) -> str:
    """Return a dimension as it stands in a document."""
    return json.dumps({name: value}, ensure_ascii=False, separators=(",", ":"))[1:-1]


class ItemAdmin(ReadOnlyAdmin):
    """Sub-results and log lines of tasks. They go with their task."""

    list_display: Any = ("task_link", "kind", "dimensions", "count", "data", "at")
    list_display_links: Any = None
    list_filter: ClassVar[Any] = (KindFilter, _TaskFilter, _DimensionFilter, StorageFilter)
    search_fields: ClassVar[Any] = ("document",)
    search_help_text = gettext_lazy("A task ID, or part of a dimension or of the data.")
    ordering: ClassVar[Any] = ("-id",)
    actions: Any = ()
    scanning_filters: ClassVar[Sequence[str]] = ("dimension", "kind")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by task, or by parts of texts within the window of the list."""
        for word in search_term.split():
            escaped = json.dumps(word, ensure_ascii=False)[1:-1]
            by_task = Q(task_id__gte=word, task_id__lt=f"{word}~")
            queryset = queryset.filter(by_task | Q(document__icontains=escaped))
        return queryset, False

    @staticmethod
    def _item(row: Any) -> Item:
        item: Item | None = getattr(row, _ITEM, None)
        if item is None:
            item = load_data(Item, row.document)
            setattr(row, _ITEM, item)
        return item

    @admin.display(description=gettext_lazy("task"))
    def task_link(self, row: Any) -> SafeString:
        """The task."""
        words = row.task_id.partition("@")[0] if is_copy(self.model) else row.task_id
        return self.link("task", row.task_id, words)

    @admin.display(description=gettext_lazy("dimensions"))
    def dimensions(self, row: Any) -> SafeString:
        """What it is about."""
        found = dimensions_of(self._item(row))
        return format_html("{}", shorten(found, 200)) if found else NOTHING

    @admin.display(description=gettext_lazy("count"))
    def count(self, row: Any) -> str:
        """How many there are."""
        value = self._item(row).count
        return "–" if value is None else count_words(value)

    @admin.display(description=gettext_lazy("data"))
    def data(self, row: Any) -> SafeString:
        """The beginning of what was found."""
        text = self._item(row).data_json
        return NOTHING if text is None else format_html('<code class="taskcore-call">{}</code>', shorten(text, 120))

    @admin.display(description=gettext_lazy("when"))
    def at(self, row: Any) -> SafeString:
        """When it was found."""
        return moment_cell(self._item(row).at)
