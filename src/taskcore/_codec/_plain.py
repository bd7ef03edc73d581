"""Values without an annotation (or ``Any``, ``object``): only JSON's own values, which come back as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum

from taskcore._codec._shape import PLAIN_TYPES, Shape, Unfit, short
from taskcore._output import Output

__all__ = ["OUTPUT_ADVICE", "PLAIN", "find_unwritable"]

OUTPUT_ADVICE = "the output of a task may stand at top level, or in a list, tuple or dict: one level deep, not two"
"""Where an ``Output`` is allowed, for messages."""

_ADVICE: dict[type, str] = {
    tuple: "it would come back as a list: annotate the parameter (tuple[…]) or pass a list",
    set: "annotate the parameter (set[…]) or pass a list",
    frozenset: "annotate the parameter (frozenset[…]) or pass a list",
}


def _encode(value: object) -> object:
    kind = type(value)
    if kind in PLAIN_TYPES:
        return value
    if kind is list:
        _check_list(value)  # type: ignore[arg-type]
        return value
    if kind is dict:
        _check_dict(value)  # type: ignore[arg-type]
        return value
    raise Unfit(f"{short(value)} is {_article(kind)}, which is no JSON value; {_advice(value)}")


def _check_list(items: list[object]) -> None:
    if PLAIN_TYPES.issuperset(map(type, items)):
        return
    for index, item in enumerate(items):
        try:
            _encode(item)
        except Unfit as unfit:
            raise unfit.inside(f"[{index}]") from None


def _check_dict(entries: dict[object, object]) -> None:
    for key, item in entries.items():
        if type(key) is not str:
            raise Unfit(
                f"the key {short(key)} is {_article(type(key))}, and would come back as text: "
                "annotate the parameter (dict[…, …]) or use text keys"
            )
        if type(item) not in PLAIN_TYPES:
            try:
                _encode(item)
            except Unfit as unfit:
                raise unfit.inside(f"[{short(key)}]") from None


def _article(kind: type) -> str:
    return f"{'an' if kind.__name__[:1].lower() in 'aeiou' else 'a'} {kind.__name__}"


def _advice(value: object) -> str:
    if isinstance(value, Output):
        return OUTPUT_ADVICE
    if isinstance(value, Enum):
        return "annotate the parameter with its class, or pass its value"
    for kind, advice in _ADVICE.items():
        if isinstance(value, kind):
            return advice
    return f"annotate the parameter with its type ({type(value).__name__}), or pass it as text or numbers"


def _decode(value: object) -> object:
    return value


PLAIN = Shape(
    name="any JSON value",
    encode=_encode,
    decode=_decode,
    accepts=lambda _value: True,
    as_is=PLAIN_TYPES,
    is_identity=True,
)
"""The shape of what has no annotation."""


def find_unwritable(value: object) -> Unfit | None:
    """Return what in a JSON-like value cannot be written: NaN, infinity, a lone surrogate, an int of too many digits.

    Raises RecursionError for a value that contains itself.
    """
    if isinstance(value, float):
        return None if math.isfinite(value) else Unfit(f"{value!r} is not a number of JSON")
    if isinstance(value, str):
        return None if _is_text(value) else Unfit(f"{short(value)} has a lone surrogate, which is no text of UTF-8")
    if isinstance(value, int):
        return _find_long(value)
    if isinstance(value, list):
        return _first((f"[{index}]", item) for index, item in enumerate(value))
    if isinstance(value, dict):
        for key in value:
            if not _is_text(key):
                return Unfit(f"the key {short(key)} has a lone surrogate, which is no text of UTF-8")
        return _first((f"[{short(key)}]", item) for key, item in value.items())
    return None


def _first(parts: Iterable[tuple[str, object]]) -> Unfit | None:
    for step, item in parts:
        found = find_unwritable(item)
        if found is not None:
            return found.inside(step)
    return None


def _find_long(value: int) -> Unfit | None:
    try:
        int.__repr__(value)
    except ValueError:
        return Unfit(f"a whole number of {value.bit_length()} bits has more digits than Python writes as text")
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
