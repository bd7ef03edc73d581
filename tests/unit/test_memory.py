"""The memory backend itself; what it does with tasks is told by the tests of records and by conformance."""

from datetime import datetime, timezone

import pytest

from taskcore.errors import InvalidInput
from taskcore.protocol import (
    Capability,
    TaskSpec,
)
from taskcore_backends.memory import MemoryBackend, from_url


def test_capabilities_of_memory():
    """Memory really waits and fuses; it is neither durable nor shared by processes."""
    backend = MemoryBackend()
    assert frozenset({Capability.WAIT, Capability.FUSED}) == backend.capabilities
    assert "memory:" == backend.url


def test_each_url_opens_a_store_of_its_own():
    """Two backends from one URL do not see each other; a name behind the colon is refused."""
    first, second = from_url("memory:"), from_url("memory:")
    first.add([TaskSpec(id="a", name="t", enqueued_at=datetime.now(timezone.utc))])
    assert [None] == second.get(["a"])
    with pytest.raises(InvalidInput, match="memory:"):
        from_url("memory:shared")
