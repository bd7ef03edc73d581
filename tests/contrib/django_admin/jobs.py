"""Tasks that the pages show and start."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Literal

from django import forms

from taskcore import Context, Retry, task
from taskcore.contrib.django.admin.launching import TaskLaunch


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@task
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@task
def fail(text: str = "broken") -> None:
    raise ValueError(text)


@task(retry=Retry(max_attempts=2))
def fail_twice() -> None:
    raise KeyError("twice")


@task(takes_context=True, queue_name="scrape")
def scrape(ctx: Context, keywords: list[str], region: str | None = None) -> int:
    """Search for keywords."""
    for index, keyword in enumerate(keywords):
        ctx.progress(index + 1, total=len(keywords), message=f"{region}, {keyword}", counters={"items": index})
        ctx.item(keyword=keyword, prefecture=region or "all", count=index + 1, data={"keyword": keyword})
    return len(keywords)


@task
def typed(
    number: int,
    *,
    day: datetime | None = None,
    colour: Colour = Colour.RED,
    style: Literal["pretty", "json"] = "pretty",
    words: list[str] | None = None,
    data: dict[str, int] | None = None,
    is_dry: bool = False,
) -> str:
    return f"{number} {day} {colour} {style} {words} {data} {is_dry}"


class ScrapeForm(forms.Form):
    keywords = forms.CharField()
    region = forms.CharField(required=False)

    def arguments(self) -> dict[str, object]:
        words = [word.strip() for word in self.cleaned_data["keywords"].split(",")]
        return {"keywords": words, "region": self.cleaned_data["region"] or None}


scraping = TaskLaunch(scrape, ScrapeForm, permission="auth.view_group", title="scraping task")
