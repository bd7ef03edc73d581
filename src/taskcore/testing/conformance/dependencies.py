"""Checks of dependencies: who waits for whom, what a failure does, and how far one finish reaches."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    CancelReason,
    Event,
    OnParentFailure,
    State,
    Task,
    Verdict,
)
from taskcore.testing.conformance._check import check, family
from taskcore.testing.conformance._trial import LEASE, Trial, all_pages, expect

MINUTE = timedelta(minutes=1)
RUN = OnParentFailure.RUN
MANY = 2 * PROPAGATION_LIMIT + 50
DRAINING_CLAIMS = 20


def _parent(trial: Trial) -> str:
    """Add a task in a queue of its own, so that it can be taken whatever else is ready."""
    return trial.add(queue_name=f"parent {trial.number()}", max_attempts=3)


def _fates(trial: Trial, *task_ids: str) -> list[tuple[State, CancelReason | None]]:
    return [(task.state, task.reason) for task in (trial.get(task_id) for task_id in task_ids)]


DEPENDENCY = (State.CANCELLED, CancelReason.DEPENDENCY)
READY = (State.READY, None)
BLOCKED = (State.BLOCKED, None)


@check()
def child_waits_for_its_parent(trial: Trial) -> None:
    """A task with an unfinished parent is BLOCKED, and READY once the parent is SUCCESSFUL."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    expect([State.BLOCKED], trial.states(child), "the child before")
    trial.finish(parent)
    expect([State.READY], trial.states(child), "the child after")
    expect([child], [task.id for task in trial.claim()], "what is claimed")


@check()
def child_of_a_finished_parent_is_ready(trial: Trial) -> None:
    """A task whose parents are all SUCCESSFUL does not wait."""
    parent = _parent(trial)
    trial.finish(parent)
    expect([State.READY], trial.states(trial.add(parents=(parent,))), "the state of the child")


@check()
def child_keeps_its_own_moment(trial: Trial) -> None:
    """A child that is let go is not claimed before its own ``run_after``."""
    parent = _parent(trial)
    moment = trial.clock.now() + MINUTE
    child = trial.add(parents=(parent,), run_after=moment)
    trial.finish(parent)
    expect((State.READY, moment), (trial.get(child).state, trial.get(child).run_after), "state and run_after")
    expect([], trial.claim(), "what is claimed before the moment")
    trial.clock.advance(MINUTE)
    expect([child], [task.id for task in trial.claim()], "what is claimed at the moment")


@check()
def child_waits_for_all_its_parents(trial: Trial) -> None:
    """With three parents the last one to finish lets the child go, in whatever order they finish."""
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        parents = [_parent(trial) for _ in range(3)]
        child = trial.add(parents=tuple(parents))
        states = []
        for index in order:
            trial.finish(parents[index])
            states += trial.states(child)
        expect([State.BLOCKED, State.BLOCKED, State.READY], states, f"the child as {order} finish")


@check()
def some_parents_are_finished_already(trial: Trial) -> None:
    """Of two parents, one finished before the child was added: the other one is waited for."""
    done, open_ = _parent(trial), _parent(trial)
    trial.finish(done)
    child = trial.add(parents=(done, open_))
    expect([State.BLOCKED], trial.states(child), "the child before")
    trial.finish(open_)
    expect([State.READY], trial.states(child), "the child after")


@check()
def parent_named_twice_counts_once(trial: Trial) -> None:
    """A parent that stands twice among the parents is waited for once."""
    parent = _parent(trial)
    child = trial.add(parents=(parent, parent))
    trial.finish(parent)
    expect([State.READY], trial.states(child), "the child")


@check()
def parent_and_child_in_one_call(trial: Trial) -> None:
    """A spec may name parents that stand before it in the same call."""
    first = trial.spec(queue_name="p")
    second = trial.spec(parents=(first.id,))
    third = trial.spec(parents=(first.id, second.id))
    trial.store.add([first, second, third])
    expect([State.READY, State.BLOCKED, State.BLOCKED], trial.states(first.id, second.id, third.id), "at first")
    trial.finish(first.id)
    expect([State.READY, State.BLOCKED], trial.states(second.id, third.id), "after the first")
    trial.finish(second.id)
    expect([State.READY], trial.states(third.id), "after the second")


def _unfinished_parent(trial: Trial, event: Event) -> None:
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    task = trial.take(parent)
    trial.must(event, task)
    expect([BLOCKED], _fates(trial, child), f"the child after {event.value} of its parent")


UNFINISHED = family(
    _unfinished_parent,
    (Event.RETRY, Event.RELEASE, Event.RECLAIM, Event.HEARTBEAT, Event.CANCEL),
    "child_still_waits_after_{}",
    "{} of the parent is no finish: the child stays BLOCKED.",
)


def _end_parent(trial: Trial, parent: str, event: Event) -> None:
    """Let a parent end without success, in one of the ways there are."""
    if event is Event.CANCEL:
        trial.must(event, parent)
    elif event is Event.EXPIRE:
        trial.clock.advance(MINUTE)
        trial.housekeep()
    elif event is Event.ABANDON:
        trial.must(Event.START, trial.take(parent))
        trial.clock.advance(LEASE)
        trial.housekeep()
    elif event is Event.LET_GO:
        trial.take(parent)
        trial.must(Event.CANCEL, parent)
        trial.clock.advance(LEASE)
        trial.housekeep()
    else:
        trial.finish(parent, event)


def _failing_parent(trial: Trial, event: Event) -> None:
    expiry = trial.clock.now() + MINUTE if event is Event.EXPIRE else None
    parent = trial.add(queue_name="p", max_crashes=0, expires_at=expiry)
    minds, runs = trial.add(parents=(parent,)), trial.add(parents=(parent,), on_parent_failure=RUN)
    _end_parent(trial, parent, event)
    expect([DEPENDENCY, READY], _fates(trial, minds, runs), f"the two children after {event.value} of their parent")


FAILING = family(
    _failing_parent,
    (Event.FAIL, Event.ABORT, Event.CANCEL, Event.EXPIRE, Event.ABANDON, Event.LET_GO),
    "parent_ends_by_{}",
    "After {} of the parent a child is CANCELLED, reason dependency, or READY if it runs anyway.",
)


@check()
def one_failed_parent_is_enough(trial: Trial) -> None:
    """A child that minds is CANCELLED at the first failure; the other parents do not bring it back."""
    bad, good = _parent(trial), _parent(trial)
    child = trial.add(parents=(bad, good))
    trial.finish(bad, Event.FAIL)
    expect([DEPENDENCY], _fates(trial, child), "the child after the failure")
    before = trial.get(child)
    trial.finish(good)
    expect(before, trial.get(child), "the child after the other parent's success")


@check()
def failure_after_success_cancels_too(trial: Trial) -> None:
    """The failure of the last parent cancels the child, though the others were successful."""
    good, bad = _parent(trial), _parent(trial)
    child = trial.add(parents=(good, bad))
    trial.finish(good)
    trial.finish(bad, Event.FAIL)
    expect([DEPENDENCY], _fates(trial, child), "the child")


@check()
def child_that_runs_anyway_still_waits_for_all(trial: Trial) -> None:
    """A child that does not mind failures waits until every parent has finished somehow."""
    bad, good = _parent(trial), _parent(trial)
    child = trial.add(parents=(bad, good), on_parent_failure=RUN)
    trial.finish(bad, Event.FAIL)
    expect([BLOCKED], _fates(trial, child), "the child after the failure")
    trial.finish(good)
    expect([READY], _fates(trial, child), "the child after the last finish")


@check()
def child_added_after_a_failure(trial: Trial) -> None:
    """A task added when a parent has failed is CANCELLED at once, or does not wait for it if it runs anyway."""
    bad, open_ = _parent(trial), _parent(trial)
    trial.finish(bad, Event.FAIL)
    children = [
        trial.add(parents=(bad, open_)),
        trial.add(parents=(bad,), on_parent_failure=RUN),
        trial.add(parents=(bad, open_), on_parent_failure=RUN),
    ]
    expect([DEPENDENCY, READY, BLOCKED], _fates(trial, *children), "the children")


@check()
def failure_reaches_grandchildren(trial: Trial) -> None:
    """A cancelled child is itself a parent that ended without success, down a chain of 30."""
    chain = [_parent(trial)]
    for _ in range(30):
        chain.append(trial.add(parents=(chain[-1],)))
    trial.finish(chain[0], Event.FAIL)
    trial.housekeep(times=3)
    expect([DEPENDENCY] * 30, _fates(trial, *chain[1:]), "the chain")


@check()
def diamond(trial: Trial) -> None:
    """One parent, two children, one grandchild that waits for both."""
    top = _parent(trial)
    left, right = trial.add(parents=(top,), queue_name="l"), trial.add(parents=(top,), queue_name="r")
    bottom = trial.add(parents=(left, right))
    trial.finish(top)
    trial.finish(right)
    expect([State.BLOCKED], trial.states(bottom), "the grandchild after one child")
    trial.finish(left)
    expect([State.READY], trial.states(bottom), "the grandchild after both")


@check()
def finished_child_is_left_alone(trial: Trial) -> None:
    """A child that was cancelled while it waited stays as it is when its parent finishes."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    cancelled = trial.must(Event.CANCEL, child)
    trial.finish(parent)
    trial.housekeep()
    expect(cancelled, trial.get(child), "the cancelled child")


@check()
def rescheduled_child_still_waits(trial: Trial) -> None:
    """Another moment for a blocked task does not unblock it; once let go it has the new moment."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    moment = trial.clock.now() + MINUTE
    trial.must(Event.RESCHEDULE, child, spec=attrs.evolve(trial.get(child).spec, run_after=moment))
    expect([State.BLOCKED], trial.states(child), "the child after RESCHEDULE")
    trial.finish(parent)
    task = trial.get(child)
    expect((State.READY, moment), (task.state, task.run_after), "the child after the parent")


@check()
def unblock_from_outside_is_refused(trial: Trial) -> None:
    """Nobody can let a task go whose parent is unfinished: the store counts what it waits for itself."""
    child = trial.add(parents=(_parent(trial),))
    expect(Verdict.REFUSED, trial.apply(Event.UNBLOCK, child, waits=0).verdict, "the verdict")
    expect([State.BLOCKED], trial.states(child), "the child")


def _family(trial: Trial, *, on_parent_failure: OnParentFailure = OnParentFailure.CANCEL) -> tuple[str, list[str]]:
    parent = _parent(trial)
    specs = [trial.spec(parents=(parent,), on_parent_failure=on_parent_failure) for _ in range(MANY)]
    trial.store.add(specs)
    return parent, [spec.id for spec in specs]


def _moved(trial: Trial, children: list[str]) -> int:
    return sum(state is not State.BLOCKED for state in trial.states(*children))


def _limited(trial: Trial, event: Event, wanted: State) -> None:
    parent, children = _family(trial)
    trial.finish(parent, event)
    moved = _moved(trial, children)
    expect(
        True, 0 < moved <= PROPAGATION_LIMIT, f"whether 1 to {PROPAGATION_LIMIT} of {MANY} move at once; {moved} did"
    )
    trial.housekeep()
    expect(True, _moved(trial, children) <= moved + PROPAGATION_LIMIT, "whether the next claim moves no more than that")
    trial.housekeep(times=DRAINING_CLAIMS)
    expect({wanted}, set(trial.states(*children)), f"the states after {DRAINING_CLAIMS} claims")


@check()
def success_lets_many_go_in_portions(trial: Trial) -> None:
    """A finish moves at most PROPAGATION_LIMIT dependents by itself; the rest is owed, and drained by claims."""
    _limited(trial, Event.SUCCEED, State.READY)


@check()
def failure_cancels_many_in_portions(trial: Trial) -> None:
    """A failure cancels at most PROPAGATION_LIMIT dependents by itself; the rest is owed, and drained by claims."""
    _limited(trial, Event.FAIL, State.CANCELLED)


@check()
def owed_children_are_claimed_in_the_end(trial: Trial) -> None:
    """Each of many dependents is claimed once, though they are let go in portions."""
    parent, children = _family(trial)
    trial.finish(parent)
    claimed = [task.id for _ in range(DRAINING_CLAIMS) for task in trial.claim(limit=50)]
    expect(sorted(children), sorted(claimed), "all that is claimed")


@check()
def child_added_while_children_are_owed(trial: Trial) -> None:
    """A child that is added after the finish is READY at once, while older ones are still owed."""
    parent, children = _family(trial)
    trial.finish(parent)
    late = trial.add(parents=(parent,), queue_name="late")
    expect([State.READY], trial.states(late), "the late child")
    trial.housekeep(times=DRAINING_CLAIMS)
    expect(MANY, _moved(trial, children), "how many of the older ones have moved in the end")


@check()
def owed_children_can_be_cancelled_meanwhile(trial: Trial) -> None:
    """A child that is cancelled while it is owed stays cancelled."""
    parent, children = _family(trial)
    trial.finish(parent)
    owed = next(child for child in reversed(children) if trial.get(child).state is State.BLOCKED)
    cancelled = trial.must(Event.CANCEL, owed)
    trial.housekeep(times=DRAINING_CLAIMS)
    expect(cancelled, trial.get(owed), "the cancelled child")


@check()
def children_are_listed_by_id(trial: Trial) -> None:
    """``children`` lists those that were enqueued to wait for a task, finished ones too, by id, page by page."""
    parent = _parent(trial)
    children = [trial.add(parents=(parent,)) for _ in range(5)]
    trial.add()
    trial.must(Event.CANCEL, children[1])
    trial.finish(parent)
    trial.must(Event.SUCCEED, trial.claim()[0])
    pages: list[Task] = all_pages(lambda cursor: trial.store.children(parent, cursor, 2))
    expect(children, [task.id for task in pages], "the ids of all pages")
    expect(children, [task.id for task in trial.store.children(parent).items], "the ids of one page")


@check()
def children_of_nobody(trial: Trial) -> None:
    """A task without dependents, or an unknown id, has no children."""
    found = [trial.store.children(task_id).items for task_id in (_parent(trial), "0" * 32)]
    expect([(), ()], found, "the children")


@check()
def child_of_a_failed_parent_is_not_requeued(trial: Trial) -> None:
    """REQUEUE of a task that was cancelled with its parent is REFUSED while the parent is not requeued."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    trial.finish(parent, Event.FAIL)
    expect(Verdict.REFUSED, trial.apply(Event.REQUEUE, child).verdict, "the verdict")
    expect([DEPENDENCY], _fates(trial, child), "the child")


@check()
def child_is_requeued_after_its_parent(trial: Trial) -> None:
    """Parent first, then child: the child is BLOCKED again, and let go when the parent succeeds this time."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    trial.finish(parent, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    expect([DEPENDENCY], _fates(trial, child), "the child when only the parent is requeued")
    trial.must(Event.REQUEUE, child)
    expect([BLOCKED], _fates(trial, child), "the child after its own requeue")
    trial.finish(parent)
    expect([READY], _fates(trial, child), "the child after the success")


@check()
def requeued_parent_may_fail_again(trial: Trial) -> None:
    """A child that was requeued with its parent is cancelled again when the parent fails again."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    trial.finish(parent, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    trial.must(Event.REQUEUE, child)
    trial.finish(parent, Event.FAIL)
    expect([DEPENDENCY], _fates(trial, child), "the child")


@check()
def requeue_counts_the_parents_itself(trial: Trial) -> None:
    """The number of unfinished parents that a REQUEUE brings from outside is not believed."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,))
    trial.must(Event.CANCEL, child)
    trial.must(Event.REQUEUE, child, waits=0)
    expect([BLOCKED], _fates(trial, child), "the requeued child of an unfinished parent")
    free = trial.add()
    trial.must(Event.CANCEL, free)
    trial.must(Event.REQUEUE, free, waits=3)
    expect([READY], _fates(trial, free), "the requeued task without parents")


@check()
def dependents_stay_as_they_are_when_a_parent_runs_again(trial: Trial) -> None:
    """A child that has run already is not touched when its parent is requeued and finishes again."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,), on_parent_failure=RUN)
    trial.finish(parent, Event.FAIL)
    done = trial.finish(child)
    trial.must(Event.REQUEUE, parent)
    trial.finish(parent)
    trial.housekeep()
    expect(done, trial.get(child), "the child")


@check()
def requeued_parent_leaves_its_ready_child(trial: Trial) -> None:
    """A child that was let go before its parent is requeued stays READY."""
    parent = _parent(trial)
    child = trial.add(parents=(parent,), on_parent_failure=RUN)
    trial.finish(parent, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    expect([READY], _fates(trial, child), "the child")
