"""Checks of the ends of what there is: spans past the calendar, and texts to ask with that no store could hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from taskcore.errors import InvalidInput
from taskcore.protocol import (
    Change,
    ClaimRequest,
    Event,
    Fence,
    GroupQuery,
    Lease,
    PurgeRequest,
    Query,
    Retention,
    ScheduleQuery,
    State,
    Verdict,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, expect, expect_raises

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
SURROGATE, NUL = "a\udc80", "a\0b"
AGE_OF_THE_WORLD = timedelta(days=365 * 9000)
LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


def _refused(trial: Trial, calls: dict[str, Callable[[], object]]) -> None:
    """Make each call, which must raise ``InvalidInput``; then nothing is in the store."""
    for what, call in calls.items():
        expect_raises(InvalidInput, call, what)
    expect([], trial.found(), "the tasks that are there")


@check()
def ages_beyond_a_century_are_refused(trial: Trial) -> None:
    """A timeout or an age that no column of microseconds holds is refused when the task is added."""

    def adding(**options: object) -> Callable[[], object]:
        return lambda: trial.store.add([trial.spec(), trial.spec(**options)])

    _refused(
        trial,
        {
            "timeout": adding(timeout=timedelta.max),
            "soft_timeout": adding(soft_timeout=timedelta.max),
            "retention": adding(retention=Retention(failed=AGE_OF_THE_WORLD)),
        },
    )


@check()
def questions_that_cannot_be_meant_are_refused(trial: Trial) -> None:
    """A filter, a cursor or an id that no store could hold, a naive moment, a limit of nothing."""
    store = trial.store
    calls: dict[str, Callable[[], object]] = {}
    for value in (SURROGATE, NUL, 3):
        text: Any = value
        for field in ("queue_name", "name", "group_id", "schedule_id", "unique_key", "worker_id", "cursor"):
            query = Query(**{field: text})
            calls[f"find({field}={value!r})"] = lambda query=query: store.find(query)  # type: ignore[misc]
        for field in ("queue_name", "name", "group_id"):
            request = PurgeRequest(**{field: text})
            calls[f"purge({field}={value!r})"] = lambda request=request: store.purge(request)  # type: ignore[misc]
        calls |= {
            f"get({value!r})": lambda text=text: store.get([text]),  # type: ignore[misc]
            f"get({value!r}, …)": lambda text=text: store.get([text, "b"]),  # type: ignore[misc]
            f"children({value!r})": lambda text=text: store.children(text),  # type: ignore[misc]
            f"items({value!r})": lambda text=text: store.items(text),  # type: ignore[misc]
            f"unique_holder({value!r})": lambda text=text: store.unique_holder(text),  # type: ignore[misc]
            f"groups({value!r})": lambda text=text: store.groups(GroupQuery(ids=(text,))),  # type: ignore[misc]
            f"schedules({value!r})": lambda text=text: store.schedules(  # type: ignore[misc]
                ScheduleQuery(names=(text,))
            ),
            f"pause({value!r})": lambda text=text: store.pause(text),  # type: ignore[misc]
            f"resume({value!r})": lambda text=text: store.resume(text),  # type: ignore[misc]
        }
    calls |= {
        "find(enqueued_from)": lambda: store.find(Query(enqueued_from=NAIVE)),
        "find(enqueued_until)": lambda: store.find(Query(enqueued_until=NAIVE)),
        "find(limit=0)": lambda: store.find(Query(limit=0)),
        "purge(finished_before)": lambda: store.purge(PurgeRequest(finished_before=NAIVE)),
        "purge(limit=0)": lambda: store.purge(PurgeRequest(limit=0)),
        "schedules(due_by)": lambda: store.schedules(ScheduleQuery(due_by=NAIVE)),
        "groups(limit=0)": lambda: store.groups(GroupQuery(limit=0)),
    }
    _refused(trial, calls)


@check()
def only_claim_claims(trial: Trial) -> None:
    """A CLAIM among the changes of ``apply``, which would pass by the order and by pauses, is refused with the rest."""
    first, second = trial.add(), trial.add()
    now = trial.clock.now()
    grant = Lease(nonce="n", worker_id="w", claimed_at=now, expires_at=now + LEASE)
    for fence in (None, Fence(1, "n")):
        changes = [
            Change(task_id=first, event=Event.CANCEL),
            Change(task_id=second, event=Event.CLAIM, grant=grant, fence=fence),
        ]
        expect_raises(InvalidInput, partial(trial.store.apply, changes), f"apply with a CLAIM, fence {fence}")
    expect([State.READY] * 2, trial.states(first, second), "the states")


@check()
def leases_beyond_a_year_are_refused(trial: Trial) -> None:
    """A lease ends within the calendar, and within the patience of whoever waits for what a lost worker held."""
    task_id = trial.add()
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=timedelta.max)
    expect_raises(InvalidInput, lambda: trial.store.claim(request), "a claim with the longest lease there is")
    expect([task_id], [task.id for task in trial.claim()], "what is claimed afterwards")


@check()
def delay_beyond_the_calendar_is_the_last_moment(trial: Trial) -> None:
    """A run_after that would lie past the year 9999 is the last moment there is, and the task can be read."""
    for event in (Event.RELEASE, Event.RESCHEDULE):
        task_id = trial.add()
        task = trial.take(task_id) if event is Event.RELEASE else trial.get(task_id)
        spec = None if event is Event.RELEASE else task.spec
        after = trial.must(event, task, delay=AGE_OF_THE_WORLD, spec=spec)
        expect(LAST_MOMENT, after.run_after, f"run_after once {event.value} is applied")
    expect(2, len(trial.found()), "how many tasks a query finds")
    expect([], trial.claim(), "what is claimed")


@check()
def negative_delay_is_refused(trial: Trial) -> None:
    """An operator cannot move a task into the past, and thereby before those that have waited longer."""
    task = trial.get(trial.add())
    call = lambda: trial.apply(Event.RESCHEDULE, task, delay=-LEASE, spec=task.spec)  # noqa: E731
    expect_raises(InvalidInput, call, "RESCHEDULE with a negative delay")
    expect(Verdict.APPLIED, trial.apply(Event.CANCEL, task, version=task.version).verdict, "CANCEL afterwards")
