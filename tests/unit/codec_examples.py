"""Values and classes that the codec's tests send back and forth."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
from typing_extensions import NotRequired, TypedDict

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(Enum):
    ONE = 1
    TWO = ("two", 2)


class Rights(Flag):
    READ = 1
    WRITE = 2


class Word(str, Enum):
    YES = "yes"


class Email(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


@attrs.frozen
class Line:
    name: str
    price: Decimal
    tags: frozenset[str] = frozenset()


@dataclasses.dataclass
class Order:
    id: UUID
    lines: list[Line]
    placed_at: datetime
    note: Optional[str] = None


@attrs.frozen
class SpecialLine(Line):
    extra: int = 0


@attrs.frozen
class Node:
    value: int
    children: list[Node] = attrs.field(factory=list)
    parent: Node | None = None


@attrs.define
class Box(Generic[T]):
    content: T
    _secret: int = 3


@dataclasses.dataclass(frozen=True)
class Cat:
    name: str


@dataclasses.dataclass(frozen=True)
class Dog:
    name: str


UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)
ORDER = Order(
    id=UUID(int=7),
    lines=[Line("a", Decimal("1.10"), frozenset({"x"})), Line("b", Decimal("-0"))],
    placed_at=NOON,
)

ROUND_TRIPS: list[tuple[object, object]] = [
    (int, 3),
    (int, True),
    (int, 10**40),
    (float, 2),
    (float, -0.5),
    (bool, False),
    (str, "Grüße \x00 \U0001f40d \u2028"),
    (None, None),
    (Any, {"a": [1, 2.5, None, True, {"b": []}]}),
    (object, [1, "x"]),
    (list, [1, "x", {"y": None}]),
    (dict, {"a": 1}),
    (tuple, (1, "x")),
    (datetime, NOON),
    (datetime, datetime(2026, 3, 4, 12)),
    (datetime, datetime(2026, 3, 4, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))),
    (datetime, datetime(2026, 7, 4, 12, tzinfo=BERLIN)),
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)),
    (datetime, datetime.max),
    (date, date(2024, 2, 29)),
    (time, time(1, 2, 3, 4)),
    (time, time(1, 2, tzinfo=UTC)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (timedelta, timedelta.max),
    (timedelta, timedelta.min),
    (timedelta, timedelta(hours=3)),
    (Decimal, Decimal("1.1000")),
    (UUID, UUID(int=2**127)),
    (complex, 1 + 2j),
    (Path, Path("/a/b c")),
    (Path, Path("latin-\udce9")),
    (PurePosixPath, PurePosixPath("a/b")),
    (PureWindowsPath, PureWindowsPath("c:\\a")),
    (ZoneInfo, BERLIN),
    (bytes, b"\x00\xff"),
    (bytearray, bytearray(b"abc")),
    (Colour, Colour.RED),
    (Level, Level.HIGH),
    (Mixed, Mixed.TWO),
    (Rights, Rights.READ | Rights.WRITE),
    (Word, Word.YES),
    (Email, Email("a@b")),
    (UserId, UserId(3)),
    (Literal["a", 1, True, None, Colour.RED, b"x"], "a"),
    (Literal["a", 1, True, None, Colour.RED, b"x"], 1),
    (Literal["a", 1, True, None, Colour.RED, b"x"], True),
    (Literal["a", 1, True, None, Colour.RED, b"x"], None),
    (Literal["a", 1, True, None, Colour.RED, b"x"], Colour.RED),
    (Literal["a", 1, True, None, Colour.RED, b"x"], b"x"),
    (Annotated[int, []], 3),
    (Annotated[list[datetime], "doc"], [NOON]),
    (list[int], [1, 2]),
    (list[datetime], [NOON]),
    (list[list[Decimal]], [[Decimal(1)], []]),
    (tuple[int, str], (1, "x")),
    (tuple[int, ...], (1, 2, 3)),
    (tuple[()], ()),
    (set[int], {1, 2}),
    (frozenset[Colour], frozenset({Colour.RED})),
    (set[tuple[int, int]], {(1, 2)}),
    (deque[int], deque([1, 2])),
    (Sequence[int], [1]),
    (Iterable[int], [1]),
    (Collection[int], [1]),
    (AbstractSet[int], {1}),
    (dict[str, int], {"a": 1}),
    (dict[int, str], {1: "a", -2: "b"}),
    (dict[UUID, Decimal], {UUID(int=1): Decimal("0.1")}),
    (dict[tuple[int, str], bool], {(1, "a"): True}),
    (dict[Colour, list[date]], {Colour.BLUE: [date(2026, 1, 1)]}),
    (dict[bool | None, int], {True: 1, None: 2}),
    (dict[datetime, int], {NOON: 1}),
    (dict[Any, int], {"a": 1}),
    (Mapping[str, Any], {"a": [1]}),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (Optional[int], None),
    (int | None, 3),
    (Union[int, str], "3"),
    (int | float, 2.5),
    (datetime | None, NOON),
    (datetime | str, NOON),
    (datetime | str, NOON.isoformat()),
    (Path | str, Path("a")),
    (Path | str, "a"),
    (date | datetime, date(2026, 1, 1)),
    (date | datetime, NOON),
    (Word | str, Word.YES),
    (Word | str, "yes"),
    (list[int] | list[str], ["a"]),
    (list[int] | tuple[int, ...] | int, (1,)),
    (set[int] | list[int], {1}),
    (Cat | Dog, Dog("x")),
    (Cat | Dog | None, Cat("x")),
    (dict[str, Any] | datetime | str, {"$type": "datetime", "$value": "x"}),
    (list[Cat | Dog], [Cat("x"), Dog("y")]),
    (Line, Line("a", Decimal("1.10"))),
    (Order, ORDER),
    (Node, Node(1, [Node(2, [], Node(3))])),
    (Box[int], Box(3)),
    (Box[list[datetime]], Box([NOON], 4)),
    (Point, Point(1, 2.5)),
    (list[Point], [Point(1)]),
    (Movie, {"title": "x"}),
    (Movie, {"title": "x", "year": 1999}),
    (dict[str, Order | None], {"a": ORDER, "b": None}),
    (Any, {"$output": "x"}),
    (Any, {"$plain": {"$output": "x"}}),
    (Any, [{"$output": "x"}, {"$group_output": 1}, {"$plain": 1}]),
    (Any, {"a": {"$output": "x"}}),
    (Any, [[{"$output": "x"}]]),
    (dict[str, str], {"$output": "x"}),
]
"""Annotations, and values that come back equal and of the same type."""

REFUSED: list[tuple[object, object, str]] = [
    (int, "x", "'x' is not int"),
    (int, 1.0, "1.0 is not int"),
    (float, "1", "'1' is not float"),
    (float, float("nan"), "nan is not a number of JSON"),
    (float, float("inf"), "inf is not a number of JSON"),
    (int, 10**5000, "more digits than Python writes as text"),
    (bool, 1, "1 is not bool"),
    (str, 1, "1 is not str"),
    (str, b"x", "b'x' is not str"),
    (str, "a\ud800", "lone surrogate"),
    (None, 0, "0 is not None"),
    (Any, (1, 2), "it would come back as a list"),
    (Any, [1, (2,)], "at [1]: (2,) is a tuple"),
    (Any, {"a": {1: 2}}, "at ['a']: the key 1 is an int, and would come back as text"),
    (Any, NOON, "annotate the parameter with its type (datetime)"),
    (Any, {1, 2}, "annotate the parameter (set[…]) or pass a list"),
    (Any, Colour.RED, "annotate the parameter with its class, or pass its value"),
    (Any, Word.YES, "is a Word, which is no JSON value"),
    (Any, [[float("nan")]], "at [0][0]: nan is not a number of JSON"),
    (Any, {"\udc80": 1}, "lone surrogate"),
    (Any, object(), "is an object, which is no JSON value"),
    (datetime, date(2026, 1, 1), "is not datetime"),
    (datetime, "2026-01-01", "is not datetime"),
    (date, NOON, "is not date"),
    (time, time(1, tzinfo=BERLIN), "has a zone but no offset without a date"),
    (timedelta, 3, "3 is not timedelta"),
    (Decimal, 1.5, "1.5 is not Decimal"),
    (UUID, "00000000-0000-0000-0000-000000000000", "is not UUID"),
    (Path, "a", "'a' is not Path"),
    (bytes, "a", "'a' is not bytes"),
    (Colour, "red", "'red' is not Colour"),
    (Literal["a", 1], True, "True is not one of Literal['a', 1]"),
    (Literal["a", 1], [], "[] is not one of Literal['a', 1]"),
    (list[int], (1,), "(1,) is not list[int]"),
    (list[int], "12", "'12' is not list[int]"),
    (list[int], [1, "x"], "at [1]: 'x' is not int"),
    (list[list[int]], [[1], [2, "x"]], "at [1][1]: 'x' is not int"),
    (tuple[int, str], (1,), "(1,) is not tuple[int, str]"),
    (tuple[int, str], (1, 2), "at [1]: 2 is not str"),
    (tuple[int, ...], [1], "[1] is not tuple[int, ...]"),
    (set[int], [1], "[1] is not set[int]"),
    (dict[str, int], {"a": "x"}, "at ['a']: 'x' is not int"),
    (dict[int, int], {"a": 1}, "at ['a']: 'a' is not int"),
    (dict[str, int], [("a", 1)], "is not dict[str, int]"),
    (int | None, "x", "'x' is not int | None"),
    (datetime | str, 3, "3 is not datetime | str"),
    (list[int] | list[str], [1, "x"], "at [1]: 'x' is not int"),
    (Line, {"name": "a"}, "is not exactly Line"),
    (Line, SpecialLine("a", Decimal(1)), "is not exactly Line, and would come back as Line"),
    (Line, Line("a", 3), "at .price: 3 is not Decimal"),
    (
        Order,
        dataclasses.replace(ORDER, lines=[Line("a", Decimal(1), frozenset({1}))]),
        "at .lines[0].tags[0]: 1 is not str",
    ),
    (Box[int], Box("x"), "at .content: 'x' is not int"),
    (Point, (1, 2.5), "(1, 2.5) is not Point"),
    (Point, Point("x"), "at .x: 'x' is not int"),
    (Movie, {"year": 1}, "'title' is missing"),
    (Movie, {"title": "x", "yaer": 1}, "it has no key 'yaer'"),
    (Movie, {"title": "x", "year": "y"}, "at .year: 'y' is not int"),
    (Callable[[], int], int, "have no form in JSON"),
    (type[int], int, "have no form in JSON"),
]
"""Annotations, values that do not travel under them, and what the message says."""
