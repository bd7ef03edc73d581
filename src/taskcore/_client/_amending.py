"""Amending a waiting task: other arguments or other metadata, while everything else stays as it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import attrs

from taskcore._call import Call
from taskcore._client._enqueueing import Session
from taskcore._codec import check_size, encode_plain
from taskcore._naming import shown
from taskcore.errors import InvalidInput
from taskcore.protocol import TaskSpec

__all__ = ["JSONValue", "amended"]

JSONValue: TypeAlias = bool | int | float | str | Sequence["JSONValue"] | Mapping[str, "JSONValue"] | None
"""What metadata is made of."""


def amended(
    session: Session, call: Call[object] | None, metadata: Mapping[str, JSONValue] | None
) -> Callable[[TaskSpec], TaskSpec]:
    """Return the function that makes the amended spec of an old one; raise InvalidInput for what cannot be."""
    if call is None and metadata is None:
        raise InvalidInput("amend(…) was given nothing to change: give it a call, or metadata=….")
    metadata_json = None
    if metadata is not None:
        if not isinstance(metadata, Mapping):
            raise InvalidInput(f"metadata is {shown(metadata)}: it should be a mapping of texts to JSON values.")
        metadata_json = encode_plain(dict(metadata), "metadata")
        check_size(metadata_json, session.payload_limit, "metadata")
    new = None if call is None else session.spec(call)

    def edited(old: TaskSpec) -> TaskSpec:
        arguments_json = old.arguments_json
        if new is not None:
            _check(old, new)
            arguments_json = new.arguments_json
        return attrs.evolve(
            old,
            arguments_json=arguments_json,
            metadata_json=old.metadata_json if metadata_json is None else metadata_json,
        )

    return edited


def _check(old: TaskSpec, new: TaskSpec) -> None:
    if new.name != old.name:
        raise InvalidInput(f"Task {old.id} is a {old.name}, the call a {new.name}: replace(…) makes it another task.")
    others = [parent for parent in new.parents if parent not in old.parents]
    if others:
        raise InvalidInput(
            f"The call depends on {', '.join(others)}, which task {old.id} did not wait for: use replace(…) instead."
        )
