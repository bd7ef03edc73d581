"""What operators start by hand, and the forms that ask them for its arguments."""

from __future__ import annotations

from typing import Any

from django import forms

from market.places import REGIONS, prefectures
from market.tasks import harvest
from taskcore.contrib.django.admin.launching import TaskLaunch


def _choices(words: str, names: list[str]) -> list[tuple[str, str]]:
    return [("", words), *((name, name) for name in names)]


class HarvestForm(forms.Form):
    """What to gather, and where."""

    keywords = forms.CharField(initial="bovin, porcin, volaille", help_text="Separate with commas.")
    region = forms.ChoiceField(required=False, choices=_choices("all regions", list(REGIONS)))
    prefecture = forms.ChoiceField(
        required=False,
        choices=_choices("all prefectures", [place for places in REGIONS.values() for place in places]),
    )
    output_file = forms.CharField(required=False, help_text="A path on the worker's machine. Left empty: no file.")
    output_format = forms.ChoiceField(choices=[("pretty", "Pretty"), ("json", "JSON")])
    pause = forms.FloatField(
        initial=0.5, min_value=0, max_value=60, help_text="Seconds between two questions, to have something to watch."
    )

    def clean_keywords(self) -> list[str]:
        """Return the words; refuse none."""
        words = [word.strip() for word in str(self.cleaned_data["keywords"]).split(",") if word.strip()]
        if not words:
            raise forms.ValidationError("Name at least one keyword.")
        return words

    def clean(self) -> dict[str, Any]:
        """Refuse a prefecture that is not in the region."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            prefectures(cleaned.get("region"), cleaned.get("prefecture"))
        except ValueError as error:
            self.add_error("prefecture", str(error))
        return cleaned

    def arguments(self) -> dict[str, object]:
        """Return the keyword arguments of the task."""
        return {name: value for name, value in self.cleaned_data.items() if value != ""}


harvesting = TaskLaunch(harvest, HarvestForm, title="harvest", description="Gather offers from every prefecture.")
