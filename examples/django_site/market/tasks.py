"""The tasks of the market. Workers find them here, for this module is called tasks."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Literal

import attrs
from django.db import transaction
from django.utils import timezone

from market.models import Order
from market.places import offers, prefectures
from taskcore import Context, Retry, constant
from taskcore import task as taskcore_task
from taskcore.contrib.django.tasks import task


# One of Django's own. ``from django.tasks import task`` would do; this decorator also takes max_attempts and so on.
@task(max_attempts=3, backoff=1)
def confirm_order(order_id: int) -> str:
    """Confirm an order; the mail is left to the imagination."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        order.confirmed_at = order.confirmed_at or timezone.now()
        order.save(update_fields=["confirmed_at"])
    return f"confirmed {order}"


@task(max_attempts=2, backoff=0)
def charge(order_id: int) -> None:
    """Fail, so that there is a failure to look at."""
    raise ConnectionError(f"the bank does not answer for order {order_id}")


@attrs.frozen
class Harvest:
    """What was found, in numbers."""

    total: int
    by_keyword: dict[str, int]
    by_prefecture: dict[str, int]
    output_file: str | None = None


# One of taskcore's own: its arguments and its result are what the annotations say.
@taskcore_task(
    takes_context=True,
    queue_name="harvest",
    timeout=timedelta(minutes=10),
    retry=Retry(max_attempts=2, backoff=constant(timedelta(seconds=5)), on=OSError),
)
def harvest(
    context: Context,
    keywords: list[str],
    region: str | None = None,
    prefecture: str | None = None,
    output_file: str | None = None,
    output_format: Literal["pretty", "json"] = "pretty",
    pause: float = 0.05,
) -> Harvest:
    """Gather offers for each keyword in each prefecture.

    It tells how far it is and what it is at, keeps what was found as items (by region, prefecture and keyword), and
    stops between two questions when somebody wants it to.
    """
    places = prefectures(region, prefecture)
    by_keyword: Counter[str] = Counter()
    by_prefecture: Counter[str] = Counter()
    lines: list[str] = []
    total = len(places) * len(keywords)
    for done, (where, place, keyword) in enumerate(
        (where, place, keyword) for where, place in places for keyword in keywords
    ):
        context.check()
        found = list(offers(place, keyword))
        by_keyword[keyword] += len(found)
        by_prefecture[place] += len(found)
        lines += [str(offer["title"]) for offer in found]
        context.item(count=len(found), data=found, region=where, prefecture=place, keyword=keyword)
        context.progress(done + 1, total=total, message=f"{place}: {keyword}", counters={"items": by_keyword.total()})
        time.sleep(pause)
    if output_file:
        _write(Path(output_file), lines, output_format)
    return Harvest(by_keyword.total(), dict(by_keyword), dict(by_prefecture), output_file)


def _write(path: Path, lines: list[str], output_format: str) -> None:
    text = json.dumps(lines, ensure_ascii=False) if output_format == "json" else "\n".join(lines)
    path.write_text(f"{text}\n", encoding="utf-8")


@taskcore_task
def count_orders() -> dict[str, int]:
    """Count the orders: scheduled, see the command ``demo``."""
    confirmed = Order.objects.exclude(confirmed_at=None).count()
    return {"confirmed": confirmed, "open": Order.objects.count() - confirmed}
