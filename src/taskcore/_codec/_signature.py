"""The signature of a task's function: whether a call fits it, and the shape of each argument, made when needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from taskcore._codec._annotations import Annotations
from taskcore._codec._plain import PLAIN
from taskcore._codec._shape import Shape
from taskcore.errors import InvalidArguments, InvalidDefinition

__all__ = ["CallSignature"]

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


_Fits: TypeAlias = Callable[[tuple[object, ...], Mapping[str, object]], bool]


def _fits_of(signature: inspect.Signature) -> _Fits:
    """Return the check of a call's form: by the number of positional arguments, which names must and may follow."""
    parameters = list(signature.parameters.values())
    by_position = [parameter for parameter in parameters if parameter.kind in _BY_POSITION]
    by_name = [parameter for parameter in parameters if parameter.kind in _BY_NAME]
    takes_more = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    takes_any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    required: list[frozenset[str]] = []
    allowed: list[frozenset[str]] = []
    forbidden: list[frozenset[str]] = []
    for count in range(len(by_position) + 1):
        given = {parameter.name for parameter in by_position[:count]}
        left = [parameter for parameter in by_name if parameter.name not in given]
        allowed.append(frozenset(parameter.name for parameter in left))
        required.append(frozenset(parameter.name for parameter in left if parameter.default is parameter.empty))
        forbidden.append(
            frozenset(item.name for item in by_position[:count] if item.kind is item.POSITIONAL_OR_KEYWORD)
        )
    least = sum(item.kind is item.POSITIONAL_ONLY and item.default is item.empty for item in by_position)
    most = len(by_position)

    def fits(args: tuple[object, ...], kwargs: Mapping[str, object]) -> bool:
        count = len(args)
        if count > most:
            if not takes_more:
                return False
            count = most
        if count < least:
            return False
        if not kwargs:
            return not required[count]
        names = kwargs.keys()
        if not names >= required[count]:
            return False
        if takes_any_name:
            return names.isdisjoint(forbidden[count])
        return names <= allowed[count]

    return fits


class CallSignature:
    """What the arguments of one task have to look like. Everything is worked out at first use, then kept."""

    def __init__(self, name: str, function: Callable[..., object], *, takes_context: bool) -> None:
        self.name = name
        self._function = function
        self._takes_context = takes_context

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature that callers see: without the context."""
        signature = inspect.signature(self._function)
        parameters = list(signature.parameters.values())
        if self._takes_context and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
            del parameters[0]
        return signature.replace(parameters=parameters)

    @cached_property
    def _fits(self) -> _Fits:
        return _fits_of(self.signature)

    def check(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """Raise InvalidArguments when the call does not fit the signature.

        Raises InvalidDefinition when no result of the function could ever travel: then it need not be run.
        """
        if self.returned.refuses_all is not None:
            raise InvalidDefinition(
                f"Task {self.name!r} is annotated to return {self.returned.name}, and its result cannot be stored: "
                f"{self.returned.refuses_all}."
            )
        if not self._fits(args, kwargs):
            raise InvalidArguments(f"Task {self.name!r}: {self.misfit(args, kwargs)}.")

    def misfit(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str | None:
        """Say why a call does not fit; ``None`` when it does."""
        if self._fits(args, kwargs):
            return None
        shown = f"its signature is {self.name.rpartition('.')[2]}{self.signature}"
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            return f"{error}; {shown}"
        return f"the arguments do not fit; {shown}"

    @cached_property
    def _annotations(self) -> Annotations:
        return Annotations(self._function)

    @cached_property
    def by_position(self) -> tuple[tuple[str, Shape], ...]:
        """Names and shapes of what can be given by position."""
        return tuple(
            (parameter.name, self._annotations.shape(parameter.annotation))
            for parameter in self.signature.parameters.values()
            if parameter.kind in _BY_POSITION
        )

    def takes_as_is(self, args: list[Any]) -> bool:
        """Return whether the call fits with these alone, by position, and each stands in JSON as it is."""
        known = self._as_is
        if len(args) > len(known) or not self._fits_alone[len(args)]:
            return False
        for value, types in zip(args, known, strict=False):  # noqa: SIM110 - a third of the time of all(…)
            if type(value) not in types:
                return False
        return True

    @cached_property
    def _as_is(self) -> tuple[frozenset[type], ...]:
        return tuple(shape.as_is for _name, shape in self.by_position)

    @cached_property
    def _fits_alone(self) -> tuple[bool, ...]:
        """For each number of arguments by position, whether they are enough."""
        return tuple(self._fits((None,) * count, {}) for count in range(len(self.by_position) + 1))

    @cached_property
    def by_name(self) -> Mapping[str, Shape]:
        """Shapes of what can be given by name."""
        positional = dict(self.by_position)
        return {
            parameter.name: positional.get(parameter.name) or self._annotations.shape(parameter.annotation)
            for parameter in self.signature.parameters.values()
            if parameter.kind in _BY_NAME
        }

    @cached_property
    def rest_by_position(self) -> tuple[str, Shape]:
        """Name and shape of ``*args``."""
        return self._rest(inspect.Parameter.VAR_POSITIONAL)

    @cached_property
    def rest_by_name(self) -> Shape:
        """The shape of ``**kwargs``."""
        return self._rest(inspect.Parameter.VAR_KEYWORD)[1]

    def _rest(self, kind: object) -> tuple[str, Shape]:
        for parameter in self.signature.parameters.values():
            if parameter.kind is kind:
                return parameter.name, self._annotations.shape(parameter.annotation)
        return "", PLAIN

    @cached_property
    def returned(self) -> Shape:
        """The shape of the return value."""
        return self._annotations.shape(self.signature.return_annotation)
