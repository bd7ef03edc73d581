"""What a running task can say and ask through its context, and that nonsense is refused where it is said."""

import contextlib
from datetime import datetime, timedelta, timezone

import pytest

from taskcore._context import Context, current_context, enter, leave, running_in
from taskcore._control import CancelRequested
from taskcore._data import Progress, Task, TaskSpec
from taskcore._definition import task
from taskcore._vocabulary import CancelLevel, State
from taskcore.errors import InvalidInput, LeaseLost, NotEncodable, PayloadTooLarge

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
TASK = Task(
    spec=TaskSpec(id="i", name="t.x", enqueued_at=NOW), state=State.RUNNING, run_after=NOW, changed_at=NOW, failures=2
)


class Sink:
    """A run that writes down what it is told."""

    def __init__(self, level=None, lost=False):
        self.told = []
        self._level = level
        self._lost = lost

    def progress(self, progress):
        self.told.append(progress)

    def item(self, *, count, data_json, dimensions):
        self.told.append((count, data_json, dimensions))

    def cancel_level(self):
        return self._level

    def is_lease_lost(self):
        return self._lost

    def enqueue(self, call):
        self.told.append(call)
        return "new"

    def remaining(self):
        return timedelta(seconds=3)


def test_context_tells_of_its_task():
    """The task as it was claimed, the attempt, and the time left."""
    context = Context(TASK, Sink())
    assert (TASK, 3, timedelta(seconds=3)) == (context.task, context.attempt, context.remaining)


def test_progress_is_handed_on():
    """Progress arrives as data; the moment is the worker's to set."""
    sink = Sink()
    Context(TASK, sink).progress(1, total=10, message="x", counters={"rows": 3})
    assert [Progress(current=1, total=10, message="x", counters={"rows": 3})] == sink.told


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"current": "1"}, "current=…"),
        ({"current": True}, "current=…"),
        ({"current": float("nan")}, "finite"),
        ({"current": 10**400}, "finite"),
        ({"current": 1, "total": float("inf")}, "total=…"),
        ({"current": 1, "message": 3}, "message=…"),
        ({"current": 1, "counters": {"a": "b"}}, r"counters\['a'\]"),
        ({"current": 1, "counters": {1: 2}}, "texts for keys"),
    ],
)
def test_progress_that_is_none(arguments, why):
    """What is no finite number or no text is refused in the task, at the line that says it."""
    with pytest.raises(InvalidInput, match=why):
        Context(TASK, Sink()).progress(**arguments)


def test_message_is_made_fit_to_store():
    """The name of a file that is no UTF-8 does not spoil a heartbeat: it stands as an escape."""
    sink = Sink()
    Context(TASK, sink).progress(1, message="ö latin-\udce9")
    assert "ö latin-\\udce9" == sink.told[0].message


def test_long_message_is_cut():
    """A message of any length spoils no run: of a long one the beginning is kept."""
    sink = Sink()
    Context(TASK, sink).progress(1, message="x" * 1_000)
    Context(TASK, sink).progress(1, message="y" * 1_001)
    assert ["x" * 1_000, "y" * 999 + "…"] == [one.message for one in sink.told]


def test_counters_are_bounded():
    """Fifty counters, not more: they travel with each heartbeat."""
    sink = Sink()
    Context(TASK, sink).progress(1, counters={str(number): 1 for number in range(50)})
    with pytest.raises(InvalidInput, match=r"progress\(\) takes 50 counters at most, not 51"):
        Context(TASK, sink).progress(1, counters={str(number): 1 for number in range(51)})
    with pytest.raises(InvalidInput, match="the name of one of its counters has 4,001 characters"):
        Context(TASK, sink).progress(1, counters={"n" * 4_001: 1})
    assert 1 == len(sink.told)


def test_items_are_bounded():
    """An item of the greatest size is taken; one byte of data, one character or one dimension more is refused."""
    sink = Sink()
    context = Context(TASK, sink)
    context.item(data="x" * 99_998, path="p" * 4_000, **{f"d{number}": "" for number in range(49)})
    with pytest.raises(PayloadTooLarge, match=r"'t\.x': the data of an item: 100,001 bytes are over"):
        context.item(data="x" * 99_999)
    with pytest.raises(PayloadTooLarge):
        context.item(data="ö" * 50_000)
    with pytest.raises(InvalidInput, match=r"item\(\): path has 4,001 characters"):
        context.item(path="p" * 4_001)
    with pytest.raises(InvalidInput, match="takes 50 dimensions at most, not 51"):
        context.item(**{f"d{number}": "" for number in range(51)})
    assert 1 == len(sink.told)


@pytest.mark.parity("SCR-05")
def test_item_is_handed_on():
    """An item has dimensions, a count and JSON data."""
    sink = Sink()
    Context(TASK, sink).item(count=2, data={"a": [1]}, shop="x")
    Context(TASK, sink).item()
    assert [(2, '{"a":[1]}', {"shop": "x"}), (None, None, {})] == sink.told


def test_item_that_is_none():
    """Data has to be JSON, dimensions texts, the count a number."""
    context = Context(TASK, Sink())
    with pytest.raises(NotEncodable, match=r"Task 't\.x': the data of an item cannot travel"):
        context.item(data=NOW)
    with pytest.raises(InvalidInput, match="a dimension is a text"):
        context.item(shop=3)
    with pytest.raises(InvalidInput, match=r"item\(count=…\)"):
        context.item(count="3")


def test_check_lets_go_on():
    """Without a cancel, and with the lease held, nothing happens."""
    context = Context(TASK, Sink())
    context.check()
    assert not context.is_cancel_wanted


def test_check_raises_when_a_cancel_is_wanted():
    """CancelRequested passes ``except Exception``."""
    context = Context(TASK, Sink(CancelLevel.ASK))
    assert context.is_cancel_wanted
    with pytest.raises(CancelRequested, match="A cancel of task i"), contextlib.suppress(Exception):
        context.check()


def test_check_raises_when_the_lease_is_lost():
    """A lost lease comes before a wanted cancel: nothing that is done now would be kept."""
    with pytest.raises(LeaseLost, match="no longer this worker's"):
        Context(TASK, Sink(CancelLevel.ASK, lost=True)).check()


def test_enqueue_is_handed_on():
    """A task enqueued from within goes through the run; its id comes back."""
    sink = Sink()
    call = task(name="t.y")(lambda: None).bind()
    assert ("new", [call]) == (Context(TASK, sink).enqueue(call), sink.told)


def test_current_context():
    """Functions without a context argument find the one they run in."""
    context = Context(TASK, Sink())
    token = enter(context)
    inside = current_context()
    leave(token)
    with running_in(context):
        assert inside is current_context()
    assert (context, None) == (inside, current_context())
