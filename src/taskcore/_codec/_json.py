"""JSON text, strictly: no NaN, no text that UTF-8 cannot hold, and one C encoder made once.

The encoder keeps no marks of what it is inside of, so threads can share it; a value that contains itself ends as a
RecursionError instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from json.scanner import make_scanner
from typing import Any

__all__ = ["read_json", "text_size", "write_json"]


def _not_json(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not JSON")


def _make_writer() -> Callable[[object], str]:
    make_c_encoder: Callable[..., Callable[[object, int], tuple[str, ...]]] | None
    make_c_encoder = getattr(encoder, "c_make_encoder", None)
    if make_c_encoder is None:  # an interpreter without the C speed-ups
        return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False).encode
    encode = make_c_encoder(None, _not_json, encoder.encode_basestring, None, ":", ",", False, False, False)
    join = "".join

    def write(value: object) -> str:
        return join(encode(value, 0))

    return write


write_json: Callable[[object], str] = _make_writer()
"""Return compact JSON. Raises TypeError, ValueError (NaN, infinity, an int of too many digits) or RecursionError."""


def _make_reader() -> Callable[[str], Any]:
    decoder = json.JSONDecoder()
    scan: Callable[[str, int], tuple[Any, int]] = make_scanner(decoder)  # type: ignore[arg-type]
    decode = decoder.decode

    def read(text: str) -> Any:
        try:
            value, end = scan(text, 0)
        except StopIteration:  # white space first, or nothing at all
            return decode(text)
        return value if end == len(text) else decode(text)

    return read


read_json: Callable[[str], Any] = _make_reader()
"""Return what a JSON text says. Raises ValueError when it is none, RecursionError when it is nested too deep."""


def text_size(text: str) -> int:
    """Return the bytes of a text in UTF-8; raises UnicodeEncodeError for a lone surrogate."""
    return len(text) if text.isascii() else len(text.encode())
