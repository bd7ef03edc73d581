"""The parts of a task's page: attempts as a timeline, failures with tracebacks, what it was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from taskcore.contrib.django.admin._looks import duration_words, moment_cell, pretty_json, shorten
from taskcore.protocol import Attempt, Event, Failure, Item, Task
from taskcore.records import dump_data

__all__ = ["code_block", "failure_block", "items_block", "options_table", "timeline"]

NOTHING = SafeString('<span class="taskcore-quiet">–</span>')

_ENDS = {
    Event.FAIL: ("failed", "✖", gettext_lazy("Failed")),
    Event.RETRY: ("failed", "↻", gettext_lazy("Failed, tried again")),
    Event.RELEASE: ("waiting", "↩", gettext_lazy("Given back")),
    Event.ABORT: ("cancelled", "⊘", gettext_lazy("Stopped")),
    Event.RECLAIM: ("waiting", "⚠", gettext_lazy("Worker lost, tried again")),
    Event.ABANDON: ("failed", "⚠", gettext_lazy("Worker lost, given up")),
    Event.LET_GO: ("cancelled", "⚠", gettext_lazy("Worker lost while stopping")),
}


def code_block(text: str) -> SafeString:
    """Return a text as it is, in fixed width."""
    return format_html('<pre class="taskcore-code" tabindex="0">{}</pre>', text) if text else NOTHING


def failure_block(failure: Failure | None) -> SafeString:
    """Return an exception with its traceback, and those it came from."""
    if failure is None:
        return NOTHING
    head = format_html(
        '<p class="taskcore-error"><b>{}</b>: {}</p>', failure.exception_type, shorten(failure.message, 2_000)
    )
    trace = format_html(
        "<details open><summary>{}</summary>{}</details>", gettext("Traceback"), code_block(failure.traceback)
    )
    cause = SafeString("")
    if failure.cause is not None:
        cause = format_html(
            "<details><summary>{}</summary>{}</details>", gettext("Raised from"), failure_block(failure.cause)
        )
    return format_html("{}{}{}", head, trace if failure.traceback else "", cause)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    style, icon, word = _ENDS[attempt.event]
    began = attempt.started_at or attempt.claimed_at
    return {
        "style": style,
        "icon": icon,
        "word": word,
        "epoch": attempt.epoch,
        "worker": attempt.worker_id,
        "began": moment_cell(began),
        "span": duration_words(max(timedelta(0), attempt.ended_at - began)),
        "failure": failure_block(attempt.failure) if attempt.failure is not None else "",
        "summary": "" if attempt.failure is None else shorten(attempt.failure.message, 120),
    }


def timeline(task: Task) -> SafeString:
    """Return the runs that did not end in success, and the present or last one."""
    result = task.result
    context = {
        "attempts": [_attempt(attempt) for attempt in task.attempts],
        "enqueued": moment_cell(task.spec.enqueued_at),
        "running": None if task.lease is None else moment_cell(task.lease.claimed_at),
        "worker": None if task.lease is None else task.lease.worker_id,
        "finished": moment_cell(result.finished_at) if result is not None else None,
        "succeeded": result is not None and result.failure is None,
        "started": None if result is None or result.started_at is None else moment_cell(result.started_at),
        "result_worker": None if result is None else result.worker_id,
    }
    return render_to_string("taskcore/admin/timeline.html", context)


def options_table(task: Task) -> SafeString:
    """Return what was asked for besides the arguments, where it is not the standard."""
    spec = task.spec
    rows: list[tuple[Any, Any]] = [
        (gettext("Attempts at most"), gettext("no limit") if spec.max_attempts is None else spec.max_attempts),
        (gettext("Crashes forgiven"), spec.max_crashes),
    ]
    for words, span in ((gettext("Timeout"), spec.timeout), (gettext("Soft timeout"), spec.soft_timeout)):
        if span is not None:
            rows.append((words, duration_words(span)))
    if spec.expires_at is not None:
        rows.append((gettext("Expires"), moment_cell(spec.expires_at)))
    if spec.unique is not None:
        rows.append((gettext("Unique key"), spec.unique.key))
    if spec.retry is not None:
        rows.append((gettext("Retry"), code_block(pretty_json(dump_data(spec.retry)))))
    if spec.slot is not None:
        rows.append((gettext("Slot"), moment_cell(spec.slot)))
    cells = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows)
    return format_html('<table class="taskcore-options">{}</table>', cells)


def dimensions_of(item: Item) -> str:
    """Return what an item is about: ``keyword: bovin, prefecture: Bretagne``."""
    return ", ".join(f"{name}: {value}" for name, value in item.dimensions.items())


def items_block(items: Iterable[Item], more_url: str, *, has_more: bool) -> SafeString:
    """Return the first sub-results of a task, with the sum of each dimension."""
    found = list(items)
    sums: dict[str, dict[str, float]] = {}
    for item in found:
        for name, value in item.dimensions.items():
            by_value = sums.setdefault(name, {})
            by_value[value] = by_value.get(value, 0) + (item.count or 0)
    context = {
        "items": [
            {
                "kind": item.kind.value,
                "dimensions": dimensions_of(item),
                "count": item.count,
                "data": _short_data(item.data_json),
                "at": moment_cell(item.at),
            }
            for item in found
        ],
        "sums": [(name, sorted(by_value.items())) for name, by_value in sums.items()],
        "total": sum(item.count or 0 for item in found),
        "more_url": more_url,
        "has_more": has_more,
    }
    return render_to_string("taskcore/admin/items.html", context)


def _short_data(text: str | None) -> str:
    if text is None:
        return ""
    try:
        value = json.loads(text)
    except ValueError:
        return shorten(text, 200)
    return shorten(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 200)
