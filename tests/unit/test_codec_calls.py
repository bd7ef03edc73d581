"""Whole calls: where outputs may stand, what a changed function makes of stored calls, and the size of payloads."""

from __future__ import annotations

import builtins
import functools
from datetime import datetime, timezone
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskcore._call import spec_for
from taskcore._codec import (
    decode_arguments,
    decode_result,
    encode_arguments,
    encode_plain,
    encode_result,
    failure_from,
)
from taskcore._data import Failure
from taskcore._definition import task
from taskcore._output import Output
from taskcore.errors import InvalidArguments, InvalidDefinition, NotEncodable, PayloadTooLarge, UndecodablePayload
from tests.unit.codec_examples import Line, Node

if TYPE_CHECKING:
    from collections import Counter  # not there at run time, on purpose

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


@task(name="t.many")
def many(first: int, /, second: Decimal, *rest: datetime, key: str = "k", **others: Line) -> Decimal:
    return second


@task(name="t.plain")
def plain(value, other=None):
    return value


@task(name="t.typed")
def typed(
    number: int = 0,
    items: list[Decimal] | None = None,
    pair: tuple[int, Decimal] = (0, Decimal(0)),
    table: dict[int, Decimal] | None = None,
    line: Line | None = None,
    unique: set[int] | None = None,
) -> Decimal:
    return Decimal(number)


def there_and_back(definition, *args, outputs=None, **kwargs):
    call = definition.bind(*args, **kwargs)
    text, parents = encode_arguments(definition, call.args, call.kwargs)
    return decode_arguments(definition, text, outputs or {}), parents


def test_each_kind_of_parameter_has_its_annotation():
    """Positional-only, plain, *args, keyword-only and **kwargs parameters travel by their own annotations."""
    line = Line("a", Decimal(1))
    back, _ = there_and_back(many, 1, Decimal("1.0"), NOW, NOW, key="x", more=line)
    assert ([1, Decimal("1.0"), NOW, NOW], {"key": "x", "more": line}) == back


def test_defaults_do_not_travel():
    """Only what was given is stored: a default is that of the code that runs it."""
    assert ('{"a":[1],"k":{"second":"2"}}', ()) == encode_arguments(many, (1,), {"second": Decimal(2)})
    assert ("{}", ()) == encode_arguments(typed, (), {})


def test_refused_argument_among_the_rest_is_named():
    """An argument of *args is named with its place, one of **kwargs with its name."""
    with pytest.raises(NotEncodable, match=r"argument '\*rest\[1\]' \(annotated datetime\) cannot travel: 3 is not"):
        encode_arguments(many, (1, Decimal(2), NOW, 3), {})
    with pytest.raises(NotEncodable, match=r"argument 'more' \(annotated Line\)"):
        encode_arguments(many, (1, Decimal(2)), {"more": 3})


def test_output_at_top_level_becomes_a_parent():
    """An output in the place of an argument is a mark in the payload, and its id a parent."""
    text, parents = encode_arguments(plain, (Output("p1"),), {"other": Output("g1", is_group=True)})
    assert ('{"a":[{"$output":"p1"}],"k":{"other":{"$group_output":"g1"}}}', ("p1", "g1")) == (text, parents)


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({"number": Output("p")}, {"number": 7}),
        ({"items": [Decimal(1), Output("p")]}, {"items": [Decimal(1), Decimal(7)]}),
        ({"items": Output("g", is_group=True)}, {"items": [Decimal("1.5"), Decimal(2)]}),
        ({"pair": (1, Output("p"))}, {"pair": (1, Decimal(7))}),
        ({"table": {3: Output("p"), 4: Decimal(4)}}, {"table": {3: Decimal(7), 4: Decimal(4)}}),
    ],
)
def test_output_is_replaced_and_read_by_the_annotation(given, filled):
    """At top level, or one list, tuple or dict deep, the parent's value takes the place of its output."""
    outputs = {"p": "7" if "number" in given else '"7"', "g": '["1.5","2"]'}
    ((_, kwargs), _) = there_and_back(typed, outputs=outputs, **given)
    assert filled == kwargs


def test_outputs_without_annotations():
    """Where there is no annotation, the parent's value comes as JSON has it."""
    (args, _), parents = there_and_back(plain, [1, Output("p")], {"x": Output("p")}, outputs={"p": '{"$output":"q"}'})
    assert ([[1, {"$output": "q"}], {"x": {"$output": "q"}}], ("p",)) == (args, parents)


@pytest.mark.parametrize(
    ("definition", "kwargs", "why"),
    [
        (plain, {"value": [[Output("p")]]}, r"at \[0\]\[0\]: .*Output.* one level deep, not two"),
        (typed, {"items": [[Output("p")]]}, r"at \[0\]: .*: one level deep, not two\."),
        (typed, {"table": {3: [[Output("p")]]}}, r"at \[3\]: .*: one level deep, not two\."),
        (plain, {"value": (Output("p"),)}, "come back as a list"),
        (plain, {"value": {1: Output("p")}}, "the key 1 is an int"),
        (typed, {"unique": {Output("p")}}, "Output"),
        (typed, {"items": {"a": Output("p")}}, "cannot hold the output of a task"),
        (typed, {"pair": (Output("p"),)}, r"is not tuple\[int, Decimal\]"),
        (typed, {"pair": ("x", Output("p"))}, r"at \[0\]: 'x' is not int"),
        (typed, {"line": {"a": Output("p")}}, "cannot hold the output of a task"),
    ],
)
def test_output_where_none_may_stand(definition, kwargs, why):
    """Elsewhere an output is refused like any value that does not fit."""
    with pytest.raises(NotEncodable, match=why):
        encode_arguments(definition, (), kwargs)


def test_missing_output_is_undecodable():
    """A payload whose parent's value was not brought along is not run with a hole in it."""
    with pytest.raises(UndecodablePayload, match=r"'t\.plain': the output of 'p'"):
        decode_arguments(plain, '{"a":[{"$output":"p"}]}', {})


marked = st.recursive(
    st.integers(0, 2) | st.just("x"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$output", "$group_output", "$plain", "a"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(marked, marked)
def test_values_that_look_like_outputs_come_back(first, second):
    """A user's own dicts are never taken for outputs, however they look."""
    back, parents = there_and_back(plain, first, other=second)
    assert ((([first], {"other": second})), ()) == (back, parents)


@given(marked)
def test_values_that_look_like_outputs_beside_a_real_one(value):
    """Nor when there is a real output in the same list."""
    ((args, _), _) = there_and_back(plain, [value, Output("p")], outputs={"p": "5"})
    assert [[value, 5]] == args


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ('{"a":[1]}', "missing a required argument: 'second'"),
        ('{"a":[1,"2"],"k":{"second":"3"}}', "multiple values for argument 'second'"),
        ('{"k":{"first":1,"second":"2"}}', "first"),
    ],
)
def test_stored_call_that_fits_no_more(stored, why):
    """A call stored for an older signature is told apart from a bug in the function."""
    with pytest.raises(UndecodablePayload, match=f"Task 't.many': the stored call fits the function no more: .*{why}"):
        decode_arguments(many, stored, {})


def test_stored_call_of_more_arguments_than_there_are_now():
    """An argument that the function takes no more is told, not handed to it."""
    with pytest.raises(UndecodablePayload, match=r"'t\.plain': the stored call fits the function no more: too many"):
        decode_arguments(plain, '{"a":[1,2,3]}', {})


def test_plain_arguments_before_others_of_another_kind():
    """``*args`` are decoded by their annotation when all that stands before them is plain."""

    @task(name="t.rest")
    def rest(first: int, *days: datetime) -> None:
        pass

    assert ([1, NOW], {}) == there_and_back(rest, 1, NOW)[0]


@pytest.mark.parametrize("stored", ["", "nothing", "[]", '{"a":{}}', '{"k":[]}', "3", '{"a":[1]', "[" * 100_000])
def test_stored_text_that_is_no_call(stored):
    """What is no call at all is refused with the name of the task."""
    with pytest.raises(UndecodablePayload, match=r"Task 't\.plain'"):
        decode_arguments(plain, stored, {})


def test_annotation_for_type_checkers_only():
    """An annotation that is not there at run time matters only when a value is given for it, and then says so."""

    @task(name="t.hidden")
    def hidden(number: int, words: Counter[str] | None = None) -> int:
        return number

    assert '{"a":[1]}' == encode_arguments(hidden, (1,), {})[0]
    with pytest.raises(NotEncodable, match=r"'words'.*'Counter\[str\] \| None' cannot be resolved .*NameError"):
        encode_arguments(hidden, (1, {}), {})


def test_result_that_could_never_travel():
    """A task whose result has no form in JSON is refused before it is ever run."""

    @task(name="t.frame")
    def frame() -> Counter[str]: ...

    @task(name="t.maker")
    def maker() -> type[int]:
        return int

    with pytest.raises(InvalidDefinition, match=r"'t\.frame' is annotated to return Counter\[str\].*NameError"):
        frame.bind()
    with pytest.raises(InvalidDefinition, match=r"'t\.maker' is annotated to return type\[int\].*no form in JSON"):
        maker.bind()


def test_coroutine_as_a_result():
    """An async function behind a plain wrapper is told as what it is."""

    @task(name="t.hidden_async")
    def hidden_async() -> object:
        async def inner() -> int:
            return 3

        return inner()

    with pytest.raises(NotEncodable, match="a coroutine, which nobody awaits"):
        encode_result(hidden_async, hidden_async())


def test_task_that_never_returns():
    """A task that only ever raises is a task."""

    @task(name="t.never")
    def never() -> NoReturn:
        raise SystemError

    assert () == never.bind().args


def test_annotation_that_is_defined_later():
    """A forward reference is resolved at first use."""
    assert '{"a":[{"x":1}]}' == encode_arguments(early, (Later(1),), {})[0]


@task(name="t.early")
def early(value: Later) -> None:
    """Refers to a class below."""


import attrs  # noqa: E402 - only what is below needs it


@attrs.frozen
class Later:
    x: int


def test_wrapped_function_has_the_signature_it_wraps():
    """A decorator that uses functools.wraps leaves signature and annotations in place."""

    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @task(name="t.wrapped")
    @decorated
    def wrapped(node: Node, *, count: int = 0) -> Node:
        return node

    back, _ = there_and_back(wrapped, Node(1), count=3)
    assert ([Node(1)], {"count": 3}) == back
    with pytest.raises(InvalidArguments, match="unexpected keyword argument 'cuont'"):
        wrapped.bind(Node(1), cuont=3)  # type: ignore[call-arg]


def test_result_by_the_return_annotation():
    """A result travels by the return annotation; without a definition it is read as JSON has it."""
    text = encode_result(typed, Decimal("1.50"))
    assert ('"1.50"', Decimal("1.50"), "1.50") == (text, decode_result(typed, text), decode_result(None, text))


def test_result_that_no_longer_fits():
    """A stored result is read by today's annotation."""
    with pytest.raises(UndecodablePayload, match=r"Task 't\.typed': the stored result does not decode as Decimal"):
        decode_result(typed, '"x"')
    with pytest.raises(UndecodablePayload, match="no JSON"):
        decode_result(None, "x")


@pytest.mark.parametrize("text", ["x" * 93, "é" * 47])
def test_payload_over_the_limit(text):
    """The limit is in bytes of UTF-8, and the message says how many there are, and of which task."""
    size = len(f'{{"a":["{text}"]}}'.encode())
    call = plain.bind(text)
    assert spec_for(call, task_id="1", now=NOW, payload_limit=size).arguments_json
    with pytest.raises(PayloadTooLarge, match=rf"Task 't\.plain': the arguments: {size} bytes .* limit of {size - 1}"):
        spec_for(call, task_id="1", now=NOW, payload_limit=size - 1)


def test_result_over_the_limit():
    """So is that of results."""
    assert '"xxx"' == encode_result(plain, "xxx", 5)
    with pytest.raises(PayloadTooLarge, match=r"Task 't\.plain': the result: 5 bytes are over the limit of 4"):
        encode_result(plain, "xxx", 4)


def test_plain_value_is_refused_by_name():
    """Metadata and the data of items are plain JSON; the message begins with what it is about."""
    assert '{"a":[1]}' == encode_plain({"a": [1]}, "The metadata")
    with pytest.raises(NotEncodable, match=r"The metadata cannot travel: at \['a'\]: .* is a datetime"):
        encode_plain({"a": NOW}, "The metadata")


class Hostile(Exception):
    """An exception whose every word raises."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def raised(exception: BaseException) -> BaseException:
    try:
        raise exception
    except BaseException as error:
        return error


@pytest.mark.parity("DQ-07")
def test_failure_tells_type_message_and_traceback():
    """An exception becomes text: the dotted name of its class, its message, where it was raised."""
    failure = failure_from(raised(ValueError("wrong")))
    assert ("builtins.ValueError", "wrong", None) == (failure.exception_type, failure.message, failure.cause)
    assert "in raised" in failure.traceback
    assert failure.traceback.endswith("ValueError: wrong\n")


def test_hostile_exception_is_told_all_the_same():
    """An exception whose own methods raise still becomes a failure, with its traceback."""
    failure = failure_from(raised(Hostile()))
    assert "<its message raised RuntimeError>" == failure.message
    assert "in raised" in failure.traceback


def test_chain_is_kept_up_to_eight():
    """Causes and contexts follow, eight in all."""
    error: Exception = ValueError(0)
    for number in range(1, 12):
        following = ValueError(number)
        following.__cause__ = error
        error = following
    messages = []
    link: Failure | None = failure_from(error)
    while link is not None:
        messages.append(link.message)
        link = link.cause
    assert [str(number) for number in range(11, 3, -1)] == messages


def test_context_is_kept_unless_suppressed():
    """``raise … from None`` hides what came before, as in a printed traceback."""

    def run(suppress: bool) -> BaseException:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                if suppress:
                    raise ValueError("second") from None
                raise ValueError("second")  # noqa: B904
        except ValueError as error:
            return error

    assert ("builtins.KeyError", None) == (
        getattr(failure_from(run(False)).cause, "exception_type", None),
        failure_from(run(True)).cause,
    )


def test_group_of_exceptions_is_told_with_its_members():
    """The traceback of an exception group shows those inside."""
    make = getattr(builtins, "ExceptionGroup", None) or import_module("exceptiongroup").ExceptionGroup
    group = make("several", [raised(KeyError("first")), raised(OSError("second"))])
    failure = failure_from(raised(group))
    assert ("several (2 sub-exceptions)", True, True) == (
        failure.message,
        "KeyError: 'first'" in failure.traceback,
        "OSError: second" in failure.traceback,
    )


def test_chain_in_a_circle_ends():
    """Exceptions that name each other as their causes are told once each."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    failure = failure_from(first)
    assert ("a", "b", None) == (failure.message, failure.cause.message, failure.cause.cause)


def test_long_traceback_loses_its_middle():
    """At most 16 KiB are kept, the beginning and the end."""
    failure = failure_from(raised(ValueError("start" + "é" * 20_000 + "end")))
    assert len(failure.traceback.encode()) <= 16 * 1024
    assert len(failure.message.encode()) <= 4 * 1024
    assert (True, True, True) == (
        failure.traceback.startswith("Traceback"),
        "bytes left out" in failure.traceback,
        failure.traceback.endswith("end\n"),
    )


def test_text_of_a_failure_is_utf_8():
    """The name of a file that is no UTF-8 stands in a message as an escape."""
    failure = failure_from(raised(FileNotFoundError("latin-\udce9")))
    assert "latin-\\udce9" == failure.message


def test_deep_recursion_is_told():
    """A RecursionError is told in bounded text."""

    def deep() -> Any:
        return deep()

    try:
        deep()
    except RecursionError as error:
        failure = failure_from(error)
    assert "repeated" in failure.traceback
