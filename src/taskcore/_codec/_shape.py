"""``Shape``: how the values of one annotation travel as JSON, and ``Unfit``: why a value does not.

Shapes are strict in both directions: what has not the annotated type is refused, nothing is coerced, so that a value
comes back as what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from reprlib import Repr
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

__all__ = ["ANY_KIND", "PLAIN_TYPES", "Kind", "Shape", "Unfit", "kind_of", "short", "type_name"]


class Kind(Enum):
    """The kinds of JSON values; int and float are told apart as Python's reader does."""

    NULL = "null"
    BOOL = "true or false"
    INT = "whole number"
    FLOAT = "number"
    TEXT = "text"
    LIST = "list"
    OBJECT = "object"


ANY_KIND = frozenset(Kind)

PLAIN_TYPES: frozenset[type] = frozenset({str, int, float, bool, type(None)})
"""Types whose values are JSON by themselves."""

_KINDS: dict[type, Kind] = {
    type(None): Kind.NULL,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.FLOAT,
    str: Kind.TEXT,
    list: Kind.LIST,
    dict: Kind.OBJECT,
}


def kind_of(value: object) -> Kind | None:
    """Return the kind of a JSON value; ``None`` for what is no JSON."""
    return _KINDS.get(type(value))


class Unfit(Exception):
    """A value does not fit an annotation. ``path`` is filled from the inside out by the containers around it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.path: list[str] = []

    def inside(self, step: str) -> Unfit:
        """Note that the value stands at ``step`` (``[3]``, ``.name``) of another one."""
        self.path.insert(0, step)
        return self

    def __str__(self) -> str:
        return f"at {''.join(self.path)}: {self.why}" if self.path else self.why


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 80


def short(value: object) -> str:
    """Return a repr of at most about 80 characters, also of a value whose own repr raises."""
    try:
        text = _REPR.repr(value)
    except Exception:  # a message is never worth a second error
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 100 else f"{text[:97]}…"


def type_name(annotation: object) -> str:
    """Return an annotation as people write it; also the tag that tells a member of a union."""
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Union or origin is UnionType:
        return " | ".join(map(type_name, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(map(type_name, annotation))}]"
    if origin is not None:
        return f"{type_name(origin)}[{', '.join(map(type_name, arguments)) or '()'}]"
    name = getattr(annotation, "__name__", None)
    return name if isinstance(name, str) else str(annotation)


@attrs.frozen(kw_only=True, eq=False)
class Shape:
    """How the values of one annotation travel."""

    name: str
    """The annotation, for messages."""
    encode: Callable[[Any], object]
    """Return the value as JSON values; raises Unfit."""
    decode: Callable[[Any], object]
    """Return the value that ``encode`` was given; raises Unfit (anything else counts as misfit, too)."""
    accepts: Callable[[object], bool]
    """Whether a value is meant for this shape, seen from outside: how unions choose."""
    kinds: frozenset[Kind] = ANY_KIND
    """The kinds of JSON that ``encode`` returns."""
    as_is: frozenset[type] = frozenset()
    """Exact types whose values pass in both directions without a call."""
    is_identity: bool = False
    """``encode`` and ``decode`` return the very value that they have checked."""
    refuses_all: str | None = None
    """Why no value at all can travel."""
    part: Callable[[object], Shape] | None = None
    """For lists, tuples and dicts: the shape of what stands at an index or key; raises Unfit when nothing may."""
    length: int | None = None
    """For tuples of a fixed length."""
    encode_key: Callable[[Any], str] | None = None
    """For dicts: how keys travel."""
    choose: Callable[[object], Shape] | None = None
    """For unions: the member that a value is meant for, when that travels without a tag; raises Unfit."""
