"""The arguments and results of Django tasks: JSON as it is, whatever the function is annotated with.

Django gives a function what JSON made of its arguments, where taskcore would make what the annotations say.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import attrs

from taskcore._codec import CallSignature
from taskcore.contrib.django._api import Api

__all__ = ["ANY_CALL", "as_json", "call_signature", "signature_without_annotations"]


@attrs.frozen
class _Signed:
    """What the codec wants to know of a definition."""

    name: str
    call_signature: CallSignature


def _anything(*args: object, **kwargs: object) -> object:
    raise NotImplementedError


_anything.__annotations__ = {}

ANY_CALL = _Signed("a Django task", CallSignature("a Django task", _anything, takes_context=False))
"""A definition that takes any JSON, by position and by name."""


def as_json(api: Api, value: object) -> Any:
    """Return a value as it comes back from JSON, the keys of a dict as texts.

    Raises TypeError and ValueError as Django does, and ValueError for what is no JSON after all (NaN, infinity).
    """
    return json.loads(json.dumps(api.normalize(value), allow_nan=False))


@lru_cache(maxsize=4096)
def call_signature(function: Callable[..., Any], *, takes_context: bool) -> CallSignature:
    """Return what the arguments of a Django task have to look like; worked out once for each function."""

    def call() -> None: ...

    call.__signature__ = signature_without_annotations(function, takes_context=takes_context)  # type: ignore[attr-defined]
    return CallSignature(f"{function.__module__}.{function.__qualname__}", call, takes_context=True)


def signature_without_annotations(function: Callable[..., Any], *, takes_context: bool) -> inspect.Signature:
    """Return the signature of a function behind a taskcore context, in the place of Django's when it takes one."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    context = inspect.Parameter("taskcore_context", inspect.Parameter.POSITIONAL_ONLY)
    return inspect.Signature([context, *(parameters[1:] if takes_context else parameters)])
