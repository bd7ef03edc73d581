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


def mapping_shape(
    name: str,
    key: Shape,
    item: Shape,
    taken: tuple[type, ...],
    make: Callable[[dict[object, object]], object],
) -> Shape:
    """Return the shape of a dict: keys that are no text travel as the text of their JSON."""
    encode_key, decode_key = _key_turns(key)
    has_plain_keys = str in key.as_is and key.kinds == _TEXT
    as_is = item.as_is

    def accepts(value: object) -> bool:
        return isinstance(value, taken)

    def is_plain(value: Any) -> bool:
        return bool(
            has_plain_keys
            and as_is
            and as_is.issuperset(map(type, value.values()))
            and {str}.issuperset(map(type, value))
        )

    def entries(value: Any, turn_key: Callable[[Any], object], turn: Callable[[Any], object]) -> dict[Any, object]:
        done = {}
        for name_of_entry, entry in value.items():
            try:
                done[turn_key(name_of_entry)] = entry if type(entry) in as_is else turn(entry)
            except Unfit as unfit:
                raise unfit.inside(f"[{short(name_of_entry)}]") from unfit.__cause__
            except (TypeError, ValueError, RecursionError) as error:
                raise Unfit(f"the key {short(name_of_entry)} is not {key.name}: {error}") from error
        return done

    def encode(value: Any) -> object:
        if not accepts(value):
            raise Unfit(f"{short(value)} is not {name}")
        if type(value) is dict and is_plain(value):
            return value
        encoded = entries(value, encode_key, item.encode)
        if len(encoded) != len(value):
            raise Unfit(f"two keys of {short(value)} would be the same text")
        return encoded

    def decode(value: Any) -> object:
        if type(value) is not dict:
            raise Unfit(f"{short(value)} is not {name}")
        decoded = value if is_plain(value) else entries(value, decode_key, item.decode)
        return decoded if make is dict else make(decoded)

    return Shape(
        name=name,
        encode=encode,
        decode=decode,
        accepts=accepts,
        kinds=_OBJECT,
        is_identity=has_plain_keys and item.is_identity and make is dict,
        part=lambda _key: item,
        encode_key=encode_key,
    )
