"""The memory backend passes the kit."""

import pytest

from taskcore.testing import conformance
from taskcore_backends.memory import MemoryBackend


@pytest.mark.parity("C35-06")
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_memory_backend_conforms(check):
    """Each check holds."""
    check(lambda clock: MemoryBackend(clock=clock))
