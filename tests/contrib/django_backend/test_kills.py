"""Workers that are killed at any moment: atomic tasks write once, and nothing is lost."""

import random
import time

import pytest

from taskcore import Client, State
from taskcore_backends.django import DjangoBackend
from tests.contrib.django_backend import ledger
from tests.contrib.django_backend.child import note_or_die, start

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def run_to_the_end(alias, count, dies, patience):
    """Run so many tasks in workers that die by them, or are killed after a while; return what came of them."""
    dice = random.Random(1)
    ledger.make_ledger(alias)
    with Client(DjangoBackend(alias)) as client:
        wanted = [f"{number:04}" for number in range(count)]
        handles = client.enqueue_many(note_or_die.bind(alias, entry, dies(int(entry))) for entry in wanted)
        deadline = time.monotonic() + 20 * count
        while time.monotonic() < deadline and not is_over(client, count):
            worker = start(alias)
            until = time.monotonic() + dice.uniform(*patience)
            while time.monotonic() < until and worker.poll() is None and not is_over(client, count):
                time.sleep(0.05)
            worker.kill()
            worker.wait()
        states = {client.get(handle.id).state for handle in handles}
        epochs = sum(client.get(handle.id).epoch for handle in handles)
        found = ledger.entries(alias)
        ledger.drop_ledger(alias)
    return wanted, found, states, epochs


def is_over(client, count):
    queues = client.stats().queues
    return bool(queues) and {State.SUCCESSFUL: count} == dict(queues[0].counts)


def test_killed_workers_write_each_entry_once(database):
    """With kill -9 before, after and between writes and commits each entry is there once, and each task succeeded."""
    wanted, found, states, epochs = run_to_the_end(database.alias, 6, lambda number: float(number < 2), (20.0, 20.0))
    assert (wanted, {State.SUCCESSFUL}) == (found, states)
    assert epochs > len(wanted)  # some were killed, or the test shows nothing


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_many_killed_workers_write_each_entry_once(database):
    """As above, with about a hundred kills."""
    wanted, found, states, _epochs = run_to_the_end(database.alias, 200, lambda _number: 0.2, (0.3, 2.0))
    assert (wanted, {State.SUCCESSFUL}) == (found, states)
