"""Editing a task that waits, where ``TASKCORE = {"ALLOW_EDITS": True}``: through the client, as any other change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._arguments import JSONText, call_of
from taskcore.contrib.django.admin._looks import localized, pretty_json
from taskcore.contrib.django.admin._rows import truth_of
from taskcore.contrib.django.admin._stores import known_definitions, store_of
from taskcore.errors import TaskcoreError

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:  # at run time Django's form is no generic
    _ModelForm = forms.ModelForm

__all__ = ["EDITABLE", "TaskEditForm", "save_edit"]

EDITABLE = ("queue_name", "priority", "run_after", "arguments_json", "metadata_json")
"""The fields of a waiting task that can be edited."""


class TaskEditForm(_ModelForm):
    """What of a waiting task can be changed."""

    queue_name = forms.CharField(label=gettext_lazy("Queue"), max_length=255)
    priority = forms.IntegerField(label=gettext_lazy("Priority"), min_value=-100, max_value=100)
    run_after = forms.DateTimeField(label=gettext_lazy("Run after"))
    arguments_json = JSONText(
        label=gettext_lazy("Arguments"), help_text=gettext_lazy('{"a": [positional …], "k": {"keyword": …}}')
    )
    metadata_json = JSONText(label=gettext_lazy("Metadata"), required=False, help_text=gettext_lazy("An object."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        task = truth_of(self.instance)
        if task is not None:
            self.initial.update(
                queue_name=task.queue_name,
                priority=task.priority,
                run_after=localized(task.run_after),
                arguments_json=pretty_json(task.spec.arguments_json),
                metadata_json=pretty_json(task.spec.metadata_json),
            )

    def _post_clean(self) -> None:
        """Leave the row alone: the client makes the changes."""

    def clean_run_after(self) -> Any:
        """Return the moment with its zone."""
        moment = self.cleaned_data["run_after"]
        return moment if moment.tzinfo is not None else moment.astimezone()

    def clean_arguments_json(self) -> Any:
        """Return the call that the arguments make, ``None`` when they are as they were."""
        code = self.cleaned_data["arguments_json"] or {}
        task = truth_of(self.instance)
        if task is None or code == json.loads(task.spec.arguments_json):
            return None
        definition = known_definitions(store_of(self.instance).options).get(task.name)
        if definition is None:
            raise ValidationError(gettext("The site has no task of this name, so its arguments cannot be checked."))
        if not isinstance(code, dict):
            raise ValidationError(gettext("This should be a JSON object."))
        try:
            return call_of(definition, code)
        except TaskcoreError as error:
            raise ValidationError(str(error)) from error

    def clean_metadata_json(self) -> Any:
        """Return the object, ``None`` when there is none."""
        value = self.cleaned_data["metadata_json"]
        if value is not None and not isinstance(value, dict):
            raise ValidationError(gettext("This should be a JSON object."))
        return value


def save_edit(row: Any, form: Any) -> None:
    """Make the changes of a valid form. Raises what the client raises when the task does not wait any more."""
    client, changed, data = store_of(row).client, set(form.changed_data), form.cleaned_data
    task = truth_of(row)
    if task is None:
        return
    moved = {name: data[name] for name in ("queue_name", "priority", "run_after") if name in changed}
    if moved:
        client.reschedule(task.id, **moved)
    call = data.get("arguments_json")
    metadata = data.get("metadata_json") if "metadata_json" in changed else None
    if call is not None or metadata is not None:
        client.amend(task.id, call, metadata=metadata)
