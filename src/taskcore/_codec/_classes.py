"""Shapes of classes with fields: attrs and dataclasses, TypedDict, NamedTuple.

The code that reads and writes attrs classes and dataclasses is made by cattrs, with the strict shapes for its hooks.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import AttributeValidationNote, ClassValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from typing_extensions import NotRequired, ReadOnly, Required, get_type_hints

from taskcore._codec._shape import Kind, Shape, Unfit, short, type_name

__all__ = ["class_shape", "is_class_with_fields", "named_tuple_shape", "typed_dict_shape"]

_OBJECT = frozenset({Kind.OBJECT})

ShapeOf = Callable[[object], Shape]


def is_class_with_fields(kind: object) -> bool:
    """Tell an attrs class or a dataclass, or a generic alias of one."""
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and (attrs.has(origin) or dataclasses.is_dataclass(origin))


def _field_names(kind: type) -> dict[str, str]:
    """Return the fields that the constructor takes, and the names it takes them by."""
    if attrs.has(kind):
        return {field.name: field.alias or field.name for field in attrs.fields(kind) if field.init}
    return {field.name: field.name for field in dataclasses.fields(kind) if field.init}


def _check_constructor(kind: type, taken: Mapping[str, str]) -> None:
    for parameter in inspect.signature(kind).parameters.values():
        is_required = parameter.default is parameter.empty and parameter.kind.name not in (
            "VAR_POSITIONAL",
            "VAR_KEYWORD",
        )
        if is_required and parameter.name not in taken.values():
            raise Unfit(
                f"{kind.__name__} cannot be made again from its fields: its constructor wants {parameter.name!r}, "
                "which is no field"
            )


def _field_error(error: BaseException) -> Unfit:
    """Return the first error inside those that cattrs has collected, with its path."""
    if isinstance(error, Unfit):
        return error
    if isinstance(error, ClassValidationError):
        inner = error.exceptions[0]
        if isinstance(inner, KeyError):
            return Unfit(f"the field {inner.args[0]!r} is missing")
        unfit = _field_error(inner)
        for note in getattr(inner, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                return unfit.inside(f".{note.name}")
        return unfit
    return Unfit(f"{type(error).__name__}: {error}")


class _StrictConverter(cattrs.Converter):
    """Gives the code that cattrs makes for a class the shapes of its fields, whatever hooks cattrs has of its own."""

    def __init__(self, shape_of: ShapeOf) -> None:
        super().__init__(detailed_validation=True)
        self._shape_of = shape_of

    def get_unstructure_hook(self, type: Any, cache_result: bool = True) -> Callable[[Any], Any]:  # noqa: A002
        """Return how the values of a field are written."""
        return self._shape_of(type).encode

    def get_structure_hook(self, type: Any, cache_result: bool = True) -> Callable[[Any, Any], Any]:  # noqa: A002
        """Return how the values of a field are read."""
        decode = self._shape_of(type).decode
        return lambda value, _type: decode(value)

    def unstructure(self, obj: Any, unstructure_as: Any = None) -> Any:
        """Write the value of a field without an annotation."""
        return self._shape_of(Any if unstructure_as is None else unstructure_as).encode(obj)

    def structure(self, obj: Any, cl: Any) -> Any:
        """Read the value of a field without an annotation."""
        return self._shape_of(Any if cl is None else cl).decode(obj)


def class_shape(kind: Any, shape_of: ShapeOf) -> Shape:
    """Return the shape of an attrs class or dataclass: an object of its fields.

    Only instances of the class itself are accepted: one of a subclass would come back as less than it was. Fields that
    the constructor does not take (``init=False``) do not travel.
    """
    origin: type = get_origin(kind) or kind
    name = type_name(kind)
    names = _field_names(origin)
    _check_constructor(origin, names)
    converter = _StrictConverter(shape_of)
    write = make_dict_unstructure_fn(kind, converter)
    read = make_dict_structure_fn(kind, converter, _cattrs_detailed_validation=True)

    def locate(value: object, unfit: Unfit) -> Unfit:
        for field in names:
            only: dict[str, Any] = {other: override(omit=True) for other in names if other != field}
            try:
                make_dict_unstructure_fn(kind, converter, **only)(value)
            except Unfit as found:
                return found.inside(f".{field}")
        return unfit

    def encode(value: object) -> object:
        if type(value) is not origin:
            hint = f", and would come back as {name}" if isinstance(value, origin) else ""
            raise Unfit(f"{short(value)} is not exactly {name}{hint}")
        try:
            return write(value)
        except Unfit as unfit:
            raise locate(value, unfit) from unfit.__cause__
        except AttributeError as error:
            raise Unfit(f"a {name} without a value for {error.name!r}") from error

    def decode(value: object) -> object:
        if type(value) is not dict:
            raise Unfit(f"{short(value)} is not {name}")
        try:
            return read(value, kind)
        except Exception as error:
            raise _field_error(error) from error

    return Shape(
        name=name,
        encode=encode,
        decode=decode,
        accepts=lambda value: type(value) is origin,
        kinds=_OBJECT,
    )


def _turn_fields(shapes: Mapping[str, Shape], values: Mapping[str, object], turn: str) -> dict[str, object]:
    done: dict[str, object] = {}
    for name, value in values.items():
        try:
            done[name] = getattr(shapes[name], turn)(value)
        except Unfit as unfit:
            raise unfit.inside(f".{name}") from unfit.__cause__
    return done


def typed_dict_shape(kind: Any, shape_of: ShapeOf) -> Shape:
    """Return the shape of a TypedDict: keys that are not declared are refused when written, and dropped when read."""
    name = type_name(kind)
    shapes: dict[str, Shape] = {}
    required = set(kind.__required_keys__)
    for key, annotation in get_type_hints(kind, include_extras=True).items():
        hint, origin = annotation, cast("object", get_origin(annotation))
        while origin is Required or origin is NotRequired or origin is ReadOnly:
            required = required - {key} if origin is NotRequired else required
            hint = get_args(hint)[0]
            origin = get_origin(hint)
        shapes[key] = shape_of(hint)

    def check(value: Any) -> None:
        missing = sorted(required - value.keys())
        if missing:
            raise Unfit(f"{short(value)} is not {name}: {missing[0]!r} is missing")

    def encode(value: Any) -> object:
        if not isinstance(value, dict):
            raise Unfit(f"{short(value)} is not {name}")
        check(value)
        unknown = [key for key in value if key not in shapes]
        if unknown:
            raise Unfit(f"{short(value)} is not {name}: it has no key {unknown[0]!r}")
        return _turn_fields(shapes, value, "encode")

    def decode(value: Any) -> object:
        if type(value) is not dict:
            raise Unfit(f"{short(value)} is not {name}")
        check(value)
        return _turn_fields(shapes, {key: entry for key, entry in value.items() if key in shapes}, "decode")

    return Shape(name=name, encode=encode, decode=decode, accepts=lambda value: isinstance(value, dict), kinds=_OBJECT)


def named_tuple_shape(kind: Any, shape_of: ShapeOf) -> Shape:
    """Return the shape of a NamedTuple: an object of its fields; those with a default may be missing when read."""
    name = type_name(kind)
    hints = get_type_hints(kind, include_extras=True)
    shapes = {field: shape_of(hints.get(field, Any)) for field in kind._fields}

    def encode(value: Any) -> object:
        if type(value) is not kind:
            raise Unfit(f"{short(value)} is not {name}")
        return _turn_fields(shapes, value._asdict(), "encode")

    def decode(value: Any) -> object:
        if type(value) is not dict:
            raise Unfit(f"{short(value)} is not {name}")
        missing = [field for field in shapes if field not in value and field not in kind._field_defaults]
        if missing:
            raise Unfit(f"the field {missing[0]!r} is missing")
        known = {field: entry for field, entry in value.items() if field in shapes}
        return kind(**_turn_fields(shapes, known, "decode"))

    return Shape(name=name, encode=encode, decode=decode, accepts=lambda value: type(value) is kind, kinds=_OBJECT)
