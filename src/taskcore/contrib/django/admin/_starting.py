"""Starting a task: the list of what can be started, the form of one, and the same as a JSON endpoint."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._looks import BADGES, badge, moment_cell
from taskcore.contrib.django.admin._rows import row_of
from taskcore.contrib.django.admin._stores import Store, row_key, stores_of_model
from taskcore.contrib.django.admin._task_page import TaskPage
from taskcore.contrib.django.admin.launching import Launchable, launchables
from taskcore.errors import BackendError, InvalidInput, UniqueConflict
from taskcore.protocol import State, phase

__all__ = ["OptionsForm", "allowed", "enqueue_options", "start", "start_page", "start_task_endpoint"]

_UNFINISHED = (State.RUNNING, State.READY, State.BLOCKED)
_WARNED_OF = 5


class OptionsForm(forms.Form):
    """What any task can be asked for, besides its arguments."""

    queue_name = forms.CharField(label=gettext_lazy("Queue"), required=False, max_length=255)
    priority = forms.IntegerField(label=gettext_lazy("Priority"), required=False, min_value=-100, max_value=100)
    run_after = forms.DateTimeField(
        label=gettext_lazy("Run after"), required=False, help_text=gettext_lazy("Left empty: at once.")
    )


def enqueue_options(form: forms.Form) -> dict[str, Any]:
    """Return what of the options was given."""
    found = {name: form.cleaned_data[name] for name in OptionsForm.base_fields}
    moment = found["run_after"]
    if moment is not None and moment.tzinfo is None:  # USE_TZ is off: the clock of the machine
        found["run_after"] = moment.astimezone()
    return {name: value for name, value in found.items() if value not in (None, "")}


def allowed(model_admin: TaskPage, request: HttpRequest, store: Store) -> dict[str, Launchable]:
    """Return what this user may start in a store."""
    user: Any = request.user
    found = launchables(store, model_admin.launches)
    return {name: one for name, one in found.items() if user.is_active and user.has_perm(one.launch.permission)}


def _store(model_admin: TaskPage, request: HttpRequest) -> Store:
    stores = stores_of_model(model_admin.model)
    if model_admin.storage is not None:
        stores = [store for store in stores if store.alias == model_admin.storage] or stores
    wanted = request.POST.get("storage") or request.GET.get("storage")
    found = [store for store in stores if wanted in (None, "", store.alias)]
    if not found:
        raise Http404
    return found[0]


def start(model_admin: TaskPage, request: HttpRequest, store: Store, one: Launchable, form: Any, options: Any) -> str:
    """Enqueue the task and log it; return its id. Raises InvalidInput, UniqueConflict and BackendError."""
    call = one.definition.bind(**one.keywords(form))
    given = {} if options is None else enqueue_options(options)
    handle = store.client.enqueue_call(call.using(**given) if given else call)
    row = row_of(model_admin.model, store.client.get(handle.id), store)
    LogEntry.objects.log_actions(request.user.pk, [row], ADDITION, "Started.")
    return handle.id


def _unfinished(model_admin: TaskPage, store: Store, name: str) -> list[dict[str, Any]]:
    """Return the newest unfinished tasks of a name, those that run first."""
    moment = store.client.backend.now()
    found: list[Any] = []
    for states in ((State.RUNNING,), (State.READY, State.BLOCKED)):
        found.extend(store.client.find(name=name, states=states, limit=_WARNED_OF).items)
    return [
        {
            "url": model_admin.url("change", row_key(model_admin.model, store.alias, task.id)),
            "id": task.id,
            "badge": badge(BADGES[phase(task, moment)]),
            "enqueued": moment_cell(task.spec.enqueued_at),
        }
        for task in found[:_WARNED_OF]
    ]


def start_page(model_admin: TaskPage, request: HttpRequest) -> HttpResponse:
    """Answer the page: without a task, what can be started; with one, its form."""
    store = _store(model_admin, request)
    found = allowed(model_admin, request, store)
    if not found and not model_admin.has_start_permission(request):
        raise PermissionDenied
    context: dict[str, Any] = {
        "store": store,
        "stores": [one.alias for one in stores_of_model(model_admin.model)],
        "title": gettext("Start a task"),
        "list_url": model_admin.url("changelist"),
    }
    name = request.POST.get("task") or request.GET.get("task")
    if not name:
        context["launchables"] = list(found.values())
        return model_admin.page(request, "taskcore/admin/start.html", context)
    if name not in found:
        raise Http404
    return _form_page(model_admin, request, store, found[name], context)


def _form_page(
    model_admin: TaskPage, request: HttpRequest, store: Store, one: Launchable, context: dict[str, Any]
) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = one.form_class()(data, request.FILES if data is not None else None)
    options = OptionsForm(data, prefix="option")
    if data is not None and form.is_valid() and options.is_valid():
        try:
            task_id = start(model_admin, request, store, one, form, options)
        except (InvalidInput, UniqueConflict, BackendError, TypeError) as error:
            form.add_error(None, str(error))
        else:
            model_admin.message_user(request, gettext("%(task)s was started.") % {"task": one.title}, messages.SUCCESS)
            return HttpResponseRedirect(model_admin.url("change", row_key(model_admin.model, store.alias, task_id)))
    context.update(
        title=gettext("Start %(task)s") % {"task": one.title},
        launchable=one,
        form=form,
        options=options,
        media=model_admin.media + form.media + options.media,
        unfinished=_unfinished(model_admin, store, one.name),
    )
    return model_admin.page(request, "taskcore/admin/start_form.html", context)


def start_task_endpoint(model_admin: TaskPage, request: HttpRequest) -> HttpResponse:
    """Start a task from the fields of its form; answer with its id and addresses, or with what was wrong."""
    store = _store(model_admin, request)
    name = request.POST.get("task", "")
    known = launchables(store, model_admin.launches)
    if name not in allowed(model_admin, request, store):
        status = 403 if name in known or not model_admin.has_start_permission(request) else 404
        return JsonResponse({"error": gettext("This task cannot be started.")}, status=status)
    one = known[name]
    form = one.form_class()(request.POST, request.FILES)
    options = OptionsForm(request.POST, prefix="option")
    if not form.is_valid() or not options.is_valid():
        errors = {**form.errors.get_json_data(), **options.errors.get_json_data()}
        return JsonResponse({"error": gettext("The arguments do not fit."), "errors": errors}, status=400)
    try:
        task_id = start(model_admin, request, store, one, form, options)
    except (InvalidInput, UniqueConflict, TypeError) as error:
        return JsonResponse({"error": str(error)}, status=400)
    except BackendError as error:
        return JsonResponse({"error": str(error)}, status=503)
    key = row_key(model_admin.model, store.alias, task_id)
    answer = {
        "id": task_id,
        "key": key,
        "url": model_admin.url("change", key),
        "progress_url": model_admin.url("progress", key),
    }
    return JsonResponse(answer, status=201)
