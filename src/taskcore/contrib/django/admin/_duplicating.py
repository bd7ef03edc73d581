"""A new task that does what another one was asked to, with its arguments as they are or edited."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._arguments import JSONText, call_of
from taskcore.contrib.django.admin._looks import pretty_json
from taskcore.contrib.django.admin._rows import row_of, truth_of
from taskcore.contrib.django.admin._starting import OptionsForm, enqueue_options
from taskcore.contrib.django.admin._stores import Store, known_definitions, row_key, store_of
from taskcore.contrib.django.admin._task_page import TaskPage
from taskcore.errors import BackendError, InvalidInput, TaskNotFound, UndecodablePayload
from taskcore.protocol import Task

__all__ = ["ArgumentsForm", "duplicate_page"]


class ArgumentsForm(forms.Form):
    """The arguments of a call as JSON."""

    positional = JSONText(label=gettext_lazy("Positional arguments"), required=False, help_text=gettext_lazy("A list."))
    keywords = JSONText(label=gettext_lazy("Keyword arguments"), required=False, help_text=gettext_lazy("An object."))

    @classmethod
    def initial_of(cls, arguments_json: str) -> dict[str, str]:
        """Return what the form begins with for stored arguments."""
        code = json.loads(arguments_json)
        return {
            "positional": pretty_json(json.dumps(code.get("a", []))),
            "keywords": pretty_json(json.dumps(code.get("k", {}))),
        }

    def clean_positional(self) -> list[object]:
        """Return the list."""
        value = self.cleaned_data["positional"] or []
        if not isinstance(value, list):
            raise forms.ValidationError(gettext("This should be a JSON list."))
        return value

    def clean_keywords(self) -> dict[str, object]:
        """Return the object."""
        value = self.cleaned_data["keywords"] or {}
        if not isinstance(value, dict):
            raise forms.ValidationError(gettext("This should be a JSON object."))
        return value

    @property
    def code(self) -> dict[str, object]:
        """The arguments in the form they are stored in."""
        code = {"a": self.cleaned_data["positional"], "k": self.cleaned_data["keywords"]}
        return {key: value for key, value in code.items() if value}


def _enqueue(store: Store, task: Task, form: ArgumentsForm, options: dict[str, Any]) -> str:
    """Enqueue the new task and return its id; unchanged arguments need no definition."""
    if form.code == json.loads(task.spec.arguments_json):
        return store.client.duplicate(task.id, **options).id
    definition = known_definitions(store.options).get(task.name)
    if definition is None:
        raise InvalidInput(
            gettext("The site has no task %(name)s, so its arguments cannot be checked.") % {"name": task.name}
        )
    given: dict[str, Any] = {"queue_name": task.queue_name, "priority": task.priority, **options}
    return store.client.enqueue_call(call_of(definition, form.code).using(**given)).id


def duplicate_page(model_admin: TaskPage, request: HttpRequest, row: Any) -> HttpResponse:
    """Answer the page with the form, and what it posts."""
    task, store = truth_of(row), store_of(row)
    if task is None:
        raise TaskNotFound(gettext("The task is not there any more."), task_id=str(row.pk))
    data = request.POST if request.method == "POST" and "positional" in request.POST else None
    form = ArgumentsForm(data, initial=ArgumentsForm.initial_of(task.spec.arguments_json))
    options = OptionsForm(data, prefix="option", initial={"queue_name": task.queue_name, "priority": task.priority})
    if data is not None and form.is_valid() and options.is_valid():
        try:
            new_id = _enqueue(store, task, form, enqueue_options(options))
        except (InvalidInput, UndecodablePayload, TaskNotFound, BackendError) as error:
            form.add_error(None, str(error))
        else:
            new = row_of(model_admin.model, store.client.get(new_id), store)
            message = f"Duplicated from {task.id}."
            LogEntry.objects.log_actions(request.user.pk, [new], ADDITION, message)
            model_admin.message_user(request, gettext("A new task was enqueued."), messages.SUCCESS)
            return HttpResponseRedirect(model_admin.url("change", row_key(model_admin.model, store.alias, new_id)))
    context = {
        "original": row,
        "title": gettext("Duplicate %(task)s") % {"task": task.spec.label or task.name},
        "form": form,
        "options": options,
        "media": model_admin.media + form.media + options.media,
        "back": model_admin.url("change", row.pk),
        "list_url": model_admin.url("changelist"),
    }
    return model_admin.page(request, "taskcore/admin/duplicate.html", context)
