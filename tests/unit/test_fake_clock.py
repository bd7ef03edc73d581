"""FakeClock moves when told to, and only as told."""

from datetime import datetime, timedelta, timezone

import pytest

from taskcore.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def test_stands_still():
    """Two readings are equal."""
    clock = FakeClock(NOON)
    assert (NOON, NOON) == (clock.now(), clock.now())


def test_advance_moves_both_clocks():
    """Time that passes shows on the wall and on the monotonic clock."""
    clock = FakeClock(NOON)
    before = clock.monotonic()
    clock.advance(HOUR)
    assert (NOON + HOUR, HOUR) == (clock.now(), clock.monotonic() - before)


def test_advance_refuses_to_go_back():
    """Time does not pass backwards."""
    with pytest.raises(ValueError, match="step"):
        FakeClock(NOON).advance(-HOUR)


def test_set_forward_lets_time_pass():
    """Setting a later moment is the same as advancing to it."""
    clock = FakeClock(NOON)
    clock.set(NOON + HOUR)
    assert (NOON + HOUR, HOUR) == (clock.now(), clock.monotonic())


def test_set_back_keeps_the_monotonic_clock():
    """Setting an earlier moment turns only the wall clock."""
    clock = FakeClock(NOON)
    clock.set(NOON - HOUR)
    assert (NOON - HOUR, timedelta(0)) == (clock.now(), clock.monotonic())


@pytest.mark.parametrize("correction", [HOUR, -HOUR])
def test_step_moves_the_wall_clock_only(correction: timedelta):
    """A correction by a time server is no passing of time."""
    clock = FakeClock(NOON)
    clock.step(correction)
    assert (NOON + correction, timedelta(0)) == (clock.now(), clock.monotonic())


def test_shows_utc():
    """A start in another zone is shown in UTC."""
    start = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert (NOON, timezone.utc) == (FakeClock(start).now(), FakeClock(start).now().tzinfo)


def test_refuses_naive_moments():
    """A datetime without a zone is refused at once."""
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(datetime(2026, 3, 1, 12))
