"""Ids sort by time, and never repeat."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from uuid import RFC_4122, UUID

import pytest

from taskcore._ids import IdSource, first_id_at, slot_id

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)


def milliseconds(made):
    return int(made[:12], 16)


def test_ids_of_one_source_increase():
    """Within a millisecond, past its 4,096 counts, and over many calls."""
    source = IdSource()
    made = source.many(NOW, 10_000) + [source.new(NOW) for _ in range(10)]
    assert sorted(set(made)) == made
    assert [0, 1, 2] == sorted({milliseconds(one) - milliseconds(made[0]) for one in made}), "2.44 times 4,096"


def test_ids_asked_for_one_by_one_increase():
    """The count goes on within a millisecond, and begins again with the next."""
    source = IdSource()
    made = [source.new(moment) for moment in (NOW, NOW, NOW, NOW + MILLISECOND, NOW + MILLISECOND)]
    assert ([0, 1, 2, 0, 1], sorted(made)) == ([int(one[13:16], 16) for one in made], made)


def test_ids_increase_when_the_clock_steps_back():
    """A clock set back by an hour does not bring later tasks before earlier ones."""
    source = IdSource()
    assert source.new(NOW) < source.new(NOW - timedelta(hours=1))


@pytest.mark.parity("C35-02")
def test_an_id_is_a_uuid_of_version_7():
    """RFC 9562, section 5.7: Unix milliseconds, the version, and the variant's two bits."""
    made = IdSource().many(NOW, 200)
    assert {(7, RFC_4122)} == {(UUID(one).version, UUID(one).variant) for one in made}
    assert NOW == datetime(1970, 1, 1, tzinfo=timezone.utc) + milliseconds(made[0]) * MILLISECOND
    assert {32} == {len(one) for one in made}


def test_first_id_bounds_a_range_of_time():
    """Every id of a moment lies at or after its bound and before the next millisecond's."""
    made = IdSource().new(NOW)
    assert first_id_at(NOW) <= made < first_id_at(NOW + MILLISECOND)
    assert "01a1f8d3ea00" + 20 * "0" == first_id_at(NOW)


def test_slot_id_never_changes():
    """Schedulers of different versions of taskcore, over one store, make one task of a slot."""
    assert "01a1f8d3ea00810b9993b55cfefd0193" == slot_id("s", 1, NOW)


def test_slot_id_is_the_same_for_the_same_slot_in_any_zone():
    """Two schedulers on machines of different zones name the task alike."""
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert slot_id("s", 1, NOW) == slot_id("s", 1, there)


@pytest.mark.parametrize(
    "other", [("t", 1, NOW), ("s", 2, NOW), ("s", 1, NOW + timedelta(microseconds=1))], ids=["schedule", "edit", "slot"]
)
def test_slot_id_differs_with_schedule_generation_and_slot(other):
    """An edited schedule may use the same moment again, and two schedules the same slot."""
    assert slot_id("s", 1, NOW) != slot_id(*other)


def test_slot_ids_sort_with_the_others():
    """The task of a slot stands among the tasks enqueued then."""
    assert first_id_at(NOW) < slot_id("s", 1, NOW) < first_id_at(NOW + MILLISECOND)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_makes_other_ids():
    """The random part is seeded anew in a child, which otherwise has its parent's state."""
    source = IdSource()
    source.new(NOW)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, source.new(NOW).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 32).decode()
    os.close(reader), os.close(writer)
    assert source.new(NOW) != theirs
