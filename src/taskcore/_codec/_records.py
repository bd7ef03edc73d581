"""taskcore's own data as JSON text in versioned envelopes: ``{"v": 1, field: value, …}``.

Fields that have their default are left out. Moments are ISO 8601 in UTC with microseconds, durations seconds, enums
their values. A newer version is refused, unknown fields of this version are ignored, so that an older taskcore can
read what a newer one of the same version has added.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from taskcore._codec._durations import read_duration, write_duration
from taskcore._codec._json import read_json, write_json
from taskcore._codec._plain import find_unwritable
from taskcore._codec._shape import short
from taskcore._data import Trigger
from taskcore._retry import Backoff, Curve, Retry
from taskcore._triggers import BuiltInTrigger, trigger_from_data
from taskcore.errors import BackendVersionError, NotEncodable, UndecodablePayload

__all__ = ["DATA_VERSION", "dump_data", "load_data"]

DATA_VERSION = 1
"""The version that ``dump_data`` writes, and the newest that ``load_data`` reads."""

T = TypeVar("T")


def _write_moment(value: datetime) -> str:
    if value.tzinfo is not timezone.utc:
        if value.tzinfo is None:
            raise NotEncodable(f"The naive datetime {value!r} means no moment: data of taskcore has aware ones.")
        value = value.astimezone(timezone.utc)
    return value.isoformat(timespec="microseconds")


def _read_moment(text: str, _type: object) -> datetime:
    return datetime.fromisoformat(text)


def _write_trigger(trigger: Trigger) -> object:
    if isinstance(trigger, BuiltInTrigger):
        return trigger.to_data()
    raise NotEncodable(f"{short(trigger)} cannot be stored: use once(), every(), cron() or a calendar step.")


def _write_backoff(backoff: Backoff) -> object:
    if isinstance(backoff, Curve):
        return _CONVERTER.unstructure(backoff, Curve)
    raise NotEncodable(
        f"The backoff {short(backoff)} is a function, which cannot travel: put it into @task(retry=…), "
        "or use exponential(), linear() or constant()."
    )


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(omit_if_default=True, detailed_validation=False)
    converter.register_unstructure_hook(datetime, _write_moment)
    converter.register_structure_hook(datetime, _read_moment)
    converter.register_unstructure_hook(timedelta, write_duration)
    converter.register_structure_hook(timedelta, lambda value, _type: read_duration(value))
    converter.register_unstructure_hook_func(lambda kind: kind is Trigger, _write_trigger)
    converter.register_structure_hook_func(lambda kind: kind is Trigger, lambda value, _type: trigger_from_data(value))
    attrs.resolve_types(Retry)
    converter.register_unstructure_hook(
        Retry,
        make_dict_unstructure_fn(
            Retry, converter, _cattrs_omit_if_default=True, backoff=override(unstruct_hook=_write_backoff)
        ),
    )
    converter.register_structure_hook(
        Retry,
        make_dict_structure_fn(
            Retry,
            converter,
            _cattrs_detailed_validation=False,
            backoff=override(struct_hook=lambda value, _type: converter.structure(value, Curve)),
        ),
    )
    return converter


_CONVERTER = _make_converter()


def dump_data(value: object) -> str:
    """Return data of taskcore (a Task, TaskSpec, Schedule, …) as text; raises NotEncodable.

    What cannot be written: a user's own trigger, a backoff that is a function, a naive datetime, a lone surrogate.
    """
    data: dict[str, object] = {"v": DATA_VERSION}
    data.update(_CONVERTER.unstructure(value))
    try:
        text = write_json(data)
        if not text.isascii():
            text.encode()
    except (TypeError, ValueError) as error:
        why = find_unwritable(data) or error
        raise NotEncodable(f"A {type(value).__name__} cannot be written as JSON: {why}.") from None
    return text


def load_data(kind: type[T], text: str) -> T:
    """Return the data that ``dump_data`` was given.

    Raises BackendVersionError for a newer version, UndecodablePayload for what is not such data.
    """
    try:
        data = read_json(text)
        version = data.pop("v")
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise UndecodablePayload(f"{short(text)} is no {kind.__name__} of taskcore.") from error
    if version != DATA_VERSION or type(version) is not int:
        _refuse_version(kind, version)
    try:
        return _CONVERTER.structure(data, kind)
    except Exception as error:  # whatever wrong values make constructors raise
        raise UndecodablePayload(
            f"{short(text)} is no {kind.__name__} of taskcore: {type(error).__name__}: {error}."
        ) from error


def _refuse_version(kind: type, version: object) -> None:
    if type(version) is int and version > DATA_VERSION:
        raise BackendVersionError(
            f"A stored {kind.__name__} has version {version}, and this taskcore reads up to {DATA_VERSION}: upgrade it."
        )
    raise UndecodablePayload(f"A stored {kind.__name__} has the impossible version {version!r}.")
