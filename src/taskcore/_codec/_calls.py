"""The arguments and results of tasks as JSON text, by the annotations of their functions.

Arguments are ``{"a": [positional…], "k": {"keyword": …}}``, each key left out when empty. An ``Output`` among them is
``{"$output": task id}`` or ``{"$group_output": group id}``; at the places where one may stand, a user's own dict that
looks like that is wrapped as ``{"$plain": …}``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Protocol

from taskcore._codec._json import read_json, text_size, write_json
from taskcore._codec._plain import OUTPUT_ADVICE, PLAIN, find_unwritable
from taskcore._codec._shape import Shape, Unfit, short
from taskcore._codec._signature import CallSignature
from taskcore._output import Output
from taskcore.errors import NotEncodable, PayloadTooLarge, UndecodablePayload

__all__ = [
    "HasSignature",
    "check_size",
    "decode_arguments",
    "decode_result",
    "encode_arguments",
    "encode_plain",
    "encode_result",
]


class HasSignature(Protocol):
    """What the codec needs of a task definition."""

    @property
    def name(self) -> str:
        """The name of the task, for messages."""
        ...

    @property
    def call_signature(self) -> CallSignature:
        """How arguments and result travel."""
        ...


_LOOKED_AT = 10_000
"""How many values of each level are looked at for the sake of a better message."""

_MARKS = frozenset({"$output", "$group_output", "$plain"})


def _write(value: object, size_of_what: str) -> str:
    """Return JSON text that UTF-8 can hold; raises Unfit with the path of what cannot be written."""
    try:
        text = write_json(value)
        if not text.isascii():
            text_size(text)
    except RecursionError:
        raise Unfit(f"{size_of_what} is nested too deep, or contains itself") from None
    except (TypeError, ValueError) as error:
        raise find_unwritable(value) or Unfit(str(error)) from None
    return text


def check_size(text: str, limit: int, what: str) -> None:
    """Raise PayloadTooLarge when a text has more than ``limit`` bytes."""
    if len(text) * 4 > limit and (size := text_size(text)) > limit:
        raise PayloadTooLarge(
            f"{what}: {size:,} bytes are over the limit of {limit:,}. Store the data elsewhere and pass a reference, "
            "or raise the limit."
        )


# Arguments, on the way in


def encode_arguments(
    definition: HasSignature, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> tuple[str, tuple[str, ...]]:
    """Return the arguments as JSON text, and the ids of the tasks and groups whose outputs stand among them.

    The call has to fit the signature (``CallSignature.check``). Raises NotEncodable naming argument and path.
    """
    signature = definition.call_signature
    parents: list[str] = []
    code: dict[str, object] = {}
    if args:
        code["a"] = _encode_positional(signature, args, parents)
    if kwargs:
        code["k"] = {
            name: value
            if type(value) in (shape := _named_shape(signature, name)).as_is
            else _encode_one(signature, name, shape, value, parents)
            for name, value in kwargs.items()
        }
    try:
        text = write_json(code)
        if not text.isascii():
            text_size(text)
    except (TypeError, ValueError, RecursionError):
        raise _explain(signature, code) from None
    return text, tuple(dict.fromkeys(parents))


def _named_shape(signature: CallSignature, name: str) -> Shape:
    return signature.by_name.get(name) or signature.rest_by_name


def _positional_shapes(signature: CallSignature, count: int) -> Iterable[tuple[str, Shape]]:
    known = signature.by_position
    if count <= len(known):
        return known
    name, shape = signature.rest_by_position
    return [*known, *((f"*{name}[{index}]", shape) for index in range(count - len(known)))]


def _encode_positional(signature: CallSignature, args: tuple[object, ...], parents: list[str]) -> object:
    return [
        value if type(value) in shape.as_is else _encode_one(signature, name, shape, value, parents)
        for value, (name, shape) in zip(args, _positional_shapes(signature, len(args)), strict=False)
    ]


def _encode_one(signature: CallSignature, name: str, shape: Shape, value: object, parents: list[str]) -> object:
    try:
        return _encode_open(shape, value, parents)
    except Unfit as unfit:
        if OUTPUT_ADVICE not in unfit.why and _holds_deep_output(value):
            unfit.why += f"; {OUTPUT_ADVICE}"
        raise _not_encodable(signature, name, shape, unfit) from unfit.__cause__
    except RecursionError:
        raise _not_encodable(signature, name, shape, Unfit("it is nested too deep, or contains itself")) from None


def _encode_open(shape: Shape, value: object, parents: list[str]) -> object:
    """Encode one argument, which may be an Output or a list, tuple or dict that holds some."""
    if type(value) is Output:
        return _encode_output(value, parents)
    if isinstance(value, dict):
        if Output in set(map(type, value.values())):
            return _escape(_encode_open_dict(_chosen(shape, value), value, parents))
    elif isinstance(value, (list, tuple)) and Output in set(map(type, value)):
        return _encode_open_list(_chosen(shape, value), value, parents)
    return _escape_open(shape.encode(value))


def _holds_deep_output(value: object, *, levels: int = 5) -> bool:
    """Return whether an Output stands two levels deep or more: not where one may, whatever the annotation says."""
    found = list(islice(_parts(value), _LOOKED_AT))
    for _ in range(levels):
        found = list(islice((part for one in found for part in _parts(one)), _LOOKED_AT))
        if Output in set(map(type, found)):
            return True
    return False


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _escape_open(code: Any) -> object:
    """Wrap what looks like an output and is none, wherever ``_fill`` looks for one."""
    if type(code) is dict:
        if dict in set(map(type, code.values())):
            code = {key: _escape(item) for key, item in code.items()}
        return _escape(code)
    if type(code) is list and dict in set(map(type, code)):
        return [_escape(item) for item in code]
    return code


def _chosen(shape: Shape, value: object) -> Shape:
    while shape.choose is not None:
        shape = shape.choose(value)
    return shape


def _encode_output(output: Output[object], parents: list[str]) -> object:
    parents.append(output.parent_id)
    return {"$group_output" if output.is_group else "$output": output.parent_id}


def _escape(code: object) -> object:
    return {"$plain": code} if type(code) is dict and len(code) == 1 and not _MARKS.isdisjoint(code) else code


def _encode_part(shape: Shape, step: object, value: object, parents: list[str]) -> object:
    if type(value) is Output:
        return _encode_output(value, parents)
    try:
        return _escape(shape.encode(value))
    except Unfit as unfit:
        raise unfit.inside(f"[{short(step)}]") from unfit.__cause__


def _encode_open_list(shape: Shape, value: list[object] | tuple[object, ...], parents: list[str]) -> object:
    if shape is PLAIN:
        if type(value) is not list:
            PLAIN.encode(value)  # says why not
        return [_encode_part(PLAIN, index, item, parents) for index, item in enumerate(value)]
    if shape.part is None or not shape.accepts(value) or shape.length not in (None, len(value)):
        raise Unfit(f"{short(value)} is not {shape.name}")
    return [_encode_part(shape.part(index), index, item, parents) for index, item in enumerate(value)]


def _encode_open_dict(shape: Shape, value: dict[Any, object], parents: list[str]) -> object:
    if shape is PLAIN:
        PLAIN.encode(dict.fromkeys(value))  # the keys
        return {key: _encode_part(PLAIN, key, item, parents) for key, item in value.items()}
    if shape.part is None or shape.encode_key is None:
        raise Unfit(f"{short(value)} holds the output of a task, which is possible in a dict, but not in {shape.name}")
    return {shape.encode_key(key): _encode_part(shape.part(key), key, item, parents) for key, item in value.items()}


def _not_encodable(signature: CallSignature, name: str, shape: Shape, unfit: Unfit) -> NotEncodable:
    annotated = "" if shape is PLAIN else f" (annotated {shape.name})"
    return NotEncodable(f"Task {signature.name!r}: argument {name!r}{annotated} cannot travel: {unfit}.")


def _explain(signature: CallSignature, code: Mapping[str, object]) -> NotEncodable:
    """Find the argument that cannot be written."""
    positional: Any = code.get("a", [])
    named: Any = code.get("k", {})
    pairs = [
        *(
            (name, value)
            for value, (name, _) in zip(positional, _positional_shapes(signature, len(positional)), strict=False)
        ),
        *named.items(),
    ]
    for name, value in pairs:
        try:
            unfit = find_unwritable(value)
        except RecursionError:
            unfit = Unfit("it is nested too deep, or contains itself")
        if unfit is not None:
            return NotEncodable(f"Task {signature.name!r}: argument {name!r} cannot travel: {unfit}.")
    return NotEncodable(f"Task {signature.name!r}: the arguments cannot be written as JSON.")


# Arguments, on the way out


def decode_arguments(
    definition: HasSignature, arguments_json: str, outputs: Mapping[str, str]
) -> tuple[list[object], dict[str, object]]:
    """Return the positional and the keyword arguments, by the annotations that the function has today.

    ``outputs`` are the values of the tasks and groups it waited for, as JSON text (of a group: a JSON list), by id.
    Raises UndecodablePayload naming the argument.
    """
    signature = definition.call_signature
    try:
        code = read_json(arguments_json)
    except (ValueError, RecursionError) as error:
        raise UndecodablePayload(f"Task {signature.name!r}: the stored arguments are no JSON: {error}.") from error
    if type(code) is dict and len(code) <= 1 and '"$' not in arguments_json:
        given = code.get("a") if code else []
        if type(given) is list and signature.takes_as_is(given):  # the call that is made most
            return given, {}
    if type(code) is not dict or type(code.get("a", [])) is not list or type(code.get("k", {})) is not dict:
        raise UndecodablePayload(f"Task {signature.name!r}: the stored arguments are no call: {short(code)}.")
    args: list[object] = code.get("a", [])
    kwargs: dict[str, object] = code.get("k", {})
    if '"$' in arguments_json:
        args = [_fill(signature, item, outputs) for item in args]
        kwargs = {name: _fill(signature, item, outputs) for name, item in kwargs.items()}
    misfit = signature.misfit(tuple(args), kwargs)
    if misfit is not None:
        raise UndecodablePayload(f"Task {signature.name!r}: the stored call fits the function no more: {misfit}.")
    for index, (name, shape) in enumerate(_positional_shapes(signature, len(args))):
        if index == len(args):
            break
        if type(args[index]) not in shape.as_is:
            args[index] = _decode_one(signature, name, shape, args[index])
    for name, value in kwargs.items():
        shape = _named_shape(signature, name)
        if type(value) not in shape.as_is:
            kwargs[name] = _decode_one(signature, name, shape, value)
    return args, kwargs


def _read(text: str, what: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError) as error:
        raise UndecodablePayload(f"{what} are no JSON: {error}.") from error


def _decode_one(signature: CallSignature, name: str, shape: Shape, value: object) -> object:
    try:
        return shape.decode(value)
    except Exception as error:  # a user's own constructor may raise anything
        raise UndecodablePayload(
            f"Task {signature.name!r}: the stored argument {name!r} does not decode as {shape.name}: "
            f"{error if isinstance(error, Unfit) else f'{type(error).__name__}: {error}'}."
        ) from error


def _fill(signature: CallSignature, code: object, outputs: Mapping[str, str]) -> object:
    """Put the outputs in the places of their marks: at top level, and one list or dict deep."""
    filled = _fill_mark(signature, code, outputs)
    if filled is not code and not _is_wrapped(code):
        return filled
    if type(filled) is list:
        return [_fill_mark(signature, item, outputs) for item in filled]
    if type(filled) is dict:
        return {key: _fill_mark(signature, item, outputs) for key, item in filled.items()}
    return filled


def _is_wrapped(code: object) -> bool:
    return type(code) is dict and len(code) == 1 and "$plain" in code


def _fill_mark(signature: CallSignature, code: Any, outputs: Mapping[str, str]) -> object:
    if type(code) is not dict or len(code) != 1 or _MARKS.isdisjoint(code):
        return code
    ((mark, inner),) = code.items()
    if mark == "$plain":
        return inner
    if inner not in outputs:
        raise UndecodablePayload(f"Task {signature.name!r}: the output of {inner!r}, which it waits for, is not there.")
    return _read(outputs[inner], f"Task {signature.name!r}: the outputs of {inner!r}")


# Results and single values


def encode_result(definition: HasSignature, value: object, limit: int | None = None) -> str:
    """Return a return value as JSON text. Raises NotEncodable, and PayloadTooLarge over ``limit`` bytes."""
    signature = definition.call_signature
    shape = signature.returned
    try:
        code = value if type(value) in shape.as_is else shape.encode(value)
        text = _write(code, "it")
    except RecursionError:
        raise NotEncodable(f"Task {signature.name!r}: the result is nested too deep, or contains itself.") from None
    except Unfit as unfit:
        why = str(unfit)
        if inspect.iscoroutine(value):
            value.close()  # or Python warns that it was never awaited
            why = "it is a coroutine, which nobody awaits: a decorator hides that the function is async"
        annotated = "" if shape is PLAIN else f" (annotated {shape.name})"
        raise NotEncodable(f"Task {signature.name!r}: the result{annotated} cannot travel: {why}.") from unfit.__cause__
    if limit is not None:
        check_size(text, limit, f"Task {signature.name!r}: the result")
    return text


def decode_result(definition: HasSignature | None, value_json: str) -> object:
    """Return the value of ``encode_result``; with no definition at hand, as JSON has it. Raises UndecodablePayload."""
    if definition is None:
        return _read(value_json, "The stored results")
    signature = definition.call_signature
    value = _read(value_json, f"Task {signature.name!r}: the stored results")
    shape = signature.returned
    if type(value) in shape.as_is:
        return value
    try:
        return shape.decode(value)
    except Exception as error:  # a user's own constructor may raise anything
        raise UndecodablePayload(
            f"Task {signature.name!r}: the stored result does not decode as {shape.name}: "
            f"{error if isinstance(error, Unfit) else f'{type(error).__name__}: {error}'}."
        ) from error


def encode_plain(value: object, what: str) -> str:
    """Return a JSON value (metadata, the data of an item) as text; raises NotEncodable, which begins with ``what``."""
    try:
        return _write(PLAIN.encode(value), "it")
    except RecursionError:
        raise NotEncodable(f"{what} is nested too deep, or contains itself.") from None
    except Unfit as unfit:
        raise NotEncodable(f"{what} cannot travel: {unfit}.") from None
