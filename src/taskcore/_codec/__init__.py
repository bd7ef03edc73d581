"""How values travel as JSON: arguments and results by annotation, exceptions, and taskcore's own data.

One file a thing: JSON text (``_json``), the ``Shape`` of an annotation and how it is made (``_annotations`` and what it
imports), the signature of a function, calls and results, failures, and records in versioned envelopes.
"""

from __future__ import annotations

from taskcore._codec._calls import (
    HasSignature,
    check_size,
    decode_arguments,
    decode_result,
    encode_arguments,
    encode_plain,
    encode_result,
)
from taskcore._codec._failures import failure_from
from taskcore._codec._json import read_json, text_size, write_json
from taskcore._codec._records import DATA_VERSION, dump_data, load_data
from taskcore._codec._signature import CallSignature

__all__ = [
    "DATA_VERSION",
    "CallSignature",
    "HasSignature",
    "check_size",
    "decode_arguments",
    "decode_result",
    "dump_data",
    "encode_arguments",
    "encode_plain",
    "encode_result",
    "failure_from",
    "load_data",
    "read_json",
    "text_size",
    "write_json",
]
