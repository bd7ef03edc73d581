"""``Call``: a task definition with arguments, checked against its signature; and how it becomes a ``TaskSpec``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
from typing_extensions import Unpack

from taskcore._codec import check_size, encode_arguments, encode_plain
from taskcore._data import Retention, TaskSpec, UniqueKey
from taskcore._naming import shown
from taskcore._options import NOT_GIVEN, NotGiven, OptionKeywords, TaskOptions, check_name
from taskcore._retry import Curve, Retry
from taskcore._vocabulary import OnConflict, UniqueUntil
from taskcore.errors import InvalidInput, InvalidOption

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["Call", "SpecTemplate", "spec_for", "spec_template"]

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


@attrs.frozen
class Call(Generic[R_co]):
    """What is to be enqueued: made by ``definition.bind(…)``, which checks that the arguments fit."""

    definition: TaskDefinition[..., R_co]
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = attrs.field(factory=dict)

    @property
    def options(self) -> TaskOptions:
        """The options of the definition, with those of ``.using(…)`` laid over."""
        return self.definition.options

    def using(self, **options: Unpack[OptionKeywords]) -> Call[R_co]:
        """Return the same call with other options; raises InvalidOption."""
        return attrs.evolve(self, definition=self.definition.using(**options))


@attrs.frozen
class SpecTemplate:
    """What all specs of one definition (with its options) have in common, worked out once."""

    fields: Mapping[str, object]
    depends_on: tuple[str, ...]
    is_plain: bool
    """Nothing has to be worked out for each call: no relative time, no unique key."""


def _value(option: T | NotGiven, default: T) -> T:
    return default if isinstance(option, NotGiven) else option


def spec_template(name: str, options: TaskOptions, call_options: TaskOptions) -> SpecTemplate:
    """Return the template for a definition: ``options`` are all, ``call_options`` those of ``.using(…)`` alone.

    A retry or timeout of the definition itself stays out of the spec: workers read it where the function is, so that
    a deploy can change it. Raises InvalidOption for what cannot travel.
    """
    _check_travelling_retention(call_options)
    retry = _value(options.retry, None)
    fields: dict[str, object] = {
        "name": name,
        "max_attempts": 1 if retry is None else retry.max_attempts,
        "retry": _travelling_retry(call_options),
        "timeout": _value(call_options.timeout, None),
        "soft_timeout": _value(call_options.soft_timeout, None),
        "retention": _effective_retention(options),
    }
    for field in ("queue_name", "priority", "max_crashes", "on_parent_failure", "label"):
        if (value := getattr(options, field)) is not NOT_GIVEN:
            fields[field] = value
    metadata = _value(options.metadata, None)
    if metadata is not None:
        fields["metadata_json"] = encode_plain(dict(metadata), f"Task {name!r}: the metadata")
    return SpecTemplate(
        fields={field: value for field, value in fields.items() if value is not None or field == "max_attempts"},
        depends_on=_value(options.depends_on, ()),
        is_plain=all(
            option is NOT_GIVEN or option is None
            for option in (options.run_after, options.expires_at, options.unique_key)
        ),
    )


def _travelling_retry(call_options: TaskOptions) -> Retry | None:
    if isinstance(call_options.retry, NotGiven):
        return None
    if call_options.retry is None:
        return Retry()
    if not isinstance(call_options.retry.backoff, Curve):
        raise InvalidOption(
            f".using(retry=…) has the backoff {call_options.retry.backoff!r}, and a function cannot travel: "
            "put it into @task(retry=…), or use exponential(), linear() or constant()."
        )
    return call_options.retry


def _check_travelling_retention(call_options: TaskOptions) -> None:
    """Refuse a count of one call's: it is of all tasks of a name, and workers read it from the definition."""
    retention = _value(call_options.retention, None)
    if retention is not None and retention.keep_latest is not None:
        raise InvalidOption(
            f".using(retention=…) has keep_latest={retention.keep_latest}, which counts all tasks of a name, not those "
            "of one call: put it into @task(retention=…)."
        )


def _effective_retention(options: TaskOptions) -> Retention | None:
    retention = _value(options.retention, None)
    if options.save is False:
        return attrs.evolve(retention or Retention(), successful=timedelta(0))
    return retention


def spec_for(
    call: Call[object],
    *,
    task_id: str,
    now: datetime,
    payload_limit: int,
    group_id: str | None = None,
    group_index: int | None = None,
) -> TaskSpec:
    """Return what a store is to keep of a call. Pure: the id and the moment are passed in.

    Times that are relative count from ``now``. Parents are those of ``depends_on`` and the outputs among the
    arguments. Raises InvalidInput for what is no call, NotEncodable, InvalidOption, or PayloadTooLarge over
    ``payload_limit`` bytes.
    """
    if not isinstance(call, Call):
        raise InvalidInput(f"{shown(call)} is no call: make one of a task with definition.bind(…).")
    definition = call.definition
    template = definition.spec_template
    arguments_json, parents = encode_arguments(definition, call.args, call.kwargs)
    if len(arguments_json) * 4 > payload_limit:
        check_size(arguments_json, payload_limit, f"Task {definition.name!r}: the arguments")
    if template.depends_on:
        parents = tuple(dict.fromkeys((*template.depends_on, *parents)))
    fields = template.fields if template.is_plain else {**template.fields, **_fields_of_call(call, now)}
    if "metadata_json" in fields:
        check_size(str(fields["metadata_json"]), payload_limit, f"Task {definition.name!r}: the metadata")
    return TaskSpec(
        id=task_id,
        enqueued_at=now,
        arguments_json=arguments_json,
        parents=parents,
        group_id=group_id,
        group_index=group_index,
        **fields,  # type: ignore[arg-type]
    )


def _fields_of_call(call: Call[object], now: datetime) -> dict[str, object]:
    options = call.definition.options
    name = call.definition.name
    run_after = _absolute(name, "run_after", _value(options.run_after, None), now)
    expires_at = _absolute(name, "expires_at", _value(options.expires_at, None), now)
    if expires_at is not None and expires_at <= (run_after or now):
        raise InvalidOption(
            f"Task {name!r}: expires_at={expires_at.isoformat()} is not after {'run_after' if run_after else 'now'} "
            f"({(run_after or now).isoformat()}): it could never start."
        )
    return {"run_after": run_after, "expires_at": expires_at, "unique": _unique(call, now)}


def _absolute(name: str, option: str, value: datetime | timedelta | None, now: datetime) -> datetime | None:
    if not isinstance(value, timedelta):
        return value
    try:
        return now + value
    except OverflowError:
        raise InvalidOption(f"Task {name!r}: {option}={value!r} from now is past the year 9999.") from None


def _unique(call: Call[object], now: datetime) -> UniqueKey | None:
    options, name = call.definition.options, call.definition.name
    key = _value(options.unique_key, None)
    if key is None:
        return None
    if callable(key):
        try:
            key = key(*call.args, **call.kwargs)
        except Exception as error:
            raise InvalidOption(
                f"Task {name!r}: the function given as unique_key raised {type(error).__name__}: {error}."
            ) from error
        check_name("unique_key", key)
    until = UniqueUntil.FINISHED if isinstance(options.unique_until, NotGiven) else options.unique_until
    conflict = _value(options.on_conflict, OnConflict.RETURN_EXISTING)
    if isinstance(until, UniqueUntil):
        return UniqueKey(key=key, until=until, on_conflict=conflict)
    moment = _absolute(name, "unique_until", until, now)
    return UniqueKey(key=key, until=UniqueUntil.MOMENT, moment=moment, on_conflict=conflict)
