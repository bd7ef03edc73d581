"""``made_quickly``: instances of a wide frozen class at about half the cost.

A frozen class refuses assignments, so attrs' ``__init__`` has to go around it for each field, at three times the price
of an assignment. For the few classes of which a worker makes one a task, with twenty fields each, that is a tenth of
all its work. The ``__init__`` made here turns the new instance into its *twin* for as long as the fields are set: a
class of the same slots, known to nobody, that refuses nothing. Nobody else has the instance then.
"""

from __future__ import annotations

from typing import Any, TypeVar

import attrs

__all__ = ["made_quickly"]

T = TypeVar("T")


def made_quickly(cls: type[T]) -> type[T]:
    """Give a frozen class of attrs the quicker ``__init__``; its meaning is the same, defaults and factories too.

    The class has slots and neither ``weakref_slot`` nor converters, validators or hooks of attrs. Its subclasses, and
    interpreters that do not let an instance change its class, have attrs' own ``__init__``.
    """
    fields = attrs.fields(cls)  # type: ignore[arg-type]  # an attrs class, which no annotation can say
    twin = type(f"Unfrozen{cls.__name__}", (), {"__slots__": tuple(field.name for field in fields)})
    original: Any = cls.__init__
    try:
        object.__setattr__(cls.__new__(cls), "__class__", twin)
    except TypeError:
        return cls
    made = _compiled(cls, twin, fields)
    made.__annotations__ = original.__annotations__
    made.__qualname__ = original.__qualname__
    made.__module__ = cls.__module__
    type.__setattr__(cls, "__init__", made)
    return cls


def _compiled(cls: type[Any], twin: type[Any], fields: tuple[attrs.Attribute[Any], ...]) -> Any:  # noqa: ANN401
    """Return the function that sets all fields, written out as attrs writes its own."""
    names: dict[str, Any] = {
        "cls": cls,
        "twin": twin,
        "original": cls.__init__,
        "become": object.__setattr__,
        "NOTHING": attrs.NOTHING,
    }
    positional: list[str] = []
    keywords: list[str] = []
    lines: list[str] = []
    for field in fields:
        parameter = value = field.name
        if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
            names[f"make_{field.name}"] = field.default.factory  # type: ignore[union-attr]
            parameter = f"{field.name}=NOTHING"
            value = f"make_{field.name}() if {field.name} is NOTHING else {field.name}"
        elif field.default is not attrs.NOTHING:
            names[f"default_{field.name}"] = field.default
            parameter = f"{field.name}=default_{field.name}"
        (keywords if field.kw_only else positional).append(parameter)
        lines.append(f"    self.{field.name} = {value}\n")
    given = [*(field.name for field in fields if not field.kw_only)]
    given += [f"{field.name}={field.name}" for field in fields if field.kw_only]
    source = (
        f"def __init__({', '.join(['self', *positional, *(['*', *keywords] if keywords else [])])}):\n"
        "    if self.__class__ is not cls:\n"
        f"        return original({', '.join(['self', *given])})\n"
        "    become(self, '__class__', twin)\n"
        f"{''.join(lines)}"
        "    self.__class__ = cls\n"
    )
    exec(compile(source, f"<how {cls.__qualname__} is made>", "exec"), names)
    return names["__init__"]
