"""Backoff curves, and what ``Retry`` refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskcore._retry import Retry, constant, exponential, linear
from taskcore.errors import InvalidOption

SECOND = timedelta(seconds=1)


def test_a_constant_backoff_is_the_same_each_time():
    """No growth, however many failures."""
    assert [SECOND] * 3 == [constant(SECOND).delay(failures) for failures in (1, 2, 50)]


def test_a_linear_backoff_grows_by_its_base():
    """One second, then two, then three."""
    assert [SECOND, 2 * SECOND, 3 * SECOND] == [linear(SECOND).delay(failures) for failures in (1, 2, 3)]


def test_an_exponential_backoff_grows_by_its_factor():
    """1 s, 3 s, 9 s with a factor of 3."""
    assert [SECOND, 3 * SECOND, 9 * SECOND] == [exponential(SECOND, factor=3).delay(failures) for failures in (1, 2, 3)]


@pytest.mark.parametrize("failures", [20, 2_000, 10**9])
def test_a_backoff_stops_at_its_maximum(failures):
    """Also where the power would overflow a float."""
    assert timedelta(minutes=5) == exponential(SECOND, maximum=timedelta(minutes=5)).delay(failures)


def test_exception_classes_are_kept_as_dotted_names():
    """So that a filter can travel, and nothing is ever imported from it."""
    assert ("builtins.ConnectionError", "builtins.KeyError") == Retry(on=(ConnectionError, KeyError)).on


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_attempts", 0),
        ("max_attempts", True),
        ("max_attempts", 2.5),
        ("jitter", 1.1),
        ("jitter", -0.1),
        ("until", timedelta(0)),
        ("until", 60),
        ("on", int),
        ("not_on", 7),
        ("backoff", 3),
    ],
)
def test_retry_refuses_what_makes_no_sense_and_names_the_option(option, value):
    """The error says which option it was."""
    with pytest.raises(InvalidOption, match=option):
        Retry(**{option: value})


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(timedelta(seconds=-1)),
        lambda: linear(3),  # type: ignore[arg-type]
        lambda: exponential(SECOND, factor=0.5),
        lambda: exponential(SECOND, maximum=timedelta(0)),
        lambda: exponential(SECOND, maximum=timedelta.max),
        lambda: constant(timedelta.max),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(make):
    """A negative wait, a bare number, a shrinking factor, a maximum below the base or beyond all calendars."""
    with pytest.raises(InvalidOption):
        make()
