"""The kit's state machine finds no difference between Redis and the memory backend."""

import unittest

import pytest
from hypothesis import HealthCheck, settings

from taskcore.testing.stateful import state_machine
from taskcore_backends.memory import MemoryBackend
from tests.servers.redis_server import Stores

pytestmark = pytest.mark.integration


class Fresh:
    """Makes a store in a namespace of its own for each example, and empties the one before."""

    def __init__(self):
        self.stores = None

    def __call__(self, clock):
        self.empty()
        self.stores = Stores()
        return self.stores.open(clock)

    def empty(self):
        if self.stores is not None:
            self.stores.empty()


def problems(max_examples, stateful_step_count):
    fresh = Fresh()
    case = state_machine(fresh, lambda clock: MemoryBackend(clock=clock))
    case.settings = settings(
        max_examples=max_examples,
        stateful_step_count=stateful_step_count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    fresh.empty()
    return [text for _case, text in (*result.failures, *result.errors)]


def test_redis_is_as_memory():
    """Redis answers as the memory backend does, step by step."""
    assert [] == problems(20, 30)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_redis_is_as_memory_for_a_long_time():
    """As above, with long histories and many of them."""
    assert [] == problems(1000, 80)
