"""`RecordBackend` keeps its side of the engine's contract: a strict engine that keeps texts passes the kit under it."""

import threading
from bisect import insort
from contextlib import contextmanager

import pytest

from taskcore.protocol import (
    CancelLevel,
    Change,
    ClaimRequest,
    Event,
    Group,
    GroupQuery,
    Item,
    Progress,
    PurgeRequest,
    Query,
    State,
    TaskSpec,
)
from taskcore.records import INDEXES, TABLES, RecordBackend, dump_value, load_value
from taskcore.testing import FakeClock, conformance
from tests.unit.records_store import LEASE


class StrictEngine:
    """Keeps each value as text, and asserts that it is only asked what the contract allows."""

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.Lock()  # a nested transaction would never begin
        self.is_inside = False
        self.records: dict[tuple, tuple] = {}
        self.indexes: dict[str, list] = {index: [] for index in INDEXES}

    def now(self):
        return self.clock.now()

    @contextmanager
    def transaction(self):
        with self.lock:
            before = dict(self.records), {index: list(parts) for index, parts in self.indexes.items()}
            self.is_inside = True
            try:
                yield
            except BaseException:
                self.records, self.indexes = before
                raise
            finally:
                self.is_inside = False

    def load(self, table, keys):
        assert self.is_inside
        assert table in TABLES
        records = [self.records.get((table, key)) for key in keys]
        return [None if record is None else load_value(table, record[0]) for record in records]

    def range(self, index, low, high, limit, *, is_descending=False):
        assert self.is_inside
        assert limit > 0
        found = [parts for parts in self.indexes[index] if parts >= low and (high is None or parts < high)]
        return (found[::-1] if is_descending else found)[:limit]

    def write(self, puts, deletes):
        assert self.is_inside
        names = [(record.table, record.key) for record in puts] + list(deletes)
        assert len(names) == len(set(names))
        for name in names:
            for index, parts in self.records.pop(name, ("", ()))[1]:
                self.indexes[index].remove(parts)
        for table, key, value, entries in puts:
            assert type(value) is TABLES[table]
            self.records[table, key] = dump_value(value), entries
            for index, parts in entries:
                assert parts not in self.indexes[index]
                insort(self.indexes[index], parts)


def make(clock):
    return RecordBackend(StrictEngine(clock))


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_strict_engine_conforms(check):
    """Each check of the kit holds over an engine that keeps texts and is asked nothing but what the contract says."""
    check(make)


def test_failure_of_the_engine_reaches_the_caller_and_leaves_nothing():
    """What an engine raises in the middle of a step is raised as it is, and the step is undone."""
    backend = make(FakeClock())
    engine = backend._engine
    write = engine.write

    def fails(puts, deletes):
        write(puts, deletes)
        raise OSError("no space")

    engine.write = fails
    spec = TaskSpec(id="a", name="t", enqueued_at=backend.now())
    with pytest.raises(OSError, match="no space"):
        backend.add([spec])
    engine.write = write
    assert [None] == backend.get(["a"])
    assert ({}, True) == (engine.records, all(not parts for parts in engine.indexes.values()))


def test_nothing_is_left_of_what_was_purged():
    """When all has finished and was purged, no record of tasks, groups, items, edges or keys remains."""
    backend = make(FakeClock())
    now = backend.now()
    group = Group(id="g", name="g", created_at=now, total=1)
    backend.add(
        [
            TaskSpec(id="a", name="t", enqueued_at=now, group_id="g"),
            TaskSpec(id="b", name="t", enqueued_at=now, parents=("a", "g")),
        ],
        group=group,
    )
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=LEASE)
    (task,) = backend.claim(request)
    items = (Item(task_id="a", epoch=1, sequence=0, at=now),)
    progress = Progress(current=1, counters={"x": 1})
    settle = Change(task_id="a", event=Event.SUCCEED, fence=task.fence, items=items, progress=progress)
    backend.apply([settle, Change(task_id="b", event=Event.CANCEL, level=CancelLevel.KILL)])
    assert [State.SUCCESSFUL, State.CANCELLED] == [one.state for one in backend.find(Query(is_oldest_first=True)).items]
    for task_id in ("b", "a"):
        backend.purge(PurgeRequest(ids=(task_id,)))
    assert () == backend.groups(GroupQuery()).items
    assert {} == backend._engine.records
