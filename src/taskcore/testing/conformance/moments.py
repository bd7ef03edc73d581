"""Checks of moments at the ends of the calendar: long before 1970, and in the year 9999."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from taskcore.protocol import (
    CancelReason,
    Event,
    PurgeRequest,
    Query,
    Retention,
    ScheduleQuery,
    State,
    UniqueKey,
    UniqueUntil,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import schedule
from taskcore.testing.conformance._trial import LEASE, Trial, expect

FIRST_MOMENT = datetime.min.replace(tzinfo=timezone.utc)
LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)

EARLY = (
    FIRST_MOMENT,
    FIRST_MOMENT + MILLISECOND,
    datetime(1582, 10, 4, tzinfo=timezone.utc),
    datetime(1950, 1, 1, tzinfo=timezone.utc),
    EPOCH - MILLISECOND - MICROSECOND,
    EPOCH - MICROSECOND,
    EPOCH,
)
"""In order; the last but one is in another millisecond than the last."""


@check()
def early_moments_are_claimed_in_order(trial: Trial) -> None:
    """Tasks that are due since long before 1970 are claimed by run_after as all others are, and keep it exactly."""
    specs = [trial.spec(run_after=moment) for moment in reversed(EARLY)]
    trial.store.add([trial.spec(), *specs])
    expect(FIRST_MOMENT, trial.store.stats().queues[0].oldest_due_at, "the oldest moment of the queue")
    expect(len(EARLY) + 1, trial.store.stats().queues[0].counts[State.READY], "how many are READY")
    expect(0, trial.store.stats().queues[0].scheduled, "how many of them are for later")
    claimed = trial.claim(limit=len(EARLY))
    expect(list(EARLY), [task.spec.run_after for task in claimed], "the moments, in the order of the claim")
    expect(list(EARLY), [task.run_after for task in claimed], "the same of the tasks")
    expect(claimed, trial.store.get([task.id for task in claimed]), "the stored tasks")


@check()
def priority_outweighs_the_first_moment(trial: Trial) -> None:
    """A task of higher priority comes before one that has been due since the year 1, also at the ends of the range."""
    low = trial.add(priority=-100, run_after=FIRST_MOMENT)
    middle = trial.add(priority=-99)
    high = trial.add(priority=99, run_after=FIRST_MOMENT)
    highest = trial.add(priority=100)
    expect([highest, high, middle, low], [task.id for task in trial.claim(limit=4)], "the order of the claim")


@check()
def what_expired_before_1970_expires(trial: Trial) -> None:
    """A task that was overdue long before 1970 is CANCELLED, reason expired, by the next claim."""
    ids = [trial.add(expires_at=moment) for moment in EARLY]
    expect([], trial.claim(), "what is claimed")
    expect([(State.CANCELLED, CancelReason.EXPIRED)] * len(ids), _fates(trial, ids), "states and reasons")
    expect(list(EARLY), [trial.get(task_id).spec.expires_at for task_id in ids], "the moments as stored")


def _fates(trial: Trial, ids: list[str]) -> list[tuple[State, CancelReason | None]]:
    return [(task.state, task.reason) for task in map(trial.get, ids)]


@check()
def last_moment_is_waited_for(trial: Trial) -> None:
    """Tasks for the end of the calendar stay READY, scheduled, exact to the microsecond, and hold up nothing."""
    moments = [LAST_MOMENT, LAST_MOMENT - MICROSECOND, datetime(2286, 11, 20, 17, 46, 40, 1, tzinfo=timezone.utc)]
    ids = [trial.add(run_after=moment, expires_at=LAST_MOMENT) for moment in moments]
    due = trial.add(expires_at=LAST_MOMENT)
    expect([due], [task.id for task in trial.claim(limit=9)], "what is claimed")
    expect(moments, [trial.get(task_id).run_after for task_id in ids], "the moments as stored")
    expect([LAST_MOMENT] * 3, [trial.get(task_id).spec.expires_at for task_id in ids], "the expiries as stored")
    (queue,) = trial.store.stats().queues
    expect((3, None), (queue.scheduled, queue.oldest_due_at), "how many are scheduled, and the oldest that is due")
    expect(False, trial.store.wait(["default"], timedelta(0)), "whether there is something to claim")


@check()
def keys_of_moments_at_the_ends(trial: Trial) -> None:
    """A unique key until a moment before 1970 holds nobody up; one until the end of the calendar does."""
    for moment in EARLY:
        trial.add(unique=UniqueKey(key="early", until=UniqueUntil.MOMENT, moment=moment))
    holder = trial.add(unique=UniqueKey(key="late", until=UniqueUntil.MOMENT, moment=LAST_MOMENT))
    trial.housekeep()
    holders = [trial.store.unique_holder(key) for key in ("early", "late")]
    expect([None, holder], holders, "the holders of both keys")
    expect(LAST_MOMENT, trial.get(holder).spec.unique.moment, "the moment as stored")  # type: ignore[union-attr]


@check()
def questions_about_the_ends(trial: Trial) -> None:
    """Find and purge take bounds from the year 1 to the year 9999."""
    done, waiting = trial.finish(trial.add()).id, trial.add()
    for query, found in (
        (Query(enqueued_from=FIRST_MOMENT, enqueued_until=LAST_MOMENT), [waiting, done]),
        (Query(enqueued_from=EPOCH - MICROSECOND), [waiting, done]),
        (Query(enqueued_until=EPOCH), []),
        (Query(enqueued_until=FIRST_MOMENT), []),
        (Query(enqueued_from=LAST_MOMENT), []),
    ):
        expect(found, [task.id for task in trial.store.find(query).items], f"what {query} finds")
    purged = [trial.store.purge(PurgeRequest(finished_before=moment)) for moment in (FIRST_MOMENT, EPOCH, LAST_MOMENT)]
    expect([0, 0, 1], purged, "how many are purged, by the moment")


@check()
def schedules_that_were_due_long_ago(trial: Trial) -> None:
    """Schedules whose slot lies before 1970 are due, the earliest first, page by page; one of the year 9999 is not."""
    for moment in (*reversed(EARLY), LAST_MOMENT):
        trial.store.put_schedule(schedule(trial, next_slot=moment), expected_revision=None)
    found: list[datetime | None] = []
    cursor = None
    while True:
        page = trial.store.schedules(ScheduleQuery(due_by=trial.clock.now(), cursor=cursor, limit=3))
        found += [one.next_slot for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    expect(list(EARLY), found, "the slots")
    every = trial.store.schedules(ScheduleQuery(due_by=LAST_MOMENT, limit=20)).items
    expect(LAST_MOMENT, every[-1].next_slot, "the last slot of all that are due by the last moment")


@check()
def a_clock_before_1970(trial: Trial) -> None:
    """A store whose clock is wrong by decades works: leases lapse, delays end, retention ends."""
    trial.clock.set(datetime(1950, 1, 1, tzinfo=timezone.utc))
    task_id = trial.add(retention=Retention(successful=LEASE), run_after=trial.clock.now() + LEASE)
    expect([], trial.claim(), "what is claimed before it is due")
    trial.clock.advance(LEASE)
    first = trial.take(task_id)
    expect(trial.clock.now() + LEASE, first.lease.expires_at, "when the lease ends")  # type: ignore[union-attr]
    trial.clock.advance(LEASE)
    done = trial.must(Event.SUCCEED, trial.take(task_id))
    ended = (done.state, done.epoch, done.crashes, done.changed_at)
    expect((State.SUCCESSFUL, 2, 1, trial.clock.now()), ended, "state, epoch, crashes and end")
    expect(0, trial.store.purge(PurgeRequest(is_due=True)), "how many are purged at once")
    trial.clock.advance(LEASE)
    expect(1, trial.store.purge(PurgeRequest(is_due=True)), "how many are purged once it need not be kept")
