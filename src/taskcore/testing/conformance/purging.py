"""Checks of ``purge``: only what has finished, nothing that is still needed, exactly what was asked for."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import (
    Added,
    AddVerdict,
    Change,
    Event,
    Group,
    KeepPer,
    OnParentFailure,
    PurgeRequest,
    Retention,
    State,
    UniqueKey,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import Trial, expect

MINUTE = timedelta(minutes=1)
FINISHES = {Event.SUCCEED: State.SUCCESSFUL, Event.FAIL: State.FAILED, Event.ABORT: State.CANCELLED}


def _done(trial: Trial, event: Event = Event.SUCCEED, **options: object) -> str:
    """Store a task that has finished; return its id."""
    return trial.finish(trial.add(**{"queue_name": f"q{trial.number()}", **options}), event).id


def _purged(trial: Trial, **options: object) -> int:
    return trial.store.purge(PurgeRequest(**options))  # type: ignore[arg-type]


@check()
def unfinished_tasks_stay(trial: Trial) -> None:
    """READY, scheduled, RUNNING and BLOCKED tasks are never purged, even if they are named."""
    running = trial.take(trial.add()).id
    ids = [running, trial.add(), trial.add(run_after=trial.clock.now() + MINUTE), trial.add(parents=(running,))]
    trial.clock.advance(timedelta(days=1000))
    later = trial.clock.now() + MINUTE
    counts = [
        _purged(trial),
        _purged(trial, ids=tuple(ids)),
        _purged(trial, states=frozenset(State)),
        _purged(trial, finished_before=later),
    ]
    expect([0] * 4, counts, "how many were purged")
    expect(ids[::-1], trial.found(), "all tasks")


@check()
def all_that_has_finished(trial: Trial) -> None:
    """With no filter every finished task goes; the answer is how many; a second call finds none."""
    for event in FINISHES:
        _done(trial, event)
    kept = trial.add()
    expect([3, 0], [_purged(trial), _purged(trial)], "how many were purged")
    expect([kept], trial.found(), "all tasks")


@check()
def by_state(trial: Trial) -> None:
    """Only finished tasks of the states asked for go."""
    ids = {state: _done(trial, event) for event, state in FINISHES.items()}
    expect(1, _purged(trial, states=frozenset({State.FAILED})), "how many were purged")
    expect({ids[State.SUCCESSFUL], ids[State.CANCELLED]}, set(trial.found()), "all tasks")


@check()
def by_queue_name_group_and_ids(trial: Trial) -> None:
    """Each filter alone purges what has it and nothing else."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now()))
    named, queued = _done(trial, name="n"), _done(trial, queue_name="q")
    grouped = _done(trial, group_id="f" * 32, group_index=0)
    other, kept = _done(trial), _done(trial)
    filters: list[tuple[dict[str, object], str]] = [
        ({"name": "n"}, named),
        ({"queue_name": "q"}, queued),
        ({"group_id": "f" * 32}, grouped),
        ({"ids": (other, "0" * 32)}, other),
    ]
    for options, gone in filters:
        before = set(trial.found())
        expect(1, _purged(trial, **options), f"how many were purged by {options}")
        expect({gone}, before - set(trial.found()), f"what was purged by {options}")
    expect([kept], trial.found(), "what is left")


@check()
def all_filters_must_match(trial: Trial) -> None:
    """A task that matches one filter and not the other stays."""
    both = _done(trial, name="n", queue_name="q")
    _done(trial, name="n")
    _done(trial, queue_name="q")
    _done(trial, Event.FAIL, name="n", queue_name="q")
    done = frozenset({State.SUCCESSFUL})
    expect(1, _purged(trial, name="n", queue_name="q", states=done), "how many were purged")
    expect(None, trial.store.get([both])[0], "the one that matched")


@check()
def by_age(trial: Trial) -> None:
    """``finished_before`` looks at when a task finished, not at when it was enqueued."""
    old_but_just_done = trial.add(queue_name="late")
    old = _done(trial)
    trial.clock.advance(MINUTE)
    trial.finish(old_but_just_done)
    expect(1, _purged(trial, finished_before=trial.clock.now()), "how many were purged")
    expect(([None], [old_but_just_done]), (trial.states(old), trial.found()), "the old one, and what is left")


@check()
def what_the_tasks_say_themselves(trial: Trial) -> None:
    """With ``is_due`` a task goes when the age that its own retention gives for its state has passed."""
    hour = timedelta(hours=1)
    retention = Retention(successful=MINUTE, failed=hour)
    short, long = _done(trial, retention=retention), _done(trial, Event.FAIL, retention=retention)
    _done(trial, Event.ABORT, retention=retention)
    _done(trial)
    trial.clock.advance(MINUTE - timedelta(milliseconds=1))
    expect(0, _purged(trial, is_due=True), "how many were purged a millisecond before")
    trial.clock.advance(timedelta(milliseconds=1))
    expect((1, [None]), (_purged(trial, is_due=True), trial.states(short)), "what goes after a minute")
    trial.clock.advance(hour)
    expect((1, [None]), (_purged(trial, is_due=True), trial.states(long)), "what goes after an hour")
    expect((0, 2), (_purged(trial, is_due=True), len(trial.found())), "what is left")


@check()
def tasks_that_are_not_to_be_kept(trial: Trial) -> None:
    """A retention of no time makes a task due for purging when it has finished."""
    gone = _done(trial, retention=Retention(successful=timedelta(0)))
    failed = _done(trial, Event.FAIL, retention=Retention(successful=timedelta(0)))
    expect((1, [None, State.FAILED]), (_purged(trial, is_due=True), trial.states(gone, failed)), "what goes")


@check()
def requeued_task_is_not_due(trial: Trial) -> None:
    """A task that was requeued is not purged by the retention of its former end."""
    task_id = _done(trial, Event.FAIL, retention=Retention(failed=MINUTE))
    trial.must(Event.REQUEUE, task_id)
    trial.clock.advance(2 * MINUTE)
    expect((0, [State.READY]), (_purged(trial, is_due=True), trial.states(task_id)), "what goes")


@check()
def latest_of_each_name_stay(trial: Trial) -> None:
    """``keep_latest`` keeps the newest n by finish of each name, and deletes the older ones."""
    first, second = trial.add(name="a", queue_name="1"), trial.add(name="a", queue_name="2")
    trial.finish(second)
    trial.clock.advance(MINUTE)
    trial.finish(first)
    trial.clock.advance(MINUTE)
    third, other = _done(trial, name="a"), _done(trial, name="b")
    expect(1, _purged(trial, keep_latest=2), "how many were purged")
    expect({first, third, other}, set(trial.found()), "what is left")
    expect(2, _purged(trial, keep_latest=0, name="a"), "how many are purged when none of a name is kept")
    expect([other], trial.found(), "what is left then")


@check()
def latest_are_counted_among_what_is_asked_for(trial: Trial) -> None:
    """With ``states``, ``keep_latest`` counts only tasks in these: newer ones in others push none of them out."""
    ids: dict[Event, list[str]] = {}
    for event in (Event.SUCCEED, Event.FAIL, Event.SUCCEED, Event.FAIL):
        ids.setdefault(event, []).append(_done(trial, event, name="a"))
        trial.clock.advance(MINUTE)
    successes = {"states": frozenset({State.SUCCESSFUL}), "keep_latest": 1}
    expect(1, _purged(trial, **successes), "how many were purged")
    expect({ids[Event.SUCCEED][1], *ids[Event.FAIL]}, set(trial.found()), "what is left")
    expect(0, _purged(trial, **successes, name="a"), "how many are purged then")


@check()
def latest_of_each_group_stay(trial: Trial) -> None:
    """``keep_latest`` by group keeps the newest n of each group."""
    ids: dict[str, list[str]] = {}
    for group_id in ("e" * 32, "f" * 32):
        trial.store.add([], group=Group(id=group_id, name="g", created_at=trial.clock.now()))
        ids[group_id] = []
        for index in range(3):
            ids[group_id].append(_done(trial, group_id=group_id, group_index=index, name=f"n{index}"))
            trial.clock.advance(MINUTE)
    expect(4, _purged(trial, keep_latest=1, keep_per=KeepPer.GROUP), "how many were purged")
    expect({group[-1] for group in ids.values()}, set(trial.found()), "what is left")


@check()
def latest_stay_while_the_oldest_go_one_by_one(trial: Trial) -> None:
    """With a limit ``keep_latest`` deletes the oldest first, whatever else has the name; of one moment the lower id."""
    ids: list[str] = []
    for index in range(6):
        ids.append(_done(trial, name="a"))
        _done(trial, Event.FAIL, name="a")
        trial.clock.advance(MINUTE * (index % 2))
    left: list[set[str]] = []
    while _purged(trial, keep_latest=2, states=frozenset({State.SUCCESSFUL}), limit=1):
        left.append(set(trial.found(states=frozenset({State.SUCCESSFUL}))))
    expect([set(ids[count:]) for count in range(1, 5)], left, "what is left of the successful ones after each call")
    expect(6, len(trial.found(states=frozenset({State.FAILED}))), "how many of the failed ones are left")


@check()
def limit_is_kept(trial: Trial) -> None:
    """One call deletes no more than its limit; repeated, all go."""
    for _ in range(7):
        _done(trial)
    expect([3, 3, 1, 0], [_purged(trial, limit=3) for _ in range(4)], "how many each call purges")


@check()
def limit_is_of_what_can_go(trial: Trial) -> None:
    """Tasks that have to stay do not use the limit up: a call that returns 0 is the last one."""
    for _ in range(5):
        parent = _done(trial)
        trial.add(parents=(parent,), run_after=trial.clock.now() + MINUTE)
    free = _done(trial)
    total = 0
    while count := _purged(trial, limit=2):
        total += count
    expect((1, [None]), (total, trial.states(free)), "how many were purged, and the one that can go")


@check()
def parent_of_an_unfinished_task_stays(trial: Trial) -> None:
    """A finished task stays while one that depends on it is unfinished: its result is still needed."""
    parent = _done(trial)
    child = trial.add(parents=(parent,))
    expect(0, _purged(trial, ids=(parent,)), "how many were purged while the child is READY")
    task = trial.take(child)
    expect(0, _purged(trial), "how many were purged while the child runs")
    trial.must(Event.SUCCEED, task)
    expect(2, _purged(trial), "how many were purged when the child has finished")


@check()
def parent_that_failed_stays_for_a_child_that_runs_anyway(trial: Trial) -> None:
    """Also the failed parent of an unfinished task stays."""
    parent = trial.add(queue_name="p")
    child = trial.add(parents=(parent,), on_parent_failure=OnParentFailure.RUN)
    trial.finish(parent, Event.FAIL)
    expect(0, _purged(trial), "how many were purged while the child is READY")
    trial.finish(child)
    expect(2, _purged(trial), "how many were purged when the child has finished")


@check()
def members_stay_while_the_callback_is_unfinished(trial: Trial) -> None:
    """The members of a group whose callback has not run are still needed: it gets their results."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=2))
    members = [_done(trial, group_id="f" * 32, group_index=index) for index in range(2)]
    callback = trial.add(parents=("f" * 32,))
    expect((0, members[::-1]), (_purged(trial), trial.found(group_id="f" * 32)), "what goes before the callback")
    trial.finish(callback)
    expect(3, _purged(trial), "how many were purged after the callback")


@check()
def purged_id_is_free(trial: Trial) -> None:
    """A task that was purged is unknown: its id can be added again."""
    spec = trial.spec(unique=UniqueKey(key="k"))
    trial.store.add([spec])
    trial.finish(spec.id)
    _purged(trial)
    expect([None], trial.states(spec.id), "the state")
    expect([Added(AddVerdict.ADDED, spec.id)], trial.store.add([spec]), "the answer")


@check()
def many_are_purged(trial: Trial) -> None:
    """1,200 finished tasks go in a few calls."""
    for _ in range(3):
        trial.store.add([trial.spec() for _ in range(400)])
        tasks = trial.claim(limit=400)
        trial.store.apply([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence) for task in tasks])
    counts = [_purged(trial) for _ in range(3)]
    expect([1000, 200, 0], counts, "how many each call purges")


@check()
def latest_are_counted_among_those_that_match(trial: Trial) -> None:
    """With other filters ``keep_latest`` ranks only what matches them: newer tasks of another state do not count."""
    failed = [_done(trial, Event.FAIL) for _ in range(2)]
    successful = [_done(trial) for _ in range(2)]
    expect(1, _purged(trial, keep_latest=1, states=frozenset({State.FAILED})), "how many were purged")
    expect({failed[1], *successful}, set(trial.found()), "what is left")


@check()
def latest_in_a_group_are_those_that_finished_last(trial: Trial) -> None:
    """By group, too, the order of finishing counts, not that of enqueueing."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now()))
    members = [trial.add(group_id="f" * 32, group_index=index, queue_name=f"m{index}") for index in range(3)]
    for member in reversed(members):
        trial.finish(member)
        trial.clock.advance(MINUTE)
    expect(2, _purged(trial, keep_latest=1, keep_per=KeepPer.GROUP), "how many were purged")
    expect([members[0]], trial.found(), "what is left")


@check()
def pairs_of_filters_must_match(trial: Trial) -> None:
    """Ids, age, what the tasks say themselves: with two of them only a task that has both goes."""
    due = Retention(successful=timedelta(0))
    old_due, old = _done(trial, retention=due), _done(trial)
    trial.clock.advance(MINUTE)
    new_due, new = _done(trial, retention=due), _done(trial)
    now = trial.clock.now()
    expect(0, _purged(trial, ids=(new, new_due), finished_before=now), "how many new ones by ids and age")
    expect(0, _purged(trial, ids=(old, new), is_due=True), "how many by ids, of those that are not due")
    expect(0, _purged(trial, name="unknown", is_due=True), "how many due ones of an unknown name")
    expect(1, _purged(trial, is_due=True, finished_before=now), "how many old ones that are due")
    expect([None], trial.states(old_due), "the old one that was due")
    expect(1, _purged(trial, ids=(old, new_due), is_due=True), "how many by ids, of which one is due")
    expect(1, _purged(trial, ids=(old, new), finished_before=now), "how many by ids, of which one is old")
    expect([new], trial.found(), "what is left")


@check()
def purged_members_leave_their_group_finished(trial: Trial) -> None:
    """A finished group stays finished, and successful, when some of its members are purged."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=3))
    members = [_done(trial, group_id="f" * 32, group_index=index) for index in range(3)]
    finished_at = trial.group("f" * 32).finished_at
    _purged(trial, ids=(members[0],))
    group = trial.group("f" * 32)
    found = (group.is_finished, group.is_successful, group.finished_at, dict(group.counts))
    expect((True, True, finished_at, {State.SUCCESSFUL: 2}), found, "the group")
