"""Checks of dependencies: who waits for whom, what a failure does, and how far one finish reaches."""

from __future__ import annotations

from datetime import timedelta

import attrs

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    Event,
    OnParentFailure,
    State,
    Verdict,
)
from taskcore.testing.conformance._check import check, family
from taskcore.testing.conformance._parents import BLOCKED, DEPENDENCY, READY, add_parent, fates
from taskcore.testing.conformance._trial import LEASE, Trial, expect

MINUTE = timedelta(minutes=1)
RUN = OnParentFailure.RUN
MANY = 2 * PROPAGATION_LIMIT + 50
DRAINING_CLAIMS = 20


@check()
def child_waits_for_its_parent(trial: Trial) -> None:
    """A task with an unfinished parent is BLOCKED, and READY once the parent is SUCCESSFUL."""
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    expect([State.BLOCKED], trial.states(child), "the child before")
    trial.finish(parent)
    expect([State.READY], trial.states(child), "the child after")
    expect([child], [task.id for task in trial.claim()], "what is claimed")


@check()
def child_of_a_finished_parent_is_ready(trial: Trial) -> None:
    """A task whose parents are all SUCCESSFUL does not wait."""
    parent = add_parent(trial)
    trial.finish(parent)
    expect([State.READY], trial.states(trial.add(parents=(parent,))), "the state of the child")


@check()
def child_keeps_its_own_moment(trial: Trial) -> None:
    """A child that is let go is not claimed before its own ``run_after``."""
    parent = add_parent(trial)
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
        parents = [add_parent(trial) for _ in range(3)]
        child = trial.add(parents=tuple(parents))
        states = []
        for index in order:
            trial.finish(parents[index])
            states += trial.states(child)
        expect([State.BLOCKED, State.BLOCKED, State.READY], states, f"the child as {order} finish")


@check()
def some_parents_are_finished_already(trial: Trial) -> None:
    """Of two parents, one finished before the child was added: the other one is waited for."""
    done, open_ = add_parent(trial), add_parent(trial)
    trial.finish(done)
    child = trial.add(parents=(done, open_))
    expect([State.BLOCKED], trial.states(child), "the child before")
    trial.finish(open_)
    expect([State.READY], trial.states(child), "the child after")


@check()
def parent_named_twice_counts_once(trial: Trial) -> None:
    """A parent that stands twice among the parents is waited for once."""
    parent = add_parent(trial)
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
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    task = trial.take(parent)
    trial.must(event, task)
    expect([BLOCKED], fates(trial, child), f"the child after {event.value} of its parent")


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
    expect([DEPENDENCY, READY], fates(trial, minds, runs), f"the two children after {event.value} of their parent")


FAILING = family(
    _failing_parent,
    (Event.FAIL, Event.ABORT, Event.CANCEL, Event.EXPIRE, Event.ABANDON, Event.LET_GO),
    "parent_ends_by_{}",
    "After {} of the parent a child is CANCELLED, reason dependency, or READY if it runs anyway.",
)


@check()
def one_failed_parent_is_enough(trial: Trial) -> None:
    """A child that minds is CANCELLED at the first failure; the other parents do not bring it back."""
    bad, good = add_parent(trial), add_parent(trial)
    child = trial.add(parents=(bad, good))
    trial.finish(bad, Event.FAIL)
    expect([DEPENDENCY], fates(trial, child), "the child after the failure")
    before = trial.get(child)
    trial.finish(good)
    expect(before, trial.get(child), "the child after the other parent's success")


@check()
def failure_after_success_cancels_too(trial: Trial) -> None:
    """The failure of the last parent cancels the child, though the others were successful."""
    good, bad = add_parent(trial), add_parent(trial)
    child = trial.add(parents=(good, bad))
    trial.finish(good)
    trial.finish(bad, Event.FAIL)
    expect([DEPENDENCY], fates(trial, child), "the child")


@check()
def child_that_runs_anyway_still_waits_for_all(trial: Trial) -> None:
    """A child that does not mind failures waits until every parent has finished somehow."""
    bad, good = add_parent(trial), add_parent(trial)
    child = trial.add(parents=(bad, good), on_parent_failure=RUN)
    trial.finish(bad, Event.FAIL)
    expect([BLOCKED], fates(trial, child), "the child after the failure")
    trial.finish(good)
    expect([READY], fates(trial, child), "the child after the last finish")


@check()
def child_added_after_a_failure(trial: Trial) -> None:
    """A task added when a parent has failed is CANCELLED at once, or does not wait for it if it runs anyway."""
    bad, open_ = add_parent(trial), add_parent(trial)
    trial.finish(bad, Event.FAIL)
    children = [
        trial.add(parents=(bad, open_)),
        trial.add(parents=(bad,), on_parent_failure=RUN),
        trial.add(parents=(bad, open_), on_parent_failure=RUN),
    ]
    expect([DEPENDENCY, READY, BLOCKED], fates(trial, *children), "the children")


@check()
def failure_reaches_grandchildren(trial: Trial) -> None:
    """A cancelled child is itself a parent that ended without success, down a chain of 30."""
    chain = [add_parent(trial)]
    for _ in range(30):
        chain.append(trial.add(parents=(chain[-1],)))
    trial.finish(chain[0], Event.FAIL)
    trial.housekeep(times=3)
    expect([DEPENDENCY] * 30, fates(trial, *chain[1:]), "the chain")


@check()
def diamond(trial: Trial) -> None:
    """One parent, two children, one grandchild that waits for both."""
    top = add_parent(trial)
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
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    cancelled = trial.must(Event.CANCEL, child)
    trial.finish(parent)
    trial.housekeep()
    expect(cancelled, trial.get(child), "the cancelled child")


@check()
def rescheduled_child_still_waits(trial: Trial) -> None:
    """Another moment for a blocked task does not unblock it; once let go it has the new moment."""
    parent = add_parent(trial)
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
    child = trial.add(parents=(add_parent(trial),))
    expect(Verdict.REFUSED, trial.apply(Event.UNBLOCK, child, waits=0).verdict, "the verdict")
    expect([State.BLOCKED], trial.states(child), "the child")
