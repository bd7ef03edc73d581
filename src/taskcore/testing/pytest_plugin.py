"""The pytest plugin of taskcore: a clock, a client and a way to run tasks, for tests of code that enqueues.

It is found by its entry point wherever taskcore is installed, so it imports nothing heavy before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taskcore import Client, TaskDefinition
    from taskcore.testing import FakeClock

__all__ = ["taskcore_client", "taskcore_clock", "taskcore_drain"]


@pytest.fixture
def taskcore_clock() -> FakeClock:
    """A clock that stands still until the test moves it; the one of ``taskcore_client``."""
    from taskcore.testing import FakeClock  # noqa: PLC0415 - a plugin that nobody uses costs nothing

    return FakeClock()


@pytest.fixture
def taskcore_client(taskcore_clock: FakeClock) -> Iterator[Client]:
    """A client of an empty memory backend that lives as long as the test, by the clock of ``taskcore_clock``."""
    from importlib import import_module  # noqa: PLC0415

    from taskcore import Client  # noqa: PLC0415

    # By name, as a store is found by its entry point: the library itself knows no adapter.
    backend = import_module("taskcore_backends.memory").MemoryBackend(clock=taskcore_clock)
    with Client(backend) as client:
        yield client


@pytest.fixture
def taskcore_drain(taskcore_client: Client) -> Callable[..., int]:
    """A function that runs what is due, of the tasks that it is given, and of what they enqueue; returns how many.

    ``taskcore_drain(send_invoice, report)`` runs them in the calling thread, from every queue, until nothing of theirs
    is due. Another client than ``taskcore_client`` may be given as ``client=``.
    """

    def drain(*definitions: TaskDefinition[..., Any], client: Client | None = None) -> int:
        from taskcore.testing._draining import drain_all  # noqa: PLC0415

        return drain_all(taskcore_client if client is None else client, definitions)

    return drain
