"""Forms of signatures: a field for each parameter, by its annotation; what has no field of its own is JSON.

And the way back from stored arguments to a call.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from django import forms
from django.contrib.admin import widgets
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from taskcore._call import Call
from taskcore._codec import decode_arguments
from taskcore._definition import TaskDefinition

__all__ = ["JSONText", "call_of", "encoder_of", "form_of"]

_SIMPLE: dict[Any, Callable[..., forms.Field]] = {
    str: forms.CharField,
    int: forms.IntegerField,
    float: forms.FloatField,
    Decimal: forms.DecimalField,
    date: forms.DateField,
    time: forms.TimeField,
    timedelta: forms.DurationField,
    UUID: forms.UUIDField,
}


class JSONText(forms.CharField):
    """A field of JSON text; ``convert`` makes of the JSON value what the task takes."""

    def __init__(self, *, convert: Callable[[Any], object] | None = None, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField taskcore-code"}), **options)
        self._convert = convert

    def clean(self, value: Any) -> Any:
        """Return the value; raise ValidationError for what is no JSON, or does not fit."""
        text = super().clean(value)
        if text in (None, ""):
            return None
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ValidationError(gettext("Unable to parse JSON: %(why)s") % {"why": error}) from error
        if self._convert is None:
            return found
        try:
            return self._convert(found)
        except Exception as error:  # a user's own constructor may raise anything
            raise ValidationError(str(error)) from error


class Words(forms.CharField):
    """A list of texts, separated by commas."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", gettext_lazy("Separate with commas."))
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        """Show a list as its texts."""
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value

    def clean(self, value: Any) -> Any:
        """Return the list."""
        text = super().clean(value)
        return [word.strip() for word in text.split(",") if word.strip()]


def encoder_of(definition: TaskDefinition[..., object], name: str) -> Callable[[Any], object] | None:
    """Return what makes an argument of a JSON value, as a worker would; ``None`` for an unknown name."""
    shape = definition.call_signature.by_name.get(name)
    return None if shape is None else shape.decode


def _choices(values: list[Any], names: list[str], *, is_required: bool, **options: Any) -> forms.Field:
    by_name = dict(zip(names, values, strict=True))
    blank = [] if is_required else [("", "---------")]
    return forms.TypedChoiceField(
        choices=[*blank, *((name, name) for name in names)],
        coerce=lambda name: by_name[name],
        empty_value=None,
        required=is_required,
        **options,
    )


def _split_optional(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without ``None``, and whether it had that."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [one for one in get_args(annotation) if one is not type(None)]
        if len(members) == 1 and len(get_args(annotation)) == 2:
            return members[0], True
    return annotation, False


def _field(definition: TaskDefinition[..., object], parameter: inspect.Parameter, annotation: Any) -> forms.Field:
    kind, is_optional = _split_optional(annotation)
    has_default = parameter.default is not parameter.empty
    options: dict[str, Any] = {"label": parameter.name.replace("_", " ").capitalize()}
    if has_default and parameter.default is not None:
        options["initial"] = parameter.default
    is_required = not (is_optional or has_default)
    if kind is bool:
        return forms.BooleanField(required=False, **options)
    if kind is datetime:
        return forms.SplitDateTimeField(required=is_required, widget=widgets.AdminSplitDateTime, **options)
    if get_origin(kind) is Literal:
        values = list(get_args(kind))
        return _choices(values, [str(value) for value in values], is_required=is_required, **options)
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = list(kind)
        if isinstance(parameter.default, kind):
            options["initial"] = parameter.default.name
        return _choices(members, [member.name for member in members], is_required=is_required, **options)
    if kind in (list[str], tuple[str, ...]):
        return Words(required=is_required, **options)
    if kind in _SIMPLE:
        return _SIMPLE[kind](required=is_required, **options)
    if "initial" in options:
        try:
            options["initial"] = json.dumps(options["initial"])
        except TypeError:
            del options["initial"]
    return JSONText(required=is_required, convert=encoder_of(definition, parameter.name), help_text="JSON", **options)


class SignatureForm(forms.Form):
    """What the forms of signatures have in common."""

    parameters: dict[str, inspect.Parameter]

    def arguments(self) -> dict[str, object]:
        """Return the keyword arguments; what was left empty and has a default is left out."""
        found: dict[str, object] = {}
        for name, value in self.cleaned_data.items():
            parameter = self.parameters[name]
            is_empty = value in (None, "", []) and parameter.default is not parameter.empty
            if not is_empty:
                found[name] = tuple(value or ()) if isinstance(parameter.default, tuple) else value
        return found


def form_of(definition: TaskDefinition[..., object]) -> type[SignatureForm]:
    """Return a form with a field for each parameter that can be given by name."""
    try:
        hints = get_type_hints(inspect.unwrap(definition.function))
    except Exception:
        hints = {}
    parameters = {
        name: parameter
        for name, parameter in definition.call_signature.signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    fields: dict[str, Any] = {
        name: _field(definition, parameter, hints.get(name, parameter.annotation))
        for name, parameter in parameters.items()
    }
    return type("ArgumentsForm", (SignatureForm,), {**fields, "parameters": parameters})


def call_of(definition: TaskDefinition[..., object], code: dict[str, object]) -> Call[object]:
    """Return the call that stored arguments stand for. Raises InvalidInput and UndecodablePayload."""
    args, kwargs = decode_arguments(definition, json.dumps(code), {})
    return definition.bind(*args, **kwargs)
