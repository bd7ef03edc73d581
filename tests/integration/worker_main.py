"""A worker in a process of its own: ``python -m tests.integration.worker_main '{"path": …, "options": …}'``.

With ``url`` in the place of ``path`` it works on a Redis server.
"""

import json
import logging
import sys
from datetime import timedelta

from taskcore import Client, Worker
from taskcore_backends.redis import from_url as redis_from_url
from taskcore_backends.sqlite import SQLiteBackend
from tests.integration import worker_tasks

_SPANS = ("lease", "grace", "poll_interval")


def main() -> int:
    order = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = {name: timedelta(seconds=value) if name in _SPANS else value for name, value in order["options"].items()}
    backend = redis_from_url(order["url"]) if "url" in order else SQLiteBackend(order["path"])
    with Client(backend) as client:
        worker = Worker(client, worker_tasks.ALL, **options)
        print(worker.id, flush=True)
        return worker.run(burst=order.get("burst", False)).code


if __name__ == "__main__":
    sys.exit(main())
