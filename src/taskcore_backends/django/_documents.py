"""What of a task stands in columns as JSON text: rare options of the spec, progress, failures, items."""

from __future__ import annotations

import json
from typing import Any

from taskcore.protocol import (
    Failure,
    KeepPer,
    OnConflict,
    OnParentFailure,
    Retention,
    Retry,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
)
from taskcore.records import dump_data, load_data
from taskcore_backends.django._codes import (
    duration,
    micros,
    moment,
    optional_duration,
    optional_micros,
    optional_moment,
    span,
)

__all__ = ["dump_options", "load_failure", "load_options"]

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump_options(spec: TaskSpec) -> str | None:
    """Return the options of a spec that have no column, as JSON; ``None`` when all are left at their defaults."""
    options: dict[str, object] = {}
    if spec.metadata_json is not None:
        options["metadata"] = spec.metadata_json
    if spec.soft_timeout is not None:
        options["soft_timeout"] = span(spec.soft_timeout)
    if spec.retry is not None:
        options["retry"] = dump_data(spec.retry)
    if spec.parents:
        options["parents"] = spec.parents
    if spec.on_parent_failure is not OnParentFailure.CANCEL:
        options["on_parent_failure"] = spec.on_parent_failure.value
    if spec.slot is not None:
        options["slot"] = micros(spec.slot)
    if spec.unique is not None:
        unique = spec.unique
        options["unique"] = (unique.until.value, optional_micros(unique.moment), unique.on_conflict.value)
    if spec.retention is not None:
        kept = spec.retention
        ages = (optional_duration(kept.successful), optional_duration(kept.failed), optional_duration(kept.cancelled))
        options["retention"] = (*ages, kept.keep_latest, kept.keep_per.value)
    return _compact(options) if options else None


def load_options(text: str, unique_key: str | None) -> dict[str, Any]:
    """Return the keyword arguments of ``TaskSpec`` that ``dump_options`` wrote."""
    options: dict[str, Any] = json.loads(text)
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name == "metadata":
            fields["metadata_json"] = value
        elif name == "soft_timeout":
            fields["soft_timeout"] = duration(value)
        elif name == "retry":
            fields["retry"] = load_data(Retry, value)
        elif name == "parents":
            fields["parents"] = tuple(value)
        elif name == "on_parent_failure":
            fields["on_parent_failure"] = OnParentFailure(value)
        elif name == "slot":
            fields["slot"] = moment(value)
        elif name == "unique":
            fields["unique"] = _load_unique(unique_key, *value)
        elif name == "retention":
            fields["retention"] = _load_retention(*value)
    return fields


def _load_unique(key: str | None, until: str, at: int | None, on_conflict: str) -> UniqueKey:
    if key is None:
        raise ValueError("The row has the policy of a unique key, but no key.")
    return UniqueKey(key=key, until=UniqueUntil(until), moment=optional_moment(at), on_conflict=OnConflict(on_conflict))


def _load_retention(
    successful: int | None, failed: int | None, cancelled: int | None, keep_latest: int | None, keep_per: str
) -> Retention:
    return Retention(
        successful=None if successful is None else duration(successful),
        failed=None if failed is None else duration(failed),
        cancelled=None if cancelled is None else duration(cancelled),
        keep_latest=keep_latest,
        keep_per=KeepPer(keep_per),
    )


def load_failure(text: str | None) -> Failure | None:
    """Return the failure that ``dump_data`` wrote, if any."""
    return None if text is None else load_data(Failure, text)
