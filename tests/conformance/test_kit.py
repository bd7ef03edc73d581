"""The kit itself: what a check is, what it says when it fails, and how it gets its backends."""

import subprocess
import sys
import unittest

import pytest

from taskcore.protocol import Capability, Page, State
from taskcore.testing import conformance
from taskcore.testing.conformance._trial import all_pages, expect, expect_raises, in_threads
from taskcore.testing.stateful import state_machine
from taskcore_backends.memory import MemoryBackend
from tests.conformance.third_party import key_value_backend

CHECKS = {check.name: check for check in conformance.CHECKS}
BROKEN = """
import sys
from taskcore.testing import conformance
from taskcore_backends.memory import MemoryBackend

class Broken(MemoryBackend):
    def claim(self, request):
        return super().claim(request)[::-1]

check = next(check for check in conformance.CHECKS if check.name == "claims.higher_priority_comes_first")
try:
    check(lambda clock: Broken(clock=clock))
except conformance.CheckFailed as failed:
    print(failed)
print(__debug__)
"""


def test_there_are_many_checks():
    """The kit has more than 120 facts, each with a name and a sentence of its own."""
    assert len(conformance.CHECKS) >= 120
    assert len(conformance.CHECKS) == len(CHECKS) == len({check.fact for check in conformance.CHECKS})


def test_each_fact_is_a_sentence():
    """A fact is one line and ends with a full stop."""
    bad = [check.name for check in conformance.CHECKS if "\n" in check.fact or not check.fact.endswith(".")]
    assert [] == bad


def test_failure_tells_fact_expected_and_actual():
    """A failing check says which fact does not hold, what was expected, what came, and where they differ."""

    class Broken(MemoryBackend):
        def claim(self, request):
            return super().claim(request)[::-1]

    with pytest.raises(conformance.CheckFailed) as caught:
        CHECKS["claims.higher_priority_comes_first"](lambda clock: Broken(clock=clock))
    text = str(caught.value)
    parts = (
        "claims.higher_priority_comes_first: Priorities go",
        "expected: [",
        "actual:   [",
        "first difference: [0]:",
    )
    assert [] == [part for part in parts if part not in text]


def test_checks_hold_without_assertions():
    """Under ``python -O`` a broken backend is caught as well."""
    done = subprocess.run([sys.executable, "-O", "-c", BROKEN], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert ("claims.higher_priority_comes_first", "False") == (lines[0].partition(":")[0], lines[-1])


def test_check_of_a_missing_capability_is_skipped():
    """A check that is about something the backend cannot do raises SkipTest, which test frameworks understand."""
    check = CHECKS["openings.two_openings_see_one_store"]
    assert frozenset({Capability.CROSS_PROCESS}) == check.requires
    with pytest.raises(unittest.SkipTest, match="cross_process"):
        check(lambda clock: MemoryBackend(clock=clock))


def test_backends_are_closed():
    """Whatever a check opened is closed in the end, also when it fails."""
    made: list[MemoryBackend] = []

    class Broken(MemoryBackend):
        closed = 0

        def close(self):
            self.closed += 1
            super().close()

        def claim(self, request):
            return []

    def make(clock):
        made.append(Broken(clock=clock))
        return made[-1]

    with pytest.raises(conformance.CheckFailed):
        CHECKS["claims.limit_is_kept"](make)
    assert [1] == [backend.closed for backend in made]


def test_second_opening_by_the_attribute(tmp_path):
    """A factory that makes up a new place each time says by ``reopen`` how the last one is opened again."""
    places = []

    def make(clock):
        places.append(tmp_path / f"{len(places)}.kv")
        return key_value_backend(places[-1], clock=clock)

    make.reopen = lambda clock: key_value_backend(places[-1], clock=clock)
    CHECKS["openings.everything_is_there_after_closing"](make)
    assert 1 == len(places)


def test_second_opening_of_another_store_is_explained(tmp_path):
    """A factory that makes a new store each time, without ``reopen``, is told what to do."""
    places = []

    def make(clock):
        places.append(tmp_path / f"{len(places)}.kv")
        return key_value_backend(places[-1], clock=clock)

    with pytest.raises(conformance.CheckFailed, match="reopen"):
        CHECKS["openings.two_openings_see_one_store"](make)


def test_expect_shows_the_first_difference():
    """A difference deep inside is told by its path."""
    one, other = {"a": [1, (2, State.READY)]}, {"a": [1, (2, State.FAILED)]}
    with pytest.raises(conformance.CheckFailed) as caught:
        expect(one, other, "two values")
    assert "first difference: ['a'][1][1]: <State.READY: 'READY'> / <State.FAILED: 'FAILED'>" in str(caught.value)


def test_expect_raises_wants_the_error():
    """What returns instead of raising is a failure; another error is passed on."""
    with pytest.raises(conformance.CheckFailed, match="KeyError"):
        expect_raises(KeyError, lambda: 1, "a call")
    with pytest.raises(ZeroDivisionError):
        expect_raises(KeyError, lambda: 1 // 0, "a call")


def test_threads_pass_errors_on():
    """An error in one thread is raised in the check's own."""
    with pytest.raises(ZeroDivisionError):
        in_threads([lambda: 1, lambda: 1 // 0])
    assert [1, 2] == in_threads([lambda: 1, lambda: 2])


def test_endless_pages_are_noticed():
    """Cursors that never end are a failure, not an endless loop."""
    with pytest.raises(conformance.CheckFailed, match="still a cursor"):
        all_pages(lambda _cursor: Page((1,), "again"), most=5)


def test_state_machine_is_a_test_case():
    """What ``state_machine`` returns is collected by unittest and pytest."""
    case = state_machine(lambda clock: MemoryBackend(clock=clock), lambda clock: MemoryBackend(clock=clock))
    assert issubclass(case, unittest.TestCase)
