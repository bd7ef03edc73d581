"""The page of queues: how deep each is, how old its oldest task is, and whether it is paused. Asked of the store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, path, reverse
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._base import ReadOnlyAdmin
from taskcore.contrib.django.admin._looks import Look, badge, duration_words, now
from taskcore.contrib.django.admin._stores import Store, is_copy, stores_of_model
from taskcore.errors import BackendError
from taskcore.protocol import QueueStats, State

__all__ = ["QueueAdmin"]

_OPEN = Look("successful", "▶", gettext_lazy("Open"))
_PAUSED = Look("waiting", "⏸", gettext_lazy("Paused"))
_UNSERVED = Look("failed", "⚠", gettext_lazy("No worker"))


class QueueAdmin(ReadOnlyAdmin):
    """Queues. There are no rows of them: the list is what the store counts, and one is there while it has tasks."""

    actions: Any = ()
    change_list_template = "taskcore/admin/queues.html"

    def has_pause_permission(self, request: HttpRequest) -> bool:
        """Whether the user may pause and resume queues."""
        return self._may(request, "pause_queue")

    def get_urls(self) -> list[Any]:
        """Leave the list, and the two buttons."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name=f"{prefix}_changelist"),
            path("set/", wrap(self.set_view), name=f"{prefix}_set"),
        ]

    def _stores(self) -> list[Store]:
        stores = stores_of_model(self.model)
        return stores if self.storage is None else [store for store in stores if store.alias == self.storage]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show all queues of all stores."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: list[dict[str, Any]] = []
        for store in self._stores():
            try:
                found.append({"alias": store.alias, "rows": self._rows(store), "error": ""})
            except BackendError as error:
                found.append({"alias": store.alias, "rows": [], "error": str(error)})
        context = {
            "title": gettext("Queues"),
            "stores": found,
            "may_pause": self.has_pause_permission(request),
            "set_url": self.url("set"),
            **(extra_context or {}),
        }
        return self.page(request, str(self.change_list_template), context)

    def _rows(self, store: Store) -> list[dict[str, Any]]:
        stats = {queue.name: queue for queue in store.client.stats().queues}
        for name in store.options.queues:
            stats.setdefault(name, QueueStats(name=name, counts={}))
        moment = now()
        live = [one for one in store.client.workers() if one.expires_at > moment and one.state.value != "stopped"]
        served = {name: sum(name in worker.queue_names for worker in live) for name in stats}
        return [self._row(stats[name], served[name]) for name in sorted(stats)]

    def _row(self, queue: QueueStats, workers: int) -> dict[str, Any]:
        waiting = queue.counts.get(State.READY, 0)
        oldest = None if queue.oldest_due_at is None else max(now() - queue.oldest_due_at, timedelta(0))
        look = _PAUSED if queue.is_paused else _UNSERVED if waiting and not workers else _OPEN
        states = [
            (state.value.lower(), queue.counts.get(state, 0))
            for state in (State.BLOCKED, State.RUNNING, State.SUCCESSFUL, State.FAILED, State.CANCELLED)
        ]
        return {
            "name": queue.name,
            "url": self._tasks_url(queue.name),
            "badge": badge(look),
            "is_paused": queue.is_paused,
            "depth": waiting - queue.scheduled,
            "scheduled": queue.scheduled,
            "oldest": "–" if oldest is None else duration_words(oldest),
            "states": states,
            "workers": workers,
        }

    def _tasks_url(self, queue: str) -> str:
        try:
            name = "taskcopy" if is_copy(self.model) else "task"
            return f"{reverse(f'{self.admin_site.name}:{self.opts.app_label}_{name}_changelist')}?queue={queue}"
        except NoReverseMatch:
            return ""

    def set_view(self, request: HttpRequest) -> HttpResponse:
        """Pause or resume a queue."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request) or not self.has_pause_permission(request):
            raise PermissionDenied
        wanted, name = request.POST.get("wanted"), request.POST.get("queue", "")
        store = next((one for one in self._stores() if one.alias == request.POST.get("storage")), None)
        if store is None or wanted not in {"pause", "resume"} or not name:
            raise Http404
        if wanted == "pause":
            store.client.pause(name)
            logged, words = "Paused.", gettext("%(queue)s is paused: nothing of it starts.")
        else:
            store.client.resume(name)
            logged, words = "Resumed.", gettext("%(queue)s goes on.")
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(self.model, for_concrete_model=False),
            object_id=f"{store.alias}:{name}",
            object_repr=name[:200],
            action_flag=CHANGE,
            change_message=logged,
        )
        self.message_user(request, words % {"queue": name})
        return HttpResponseRedirect(self.url("changelist"))
