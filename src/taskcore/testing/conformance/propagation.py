"""Checks of how far one finish reaches: dependents by the hundred, who they are, and what a requeue does to them."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import (
    PROPAGATION_LIMIT,
    Change,
    ClaimRequest,
    Event,
    OnParentFailure,
    State,
    Task,
    Verdict,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._parents import BLOCKED, DEPENDENCY, READY, add_parent, fates
from taskcore.testing.conformance._trial import Trial, all_pages, expect

MINUTE = timedelta(minutes=1)
RUN = OnParentFailure.RUN
MANY = 2 * PROPAGATION_LIMIT + 50
DRAINING_CLAIMS = 20


def _family(trial: Trial, *, on_parent_failure: OnParentFailure = OnParentFailure.CANCEL) -> tuple[str, list[str]]:
    parent = add_parent(trial)
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
def many_who_owe_little_are_drained_as_fast(trial: Trial) -> None:
    """A claim moves PROPAGATION_LIMIT dependents, be they of one parent or of as many parents."""
    parent, children = _family(trial)
    grandchildren = [trial.spec(parents=(child,)) for child in children]
    trial.store.add(grandchildren)
    trial.must(Event.CANCEL, parent)
    trial.housekeep(times=2 * MANY // PROPAGATION_LIMIT + 1)
    expect(MANY, _moved(trial, children), "how many children are cancelled")
    expect(MANY, _moved(trial, [spec.id for spec in grandchildren]), "how many grandchildren are cancelled")


@check()
def finishes_of_one_call_share_what_they_move(trial: Trial) -> None:
    """Parents that finish in one call move PROPAGATION_LIMIT dependents in all, and so does the claim in that call."""
    parents = [trial.add(queue_name="parents") for _ in range(5)]
    each = PROPAGATION_LIMIT - 10
    specs = [trial.spec(parents=(parent,), queue_name="children") for parent in parents for _ in range(each)]
    trial.store.add(specs)
    held = trial.claim("parents", limit=5)
    settles = [Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence) for task in held]
    request = ClaimRequest(worker_id="w", nonce="n", queue_names=("nothing",), limit=1, lease=MINUTE)
    trial.store.apply(settles[:3])
    children = [spec.id for spec in specs]
    moved = [_moved(trial, children)]
    trial.store.apply(settles[3:], request)
    moved.append(_moved(trial, children))
    while moved[-1] != moved[-2]:
        trial.housekeep()
        moved.append(_moved(trial, children))
    total = 5 * each
    wanted = [*(number * PROPAGATION_LIMIT for number in (1, 3, 4)), total, total]
    expect(wanted, moved, "how many dependents have moved after each call")


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
    parent = add_parent(trial)
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
    found = [trial.store.children(task_id).items for task_id in (add_parent(trial), "0" * 32)]
    expect([(), ()], found, "the children")


@check()
def child_of_a_failed_parent_is_not_requeued(trial: Trial) -> None:
    """REQUEUE of a task that was cancelled with its parent is REFUSED while the parent is not requeued."""
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    trial.finish(parent, Event.FAIL)
    expect(Verdict.REFUSED, trial.apply(Event.REQUEUE, child).verdict, "the verdict")
    expect([DEPENDENCY], fates(trial, child), "the child")


@check()
def child_that_runs_anyway_is_requeued(trial: Trial) -> None:
    """A task that runs whatever becomes of its parents is requeued though one has failed."""
    parent = add_parent(trial)
    child = trial.add(parents=(parent,), on_parent_failure=RUN)
    trial.finish(parent, Event.FAIL)
    trial.finish(child, Event.FAIL)
    trial.must(Event.REQUEUE, child)
    expect([READY], fates(trial, child), "the child")


@check()
def child_is_requeued_after_its_parent(trial: Trial) -> None:
    """Parent first, then child: the child is BLOCKED again, and let go when the parent succeeds this time."""
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    trial.finish(parent, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    expect([DEPENDENCY], fates(trial, child), "the child when only the parent is requeued")
    trial.must(Event.REQUEUE, child)
    expect([BLOCKED], fates(trial, child), "the child after its own requeue")
    trial.finish(parent)
    expect([READY], fates(trial, child), "the child after the success")


@check()
def requeued_parent_may_fail_again(trial: Trial) -> None:
    """A child that was requeued with its parent is cancelled again when the parent fails again."""
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    trial.finish(parent, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    trial.must(Event.REQUEUE, child)
    trial.finish(parent, Event.FAIL)
    expect([DEPENDENCY], fates(trial, child), "the child")


@check()
def requeue_counts_the_parents_itself(trial: Trial) -> None:
    """The number of unfinished parents that a REQUEUE brings from outside is not believed."""
    parent = add_parent(trial)
    child = trial.add(parents=(parent,))
    trial.must(Event.CANCEL, child)
    trial.must(Event.REQUEUE, child, waits=0)
    expect([BLOCKED], fates(trial, child), "the requeued child of an unfinished parent")
    free = trial.add()
    trial.must(Event.CANCEL, free)
    trial.must(Event.REQUEUE, free, waits=3)
    expect([READY], fates(trial, free), "the requeued task without parents")


@check()
def dependents_stay_as_they_are_when_a_parent_runs_again(trial: Trial) -> None:
    """A child that has run already is not touched when its parent is requeued and finishes again."""
    parent = add_parent(trial)
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
    parent = add_parent(trial)
    child = trial.add(parents=(parent,), on_parent_failure=RUN)
    trial.finish(parent, Event.FAIL)
    trial.must(Event.REQUEUE, parent)
    expect([READY], fates(trial, child), "the child")
