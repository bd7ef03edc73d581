"""The sorted index of the memory engine answers as a sorted list would, whatever was gathered before."""

from hypothesis import given, settings
from hypothesis import strategies as st

from taskcore_backends.memory import MemoryEngine, SortedIndex

_PARTS = st.tuples(st.sampled_from("abc"), st.integers(-3, 3), st.integers(0, 30).map(str))
_BOUND = st.one_of(
    st.just(()), st.tuples(st.sampled_from("abcd")), st.tuples(st.sampled_from("abc"), st.integers(-4, 4))
)


class SmallIndex(SortedIndex):
    BUCKET = 4
    GATHERED = 7
    FEW = 2


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("flip"), st.lists(_PARTS, unique=True, max_size=20)),
            st.tuples(st.just("range"), _BOUND, st.one_of(st.none(), _BOUND), st.integers(1, 12), st.booleans()),
        ),
        max_size=30,
    )
)
def test_index_is_a_sorted_set(steps):
    """Any adds and removes, with any ranges between them, give what a sorted set gives."""
    index, model = SmallIndex(), set()
    for step in steps:
        if step[0] == "flip":
            for parts in step[1]:
                if parts in model:
                    model.discard(parts)
                    index.remove(parts)
                else:
                    model.add(parts)
                    index.add(parts)
        else:
            _, low, high, limit, is_descending = step
            inside = [parts for parts in sorted(model) if parts >= low and (high is None or parts < high)]
            expected = (inside[::-1] if is_descending else inside)[:limit]
            assert expected == index.range(low, high, limit, is_descending=is_descending)


def test_many_in_order():
    """Thousands of parts that come in order and leave in order are found in order."""
    index = SortedIndex()
    for number in range(5000):
        index.add((number, "x"))
    assert [(number, "x") for number in range(2500, 2510)] == index.range((2500,), None, 10, is_descending=False)
    for number in range(4000):
        index.remove((number, "x"))
    assert [(4000, "x")] == index.range((), None, 1, is_descending=False)
    assert [(4999, "x"), (4998, "x")] == index.range((), None, 2, is_descending=True)


def test_failed_transaction_leaves_nothing():
    """Puts and deletes of a transaction that raises are undone, in the records and in every index."""
    from taskcore.records import Record
    from taskcore.records._rows import QueueRow

    engine = MemoryEngine()
    row = QueueRow(name="a", is_paused=True)
    with engine.transaction():
        engine.write([Record("queues", "a", row, (("queues", ("a",)),))], [])
    try:
        with engine.transaction():
            engine.write([Record("queues", "b", row, (("queues", ("b",)),))], [("queues", "a")])
            engine.write([Record("queues", "b", row, (("queues", ("c",)),))], [])
            raise KeyError
    except KeyError:
        pass
    with engine.transaction():
        assert [row, None] == engine.load("queues", ["a", "b"])
        assert [("a",)] == engine.range("queues", (), None, 9)
