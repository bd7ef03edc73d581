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


class _Union:
    """The members of one union, and how a value finds its own."""

    def __init__(self, name: str, members: list[Shape]) -> None:
        plain = [member for member in members if member.as_is]
        others = [member for member in members if not member.as_is]
        taken: frozenset[Kind] = frozenset().union(*(member.kinds for member in plain))
        self.name = name
        self.as_is: frozenset[type] = frozenset().union(*(member.as_is for member in plain))
        self.named = _tags([*others, *plain])
        self.tagged = {
            tag
            for tag, member in self.named.items()
            if not member.as_is
            and (member.kinds & taken or any(other is not member and other.kinds & member.kinds for other in others))
        }
        self.by_kind: dict[Kind | None, list[Shape]] = {kind: self._candidates(kind) for kind in Kind}

    def _candidates(self, kind: Kind) -> list[Shape]:
        """Return the members that may have been written as this kind, those without a tag first.

        The others, too: the annotation may have had fewer members, and no tags, when a value was stored.
        """
        tags = sorted(self.named, key=self.tagged.__contains__)
        return [self.named[tag] for tag in tags if kind in self.named[tag].kinds]

    def accepts(self, value: object) -> bool:
        return any(member.accepts(value) for member in self.named.values())

    def encode(self, value: object) -> object:
        if type(value) in self.as_is:
            return value
        first: Unfit | None = None
        for tag, member in self.named.items():
            if member.accepts(value):
                try:
                    code = member.encode(value)
                except Unfit as unfit:
                    first = first or unfit
                    continue
                is_like_a_tag = type(code) is dict and code.keys() == _TAG_KEYS
                return {"$type": tag, "$value": code} if tag in self.tagged or is_like_a_tag else code
        raise first or Unfit(f"{short(value)} is not {self.name}")

    def decode(self, value: object) -> object:
        if type(value) in self.as_is:
            return value
        if type(value) is dict and value.keys() == _TAG_KEYS:
            tag = value["$type"]
            if isinstance(tag, str) and tag in self.named:
                return self.named[tag].decode(value["$value"])
        first: Unfit | None = None
        for member in self.by_kind.get(kind_of(value), ()):
            try:
                return member.decode(value)
            except Unfit as unfit:
                first = first or unfit
        raise first or Unfit(f"{short(value)} is not {self.name}")

    def choose(self, value: object) -> Shape:
        for tag, member in self.named.items():
            if tag not in self.tagged and member.accepts(value):
                return member
        raise Unfit(f"{short(value)} cannot hold the output of a task where {self.name} is wanted")


def union_shape(name: str, members: list[Shape]) -> Shape:
    """Return the shape of a union; ``None`` counts as any other member."""
    union = _Union(name, members)
    kinds = frozenset().union(*(member.kinds for member in members))
    return Shape(
        name=name,
        encode=union.encode,
        decode=union.decode,
        accepts=union.accepts,
        kinds=kinds | {Kind.OBJECT} if union.tagged else kinds,
        as_is=union.as_is,
        choose=union.choose,
    )
