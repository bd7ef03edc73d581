"""How a task looks: its phase as a badge of icon and word, its progress as a bar, times as people read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
from django.conf import settings
from django.template.defaultfilters import date as format_date
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone
from django.utils.timezone import localtime as in_zone
from django.utils.translation import gettext, gettext_lazy, ngettext

from taskcore.clock import SystemClock
from taskcore.protocol import Phase, Progress, State
from taskcore.records import load_data
from taskcore.records.columns import CANCELLED, DUE, FAILED, LATER, RUNNING, STATES

__all__ = [
    "BADGES",
    "Look",
    "attempt_of",
    "badge",
    "badge_of",
    "count_words",
    "duration_cell",
    "duration_words",
    "localized",
    "moment_cell",
    "now",
    "phase_of",
    "pretty_json",
    "progress_cell",
    "progress_of",
    "run_span",
    "shorten",
]

_CLOCK = SystemClock()


def now() -> datetime:
    """Return the moment, aware and in UTC whatever ``USE_TZ`` is."""
    return _CLOCK.now()


@attrs.frozen
class Look:
    """A badge: which colours, which icon, which word."""

    style: str
    icon: str
    word: Any


BADGES: Mapping[Phase, Look] = {
    Phase.BLOCKED: Look("waiting", "⏸", gettext_lazy("Blocked")),
    Phase.SCHEDULED: Look("waiting", "◷", gettext_lazy("Scheduled")),
    Phase.RETRYING: Look("waiting", "↻", gettext_lazy("Retrying")),
    Phase.READY: Look("waiting", "●", gettext_lazy("Ready")),
    Phase.RUNNING: Look("running", "▶", gettext_lazy("Running")),
    Phase.CANCELLING: Look("running", "◼", gettext_lazy("Stopping")),
    Phase.LAPSED: Look("waiting", "⚠", gettext_lazy("Worker lost")),
    Phase.SUCCESSFUL: Look("successful", "✔", gettext_lazy("Successful")),
    Phase.FAILED: Look("failed", "✖", gettext_lazy("Failed")),
    Phase.CANCELLED: Look("cancelled", "⊘", gettext_lazy("Cancelled")),
}
"""Orange waits, blue runs, green succeeded, red failed, black is cancelled; the icon and the word say the same."""

_PHASES = {
    State.BLOCKED: Phase.BLOCKED,
    State.READY: Phase.READY,
    State.RUNNING: Phase.RUNNING,
    State.SUCCESSFUL: Phase.SUCCESSFUL,
    State.FAILED: Phase.FAILED,
    State.CANCELLED: Phase.CANCELLED,
}


def phase_of(row: Any, moment: datetime) -> Phase:
    """Return where the task of a row is, as ``taskcore.phase`` says of a task."""
    if row.code in (DUE, LATER) and row.run_after > moment:
        return Phase.RETRYING if row.failures or row.crashes else Phase.SCHEDULED
    if row.code == RUNNING:
        if row.lease_expires is not None and row.lease_expires <= moment:
            return Phase.LAPSED
        if row.cancel is not None:
            return Phase.CANCELLING
    return _PHASES[STATES[row.code]]


def badge(look: Look, title: str = "") -> SafeString:
    """Return a badge as HTML."""
    return format_html(
        '<span class="taskcore-badge taskcore-{}" title="{}"><span class="taskcore-icon" aria-hidden="true">{}</span> '
        "{}</span>",
        look.style,
        title,
        look.icon,
        look.word,
    )


def badge_of(row: Any) -> SafeString:
    """Return the badge of a row."""
    phase = phase_of(row, now())
    title = ""
    if phase is Phase.CANCELLED and row.code == CANCELLED and row.reason:
        title = gettext("Reason: %(reason)s") % {"reason": row.reason}
    return badge(BADGES[phase], title)


def attempt_of(row: Any) -> int:
    """Return the number of the present, last or next run, as people count."""
    tried = int(row.failures + row.crashes)
    return max(1, tried) if row.code == FAILED else tried + 1


def progress_of(row: Any) -> Progress | None:
    """Return the progress that a row holds."""
    return None if not row.progress else load_data(Progress, row.progress)


def _percent(progress: Progress) -> int | None:
    if not progress.total or progress.total <= 0:
        return None
    return max(0, min(100, round(100 * progress.current / progress.total)))


def count_words(value: float) -> str:
    """Return a number as it is read: without decimals when it has none."""
    return number_format(
        int(value) if float(value).is_integer() else round(value, 2), use_l10n=True, force_grouping=True
    )


def progress_cell(progress: Progress | None) -> SafeString:
    """Return a bar with its percentage, "current / total", counters and message."""
    if progress is None:
        return format_html('<span class="taskcore-quiet">{}</span>', "–")
    percent = _percent(progress)
    amount = count_words(progress.current)
    if progress.total is not None:
        amount = f"{amount} / {count_words(progress.total)}"
    bar = SafeString("")
    if percent is not None:
        label = gettext("%(percent)s percent done") % {"percent": percent}
        bar = format_html(
            '<progress value="{}" max="100" aria-label="{}"></progress> <b>{}%</b> ', percent, label, percent
        )
    counters = ", ".join(f"{name}: {count_words(value)}" for name, value in progress.counters.items())
    return format_html(
        '<span class="taskcore-progress">{}<span class="taskcore-amount">{}</span></span>{}{}',
        bar,
        amount,
        format_html('<span class="taskcore-counters">{}</span>', counters) if counters else "",
        format_html('<span class="taskcore-message">{}</span>', shorten(progress.message, 120))
        if progress.message
        else "",
    )


def localized(moment: datetime) -> datetime:
    """Return a moment in the zone that the site shows."""
    return in_zone(moment, get_current_timezone()) if settings.USE_TZ else moment.astimezone().replace(tzinfo=None)


_STEPS = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
    (timedelta(seconds=1), "second"),
)


def _unit(name: str, count: int) -> str:
    if name == "day":
        words = ngettext("%(count)d day", "%(count)d days", count)
    elif name == "hour":
        words = ngettext("%(count)d hour", "%(count)d hours", count)
    elif name == "minute":
        words = ngettext("%(count)d minute", "%(count)d minutes", count)
    else:
        words = ngettext("%(count)d second", "%(count)d seconds", count)
    return words % {"count": count}


def duration_words(span: timedelta, units: int = 2) -> str:
    """Return a duration in its largest units: ``2 hours, 3 minutes``."""
    if span < timedelta(seconds=1):
        return gettext("%(count)d ms") % {"count": max(0, span // timedelta(milliseconds=1))}
    words: list[str] = []
    for step, name in _STEPS:
        count, span = divmod(span, step)
        if count:
            words.append(_unit(name, count))
        if len(words) == units:
            break
    return ", ".join(words)


def moment_cell(moment: datetime | None) -> SafeString:
    """Return how long ago or how soon a moment is, with the exact one as its title."""
    if moment is None:
        return format_html('<span class="taskcore-quiet">{}</span>', "–")
    exact = format_date(localized(moment), "DATETIME_FORMAT")
    span = now() - moment
    if abs(span) < timedelta(seconds=1):
        words = gettext("now")
    elif span > timedelta(0):
        words = gettext("%(span)s ago") % {"span": duration_words(span, 1)}
    else:
        words = gettext("in %(span)s") % {"span": duration_words(-span, 1)}
    iso = moment.astimezone(timezone.utc).isoformat()
    return format_html('<time datetime="{}" title="{}">{}</time>', iso, exact, words)


def run_span(row: Any, moment: datetime) -> timedelta | None:
    """Return how long the task of a row has run, or ran in the end."""
    began = row.started_at or row.claimed_at
    if row.code == RUNNING:
        return None if began is None else max(timedelta(0), moment - began)
    if row.started_at is None or not STATES[row.code].is_finished:
        return None
    return max(timedelta(0), row.changed_at - row.started_at)


def _clock(span: timedelta) -> str:
    """Return ``hours:minutes:seconds``, as the page counts on."""
    minutes, seconds = divmod(span // timedelta(seconds=1), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def duration_cell(row: Any) -> SafeString:
    """Return the duration of a run; that of a running task says since when, for the page to count on."""
    span = run_span(row, now())
    if span is None:
        return format_html('<span class="taskcore-quiet">{}</span>', "–")
    if row.code == RUNNING:
        began = (row.started_at or row.claimed_at).astimezone(timezone.utc).isoformat()
        return format_html('<span data-taskcore-since="{}">{}</span>', began, _clock(span))
    return format_html("<span>{}</span>", duration_words(span))


def shorten(text: str, length: int) -> str:
    """Return the text, cut to a length."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def pretty_json(text: str | None) -> str:
    """Return JSON text indented; what is no JSON as it is."""
    if text is None:
        return ""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text
