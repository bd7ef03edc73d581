"""Random walks over every call, on Redis and on the memory backend; what stands where in the server is checked too."""

import pytest
import redis

from tests.integration.random_walk import Walk
from tests.integration.redis_inspection import Inspection

pytestmark = pytest.mark.integration


class RedisWalk(Walk):
    def __init__(self, seed, stores):
        super().__init__(seed, stores.open)
        self.stores = stores

    def inspect(self):
        """Each task stands where its state says and nowhere else, counts are right, nothing is left behind."""
        with redis.Redis.from_url(self.stores.url) as client:
            Inspection(client, self.stores.namespace, self.store, self.clock.now()).check()


@pytest.mark.parametrize("seed", range(6))
def test_walks_do_not_differ(seed, stores):
    """A hundred random calls are answered alike by both backends, and leave the same behind."""
    walk = RedisWalk(seed, stores)
    walk.run(100)
    walk.store.close()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_walks_do_not_differ(seed, stores):
    """The same for three hundred longer walks."""
    walk = RedisWalk(seed, stores)
    walk.run(120)
    walk.store.close()
