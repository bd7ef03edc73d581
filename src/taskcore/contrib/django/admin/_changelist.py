"""Lists of any size: pages cut by key, totals that are not counted, filters that look at a bounded number of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Count, Max, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

__all__ = ["AFTER", "BEFORE", "COUNT_LIMIT", "KeysetAdmin", "KeysetChangeList", "keyset", "rows_in_batches"]

AFTER = "after"
BEFORE = "before"
"""The parameters of the address that name the row that a page begins after, or ends before."""

COUNT_LIMIT = 10_000
"""Rows are counted up to here; above it the database's estimate is shown."""


def _ordering(queryset: QuerySet[Any]) -> list[tuple[str, bool]]:
    """Return the columns that rows are ordered by, and whether each goes down; no more than make them different."""
    found: dict[str, bool] = {}
    for part in queryset.query.order_by:
        found.setdefault(str(part).lstrip("-").replace("pk", "id"), str(part).startswith("-"))
    return list(found.items())


def keyset(ordering: Sequence[tuple[str, bool]], values: Sequence[Any], *, is_back: bool) -> Q:
    """Return the condition for rows that come after (or before) the one with these values."""
    condition = Q()
    equal: dict[str, Any] = {}
    for (column, is_down), value in zip(ordering, values, strict=True):
        comparison = "lt" if is_down is not is_back else "gt"
        condition |= Q(**equal, **{f"{column}__{comparison}": value})
        equal[column] = value
    return condition


def rows_in_batches(queryset: QuerySet[Any], size: int, most: int | None = None) -> Any:
    """Yield lists of rows, newest key first, at most ``most`` rows in all; each batch is a query by key."""
    ordered = queryset.order_by("-id")
    last: str | None = None
    left = most
    while left is None or left > 0:
        wanted = size if left is None else min(size, left)
        batch = list((ordered if last is None else ordered.filter(id__lt=last))[:wanted])
        if batch:
            yield batch
            last = batch[-1].pk
        if len(batch) < wanted:
            return
        left = None if left is None else left - len(batch)


_ESTIMATES = {
    "postgresql": """
        SELECT CASE WHEN reltuples >= %s THEN reltuples::bigint
               ELSE (SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT %s) AS seen) END
        FROM pg_class WHERE oid = '{table}'::regclass
    """,
    "mysql": """
        SELECT CASE WHEN table_rows >= %s THEN table_rows
               ELSE (SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT %s) AS seen) END
        FROM information_schema.tables WHERE table_schema = database() AND table_name = '{name}'
    """,
    "sqlite": """
        SELECT CASE WHEN most >= %s THEN most ELSE (SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT %s)) END
        FROM (SELECT coalesce(max(rowid), 0) AS most FROM {table})
    """,
}


def estimate(queryset: QuerySet[Any]) -> int:
    """Return how many rows a table has: exact for few, the database's own estimate for many. One query."""
    connection = connections[queryset.db]
    name = queryset.model._meta.db_table
    sql = _ESTIMATES.get(connection.vendor)
    if sql is None:
        return int(queryset.order_by()[: COUNT_LIMIT + 1].count())
    table = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute(sql.format(table=table, name=name), [COUNT_LIMIT + 1, COUNT_LIMIT + 1])
        found = cursor.fetchone()
    return int(found[0]) if found else 0


class KeysetAdmin(ModelAdmin):
    """A page whose list is cut by key."""

    scan_limit: int | None = 20_000
    """The most rows that a search, or a filter that no index serves, looks at for one page."""
    scanning_filters: ClassVar[Sequence[str]] = ()
    """The parameters of such filters."""
    shows_total = True

    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by: ClassVar[Any] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that is cut by key."""
        return KeysetChangeList

    def search_scans(self, search_term: str) -> bool:
        """Whether no index serves a search."""
        return bool(search_term)

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Give the rows of one page what their columns need besides: for all of them at once."""


class KeysetChangeList(ChangeList):
    """A list that is read from one end by key, as far as its page goes."""

    model_admin: KeysetAdmin  # pyright: ignore[reportIncompatibleVariableOverride]
    newer_link = older_link = onward_link = ""
    total_words = ""

    def get_filters_params(self, params: Any = None) -> Any:
        """Leave out the keys of the page."""
        found = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (AFTER, BEFORE)}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Any other filter begins at the first page again."""
        return super().get_query_string(new_params, [*(remove or []), AFTER, BEFORE])

    def _page_link(self, name: str, row: Any, ordering: Sequence[tuple[str, bool]]) -> str:
        values = [
            row.pk if column == "id" else _field(self.model, column).value_to_string(row) for column, _ in ordering
        ]
        return super().get_query_string({name: json.dumps(values)}, [AFTER, BEFORE])

    def _key(self, text: str, ordering: Sequence[tuple[str, bool]]) -> list[Any]:
        try:
            values = json.loads(text)
            if not isinstance(values, list) or len(values) != len(ordering):
                raise ValueError(text)
            return [
                _field(self.model, column).to_python(value) for (column, _), value in zip(ordering, values, strict=True)
            ]
        except (ValueError, TypeError, ValidationError, FieldDoesNotExist) as error:
            raise IncorrectLookupParameters(error) from error

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, one row more to know whether another follows, and no more."""
        ordering = _ordering(self.queryset)
        is_back = BEFORE in self.params and AFTER not in self.params
        key_text = self.params.get(BEFORE if is_back else AFTER)
        queryset = self.queryset
        if is_back:
            queryset = queryset.reverse()
        if key_text is not None:
            queryset = queryset.filter(keyset(ordering, self._key(key_text, ordering), is_back=is_back))
        bound = self._window(request, queryset, is_back=is_back)
        if bound is not None:
            queryset = queryset.filter(**{"id__lte" if is_back else "id__gte": bound})
        rows: list[Any] = list(queryset[: self.list_per_page + 1])
        has_more = len(rows) > self.list_per_page
        rows = rows[: self.list_per_page]
        if is_back:
            rows.reverse()
        self._set_links(rows, ordering, has_more=has_more, is_back=is_back, is_first=key_text is None, bound=bound)
        self._set_counts(rows, has_more=has_more)
        self.model_admin.complete_rows(request, rows)
        self.result_list = rows

    def _window(self, request: HttpRequest, queryset: QuerySet[Any], *, is_back: bool) -> str | None:
        """Return the key up to which is looked when no index serves the filters; ``None``: to the end."""
        limit = self.model_admin.scan_limit
        used = set(self.params) - {AFTER, BEFORE}
        is_scan = bool(used & set(self.model_admin.scanning_filters)) or self.model_admin.search_scans(self.query)
        if limit is None or not is_scan:
            return None
        rows = self.root_queryset.order_by("id" if is_back else "-id")
        text = self.params.get(BEFORE if is_back else AFTER)
        if text is not None:
            rows = rows.filter(**{"id__gt" if is_back else "id__lt": json.loads(text)[-1]})
        seen = rows.values("id")[:limit].aggregate(bound=Max("id") if is_back else Min("id"), count=Count("id"))
        return seen["bound"] if seen["count"] == limit else None

    def _set_links(
        self,
        rows: list[Any],
        ordering: Sequence[tuple[str, bool]],
        *,
        has_more: bool,
        is_back: bool,
        is_first: bool,
        bound: str | None,
    ) -> None:
        has_newer = has_more if is_back else not is_first
        has_older = is_back or has_more
        if rows and has_newer:
            self.newer_link = self._page_link(BEFORE, rows[0], ordering)
        if rows and has_older:
            self.older_link = self._page_link(AFTER, rows[-1], ordering)
        if bound is not None and not has_more and not is_back and ordering == [("id", True)]:
            self.onward_link = super().get_query_string({AFTER: json.dumps([bound])}, [AFTER, BEFORE])

    def _set_counts(self, rows: list[Any], *, has_more: bool) -> None:
        is_filtered = bool(self.query) or bool(self.get_filters_params())
        shown = len(rows)
        if is_filtered or not self.model_admin.shows_total:
            total = shown + has_more
            self.total_words = gettext("%(count)s on this page") % {"count": number_format(shown)}
        else:
            total = max(estimate(self.root_queryset), shown)
            self.total_words = _total_words(total)
        self.result_count = total if has_more or self.newer_link else shown
        self.full_result_count = self.result_count  # no second number is shown
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = False
        self.multi_page = False
        self.paginator = Paginator(rows, self.list_per_page)


def _total_words(total: int) -> str:
    number = number_format(total, use_l10n=True, force_grouping=True)
    if total <= COUNT_LIMIT:
        return gettext("%(count)s in all") % {"count": number}
    return gettext("about %(count)s in all") % {"count": number}


def _field(model: Any, column: str) -> Any:
    return model._meta.get_field(column)
