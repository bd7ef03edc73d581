"""What cannot be meant is refused by the client in words, whatever it is, and nothing is stored."""

from datetime import datetime, timedelta, timezone

import pytest

from taskcore import AsyncClient, Client, State, TaskcoreError, Worker, every, once, task
from taskcore.errors import InvalidDefinition, InvalidInput, InvalidOption, InvalidSchedule
from taskcore_backends.memory import MemoryBackend

HOUR = timedelta(hours=1)
NAIVE = datetime(2026, 1, 1)
LONG = "x" * 1_000_000


class Mute:
    """Nothing can be said of it."""

    def __repr__(self):
        raise RuntimeError("no words")


@task
def add(a: int, b: int = 0) -> int:
    return a + b


def plain(a: int) -> int:
    return a


@pytest.fixture
def client():
    return Client(MemoryBackend())


NOT_TASKS = [
    (lambda client: client.enqueue(plain, 1), InvalidDefinition, "decorate the function with @task"),
    (lambda client: client.enqueue(Mute()), InvalidDefinition, "is no task"),
    (lambda client: client.enqueue(add.bind(1)), InvalidInput, "give it to enqueue_call"),
    (lambda client: client.enqueue_call(add), InvalidInput, "definition.bind"),
    (lambda client: client.enqueue_many([add.bind(1), 5]), InvalidInput, "5 is no call"),
    (lambda client: client.enqueue_many(5), InvalidInput, "no iterable of calls"),
    (lambda client: client.group("g", [add.bind(1), add]), InvalidInput, "is no call"),
    (lambda client: client.group("g", None), InvalidInput, "no iterable of calls"),
    (lambda client: client.group("g\n", []), InvalidInput, "name of a group"),
    (lambda client: client.group("g", [add.bind(1)], then=5), InvalidInput, "then=5 is neither"),
    (lambda client: client.group("g", [add.bind(1)], then=lambda values: values), InvalidInput, "then= returned"),
    (lambda client: client.schedule(LONG, every(HOUR), add.bind(1)), InvalidInput, "name of a schedule"),
    (lambda client: client.schedule("s", every(HOUR), add.bind(1), description=Mute()), InvalidSchedule, "description"),
    (lambda client: client.schedule("s", every(HOUR), add.bind(1), slot_argument=["b"]), InvalidSchedule, "a text"),
]


@pytest.mark.parametrize(("call", "error", "words"), NOT_TASKS)
def test_what_is_no_task_or_call_is_refused(client, call, error, words):
    """The likely mistakes with the words that help, the others with some."""
    with pytest.raises(error, match=words):
        call(client)
    assert ((), []) == (client.find().items, list(client.schedules()))


MOVES = [
    ({"run_after": timedelta(seconds=-1)}, "of zero or more"),
    ({"run_after": NAIVE}, "with a zone"),
    ({"run_after": "now"}, "an aware datetime"),
    ({"priority": 101}, "from -100 to 100"),
    ({"priority": True}, "a whole number"),
    ({"queue_name": "a\n"}, "printable"),
    ({"queue_name": LONG}, "1 to 255 characters"),
]


@pytest.mark.parametrize(("options", "words"), MOVES)
@pytest.mark.parametrize("method", ["reschedule", "duplicate"])
def test_moving_a_task_is_held_to_what_enqueueing_is(client, method, options, words):
    """The same options in the same words."""
    handle = client.enqueue(add, 1)
    with pytest.raises(InvalidOption, match=words):
        getattr(client, method)(handle.id, **options)
    assert 1 == handle.refresh().version


def test_a_task_moved_beyond_the_calendar_can_still_be_read(client):
    """It will not run, and it can be moved back."""
    handle = client.enqueue(add, 1)
    assert 9999 == client.reschedule(handle.id, run_after=timedelta(days=365 * 9000)).run_after.year
    assert 9999 == client.duplicate(handle.id, run_after=timedelta(days=365 * 9000)).refresh().run_after.year


FILTERS = [
    (lambda client: client.find(states=5), "states is 5"),
    (lambda client: client.find(states="READY"), "states holds 'READY'"),
    (lambda client: client.find("name"), "no Query"),
    (lambda client: client.find(name=5), "Query.name is a text"),
    (lambda client: client.find(cursor="\udc80"), "lone surrogate"),
    (lambda client: client.find(enqueued_from=5), "enqueued_from"),
    (lambda client: client.requeue_all(delay=-HOUR), "of zero or more"),
    (lambda client: client.purge(older_than=5), "older_than is 5"),
    (lambda client: client.purge(older_than=-HOUR), "of zero or more"),
    (lambda client: client.purge(finished_before=NAIVE), "with a time zone"),
    (lambda client: client.purge(finished_before="now"), "with a time zone"),
    (lambda client: client.purge(ids="abc"), "a list of ids"),
    (lambda client: client.purge(ids=[5]), "an id is a text"),
    (lambda client: client.purge(states=State), "states"),
    (lambda client: client.get(5), "an id is a text"),
    (lambda client: client.get("\udc80"), "lone surrogate"),
    (lambda client: client.items(None), "is a text"),
    (lambda client: client.pause("\udc80"), "queue_name"),
    (lambda client: client.stop_worker(5), "is a text"),
    (lambda client: client.wait([5]), "no handle"),
    (lambda client: list(client.as_completed(["abc"])), "no handle"),
]


@pytest.mark.parametrize(("call", "words"), FILTERS)
def test_questions_that_cannot_be_meant_are_refused(client, call, words):
    """By name, never by a traceback from inside."""
    with pytest.raises(InvalidInput, match=words):
        call(client)


def test_an_age_of_all_times_purges_nothing(client):
    """What is older than all moments there are is nothing."""
    client.cancel(client.enqueue(add, 1).id)
    assert 0 == client.purge(older_than=timedelta.max)


def test_the_longest_timeout_waits(client):
    """``timedelta.max`` is a way to say "for ever"."""
    handle = client.enqueue(add, 1)
    Worker(client, [add]).drain()
    assert 1 == handle.result(timedelta.max)


def test_a_schedule_may_start_with_the_calendar(client):
    """``datetime.min`` is a way to say "at once"."""
    beginning = datetime.min.replace(tzinfo=timezone.utc)
    at = client.backend.now() + HOUR
    assert at == client.schedule("s", once(at), add.bind(1), starts_at=beginning).next_slot


WORKERS = [
    ({"name": Mute()}, "name"),
    ({"result_limit": 0}, "result_limit"),
    ({"result_limit": "1 MB"}, "result_limit"),
    ({"on_outcome": "log"}, "on_outcome"),
    ({"lease": timedelta.max}, "lease"),
    ({"poll_interval": timedelta.max}, "poll_interval"),
    ({"grace": timedelta.max}, "grace"),
]


@pytest.mark.parametrize(("options", "words"), WORKERS)
def test_options_of_a_worker_are_refused_by_name(client, options, words):
    """When it is made, not when it runs."""
    with pytest.raises(InvalidOption, match=rf"Worker\({words}"):
        Worker(client, [add], **options)


@pytest.mark.parametrize(
    "make", [lambda: Client(5), lambda: Worker(5, [add]), lambda: Worker(Client(MemoryBackend()), 5)]
)
def test_client_and_worker_say_what_they_take(make):
    """Not when the first method is called."""
    with pytest.raises(TaskcoreError, match=r"Client|Worker"):
        make()


ABOUT_LONG_ONES = [
    lambda client: add.using(queue_name=LONG),
    lambda client: client.schedule("s", every(HOUR), add),
    lambda client: client.schedule("s", LONG, add.bind(1)),
    lambda client: client.amend("0" * 32, metadata=LONG),
    lambda client: client.find(limit=LONG),
    lambda client: client.purge(at_most=LONG),
    lambda client: client.purge(finished_before=LONG),
    lambda client: client.purge(keep_latest=LONG),
    lambda client: client.wait([], LONG),
    lambda client: Client(client.backend, payload_limit=LONG),
    lambda client: Client.from_url(LONG.encode()),
    lambda client: AsyncClient(client.backend, threads=LONG),
    lambda client: Worker(client, [LONG]),  # type: ignore[list-item]
]


@pytest.mark.parametrize("call", ABOUT_LONG_ONES)
def test_messages_stay_short(client, call):
    """However large the value is that they are about."""
    with pytest.raises(InvalidInput) as caught:
        call(client)
    assert len(str(caught.value)) < 300
