"""The clock of a server that is asked once a second."""

from datetime import datetime, timedelta, timezone

import pytest

from taskcore.records import ServerClock

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Machine:
    """A server whose clock is an hour ahead, two clocks of this machine, and a network of 0.2 seconds a round trip."""

    def __init__(self):
        self.asked = 0
        self.monotonic = 1000.0
        self.wall = 5000.0
        self.ahead = timedelta(hours=1)
        self.clock = ServerClock(self.ask, monotonic=lambda: self.monotonic, wall=lambda: self.wall)

    def server(self):
        return START + self.ahead + timedelta(seconds=self.wall - 5000.0)

    def pass_by(self, seconds):
        self.monotonic += seconds
        self.wall += seconds

    def ask(self):
        self.asked += 1
        self.pass_by(0.1)
        answer = self.server()
        self.pass_by(0.1)
        return answer

    def fail(self):
        self.asked += 1
        raise ConnectionError


@pytest.fixture
def machine():
    return Machine()


def seconds_off(machine):
    return abs((machine.clock.now() - machine.server()).total_seconds())


def test_it_is_the_servers_clock(machine):
    """The answer counts from the middle of the round trip, and goes on with this machine's clock."""
    assert seconds_off(machine) < 1e-5
    machine.pass_by(0.5)
    assert seconds_off(machine) < 1e-5


def test_the_server_is_asked_once_a_second(machine):
    """Within a second of an answer the server is left alone, then it is asked again."""
    machine.clock.now()
    machine.pass_by(0.8)
    machine.clock.now()
    assert 1 == machine.asked
    machine.pass_by(0.3)
    machine.clock.now()
    assert 2 == machine.asked


def test_a_machine_that_was_suspended_asks_at_once(machine):
    """The monotonic clock of a suspended machine stands still; its other one tells that time has passed."""
    machine.clock.now()
    machine.wall += 3600
    assert seconds_off(machine) < 1e-5
    assert 2 == machine.asked


def test_a_server_that_does_not_answer_is_asked_again(machine):
    """What the question raises is raised, and the next moment is asked for anew."""
    clock = ServerClock(machine.fail)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            clock.now()
    assert 2 == machine.asked
