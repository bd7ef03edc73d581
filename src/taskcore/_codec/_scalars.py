"""Shapes of single values: JSON's own, moments and durations, numbers, paths, bytes, enums and literals."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from taskcore._codec._durations import read_duration, write_duration
from taskcore._codec._shape import Kind, Shape, Unfit, kind_of, short

__all__ = ["SCALARS", "enum_shape", "literal_shape", "named_scalar", "subclass_shape"]


def _checked(name: str, kind: type | tuple[type, ...]) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, kind):
            return value
        raise Unfit(f"{short(value)} is not {name}")

    return check


def _json_scalar(name: str, kinds: tuple[type, ...], json_kinds: frozenset[Kind]) -> Shape:
    """A type that JSON has itself. Subclasses travel as the plain value: it is all that the annotation asks for."""
    check = _checked(name, kinds)
    return Shape(
        name=name,
        encode=check,
        decode=check,
        accepts=lambda value: isinstance(value, kinds),
        kinds=json_kinds,
        as_is=frozenset(kinds),
        is_identity=True,
    )


def _text_scalar(
    kind: type,
    write: Callable[[Any], object],
    read: Callable[[Any], object],
    *,
    but_not: tuple[type, ...] = (),
    kinds: frozenset[Kind] = frozenset({Kind.TEXT}),
) -> Shape:
    """A type that travels as text (or what ``kinds`` says); ``but_not`` are subclasses that would lose something."""
    name = kind.__name__

    def accepts(value: object) -> bool:
        return isinstance(value, kind) and not isinstance(value, but_not)

    def encode(value: object) -> object:
        if accepts(value):
            return write(value)
        raise Unfit(f"{short(value)} is not {name}")

    def decode(value: object) -> object:
        if kind_of(value) not in kinds:
            raise Unfit(f"{short(value)} is not {name}")
        try:
            return read(value)
        except Unfit:
            raise
        except (ValueError, ArithmeticError, LookupError, TypeError) as error:
            raise Unfit(f"{short(value)} is not {name}: {error}") from error

    return Shape(name=name, encode=encode, decode=decode, accepts=accepts, kinds=kinds)


def _write_datetime(value: datetime) -> str:
    """ISO 8601; a named zone follows in brackets (RFC 9557), so that it comes back as that zone."""
    zone = value.tzinfo
    key: str | None = zone.key if isinstance(zone, ZoneInfo) else None  # a zone made from a file has no key
    return value.isoformat() if key is None else f"{value.isoformat()}[{key}]"


def _read_datetime(text: str) -> datetime:
    if text.endswith("]"):
        stamp, _, key = text[:-1].partition("[")
        moment, zone = datetime.fromisoformat(stamp), ZoneInfo(key)
        for fold in (0, 1):
            wall = moment.replace(tzinfo=zone, fold=fold)
            if wall.utcoffset() == moment.utcoffset():
                return wall
        return moment.astimezone(zone)  # the zone's rules have changed since: the moment counts
    return datetime.fromisoformat(text)


def _write_time(value: time) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise Unfit(f"{value!r} has a zone but no offset without a date: pass a datetime, or the zone's name beside it")
    return value.isoformat()


def _write_path(value: PurePath) -> object:
    """A path of bytes that are no UTF-8 travels as those bytes: it has lone surrogates for them."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"$bytes": base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()}
    return text


def _path_reader(kind: type[PurePath]) -> Callable[[Any], object]:
    def read(value: str | Mapping[str, str]) -> PurePath:
        if isinstance(value, str):
            return kind(value)
        return kind(base64.b64decode(value["$bytes"], validate=True).decode("utf-8", "surrogateescape"))

    return read


def _path(kind: type[PurePath], *, but_not: tuple[type, ...] = ()) -> Shape:
    return _text_scalar(
        kind, _write_path, _path_reader(kind), but_not=but_not, kinds=frozenset({Kind.TEXT, Kind.OBJECT})
    )


def _bytes(kind: type[bytes] | type[bytearray]) -> Shape:
    return _text_scalar(
        kind,
        lambda value: base64.b64encode(value).decode(),
        lambda text: kind(base64.b64decode(text, validate=True)),
    )


SCALARS: Mapping[object, Shape] = {
    str: _json_scalar("str", (str,), frozenset({Kind.TEXT})),
    int: _json_scalar("int", (int, bool), frozenset({Kind.INT, Kind.BOOL})),
    float: _json_scalar("float", (float, int, bool), frozenset({Kind.FLOAT, Kind.INT, Kind.BOOL})),
    bool: _json_scalar("bool", (bool,), frozenset({Kind.BOOL})),
    type(None): _json_scalar("None", (type(None),), frozenset({Kind.NULL})),
    None: _json_scalar("None", (type(None),), frozenset({Kind.NULL})),
    datetime: _text_scalar(datetime, _write_datetime, _read_datetime),
    date: _text_scalar(date, date.isoformat, date.fromisoformat, but_not=(datetime,)),
    time: _text_scalar(time, _write_time, time.fromisoformat),
    timedelta: _text_scalar(
        timedelta, write_duration, read_duration, kinds=frozenset({Kind.INT, Kind.FLOAT, Kind.TEXT})
    ),
    Decimal: _text_scalar(Decimal, str, Decimal),
    UUID: _text_scalar(UUID, str, UUID),
    complex: _text_scalar(complex, str, complex),
    bytes: _bytes(bytes),
    bytearray: _bytes(bytearray),
    PurePath: _path(PurePath),
    PurePosixPath: _path(PurePosixPath, but_not=(Path,)),
    PureWindowsPath: _path(PureWindowsPath, but_not=(Path,)),
    Path: _path(Path),
    PosixPath: _path(PosixPath),
    WindowsPath: _path(WindowsPath),
    ZoneInfo: _text_scalar(ZoneInfo, lambda zone: zone.key, ZoneInfo),
}
"""What each single type travels as.

``bool`` is accepted for ``int``, and both for ``float``, as type checkers accept them: they come back as they were.
"""


def subclass_shape(kind: type) -> Shape | None:
    """Return the shape of a user's subclass of str, int or float: it travels as the plain value; else ``None``."""
    for base in (str, int, float):
        if issubclass(kind, base) and kind is not bool:
            return _text_scalar(kind, base, kind, kinds=SCALARS[base].kinds)
    return None


def _enum_codes(kind: type[Enum]) -> tuple[frozenset[Kind], bool]:
    """Return how members of an enum travel: by value when all are texts or all whole numbers, by name otherwise."""
    types = {type(member.value) for member in kind}
    if types == {str}:
        return frozenset({Kind.TEXT}), True
    if types == {int}:
        return frozenset({Kind.INT}), True
    return frozenset({Kind.TEXT}), False


def enum_shape(kind: type[Enum]) -> Shape:
    """Return the shape of an enum class: by value when all values are texts or all whole numbers, else by name."""
    kinds, is_by_value = _enum_codes(kind)
    if is_by_value:
        return _text_scalar(kind, lambda member: member.value, kind, kinds=kinds)
    return _text_scalar(kind, lambda member: member.name, lambda name: kind[name], kinds=kinds)


def literal_shape(name: str, values: tuple[object, ...]) -> Shape:
    """Return the shape of ``Literal[…]``: enum members travel as their enum does, the rest as it is."""
    codes = {}
    for value in values:
        code = enum_shape(type(value)).encode(value) if isinstance(value, Enum) else value
        if isinstance(code, bytes):
            code = SCALARS[bytes].encode(code)
        codes[type(value), value] = code
    members = {(type(code), code): value for (_, value), code in codes.items()}
    if len(members) < len(codes):
        raise Unfit(f"two values of {name} would be the same in JSON")

    def accepts(value: object) -> bool:
        try:
            return (type(value), value) in codes
        except TypeError:  # not hashable
            return False

    def encode(value: object) -> object:
        if accepts(value):
            return codes[type(value), value]
        raise Unfit(f"{short(value)} is not one of {name}")

    def decode(value: object) -> object:
        if kind_of(value) in kinds and (type(value), value) in members:
            return members[type(value), value]
        raise Unfit(f"{short(value)} is not one of {name}")

    kinds = frozenset(kind for kind in map(kind_of, codes.values()) if kind is not None)
    return Shape(name=name, encode=encode, decode=decode, accepts=accepts, kinds=kinds)


def named_scalar(annotation: object) -> Shape | None:
    """Return the shape of a single type: one of the table, an enum, or a subclass of str, int or float."""
    try:
        known = SCALARS.get(annotation)
    except TypeError:  # not hashable: Annotated[int, []]
        return None
    if known is not None or not isinstance(annotation, type):
        return known
    if issubclass(annotation, Enum):
        return enum_shape(annotation)
    return subclass_shape(annotation)
