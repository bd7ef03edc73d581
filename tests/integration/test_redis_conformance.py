"""RedisBackend does what every backend has to, as the shipped kit tells it."""

import pytest

from taskcore.testing import conformance
from tests.servers.redis_server import Stores


@pytest.mark.parity("C35-06")
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_redis_conforms(check):
    """Every check of the kit passes, each in a namespace of its own."""
    stores = Stores()
    try:
        check(stores.open)
    finally:
        stores.empty()
