"""Shapes of lists, tuples, sets, deques and dicts of other shapes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from taskcore._codec._json import read_json, write_json
from taskcore._codec._shape import Kind, Shape, Unfit, short

__all__ = ["collection_shape", "mapping_shape", "tuple_shape"]

_LIST = frozenset({Kind.LIST})
_OBJECT = frozenset({Kind.OBJECT})
_TEXT = frozenset({Kind.TEXT})


def _encode_items(items: Iterable[object], item: Shape) -> list[object]:
    encode, as_is = item.encode, item.as_is
    encoded: list[object] = []
    for index, value in enumerate(items):
        try:
            encoded.append(value if type(value) in as_is else encode(value))
        except Unfit as unfit:
            raise unfit.inside(f"[{index}]") from unfit.__cause__
    return encoded


def _decode_items(items: object, item: Shape, name: str) -> list[object]:
    if type(items) is not list:
        raise Unfit(f"{short(items)} is not {name}")
    as_is = item.as_is
    if as_is and as_is.issuperset(map(type, items)):
        return items
    decode = item.decode
    decoded: list[object] = []
    for index, value in enumerate(items):
        try:
            decoded.append(decode(value))
        except Unfit as unfit:
            raise unfit.inside(f"[{index}]") from unfit.__cause__
    return decoded


def collection_shape(
    name: str, item: Shape, taken: tuple[type, ...], make: Callable[[list[object]], Collection[object]]
) -> Shape:
    """Return the shape of a collection of one kind of item: instances of ``taken`` travel as lists."""
    as_is, is_list = item.as_is, make is list

    def encode(value: Collection[object]) -> object:
        if not isinstance(value, taken):
            raise Unfit(f"{short(value)} is not {name}")
        if as_is and as_is.issuperset(map(type, value)):
            return value if type(value) is list else list(value)
        return _encode_items(value, item)

    def decode(value: object) -> object:
        items = _decode_items(value, item, name)
        if is_list:
            return items
        try:
            return make(items)
        except TypeError as error:  # a set of what cannot be hashed
            raise Unfit(f"{short(value)} is not {name}: {error}") from error

    return Shape(
        name=name,
        encode=encode,
        decode=decode,
        accepts=lambda value: isinstance(value, taken),
        kinds=_LIST,
        is_identity=is_list and item.is_identity,
        part=(lambda _index: item) if list in taken else None,
    )


def tuple_shape(name: str, items: tuple[Shape, ...]) -> Shape:
    """Return the shape of a tuple of a fixed length."""
    length = len(items)

    def over(values: Iterable[object], turn: str) -> list[object]:
        done: list[object] = []
        for index, (value, item) in enumerate(zip(values, items, strict=True)):
            try:
                done.append(value if type(value) in item.as_is else getattr(item, turn)(value))
            except Unfit as unfit:
                raise unfit.inside(f"[{index}]") from unfit.__cause__
        return done

    def encode(value: Any) -> object:
        if not isinstance(value, tuple) or len(value) != length:
            raise Unfit(f"{short(value)} is not {name}")
        return over(value, "encode")

    def decode(value: Any) -> object:
        if type(value) is not list or len(value) != length:
            raise Unfit(f"{short(value)} is not {name}")
        return tuple(over(value, "decode"))

    def part(index: object) -> Shape:
        return items[index] if isinstance(index, int) else items[0]

    return Shape(
        name=name,
        encode=encode,
        decode=decode,
        accepts=lambda value: isinstance(value, tuple),
        kinds=_LIST,
        part=part,
        length=length,
    )


def _key_turns(key: Shape) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """Return how keys travel: texts as they are, anything else as the text of its JSON."""
    if key.kinds == _TEXT:
        return key.encode, key.decode  # type: ignore[return-value]
    return lambda value: write_json(key.encode(value)), lambda text: key.decode(read_json(text))


class _Mapping:
    """Keys and values of one kind of dict, turned entry by entry."""

    def __init__(self, name: str, key: Shape, item: Shape, taken: tuple[type, ...]) -> None:
        self.name, self.key, self.item, self.taken = name, key, item, taken
        self.encode_key, self.decode_key = _key_turns(key)
        self.has_plain_keys = str in key.as_is and key.kinds == _TEXT

    def accepts(self, value: object) -> bool:
        return isinstance(value, self.taken)

    def _is_plain(self, value: Any) -> bool:
        as_is = self.item.as_is
        return bool(
            self.has_plain_keys
            and as_is
            and as_is.issuperset(map(type, value.values()))
            and {str}.issuperset(map(type, value))
        )

    def _turned(
        self, value: Any, turn_key: Callable[[Any], object], turn: Callable[[Any], object]
    ) -> dict[Any, object]:
        done, as_is = {}, self.item.as_is
        for key, entry in value.items():
            try:
                done[turn_key(key)] = entry if type(entry) in as_is else turn(entry)
            except Unfit as unfit:
                raise unfit.inside(f"[{short(key)}]") from unfit.__cause__
            except (TypeError, ValueError) as error:  # a text that is no JSON, a key that cannot be hashed
                raise Unfit(f"the key {short(key)} is not {self.key.name}: {error}") from error
        return done

    def encode(self, value: Any) -> object:
        if not self.accepts(value):
            raise Unfit(f"{short(value)} is not {self.name}")
        if type(value) is dict and self._is_plain(value):
            return value
        encoded = self._turned(value, self.encode_key, self.item.encode)
        if len(encoded) != len(value):
            raise Unfit(f"two keys of {short(value)} would be the same text")
        return encoded

    def decode(self, value: Any) -> dict[Any, object]:
        if type(value) is not dict:
            raise Unfit(f"{short(value)} is not {self.name}")
        return value if self._is_plain(value) else self._turned(value, self.decode_key, self.item.decode)


def mapping_shape(
    name: str,
    key: Shape,
    item: Shape,
    taken: tuple[type, ...],
    make: Callable[[dict[object, object]], object],
) -> Shape:
    """Return the shape of a dict: keys that are no text travel as the text of their JSON."""
    mapping = _Mapping(name, key, item, taken)
    return Shape(
        name=name,
        encode=mapping.encode,
        decode=mapping.decode if make is dict else lambda value: make(mapping.decode(value)),
        accepts=mapping.accepts,
        kinds=_OBJECT,
        is_identity=mapping.has_plain_keys and item.is_identity and make is dict,
        part=lambda _key: item,
        encode_key=mapping.encode_key,
    )
