"""The states as choices of models and forms."""

import pytest
from django import forms

from taskcore import Phase
from taskcore.contrib.django.models import TaskCopy
from taskcore_backends.django.models import Task

MODELS = pytest.mark.parametrize("model", [Task, TaskCopy])


@MODELS
@pytest.mark.parity("C35-01")
def test_choices_are_the_stored_words(model):
    """One for each state, READY in two: what is due, and what has a moment to wait for."""
    words = [str(label) for _, label in model._meta.get_field("code").choices]
    stored = [Phase.READY, Phase.SCHEDULED, Phase.BLOCKED, Phase.RUNNING, Phase.SUCCESSFUL, Phase.FAILED]
    assert [phase.value for phase in (*stored, Phase.CANCELLED)] == words


@MODELS
@pytest.mark.parity("C35-01")
def test_a_form_takes_them(model):
    """As the choices of a field; what is none is refused."""
    field = forms.TypedChoiceField(choices=model._meta.get_field("code").choices, coerce=int)
    assert [code for code, _ in field.choices] == [field.clean(str(code)) for code, _ in field.choices]
    with pytest.raises(forms.ValidationError):
        field.clean("99")
