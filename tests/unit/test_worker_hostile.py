"""Tasks that misbehave: exceptions nobody can look at, delays beyond the calendar. The worker settles each."""

import asyncio
from datetime import timedelta
from typing import ClassVar

import attrs
import pytest

from taskcore import (
    Abort,
    Client,
    Context,
    Retention,
    Retry,
    Snooze,
    State,
    TaskFailed,
    Worker,
    WorkerExit,
    task,
)
from taskcore.testing import FakeClock
from taskcore.testing._wrapper import Wrapper
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


class Closed(Exception):
    """Whatever is asked of it, it raises itself."""

    def __getattribute__(self, name):
        raise self


class Trap(str):
    """A text that ends the program when it is encoded."""

    __slots__ = ()

    def encode(self, *_arguments):
        raise SystemExit("no bytes")


class Trapped(Exception):
    """Its text is not a plain one."""

    def __str__(self):
        return Trap("a trap")


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
    [
        (Mute, "Mute"),
        (Nameless, "Nameless"),
        (Closed, "Closed"),
        (Trapped, "Trapped"),
        (Forgetful, "AttributeError"),
    ],
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


@attrs.frozen
class Fuse:
    """It ends the program of who makes one, while ``is_lit``."""

    name: str
    is_lit: ClassVar[bool] = False

    def __attrs_post_init__(self):
        if Fuse.is_lit:
            raise SystemExit("the fuse")


@task
def burn(fuse: Fuse) -> str:
    return fuse.name


@task
async def burn_slowly(fuse: Fuse) -> str:
    return fuse.name


@pytest.mark.parametrize("definition", [burn, burn_slowly], ids=["plain", "async"])
def test_arguments_that_end_the_program_when_they_are_made_fail_their_task_only(client, monkeypatch, definition):
    """No thread of the worker goes with it, and no task stays behind as RUNNING."""
    first, second = client.enqueue(definition, Fuse("a")), client.enqueue(fine)
    monkeypatch.setattr(Fuse, "is_lit", True)
    worker = Worker(client, [burn, burn_slowly, fine], concurrency=1)
    assert WorkerExit.FINISHED is worker.run(burst=True)
    assert State.FAILED is first.refresh().state
    assert 1 == second.result()


def test_a_hook_that_ends_the_program_changes_nothing(client):
    """Neither an outcome, nor the thread that calls it."""

    def hook(_outcome):
        raise SystemExit("the hook")

    handles = [client.enqueue(fine) for _ in range(3)]
    assert WorkerExit.FINISHED is Worker(client, [fine], concurrency=1, on_outcome=hook).run(burst=True)
    assert [1, 1, 1] == [handle.result() for handle in handles]


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


def test_a_task_that_enqueues_what_cannot_be_stored_fails_alone(client):
    """What it brought is named; those that were settled with it are not held up."""

    @task(takes_context=True)
    def orphan_maker(ctx: Context) -> None:
        ctx.enqueue(fine.using(depends_on="0" * 32).bind())

    handle, other = client.enqueue(orphan_maker), client.enqueue(fine)
    assert 2 == Worker(client, [orphan_maker, fine]).drain()
    with pytest.raises(TaskFailed, match="depends on 0000") as caught:
        handle.result()
    assert "taskcore.errors.RefusedChange" == caught.value.failure.exception_type
    assert (1, 2) == (other.result(), len(client.find().items))


def test_a_task_that_stops_its_event_loop_goes_on(client):
    """The loop is the worker's; others run on it."""

    @task
    async def stopper() -> int:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.001)
        return 1

    handle = client.enqueue(stopper)
    assert 1 == Worker(client, [stopper]).drain()
    assert 1 == handle.result()


@pytest.mark.parametrize("executor", ["threads", "async"])
def test_the_loop_of_a_running_worker_survives_its_tasks(client, executor):
    """One that stops it, and one that leaves a callback on it that ends the program."""

    def leave() -> None:
        raise SystemExit(9)

    @task
    async def stopper() -> int:
        loop = asyncio.get_running_loop()
        loop.call_soon(leave)
        loop.stop()
        await asyncio.sleep(0.001)
        return 1

    handles = client.enqueue_many(stopper.bind() for _ in range(3))
    assert WorkerExit.FINISHED is Worker(client, [stopper], executor=executor).run(burst=True)
    assert [1, 1, 1] == [handle.result() for handle in handles]


def test_a_retention_of_a_hundred_years_is_no_moment_beyond_the_calendar(client):
    """The longest that can be asked for is kept as long."""

    @task(retention=Retention(successful=timedelta(days=36_525)))
    def keep() -> None: ...

    handle = client.enqueue(keep)
    Worker(client, [keep]).drain()
    assert (State.SUCCESSFUL, 0) == (handle.refresh().state, client.purge())


@pytest.mark.parametrize("work", ["drain", "burst"])
def test_what_a_failure_owes_to_hundreds_is_done_before_a_worker_says_that_nothing_is_left(client, work):
    """A claim that comes back empty may have cancelled a hundred, and what is to run after them comes later."""

    @task
    def fail() -> None:
        raise ValueError

    parent = client.enqueue(fail)
    middle = client.enqueue_many(fine.using(depends_on=[parent]).bind() for _ in range(450))
    last = fine.using(depends_on=list(middle[-2:]), on_parent_failure="run")
    handle = client.enqueue(last)
    worker = Worker(client, [fail, fine], concurrency=2)
    if work == "drain":
        assert 2 == worker.drain()
    else:
        assert WorkerExit.FINISHED is worker.run(burst=True)
    assert 1 == handle.result()
    assert {State.FAILED: 1, State.CANCELLED: 450, State.SUCCESSFUL: 1} == dict(client.stats().queues[0].counts)


class Hinting(Wrapper):
    """A store that always has a hint, and nothing to back it."""

    def wait(self, queue_names, timeout):
        return True


@pytest.mark.parametrize("work", ["drain", "burst"])
def test_a_store_whose_hints_are_never_true_does_not_keep_a_worker_for_ever(work):
    """Hints are hints: after many empty claims in a row that changed nothing it ends."""
    client = Client(Hinting(MemoryBackend()))
    handle = client.enqueue(fine)
    worker = Worker(client, [fine], concurrency=1)
    if work == "drain":
        assert 1 == worker.drain()
    else:
        assert WorkerExit.FINISHED is worker.run(burst=True)
    assert 1 == handle.result()
