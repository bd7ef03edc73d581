"""The kit's state machine finds no difference between a database and the memory backend."""

import unittest

import pytest
from hypothesis import HealthCheck, settings

from taskcore.testing.stateful import state_machine
from taskcore_backends.memory import MemoryBackend

pytestmark = pytest.mark.integration


def problems(database, max_examples, stateful_step_count):
    case = state_machine(database.factory(), lambda clock: MemoryBackend(clock=clock))
    case.settings = settings(
        max_examples=max_examples,
        stateful_step_count=stateful_step_count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return [text for _case, text in (*result.failures, *result.errors)]


def test_database_is_as_memory(database):
    """A database answers as the memory backend does, step by step."""
    assert [] == problems(database, 15, 30)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_database_is_as_memory_for_a_long_time(database):
    """As above, with long histories and many of them."""
    assert [] == problems(database, 500, 80)
