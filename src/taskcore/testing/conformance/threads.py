"""Checks of many threads on one backend object: each call is atomic for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from taskcore.protocol import AddVerdict, Change, Event, Fence, Group, Item, State, Task, TaskSpec, Verdict
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, all_pages, expect, in_threads

THREADS = 8


@check()
def each_task_is_claimed_by_one_thread(trial: Trial) -> None:
    """Eight threads that claim from two queues get each of 400 tasks once."""
    specs = [trial.spec(queue_name="ab"[number % 2]) for number in range(400)]
    trial.store.add(specs)

    def claim_all() -> list[str]:
        found: list[str] = []
        while claimed := trial.claim("a", "b", limit=7):
            found += [task.id for task in claimed]
        return found

    found = [task_id for ids in in_threads([claim_all] * THREADS) for task_id in ids]
    expect(sorted(spec.id for spec in specs), sorted(found), "all that was claimed")


@check()
def each_task_is_run_to_its_end_once(trial: Trial) -> None:
    """Eight threads claim and settle together: each settle is APPLIED, no task is left or done twice."""
    specs = [trial.spec() for _ in range(200)]
    trial.store.add(specs)

    def work() -> list[Verdict]:
        verdicts: list[Verdict] = []
        while claimed := trial.claim(limit=5):
            changes = [Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence) for task in claimed]
            verdicts += [one.verdict for one in trial.store.apply(changes).applied]
        return verdicts

    verdicts = Counter(verdict for found in in_threads([work] * THREADS) for verdict in found)
    expect({Verdict.APPLIED: len(specs)}, dict(verdicts), "the verdicts")
    expect({State.SUCCESSFUL}, set(trial.states(*[spec.id for spec in specs])), "the states")


@check()
def one_of_many_repeats_is_applied(trial: Trial) -> None:
    """Of eight threads that settle with one fence at once one is APPLIED, the others are ALREADY."""
    task = trial.take(trial.add())
    verdicts = Counter(in_threads([lambda: trial.apply(Event.SUCCEED, task).verdict] * THREADS))
    expect({Verdict.APPLIED: 1, Verdict.ALREADY: THREADS - 1}, dict(verdicts), "the verdicts")


@check()
def one_of_many_ends_is_applied(trial: Trial) -> None:
    """Of a success, a failure, a retry and a release at once, with one fence, one is APPLIED."""
    task = trial.take(trial.add(max_attempts=2))
    events = (Event.SUCCEED, Event.FAIL, Event.RETRY, Event.RELEASE)
    answers = in_threads([partial(trial.apply, event, task) for event in events])
    applied = [answer for answer in answers if answer.verdict is Verdict.APPLIED]
    expect((1, [applied[0].state]), (len(applied), trial.states(task.id)), "how many are applied, and the state")


@check()
def one_of_many_operators_is_applied(trial: Trial) -> None:
    """Of eight operators who cancel or reschedule the version they have seen one is APPLIED."""
    task = trial.get(trial.add())
    calls: list[Callable[[], Verdict]] = [
        lambda: trial.apply(Event.CANCEL, task.id, version=1).verdict,
        lambda: trial.apply(Event.RESCHEDULE, task.id, version=1, spec=task.spec).verdict,
    ]
    verdicts = Counter(in_threads(calls * 4))
    expect(1, verdicts[Verdict.APPLIED], f"how many of {dict(verdicts)} are applied")
    expect(2, trial.get(task.id).version, "the version")


@check()
def one_of_many_adds_of_an_id_is_added(trial: Trial) -> None:
    """Of eight threads that add the same 20 specs at once each spec is ADDED once, and ALREADY otherwise."""
    specs = [trial.spec() for _ in range(20)]
    answers = in_threads([lambda: trial.store.add(specs)] * THREADS)
    verdicts = Counter(one.verdict for found in answers for one in found)
    expect({AddVerdict.ADDED: 20, AddVerdict.ALREADY: 20 * (THREADS - 1)}, dict(verdicts), "the verdicts")
    expect(20, len(trial.found()), "how many tasks there are")


@check()
def parents_that_finish_together_let_their_child_go(trial: Trial) -> None:
    """A child of eight parents that finish at once in eight threads is READY afterwards, ten times over."""
    for number in range(10):
        parents = [trial.add(queue_name=f"p{number}") for _ in range(THREADS)]
        child = trial.add(parents=tuple(parents), queue_name="child")
        tasks: list[Task] = trial.claim(f"p{number}", limit=THREADS)
        in_threads([partial(trial.apply, Event.SUCCEED, task) for task in tasks])
        expect([State.READY], trial.states(child), "the child")


@check()
def child_added_while_its_parent_finishes(trial: Trial) -> None:
    """Whichever comes first, the add of a child or the finish of its parent: the child is READY afterwards."""
    for number in range(20):
        task = trial.take(trial.add(queue_name=f"p{number}"))
        spec: TaskSpec = trial.spec(parents=(task.id,), queue_name="child")
        calls: list[Callable[[], object]] = [
            partial(trial.store.add, [spec]),
            partial(trial.apply, Event.SUCCEED, task),
        ]
        in_threads(calls)
        expect([State.READY], trial.states(spec.id), "the child")


@check()
def group_counts_survive_many_threads(trial: Trial) -> None:
    """80 members that eight threads run at once are counted rightly, and let the callback go once."""
    group = Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=80)
    trial.store.add([trial.spec(group_id=group.id, group_index=n) for n in range(80)], group=group)
    callback = trial.add(parents=(group.id,), queue_name="callback")

    def work() -> int:
        done = 0
        while claimed := trial.claim(limit=3):
            for task in claimed:
                trial.must(Event.SUCCEED, task)
                done += 1
        return done

    expect(80, sum(in_threads([work] * THREADS)), "how many were run")
    expect({State.SUCCESSFUL: 80}, dict(trial.group(group.id).counts), "the counts of the group")
    callback_task = trial.get(callback)
    expect((State.READY, 2), (callback_task.state, callback_task.version), "state and version of the callback")


@check()
def reclaim_and_settle_race(trial: Trial) -> None:
    """When a late holder settles while others claim, it is applied or stale, and the task runs on accordingly."""
    for number in range(10):
        queue = f"q{number}"
        task = trial.take(trial.add(queue_name=queue))
        trial.clock.advance(LEASE)
        verdicts: list[Verdict] = []

        def settle(task: Task = task, verdicts: list[Verdict] = verdicts) -> list[Task]:
            verdicts.append(trial.apply(Event.SUCCEED, task).verdict)
            return []

        calls: list[Callable[[], list[Task]]] = [settle, *[partial(trial.claim, queue)] * 3]
        claims = in_threads(calls)
        count = sum(len(claimed) for claimed in claims)
        if verdicts == [Verdict.APPLIED]:
            expect((0, [State.SUCCESSFUL]), (count, trial.states(task.id)), "claims and state when it was applied")
        else:
            expect(([Verdict.STALE], True), (verdicts, count <= 1), "the verdict, and whether at most one claimed it")


@check()
def items_of_many_threads_are_all_there(trial: Trial) -> None:
    """Heartbeats with items from eight threads at once lose none."""
    task = trial.take(trial.add())

    def beat(number: int) -> Verdict:
        items = tuple(
            Item(task_id=task.id, epoch=1, sequence=10 * number + index, at=trial.clock.now()) for index in range(10)
        )
        return trial.apply(Event.HEARTBEAT, task, items=items).verdict

    in_threads([partial(beat, number) for number in range(THREADS)])
    items = all_pages(lambda cursor: trial.store.items(task.id, cursor=cursor))
    expect(list(range(80)), [item.sequence for item in items], "the sequences")


@check()
def stale_threads_change_nothing(trial: Trial) -> None:
    """While the holder beats and succeeds, threads with other fences are STALE every time."""
    task = trial.take(trial.add())

    def stranger() -> set[Verdict]:
        fence = Fence(task.epoch, "stranger")
        events = (Event.HEARTBEAT, Event.SUCCEED, Event.FAIL, Event.RELEASE) * 5
        return {trial.apply(event, task, fence=fence).verdict for event in events}

    def holder() -> set[Verdict]:
        verdicts = {trial.apply(Event.HEARTBEAT, task).verdict for _ in range(10)}
        return verdicts | {trial.apply(Event.SUCCEED, task).verdict}

    answers = in_threads([holder, *[stranger] * 4])
    expect([{Verdict.APPLIED}, *[{Verdict.STALE}] * 4], answers, "the verdicts of the holder and of the strangers")
    expect([State.SUCCESSFUL], trial.states(task.id), "the state")
