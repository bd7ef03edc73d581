"""Unions: which member a value is meant for, told by its kind of JSON where that is enough, else by a tag.

JSON's own types (str, int, float, bool, None) are never tagged. Another member is tagged, as
``{"$type": "datetime", "$value": …}``, when one of those or a second such member travels as the same kind of JSON.
"""

from __future__ import annotations

from taskcore._codec._shape import Kind, Shape, Unfit, kind_of, short

__all__ = ["union_shape"]

_TAG_KEYS = {"$type", "$value"}


def _tags(members: list[Shape]) -> dict[str, Shape]:
    """Name each member; members of the same name are numbered."""
    named: dict[str, Shape] = {}
    for member in members:
        tag, count = member.name, 1
        while tag in named:
            count += 1
            tag = f"{member.name}#{count}"
        named[tag] = member
    return named


def union_shape(name: str, members: list[Shape]) -> Shape:
    """Return the shape of a union; ``None`` counts as any other member."""
    plain = [member for member in members if member.as_is]
    others = [member for member in members if not member.as_is]
    as_is: frozenset[type] = frozenset().union(*(member.as_is for member in plain))
    named = _tags([*others, *plain])
    taken: frozenset[Kind] = frozenset().union(*(member.kinds for member in plain))
    tagged = {
        tag
        for tag, member in named.items()
        if not member.as_is
        and (member.kinds & taken or any(other is not member and other.kinds & member.kinds for other in others))
    }

    def wrap(tag: str, code: object) -> object:
        is_like_a_tag = type(code) is dict and code.keys() == _TAG_KEYS
        return {"$type": tag, "$value": code} if tag in tagged or is_like_a_tag else code

    def encode(value: object) -> object:
        if type(value) in as_is:
            return value
        first: Unfit | None = None
        for tag, member in named.items():
            if member.accepts(value):
                try:
                    return wrap(tag, member.encode(value))
                except Unfit as unfit:
                    first = first or unfit
        raise first or Unfit(f"{short(value)} is not {name}")

    def decode(value: object) -> object:
        if type(value) in as_is:
            return value
        if type(value) is dict and value.keys() == _TAG_KEYS and value["$type"] in named:
            return named[value["$type"]].decode(value["$value"])
        first: Unfit | None = None
        kind = kind_of(value)
        # Untagged members first. The tagged ones, too: the annotation may have had fewer members when this was stored.
        for tag in sorted(named, key=tagged.__contains__):
            if kind in named[tag].kinds:
                try:
                    return named[tag].decode(value)
                except Unfit as unfit:
                    first = first or unfit
        raise first or Unfit(f"{short(value)} is not {name}")

    def choose(value: object) -> Shape:
        for tag, member in named.items():
            if tag not in tagged and member.accepts(value):
                return member
        raise Unfit(f"{short(value)} cannot hold the output of a task where {name} is wanted")

    kinds = frozenset().union(*(member.kinds for member in members)) | ({Kind.OBJECT} if tagged else frozenset())
    return Shape(
        name=name,
        encode=encode,
        decode=decode,
        accepts=lambda value: any(member.accepts(value) for member in members),
        kinds=kinds,
        as_is=as_is,
        choose=choose,
    )
