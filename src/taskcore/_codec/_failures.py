"""Exceptions as data. Nothing is ever imported or raised again from it."""

from __future__ import annotations

import traceback

from taskcore._data import Failure
from taskcore._naming import type_name

__all__ = ["CAUSES_KEPT", "MESSAGE_LIMIT", "TRACEBACK_LIMIT", "failure_from"]

TRACEBACK_LIMIT = 16 * 1024
"""Bytes of a traceback that are kept."""
MESSAGE_LIMIT = 4 * 1024
"""Bytes of a message that are kept."""
_NAME_LIMIT = 500
CAUSES_KEPT = 8
"""How long a chain of causes is kept, the exception itself included."""


def failure_from(exception: BaseException) -> Failure:
    """Return an exception as data, with the chain that it was raised from; never raises.

    A message or traceback is asked of the exception's own methods, which may raise: then the text says so.
    """
    chain: list[BaseException] = []
    seen: set[int] = set()
    link: BaseException | None = exception
    while link is not None and id(link) not in seen and len(chain) < CAUSES_KEPT:
        chain.append(link)
        seen.add(id(link))
        link = _origin(link)
    failure: Failure | None = None
    for link in reversed(chain):
        failure = Failure(
            exception_type=_cut(type_name(type(link)), _NAME_LIMIT),
            message=_cut(_message(link), MESSAGE_LIMIT),
            traceback=_cut(_traceback(link), TRACEBACK_LIMIT),
            cause=failure,
        )
    assert failure is not None  # the chain begins with the exception itself
    return failure


def _origin(exception: BaseException) -> BaseException | None:
    try:
        if exception.__cause__ is not None:
            return exception.__cause__
        return None if exception.__suppress_context__ else exception.__context__
    except BaseException:  # a class that answers for its own attributes
        return None


def _message(exception: BaseException) -> str:
    try:
        return "".join([str(exception), ""])  # a plain text, whatever class of text its method returned
    except BaseException as error:
        return f"<its message raised {type(error).__name__}>"


def _traceback(exception: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(exception), exception, exception.__traceback__, chain=False))
    except BaseException:
        try:
            return "".join(traceback.format_tb(exception.__traceback__))
        except BaseException as error:
            return f"<its traceback raised {type(error).__name__}>"


def _cut(text: str, limit: int) -> str:
    """Return a text of at most ``limit`` bytes that UTF-8 can hold, its middle left out when it is longer."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    gap = f"\n… {len(data) - limit:,} bytes left out …\n".encode()
    half = (limit - len(gap)) // 2
    return b"".join((data[:half], gap, data[-half:])).decode("utf-8", "ignore")
