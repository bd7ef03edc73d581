"""What the scripts are given, as MessagePack, which they read with ``cmsgpack``; answers come as plain replies.

Whole numbers that a Lua number cannot hold exactly (moments from the year 2255 on, long spans) travel as decimal text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from struct import Struct
from typing import Any, Final, TypeAlias

from taskcore.records import EPOCH, micros, optional_micros, span

__all__ = ["EPOCH", "Packable", "micros", "moment", "optional_micros", "optional_moment", "pack", "pack_parts", "span"]

Packable: TypeAlias = "str | bytes | int | Sequence[Packable] | None"

_EXACT: Final = 2**53
_LONG = Struct(">Bq").pack
_SMALL: Final = tuple(bytes((number,)) for number in range(128))
_NIL: Final = b"\xc2"  # false: an array with nil inside is none in Lua
_TRUE: Final = b"\xc3"


def moment(value: Any) -> datetime:  # noqa: ANN401 - a number, or a number as text, of a reply
    """Return the moment of microseconds since 1970."""
    seconds, rest = divmod(int(value), 1_000_000)
    return EPOCH + timedelta(0, seconds, rest)


def optional_moment(value: Any) -> datetime | None:  # noqa: ANN401
    """Return ``moment``, or ``None`` for ``None``."""
    return None if value is None else moment(value)


def pack(values: Sequence[Packable]) -> bytes:
    """Return an array as MessagePack; ``None`` and ``False`` are false there."""
    parts: list[bytes] = []
    _put_array(parts, values)
    return b"".join(parts)


def pack_parts(values: Sequence[Packable]) -> bytes:
    """Return values as MessagePack, one behind the other, without the array around them."""
    parts: list[bytes] = []
    _put_values(parts, values)
    return b"".join(parts)


def _put_array(parts: list[bytes], values: Sequence[Packable]) -> None:
    length = len(values)
    parts.append(bytes((0x90 | length,)) if length < 16 else b"\xdd" + length.to_bytes(4, "big"))
    _put_values(parts, values)


def _put_values(parts: list[bytes], values: Sequence[Packable]) -> None:
    for value in values:
        if value is None or value is False:
            parts.append(_NIL)
        elif isinstance(value, str):
            _put_text(parts, value.encode())
        elif value is True:
            parts.append(_TRUE)
        elif isinstance(value, int):
            _put_number(parts, value)
        elif isinstance(value, bytes):
            _put_text(parts, value)
        else:
            _put_array(parts, value)


def _put_number(parts: list[bytes], value: int) -> None:
    if 0 <= value < 128:
        parts.append(_SMALL[value])
    elif -_EXACT < value < _EXACT:
        parts.append(_LONG(0xD3, value))
    else:
        _put_text(parts, b"%d" % value)


def _put_text(parts: list[bytes], data: bytes) -> None:
    length = len(data)
    if length < 32:
        parts.append(_TEXT_HEADS[length])
    elif length < 256:
        parts.append(b"\xd9" + _BYTES[length])
    else:
        parts.append(b"\xdb" + length.to_bytes(4, "big"))
    parts.append(data)


_TEXT_HEADS: Final = tuple(bytes((0xA0 | length,)) for length in range(32))
_BYTES: Final = tuple(bytes((number,)) for number in range(256))
