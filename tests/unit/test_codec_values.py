"""Values come back as what they were, or are refused where they are given, with a message that says which and why."""

import dataclasses
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, Union, get_origin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from taskcore._codec import decode_arguments, decode_result, encode_arguments, encode_result
from taskcore._definition import task
from taskcore.errors import NotEncodable, UndecodablePayload
from tests.unit.codec_examples import (
    BERLIN,
    NOON,
    REFUSED,
    ROUND_TRIPS,
    Box,
    Cat,
    Colour,
    Dog,
    Level,
    Line,
    Node,
    Order,
    Point,
    Word,
)


def describe(value):
    """Name a parameter the same in every process."""
    return str(value) if isinstance(value, type) or get_origin(value) else type(value).__name__


def taking(annotation):
    """Return a task with one parameter of this annotation, which is also that of its result."""

    def function(value):
        return value

    function.__annotations__ = {"value": annotation, "return": annotation}
    return task(name="t.f")(function)


def there_and_back(annotation, value):
    definition = taking(annotation)
    text, parents = encode_arguments(definition, (value,), {})
    assert () == parents
    (back,), _ = decode_arguments(definition, text, {})
    return back


def types(value):
    """Return the types of a value and of what is in it."""
    if isinstance(value, dict):
        return type(value), [(types(key), types(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [types(item) for item in value]
    return type(value)


@pytest.mark.parametrize(("annotation", "value"), ROUND_TRIPS, ids=describe)
def test_comes_back_as_it_was(annotation, value):
    """An argument of each supported annotation comes back equal, and of the same types through and through."""
    back = there_and_back(annotation, value)
    assert (value, types(value)) == (back, types(back))


@pytest.mark.parametrize(("annotation", "value"), ROUND_TRIPS, ids=describe)
def test_result_comes_back_as_it_was(annotation, value):
    """What travels as an argument travels as a result."""
    definition = taking(annotation)
    back = decode_result(definition, encode_result(definition, value))
    assert (value, types(value)) == (back, types(back))


@pytest.mark.parametrize(("annotation", "value"), ROUND_TRIPS, ids=describe)
def test_encoding_leaves_the_value_alone(annotation, value):
    """Encoding does not change the caller's value, nor does decoding share state with it."""
    before = repr(value)
    there_and_back(annotation, value)
    assert before == repr(value)


@pytest.mark.parametrize(("annotation", "value", "why"), REFUSED, ids=describe)
def test_is_refused_at_the_door(annotation, value, why):
    """What cannot travel is refused with task, argument, path and reason."""
    with pytest.raises(NotEncodable) as caught:
        encode_arguments(taking(annotation), (value,), {})
    message = str(caught.value)
    assert ("Task 't.f': argument 'value'" in message, why in message) == (True, True), message


@pytest.mark.parametrize(("annotation", "value", "why"), REFUSED, ids=describe)
def test_result_is_refused(annotation, value, why):
    """A result that cannot travel is refused likewise."""
    with pytest.raises(NotEncodable) as caught:
        encode_result(taking(annotation), value)
    message = str(caught.value)
    assert ("Task 't.f': the result" in message, why in message) == (True, True), message


def test_zone_is_kept_with_its_fold():
    """A moment in a named zone comes back in that zone, and on the same pass through a repeated hour."""
    first = datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=BERLIN)
    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)
    back = there_and_back(list[datetime], [first, second])
    assert [(0, "Europe/Berlin"), (1, "Europe/Berlin")] == [(item.fold, item.tzinfo.key) for item in back]


def test_value_that_contains_itself_is_refused():
    """A list in itself has no form in JSON: no crash, but a message."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotEncodable, match="contains itself"):
        encode_arguments(taking(Any), (value,), {})
    with pytest.raises(NotEncodable, match="contains itself"):
        encode_result(taking(list), value)


def test_instance_that_contains_itself_is_refused():
    """So has an instance that refers to itself."""
    node = Node(1)
    node.children.append(node)
    with pytest.raises(NotEncodable, match="contains itself"):
        encode_arguments(taking(Node), (node,), {})


def test_class_whose_constructor_wants_more_is_refused():
    """A class that could not be made again is refused when it is enqueued, not when it is run."""

    @dataclasses.dataclass
    class Odd:
        scale: dataclasses.InitVar[int]
        value: int = 0

    with pytest.raises(NotEncodable, match="its constructor wants 'scale', which is no field"):
        encode_arguments(taking(Odd), (Odd(3),), {})


def test_type_that_refers_to_itself():
    """A recursive alias travels, whatever its depth."""
    value = {"a": [1, {"b": [None, "x", {"c": []}]}]}
    assert value == there_and_back(Tree, value)
    with pytest.raises(NotEncodable, match=r"at \['a'\]\[0\]: 1\.5 is not"):
        encode_arguments(taking(Tree), ({"a": [1.5]},), {})


def test_named_alias():
    """A type alias of its own kind stands for what it names."""
    name = TypeAliasType("Moments", list[datetime])
    assert [NOON] == there_and_back(name, [NOON])


def test_literal_whose_values_are_the_same_in_json():
    """A Literal that JSON cannot tell apart is refused rather than mixed up."""
    with pytest.raises(NotEncodable, match="would be the same in JSON"):
        encode_arguments(taking(Literal[1, Level.LOW]), (1,), {})


def test_imaginary_wall_time_is_kept():
    """A wall time that the clocks skipped comes back as it was, and not moved."""
    value = datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN)
    assert (value.isoformat(), "Europe/Berlin") == (
        (back := there_and_back(datetime, value)).isoformat(),
        str(back.tzinfo),
    )


def test_moment_counts_when_a_zone_has_changed_its_rules():
    """What was stored under other rules of the zone is the same moment today, at another wall time."""
    stored = '{"a":["2026-01-01T12:00:00+03:00[Europe/Berlin]"]}'
    (args, _) = decode_arguments(taking(datetime), stored, {})
    assert ["2026-01-01 10:00:00+01:00"] == [str(back) for back in args]


def test_unannotated_argument_is_plain_json():
    """Without an annotation the rules of ``Any`` hold."""

    @task
    def f(value):
        return value

    assert ('{"a":[[1]]}', ()) == encode_arguments(f, ([1],), {})
    with pytest.raises(NotEncodable, match="come back as a list"):
        encode_arguments(f, ((1,),), {})


def test_subclass_of_a_json_type_travels_as_the_annotation_says():
    """Under ``str`` a subclass of str travels as text: the annotation asks for no more."""
    assert "yes" == there_and_back(str, Word.YES)


def test_text_is_stored_readable():
    """Text beyond ASCII stands in the store as itself, in UTF-8."""
    assert '{"a":["Grüße"]}' == encode_arguments(taking(str), ("Grüße",), {})[0]


@pytest.mark.parametrize(
    ("annotation", "stored", "why"),
    [
        (int, '{"a":["x"]}', "does not decode as int: 'x' is not int"),
        (int, '{"a":[1.5]}', "1.5 is not int"),
        (datetime, '{"a":["yesterday"]}', "'yesterday' is not datetime"),
        (datetime, '{"a":[5]}', "5 is not datetime"),
        (datetime, '{"a":["2026-01-01T00:00:00+00:00[No/Where]"]}', "No/Where"),
        (Colour, '{"a":["green"]}', "'green' is not Colour"),
        (list[int], '{"a":["12"]}', "'12' is not list[int]"),
        (list[Line], '{"a":[[{"name":"a","price":"1"},{"name":"b"}]]}', "at [1]: the field 'price' is missing"),
        (list[Line], '{"a":[[{"name":"a","price":"x"}]]}', "at [0].price: 'x' is not Decimal"),
        (Order, '{"a":[{"id":"x"}]}', "at .id: 'x' is not UUID"),
        (Point, '{"a":[{"y":1}]}', "the field 'x' is missing"),
        (Box[int], '{"a":[{"content":"x","_secret":1}]}', "at .content: 'x' is not int"),
        (Cat | Dog, '{"a":[3]}', "3 is not "),
        (timedelta, '{"a":[1e300]}', "is not timedelta"),
        (bytes, '{"a":["%%%"]}', "is not bytes"),
        (set[list[int]], '{"a":[[[1]]]}', "unhashable"),
    ],
    ids=describe,
)
def test_stored_value_that_no_longer_fits(annotation, stored, why):
    """Values are read by today's annotations; what does not fit names the task and the argument."""
    with pytest.raises(UndecodablePayload) as caught:
        decode_arguments(taking(annotation), stored, {})
    message = str(caught.value)
    assert ("Task 't.f': the stored argument 'value'" in message, why in message) == (True, True), message


def test_constructor_that_raises_is_undecodable():
    """Whatever a user's own validator raises, the error names the task and the argument."""

    @attrs.frozen
    class Positive:
        value: int

        def __attrs_post_init__(self):
            if self.value < 0:
                raise ZeroDivisionError("below zero")

    with pytest.raises(UndecodablePayload, match=r"'t\.f': the stored argument 'value'.*ZeroDivisionError: below zero"):
        decode_arguments(taking(Positive), '{"a":[{"value":-1}]}', {})


def test_field_with_a_default_may_be_missing():
    """A class that has got a new field with a default still reads what was stored before."""
    assert ([Point(1)], {}) == decode_arguments(taking(Point), '{"a":[{"x":1}]}', {})
    assert ([Node(1)], {}) == decode_arguments(taking(Node), '{"a":[{"value":1}]}', {})


def test_unknown_field_is_dropped():
    """A class that has lost a field still reads what was stored before."""
    assert ([Cat("x")], {}) == decode_arguments(taking(Cat), '{"a":[{"name":"x","age":3}]}', {})


def test_union_that_has_grown_reads_what_was_stored_before():
    """Tags came with the second member: what was stored without one is still read."""
    text, _ = encode_arguments(taking(Cat), (Cat("x"),), {})
    assert ([Cat("x")], {}) == decode_arguments(taking(Cat | Dog), text, {})


def test_union_that_has_shrunk_reads_what_was_stored_before():
    """And the other way round: a tagged value is read where the union has lost the other member, but not all."""
    text, _ = encode_arguments(taking(Cat | Dog), (Cat("x"),), {})
    assert ([Cat("x")], {}) == decode_arguments(taking(Cat | None), text, {})


Tree = Union[dict[str, "Tree"], list["Tree"], int, str, None]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["$output", "$plain", "$type"]), inner),
)


@given(json_values)
def test_any_json_value_comes_back(value):
    """Every JSON value travels without an annotation, whatever its keys look like."""
    assert (value, types(value)) == ((back := there_and_back(Any, value)), types(back))


@given(st.timedeltas())
def test_any_duration_comes_back(value):
    """Every timedelta comes back exact to the microsecond."""
    assert value == there_and_back(timedelta, value)


@given(st.datetimes(timezones=st.none() | st.just(timezone.utc) | st.timezones()))
def test_any_moment_comes_back(value):
    """Every datetime comes back as the same wall time, in the same zone."""
    try:
        value.astimezone(timezone.utc)
    except OverflowError:  # at the very ends of the calendar
        return
    back = there_and_back(datetime, value)
    assert (value.isoformat(), str(value.tzinfo)) == (back.isoformat(), str(back.tzinfo))


@given(st.decimals(allow_nan=False) | st.fractions().map(str))
def test_decimals_and_texts_under_a_union(value):
    """A union of types that are all text in JSON is told apart by its tags."""
    back = there_and_back(Decimal | str, value)
    assert (type(value), str(value)) == (type(back), str(back))
