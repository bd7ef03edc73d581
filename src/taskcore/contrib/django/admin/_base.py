"""``StoreAdmin``: what all pages share. Its permissions, its operations as actions and buttons, and the log of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from django.apps import apps
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext

from taskcore.contrib.django._snapshot import renew
from taskcore.contrib.django.admin._changelist import KeysetAdmin, rows_in_batches
from taskcore.contrib.django.admin._operations import Operation
from taskcore.contrib.django.admin._stores import database_of, is_configured, is_copy, using_stores
from taskcore.errors import BackendError

__all__ = ["ReadOnlyAdmin", "StoreAdmin", "actions_of"]

_BATCH = 500
_REASONS_SHOWN = 3


class StoreAdmin(KeysetAdmin):
    """A page of what a storage holds. Nothing is saved by a model: every change is one of ``operations``."""

    storage: str | None = None
    """The alias in ``settings.TASKS`` whose rows are shown; ``None``: the first in the database, or all copies."""
    operations: ClassVar[Sequence[Operation]] = ()
    bulk_limit = 10_000
    """The most rows that one action changes."""
    save_on_top = False

    class Media:
        css: ClassVar[dict[str, Sequence[str]]] = {"all": ("taskcore/admin.css",)}
        js: ClassVar[Sequence[str]] = ("taskcore/live.js",)

    # Rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the storage that the page is about, from where they are written."""
        queryset = super().get_queryset(request)
        database = database_of(self.model, self.storage)
        if database is not None:
            return queryset.using(database)
        return queryset if self.storage is None else queryset.filter(storage=self.storage)

    def sibling_rows(self, name: str) -> QuerySet[Any]:
        """Return the rows of another page of the same store: ``Task``, ``Schedule``, ``Worker``."""
        model = apps.get_model(self.opts.app_label, f"{name}Copy" if is_copy(self.model) else name)
        rows: QuerySet[Any] = model._default_manager.all()
        database = database_of(self.model, self.storage)
        return rows if database is None else rows.using(database)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, under the name of what it lists."""
        return super().changelist_view(
            request, {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        )

    def url(self, view: str, *arguments: str) -> str:
        """Return the address of a page of this model."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{view}"
        return reverse(name, args=[quote(one) for one in arguments])

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        """Return a page of our own, in the frame of the admin site."""
        request.current_app = self.admin_site.name
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**frame, **context})

    def link(self, sibling: str, key: str, words: str) -> SafeString:
        """Return a link to a thing of another page (``task``, ``group``, …) of the same store; words without a page."""
        name = sibling if self.opts.app_label == "taskcore" else f"{sibling}copy"
        try:
            url = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{name}_change", args=[quote(key)])
        except NoReverseMatch:
            return format_html("{}", words)
        return format_html('<a href="{}">{}</a>', url, words)

    # Permissions

    def _may(self, request: HttpRequest, codename: str) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.has_perm(f"taskcore_django.{codename}"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is added as a row."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Leave the page out of the index while no storage is kept where its rows come from."""
        return is_configured(self.model) and super().has_module_permission(request)

    def allows(self, request: HttpRequest, operation: Operation) -> bool:
        """Whether the user may do this."""
        return bool(getattr(self, f"has_{operation.permission}_permission")(request))

    # Operations

    def get_urls(self) -> list[Any]:
        """Add the addresses of the buttons."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(self.do_view)
        return [path("<path:object_id>/do/<str:operation>/", view, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, row: Any) -> SafeString:
        """Return the buttons of a row: submits of the form around it, to addresses of their own."""
        return format_html_join(
            " ",
            '<button type="submit" class="taskcore-button {}" formmethod="post" formaction="{}" formnovalidate>'
            "{}</button>",
            (
                (operation.style, self.url("do", row.pk, operation.name), self.button_label(operation, row))
                for operation in self.operations
                if operation.fits(row) and self.allows(request, operation)
            ),
        )

    def button_label(self, operation: Operation, row: Any) -> Any:
        """Return what a button says for a row."""
        return operation.label

    def do_view(self, request: HttpRequest, object_id: str, operation: str) -> HttpResponse:
        """Do one thing to one row: what a button posts to."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        wanted = next((one for one in self.operations if one.name == unquote(operation)), None)
        if wanted is None:
            raise Http404
        if not self.has_view_or_change_permission(request) or not self.allows(request, wanted):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        back = self._back(request)
        if wanted.question is not None and "post" not in request.POST:
            return self._ask(request, wanted, [row], {"back": back})
        self._report(request, wanted, *self._run(request, wanted, [row]))
        return HttpResponseRedirect(back)

    def _back(self, request: HttpRequest) -> str:
        given = request.POST.get("back") or request.headers.get("referer", "")
        if given and url_has_allowed_host_and_scheme(given, {request.get_host()}, require_https=request.is_secure()):
            return given
        return self.url("changelist")

    def operate(self, request: HttpRequest, queryset: QuerySet[Any], operation: Operation) -> HttpResponse | None:
        """Do one thing to many rows: what an action of the list comes to."""
        if not self.allows(request, operation):
            raise PermissionDenied
        if operation.question is not None and "post" not in request.POST:
            rows = list(queryset.order_by("-id")[: _REASONS_SHOWN * 4])
            hidden = {"action": operation.name, "select_across": request.POST.get("select_across", "0")}
            return self._ask(request, operation, rows, hidden, request.POST.getlist(ACTION_CHECKBOX_NAME))
        done, seen = 0, 0
        refused: list[tuple[str, str]] = []
        for rows in rows_in_batches(queryset, _BATCH, self.bulk_limit):
            some, why = self._run(request, operation, rows)
            seen += len(rows)
            done += some
            refused.extend(why[:_REASONS_SHOWN] if len(refused) < _REASONS_SHOWN else [])
        self._report(request, operation, done, refused, seen - done)
        if seen >= self.bulk_limit:
            text = gettext("Stopped after %(count)d. Do it again for the rest.") % {"count": seen}
            self.message_user(request, text, messages.WARNING)
        return None

    def _ask(
        self,
        request: HttpRequest,
        operation: Operation,
        rows: Sequence[Any],
        hidden: dict[str, str],
        selected: Iterable[str] = (),
    ) -> HttpResponse:
        keys = list(selected)
        context = {
            "title": gettext("Are you sure?"),
            "operation": operation,
            "rows": rows,
            "hidden": {**hidden, "post": "yes"},
            "selected": keys,
            "selected_name": ACTION_CHECKBOX_NAME,
            "more": max(0, len(keys) - len(rows)),
            "is_across": hidden.get("select_across") == "1",
            "back": hidden.get("back") or request.get_full_path(),
        }
        return self.page(request, "taskcore/admin/confirm.html", context)

    def _run(
        self, request: HttpRequest, operation: Operation, rows: Sequence[Any]
    ) -> tuple[int, list[tuple[str, str]]]:
        """Do it, store by store; log what was done and renew the copies. Return how many, and why others were not."""
        done = 0
        refused: list[tuple[str, str]] = []
        for store, by_id in using_stores(rows):
            try:
                work = operation.run(store.client, list(by_id))
            except BackendError as error:
                refused.extend((thing_id, str(error)) for thing_id in by_id)
                continue
            changed = [by_id[thing_id] for thing_id in work.done if thing_id in by_id]
            self.log_operation(request, operation, changed)
            renew(store.alias, store.client, changed)
            done += len(changed)
            refused.extend(work.refused)
        return done, refused

    def log_operation(self, request: HttpRequest, operation: Operation, rows: Sequence[Any]) -> None:
        """Write one entry of the log for each row."""
        if rows:
            flag = DELETION if operation.is_deletion else CHANGE
            LogEntry.objects.log_actions(request.user.pk, rows, flag, operation.logged)

    def _report(
        self,
        request: HttpRequest,
        operation: Operation,
        done: int,
        refused: Sequence[tuple[str, str]],
        others: int | None = None,
    ) -> None:
        left = len(refused) if others is None else others
        if done:
            words = ngettext("%(label)s: %(count)d done.", "%(label)s: %(count)d done.", done)
            self.message_user(request, words % {"label": operation.label, "count": done}, messages.SUCCESS)
        if left:
            words = ngettext(
                "%(label)s: %(count)d stayed as it was: %(why)s",
                "%(label)s: %(count)d stayed as they were: %(why)s",
                left,
            )
            why = "; ".join(f"{thing_id}: {reason}" for thing_id, reason in refused[:_REASONS_SHOWN])
            self.message_user(request, words % {"label": operation.label, "count": left, "why": why}, messages.WARNING)


class ReadOnlyAdmin(StoreAdmin):
    """A page of what comes and goes by itself: nothing of it is edited or deleted by hand."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing can be edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing can be deleted."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all fields."""
        return flatten_fieldsets(self.fieldsets or ())


def actions_of(operations: Iterable[Operation]) -> Iterator[Any]:
    """Yield the operations that a list offers, as actions."""
    return (operation.action() for operation in operations if operation.is_in_list)
