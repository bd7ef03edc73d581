"""Checks of the door: what cannot be meant, or not stored everywhere, is refused with InvalidInput and changes nothing.

Every backend refuses the same (``taskcore.records`` has the functions that do), so that what works with one works
with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs

from taskcore.errors import InvalidInput
from taskcore.protocol import (
    ID_LIMIT,
    NAME_LIMIT,
    Change,
    ClaimRequest,
    Event,
    Group,
    GroupQuery,
    PurgeRequest,
    Query,
    ScheduleQuery,
    UniqueKey,
    UniqueUntil,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._schedule import schedule
from taskcore.testing.conformance._trial import LEASE, Trial, expect, expect_raises

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused


def _refuses(trial: Trial, call: Callable[[], object], what: str) -> None:
    expect_raises(InvalidInput, call, what)
    expect([], trial.found(), f"all tasks after {what}")


@check()
def moments_without_a_zone(trial: Trial) -> None:
    """A naive datetime is refused wherever a moment goes: it would mean another moment on another machine."""
    for name in ("enqueued_at", "run_after", "expires_at", "slot"):
        options: dict[str, Any] = {name: NAIVE, **({"schedule_id": "e" * 32} if name == "slot" else {})}
        spec = trial.spec(**options)
        _refuses(trial, partial(trial.store.add, [spec]), f"adding a task whose {name} has no zone")
    unique = UniqueKey(key="k", until=UniqueUntil.MOMENT, moment=NAIVE)
    _refuses(trial, lambda: trial.store.add([trial.spec(unique=unique)]), "adding a key until a moment without a zone")
    expect_raises(InvalidInput, lambda: trial.store.find(Query(enqueued_from=NAIVE)), "finding from such a moment")
    request = PurgeRequest(finished_before=NAIVE)
    expect_raises(InvalidInput, lambda: trial.store.purge(request), "purging before such a moment")


@check()
def texts_that_are_too_long(trial: Trial) -> None:
    """Ids have 64 characters at most, names 255: as many are stored and found, one more is refused, nothing is cut."""
    _refuses_longer(trial, "id", ID_LIMIT)
    for name in ("schedule_id", "group_id"):
        _refuses_longer(trial, name, ID_LIMIT, is_stored=False)
    for name in ("name", "queue_name", "label"):
        _refuses_longer(trial, name, NAME_LIMIT)
    trial.add(unique=UniqueKey(key="k" * NAME_LIMIT))
    long = UniqueKey(key="k" * (NAME_LIMIT + 1))
    expect_raises(InvalidInput, lambda: trial.add(unique=long), "adding a unique key of a character too many")


def _refuses_longer(trial: Trial, field: str, longest: int, *, is_stored: bool = True) -> None:
    if is_stored:
        task_id = trial.add(**{field: "é" * longest})
        (found,) = trial.store.get([task_id])
        expect("é" * longest, getattr(found and found.spec, field), f"{field} of {longest} characters")
    long: dict[str, Any] = {field: "é" * (longest + 1)}
    what = f"adding a task whose {field} has a character too many"
    expect_raises(InvalidInput, lambda: trial.store.add([trial.spec(**long)]), what)


@check()
def names_of_others_that_are_too_long(trial: Trial) -> None:
    """Groups, schedules, queues that are paused, workers and nonces have the same bounds as tasks."""
    long_id, long_name, now = "i" * (ID_LIMIT + 1), "n" * (NAME_LIMIT + 1), trial.clock.now()
    groups = (Group(id=long_id, name="g", created_at=now), Group(id="g", name=long_name, created_at=now))
    calls: list[tuple[Callable[[], object], str]] = [
        *((partial(trial.store.add, [], group=group), "adding such a group") for group in groups),
        (partial(trial.store.pause, long_name), "pausing such a queue"),
        (lambda: trial.claim(worker_id=long_name), "claiming for such a worker"),
        (lambda: trial.claim(nonce=long_id), "claiming with such a nonce"),
    ]
    for schedule_id, name in ((long_id, "s"), ("s", long_name)):
        made = schedule(trial, id=schedule_id, name=name)
        calls.append((partial(trial.store.put_schedule, made, expected_revision=None), "storing such a schedule"))
    for call, what in calls:
        expect_raises(InvalidInput, call, what)
    expect((), trial.store.groups(GroupQuery()).items, "the groups")
    expect((), trial.store.schedules(ScheduleQuery()).items, "the schedules")


@check()
def priorities_out_of_range(trial: Trial) -> None:
    """Priorities are whole numbers from -100 to 100."""
    for priority in (101, -101, 1.5):
        spec = trial.spec(priority=priority)
        _refuses(trial, partial(trial.store.add, [spec]), f"adding a task of priority {priority}")


@check()
def names_that_not_every_store_can_hold(trial: Trial) -> None:
    """Empty names, NUL characters and lone surrogates are refused: some databases cannot keep them."""
    for name in ("", "a\0b", "a\ud800b"):
        for field in ("id", "name", "queue_name"):
            spec = trial.spec(**{field: name})
            _refuses(trial, partial(trial.store.add, [spec]), f"adding a task whose {field} is {name!r}")
        spec = trial.spec(unique=UniqueKey(key=name))
        _refuses(trial, partial(trial.store.add, [spec]), f"adding a task with the key {name!r}")
        expect_raises(InvalidInput, partial(trial.store.pause, name), f"pausing the queue {name!r}")


@check()
def one_bad_spec_stores_none(trial: Trial) -> None:
    """The good specs of the call are not stored either."""
    specs = [trial.spec(), trial.spec(priority=1000), trial.spec()]
    _refuses(trial, lambda: trial.store.add(specs), "adding a bad spec among good ones")


@check()
def claims_that_cannot_be_meant(trial: Trial) -> None:
    """A claim needs a worker, a nonce, queues, a limit that is not negative, and a lease."""
    good = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=LEASE)
    task_id = trial.add()
    bad: list[dict[str, Any]] = [
        {"worker_id": ""},
        {"nonce": ""},
        {"limit": -1},
        {"lease": timedelta(0)},
        {"lease": -LEASE},
        {"queue_names": "default"},
    ]
    for options in bad:
        request = attrs.evolve(good, **options)
        expect_raises(InvalidInput, partial(trial.store.claim, request), f"a claim with {options}")
        expect_raises(
            InvalidInput,
            partial(trial.store.apply, [], request),
            f"apply with a claim with {options}",
        )
    expect(1, trial.get(task_id).version, "the version of the task that was not claimed")


@check()
def one_bad_change_makes_none(trial: Trial) -> None:
    """When a change cannot be stored the whole call raises, and none of its changes is made."""
    task = trial.take(trial.add())
    good = Change(task_id=task.id, event=Event.HEARTBEAT, fence=task.fence)
    bad = Change(task_id=task.id, event=Event.RETRY, fence=task.fence, run_after=NAIVE)
    expect_raises(InvalidInput, lambda: trial.store.apply([good, bad]), "applying a change with a naive moment")
    expect(task, trial.get(task.id), "the task")


@check()
def leases_that_would_never_end(trial: Trial) -> None:
    """A heartbeat that extends its lease beyond the calendar is refused, and the lease stays as it was."""
    task = trial.take(trial.add())
    endless = Change(task_id=task.id, event=Event.HEARTBEAT, fence=task.fence, extend=timedelta.max)
    expect_raises(InvalidInput, lambda: trial.store.apply([endless]), "a lease beyond the calendar")
    expect(task, trial.get(task.id), "the task")


@check()
def pages_that_cannot_be_meant(trial: Trial) -> None:
    """A limit is one or more."""
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: trial.store.find(Query(limit=0)),
        "groups": lambda: trial.store.groups(GroupQuery(limit=-1)),
        "schedules": lambda: trial.store.schedules(ScheduleQuery(limit=0)),
        "items": lambda: trial.store.items("0" * 32, limit=0),
        "children": lambda: trial.store.children("0" * 32, None, 0),
        "purge": lambda: trial.store.purge(PurgeRequest(limit=0)),
    }
    for name, call in calls.items():
        expect_raises(InvalidInput, call, f"{name} with a limit that is no number of things")


@check()
def schedules_that_cannot_be_stored(trial: Trial) -> None:
    """A schedule with a naive moment or an empty name is refused."""
    for options in ({"next_slot": NAIVE}, {"name": ""}, {"created_at": NAIVE}):
        bad = schedule(trial, **options)
        expect_raises(
            InvalidInput,
            partial(trial.store.put_schedule, bad, expected_revision=None),
            f"putting a schedule with {options}",
        )
    expect((), trial.store.schedules(ScheduleQuery()).items, "the schedules")


@check()
def task_that_waits_for_itself(trial: Trial) -> None:
    """A task that names itself as its parent would never run: it is refused, and not stored."""
    spec = trial.spec()
    _refuses(trial, lambda: trial.store.add([attrs.evolve(spec, parents=(spec.id,))]), "adding its own parent")


@check()
def member_that_waits_for_its_group(trial: Trial) -> None:
    """A member of a group that waits for the group would never run: it is refused, and not stored."""
    group = Group(id="f" * 32, name="g", created_at=trial.clock.now())
    spec = trial.spec(group_id=group.id, group_index=0, parents=(group.id,))
    _refuses(trial, lambda: trial.store.add([spec], group=group), "adding a member that waits for its group")


@check()
def cursors_that_no_page_gave(trial: Trial) -> None:
    """A cursor of items or of due schedules that was made up is refused."""
    for cursor in ("", "x", "1", "a.b", f"{10**20}.0", f"1.{'9' * 5000}"):
        expect_raises(InvalidInput, partial(_items_from, trial, cursor), f"items from the cursor {cursor!r}")
    for cursor in ("x", "a.b", ".", "-"):
        expect_raises(InvalidInput, partial(_due_from, trial, cursor), f"due schedules from the cursor {cursor!r}")


def _items_from(trial: Trial, cursor: str) -> object:
    return trial.store.items("0" * 32, cursor=cursor)


def _due_from(trial: Trial, cursor: str) -> object:
    return trial.store.schedules(ScheduleQuery(due_by=trial.clock.now(), cursor=cursor))
