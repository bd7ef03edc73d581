"""Tasks that misbehave: exceptions nobody can look at, delays beyond the calendar. The worker settles each."""

from datetime import timedelta

import pytest

from taskcore import Abort, Client, Retention, Retry, Snooze, State, TaskFailed, Worker, task
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend


class Mute(Exception):
    """Its text ends the program of who asks for it."""

    def __str__(self):
        raise SystemExit("no text")


class Kind(type):
    """Its classes keep their names to themselves, while a task runs."""

    is_shy = False

    def __getattribute__(cls, name):
        if name == "__qualname__" and Kind.is_shy:
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=Kind):
    """Its class cannot be named."""


class Forgetful(Snooze):
    """A snooze whose maker forgot the delay."""

    def __init__(self):
        pass


@pytest.fixture(params=["memory", "sqlite"])
def client(request, tmp_path):
    clock = FakeClock()
    backend = MemoryBackend(clock=clock) if request.param == "memory" else SQLiteBackend(tmp_path / "q", clock=clock)
    with Client(backend) as client:
        yield client


@task
def fine() -> int:
    return 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [(Mute, "Mute"), (Nameless, "Nameless"), (Forgetful, "AttributeError")],
)
def test_an_exception_that_cannot_be_looked_at_fails_its_task_only(client, monkeypatch, error, kind):
    """Whatever asking it for its text, its class or its delay raises."""

    @task
    def hostile() -> None:
        raise error()

    first, second = client.enqueue(hostile), client.enqueue(fine)
    monkeypatch.setattr(Kind, "is_shy", True)
    assert 2 == Worker(client, [hostile, fine]).drain()
    monkeypatch.setattr(Kind, "is_shy", False)
    with pytest.raises(TaskFailed) as caught:
        first.result()
    assert kind in caught.value.failure.exception_type
    assert 1 == second.result()


def test_a_snooze_beyond_all_calendars_is_refused_in_the_task(client):
    """It fails with the words of the refusal; nobody else hears of it."""

    @task
    def sleepy() -> None:
        raise Snooze(timedelta.max)

    handle = client.enqueue(sleepy)
    assert 1 == Worker(client, [sleepy]).drain()
    with pytest.raises(TaskFailed, match="from zero to ten years"):
        handle.result()


def test_a_backoff_function_that_ends_the_program_is_replaced_by_the_default_curve(client):
    """It changes when the task is tried again, never whether."""

    def backoff(failures, error):
        raise SystemExit

    @task(retry=Retry(max_attempts=2, backoff=backoff))
    def fail() -> None:
        raise ValueError

    handle = client.enqueue(fail)
    assert 1 == Worker(client, [fail]).drain()
    assert (State.READY, 1) == (handle.refresh().state, handle.refresh().failures)


def test_a_word_of_abort_is_kept_as_text_that_can_be_stored(client):
    """A lone surrogate, as in the name of a file, is written out."""

    @task
    def give_up() -> None:
        raise Abort("no such file: \udcff")

    handle = client.enqueue(give_up)
    Worker(client, [give_up]).drain()
    assert ["no such file: \\udcff"] == [attempt.failure.message for attempt in handle.refresh().attempts]


def test_a_retention_of_a_hundred_years_is_no_moment_beyond_the_calendar(client):
    """The longest that can be asked for is kept as long."""

    @task(retention=Retention(successful=timedelta(days=36_525)))
    def keep() -> None: ...

    handle = client.enqueue(keep)
    Worker(client, [keep]).drain()
    assert (State.SUCCESSFUL, 0) == (handle.refresh().state, client.purge())
