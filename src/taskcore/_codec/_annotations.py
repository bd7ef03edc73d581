"""From an annotation to the ``Shape`` of its values."""

from __future__ import annotations

import inspect
import sys
import threading
import types
from collections import OrderedDict, deque
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import (
    Set as AbstractSet,
)
from types import SimpleNamespace
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, NoReturn, TypeVar, Union, get_args, get_origin

import attrs
from typing_extensions import Never, get_type_hints, is_typeddict

from taskcore._codec._classes import class_shape, is_class_with_fields, named_tuple_shape, typed_dict_shape
from taskcore._codec._containers import collection_shape, mapping_shape, tuple_shape
from taskcore._codec._plain import PLAIN
from taskcore._codec._scalars import literal_shape, named_scalar
from taskcore._codec._shape import ANY_KIND, Kind, Shape, Unfit, short, type_name
from taskcore._codec._unions import union_shape

__all__ = ["Annotations", "ShapeMaker", "refusing_shape"]

_COLLECTIONS: Mapping[object, tuple[tuple[type, ...], Callable[[list[object]], Collection[object]]]] = {
    list: ((list,), list),
    set: ((set,), set),
    frozenset: ((frozenset,), frozenset),
    deque: ((deque,), deque),
    Sequence: ((list, tuple), list),
    MutableSequence: ((list,), list),
    Collection: ((list, tuple), list),
    Iterable: ((list, tuple), list),
    AbstractSet: ((set, frozenset), set),
    MutableSet: ((set,), set),
}
"""By annotation: what is accepted, and what it comes back as; abstract ones as the commonest of their kind."""

_MAPPINGS: Mapping[object, tuple[tuple[type, ...], Callable[[dict[object, object]], object]]] = {
    dict: ((dict,), dict),
    Mapping: ((dict,), dict),
    MutableMapping: ((dict,), dict),
    OrderedDict: ((OrderedDict,), OrderedDict),
}


def refusing_shape(name: str, why: str) -> Shape:
    """Return a shape that no value fits: it is only reached when a value is given, so a default may stand."""

    def refuse(value: object) -> object:
        raise Unfit(f"{short(value)}: {why}")

    return Shape(name=name, encode=refuse, decode=refuse, accepts=lambda _value: True, refuses_all=why)


class ShapeMaker:
    """Makes the shapes of the annotations of one function; each annotation once, whatever the thread."""

    def __init__(self, resolve: Callable[[object], object]) -> None:
        """``resolve`` evaluates an annotation that is still text, as those that refer to themselves are."""
        self._resolve = resolve
        self._made: dict[object, Shape] = {}
        self._lock = threading.RLock()

    def shape(self, annotation: object) -> Shape:
        """Return the shape of an annotation whose names are resolved."""
        with self._lock:
            return self._shape(annotation)

    def _shape(self, annotation: object) -> Shape:
        try:
            made = self._made.get(annotation)
        except TypeError:  # an annotation that cannot be hashed, such as Annotated[int, []]
            return self._make(annotation)
        if made is None:
            self._made[annotation] = self._deferred(annotation)  # for classes that contain themselves
            try:
                made = self._make(annotation)
            except Unfit as unfit:
                made = refusing_shape(type_name(annotation), unfit.why)
            self._made[annotation] = made
        return made

    def _deferred(self, annotation: object) -> Shape:
        made = self._made
        has_fields = is_class_with_fields(annotation) or is_typeddict(annotation)
        return Shape(
            name=type_name(annotation),
            kinds=frozenset({Kind.OBJECT}) if has_fields else ANY_KIND,
            encode=lambda value: made[annotation].encode(value),  # noqa: PLW0108 - it is not made yet
            decode=lambda value: made[annotation].decode(value),  # noqa: PLW0108
            accepts=lambda value: made[annotation].accepts(value),  # noqa: PLW0108
        )

    def _make(self, annotation: object) -> Shape:
        if annotation is Any or annotation is object:
            return PLAIN
        scalar = named_scalar(annotation)
        if scalar is not None:
            return scalar
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated or origin is Final:
            return self.shape(arguments[0])
        if origin is Union or origin is types.UnionType:
            return union_shape(type_name(annotation), [self.shape(argument) for argument in arguments])
        if origin is Literal:
            return literal_shape(type_name(annotation), arguments)
        return self._container(annotation, origin or annotation, arguments) or self._named(annotation)

    def _container(self, annotation: object, origin: object, arguments: tuple[Any, ...]) -> Shape | None:
        name = type_name(annotation)
        if origin is tuple:
            if arguments and arguments[-1] is not Ellipsis:
                return tuple_shape(name, tuple(self.shape(argument) for argument in arguments))
            if annotation == tuple[()]:
                return tuple_shape(name, ())
            return collection_shape(name, self.shape(arguments[0] if arguments else Any), (tuple,), tuple)
        if origin in _COLLECTIONS:
            taken, make = _COLLECTIONS[origin]
            return collection_shape(name, self.shape(arguments[0] if arguments else Any), taken, make)
        if origin in _MAPPINGS:
            taken, make_dict = _MAPPINGS[origin]
            key, item = arguments or (str, Any)
            return mapping_shape(name, self.shape(key), self.shape(item), taken, make_dict)
        return None

    def _named(self, annotation: Any) -> Shape:
        if is_class_with_fields(annotation):
            return class_shape(annotation, self.shape)
        if is_typeddict(annotation):
            return typed_dict_shape(annotation, self.shape)
        if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            return named_tuple_shape(annotation, self.shape)
        if isinstance(annotation, TypeVar):
            if annotation.__constraints__:
                return union_shape(annotation.__name__, [self.shape(item) for item in annotation.__constraints__])
            return self.shape(annotation.__bound__ or Any)
        if isinstance(annotation, NewType):
            return self.shape(annotation.__supertype__)
        if isinstance(annotation, (str, ForwardRef)):
            return self.shape(self._resolve(annotation))
        alias: Any = get_origin(annotation) or annotation
        if type(alias).__name__ == "TypeAliasType":  # that of typing, or that of typing_extensions
            value, arguments = alias.__value__, get_args(annotation)
            return self.shape(value[arguments] if arguments else value)
        name = type_name(annotation)
        if annotation in (Never, NoReturn):
            return attrs.evolve(refusing_shape(name, "no value is expected here"), refuses_all=None)
        return refusing_shape(name, f"values annotated {name} have no form in JSON")


class Annotations:
    """The annotations of one function: evaluated when they are asked for, one by one.

    So that one which names something that only type checkers see matters only to the values given for it.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        inner = inspect.unwrap(function)
        module = sys.modules.get(getattr(inner, "__module__", None) or "")
        self._names: dict[str, Any] = getattr(inner, "__globals__", None) or vars(module or SimpleNamespace())
        self._own = {parameter.__name__: parameter for parameter in getattr(inner, "__type_params__", ())}
        self._maker = ShapeMaker(self._resolve)

    def _resolve(self, annotation: object) -> object:
        """Evaluate what is text in an annotation; raises whatever that raises."""
        holder = SimpleNamespace(__annotations__={"it": annotation})
        return get_type_hints(holder, globalns=self._names, localns=self._own, include_extras=True)["it"]

    def shape(self, annotation: object) -> Shape:
        """Return the shape of an annotation; one that refuses everything when it cannot be evaluated."""
        if annotation is inspect.Parameter.empty:
            return PLAIN
        try:
            return self._maker.shape(self._resolve(annotation))
        except Exception as error:  # whatever evaluating an annotation raises
            why = (
                f"its annotation {annotation!r} cannot be resolved ({type(error).__name__}: {error}): "
                "name something that the task's module defines at run time, not for type checkers only"
            )
            return refusing_shape(annotation if isinstance(annotation, str) else type_name(annotation), why)
