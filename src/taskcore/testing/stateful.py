"""A Hypothesis state machine that drives two backends alike, and compares them after every step.

One is on trial, the other is the reference (the memory backend, say): whatever one answers the other has to answer, and
what both hold has to be equal. Besides, a ``History`` checks what must hold of any store, whatever the two agree on.

    TestMyBackend = state_machine(lambda clock: MyBackend(clock=clock), lambda clock: MemoryBackend(clock=clock))

Both functions are called for every example and have to make fresh, empty stores.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, multiple, rule

from taskcore._triggers import every
from taskcore.protocol import (
    Backend,
    CancelLevel,
    Change,
    ClaimRequest,
    Clock,
    Event,
    Failure,
    Fence,
    Group,
    GroupQuery,
    Item,
    Progress,
    PurgeRequest,
    Schedule,
    State,
    Task,
    TaskSpec,
    first_id_at,
)
from taskcore.testing._pair import DELAYS, LEASES, OPTIONS, QUEUES, SECOND, Options, Pair, maybe
from taskcore.testing.conformance._trial import expect

__all__ = ["state_machine"]

ENDS = st.sampled_from(
    [
        Event.SUCCEED,
        Event.FAIL,
        Event.RETRY,
        Event.RELEASE,
        Event.ABORT,
        Event.RECLAIM,
        Event.ABANDON,
    ]
)
VERSIONS = st.sampled_from(["none", "now", "old"])
BOOM = Failure(exception_type="E", message="m")


class _Comparison(Pair):
    """The rules. Subclasses made by ``state_machine`` say which two backends are compared."""

    tasks: Bundle[str] = Bundle("tasks")
    claims: Bundle[Task] = Bundle("claims")
    requests: Bundle[ClaimRequest] = Bundle("requests")
    calls: Bundle[tuple[TaskSpec, ...]] = Bundle("calls")
    sent: Bundle[Change] = Bundle("sent")
    groups: Bundle[str] = Bundle("groups")
    schedules: Bundle[Schedule] = Bundle("schedules")

    # Adding

    @initialize(target=tasks, options=OPTIONS)
    def begin(self, options: Options) -> Any:  # noqa: ANN401 - Hypothesis has no type for several values
        return multiple(*self.add_specs((self.spec(attrs.evolve(options, unique=None)),)))

    @rule(target=tasks, options=st.lists(OPTIONS, min_size=1, max_size=3))
    def add(self, options: list[Options]) -> Any:  # noqa: ANN401
        return multiple(*self.add_specs(tuple(self.spec(one) for one in options)))

    @rule(target=calls, options=st.lists(OPTIONS, min_size=1, max_size=2))
    def add_and_lose_the_reply(self, options: list[Options]) -> tuple[TaskSpec, ...]:
        specs = tuple(self.spec(one) for one in options)
        self.add_specs(specs)
        return specs

    @rule(target=tasks, specs=consumes(calls))
    def repeat_an_add(self, specs: tuple[TaskSpec, ...]) -> Any:  # noqa: ANN401
        self.add_specs(specs)
        return multiple(*[task.id for task in self.store.get([spec.id for spec in specs]) if task is not None])

    @rule(
        target=tasks,
        options=OPTIONS,
        parents=st.lists(tasks, min_size=1, max_size=3),
        more=st.lists(groups, max_size=1),
    )
    def add_a_child(self, options: Options, parents: list[str], more: list[str]) -> Any:  # noqa: ANN401
        return multiple(*self.add_specs((self.spec(options, (*parents, *more)),)))

    @rule(target=tasks, options=OPTIONS, parent=groups)
    def add_a_callback(self, options: Options, parent: str) -> Any:  # noqa: ANN401
        return multiple(*self.add_specs((self.spec(options, (parent,)),)))

    @rule(target=groups, members=st.lists(OPTIONS, max_size=3), is_sealed=st.booleans())
    def add_a_group(self, members: list[Options], is_sealed: bool) -> str:
        group = Group(
            id=f"{first_id_at(self.clock.now())[:12]}7{self.number():019x}",
            name="group",
            created_at=self.clock.now(),
            total=len(members) if is_sealed else None,
        )
        specs = [self.spec(one, group_id=group.id, group_index=index) for index, one in enumerate(members)]
        self.add_specs(tuple(specs), group)
        return group.id

    @rule(target=tasks, options=OPTIONS, group_id=groups, is_sealing=st.booleans())
    def join_a_group(self, options: Options, group_id: str, is_sealing: bool) -> Any:  # noqa: ANN401
        found = self.store.groups(GroupQuery(ids=(group_id,))).items
        index = sum(found[0].counts.values()) if found else 0
        group = attrs.evolve(found[0], total=index + 1) if found and is_sealing else None
        return multiple(*self.add_specs((self.spec(options, group_id=group_id, group_index=index),), group))

    # Claiming

    @rule(
        target=requests,
        queue_names=st.lists(QUEUES, min_size=1, max_size=2),
        limit=st.integers(1, 4),
        lease=LEASES,
        allow_suspects=st.booleans(),
    )
    def make_a_request(
        self, queue_names: list[str], limit: int, lease: timedelta, allow_suspects: bool
    ) -> ClaimRequest:
        return self.request(tuple(queue_names), limit, lease, allow_suspects=allow_suspects)

    @rule(target=claims, request=requests)
    def claim(self, request: ClaimRequest) -> Any:  # noqa: ANN401
        """Claim; a request that is drawn a second time is a repeat after a lost reply."""
        claimed = self.both("claim", lambda backend: backend.claim(request)) or []
        for task in claimed:
            self.history.saw_claim(task, self.clock.now())
        return multiple(*claimed)

    @rule(target=claims, limit=st.integers(1, 3), lease=LEASES)
    def claim_anything(self, limit: int, lease: timedelta) -> Any:  # noqa: ANN401
        return multiple(*self.send([], self.request(("a", "b"), limit, lease)))

    @rule(target=claims, limit=st.integers(1, 4), ends=st.lists(ENDS, min_size=4, max_size=4), is_started=st.booleans())
    def run(self, limit: int, ends: list[Event], is_started: bool) -> Any:  # noqa: ANN401
        """Claim whatever there is, and end every run at once, as drawn."""
        for name in ("a", "b"):
            self.both("resume", lambda backend, name=name: backend.resume(name))  # type: ignore[misc]
        claimed = self.send([], self.request(("a", "b"), limit, 60 * SECOND))
        if is_started:
            self.send([Change(task_id=task.id, event=Event.START, fence=task.fence) for task in claimed])
        self.send([self.end(task, event, None, None) for task, event in zip(claimed, ends, strict=False)])
        return multiple(*claimed)

    # What holders say, present and former ones

    @rule(target=sent, task=claims, event=ENDS, delay=maybe(DELAYS), progress=maybe(st.just(Progress(current=1))))
    def settle(self, task: Task, event: Event, delay: timedelta | None, progress: Progress | None) -> Change:
        change = self.end(task, event, delay, progress)
        self.send([change])
        return change

    def end(self, task: Task, event: Event, delay: timedelta | None, progress: Progress | None) -> Change:
        """Return the change by which a holder ends its run."""
        return Change(
            task_id=task.id,
            event=event,
            fence=task.fence,
            value_json="1" if event is Event.SUCCEED else None,
            failure=BOOM if event in {Event.FAIL, Event.RETRY} else None,
            delay=delay,
            progress=progress,
            started_at=self.clock.now(),
        )

    @rule(change=sent)
    def repeat_a_settle(self, change: Change) -> None:
        self.send([change])

    @rule(target=claims, change=sent, request=requests, task=claims)
    def settle_and_claim(self, change: Change, request: ClaimRequest, task: Task) -> Any:  # noqa: ANN401
        success = Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, value_json="2")
        return multiple(*self.send([change, success], request))

    @rule(target=tasks, task=claims, options=OPTIONS, is_child=st.booleans())
    def succeed_with_a_follower(self, task: Task, options: Options, is_child: bool) -> Any:  # noqa: ANN401
        follower = self.spec(attrs.evolve(options, unique=None), (task.id,) if is_child else ())
        self.send([Change(task_id=task.id, event=Event.SUCCEED, fence=task.fence, tasks=(follower,))])
        return multiple(*[one.id for one in self.store.get([follower.id]) if one is not None])

    @rule(task=claims, extend=maybe(LEASES), sequence=st.integers(0, 3))
    def heartbeat(self, task: Task, extend: timedelta | None, sequence: int) -> None:
        item = Item(task_id=task.id, epoch=task.epoch, sequence=sequence, at=self.clock.now())
        self.send([Change(task_id=task.id, event=Event.HEARTBEAT, fence=task.fence, extend=extend, items=(item,))])

    @rule(task=claims)
    def start(self, task: Task) -> None:
        self.send([Change(task_id=task.id, event=Event.START, fence=task.fence)])

    @rule(task=claims, event=ENDS)
    def a_stranger_settles(self, task: Task, event: Event) -> None:
        self.send([Change(task_id=task.id, event=event, fence=Fence(task.epoch, "stranger"))])

    # What operators do

    def version(self, task_id: str, which: str) -> int | None:
        task = self.store.get([task_id])[0]
        if which == "none" or task is None:
            return None
        return task.version - (which == "old")

    @rule(task_id=tasks, level=maybe(st.sampled_from(CancelLevel)), which=VERSIONS)
    def cancel(self, task_id: str, level: CancelLevel | None, which: str) -> None:
        self.send([Change(task_id=task_id, event=Event.CANCEL, level=level, version=self.version(task_id, which))])

    @rule(task_id=tasks, delay=maybe(DELAYS), which=VERSIONS)
    def requeue(self, task_id: str, delay: timedelta | None, which: str) -> None:
        self.send([Change(task_id=task_id, event=Event.REQUEUE, delay=delay, version=self.version(task_id, which))])

    @rule(
        task_id=tasks,
        event=st.sampled_from([Event.RESCHEDULE, Event.AMEND]),
        options=OPTIONS,
        which=VERSIONS,
    )
    def rewrite(self, task_id: str, event: Event, options: Options, which: str) -> None:
        task = self.store.get([task_id])[0]
        if task is not None:
            run_after = None if options.delay is None else self.clock.now() + options.delay
            spec = attrs.evolve(
                task.spec, priority=options.priority, queue_name=options.queue_name, run_after=run_after
            )
            self.send([Change(task_id=task_id, event=event, spec=spec, version=self.version(task_id, which))])

    @rule(task_id=tasks, options=OPTIONS, parents=st.lists(tasks, max_size=2))
    def replace(self, task_id: str, options: Options, parents: list[str]) -> None:
        task = self.store.get([task_id])[0]
        if task is not None:
            spec = attrs.evolve(
                self.spec(options, tuple(parents)),
                id=task_id,
                enqueued_at=task.spec.enqueued_at,
                group_id=task.spec.group_id,
                group_index=task.spec.group_index,
            )
            self.send([Change(task_id=task_id, event=Event.REPLACE, spec=spec)])

    @rule(
        task_id=tasks, event=st.sampled_from([Event.UNBLOCK, Event.EXPIRE, Event.RECLAIM, Event.ABANDON, Event.LET_GO])
    )
    def anybody_asks_for_what_the_store_does(self, task_id: str, event: Event) -> None:
        self.send([Change(task_id=task_id, event=event)])

    @rule(queue_name=QUEUES, is_paused=st.booleans())
    def pause_or_resume(self, queue_name: str, is_paused: bool) -> None:
        self.both("pause", lambda backend: (backend.pause if is_paused else backend.resume)(queue_name))

    @rule(
        states=st.sampled_from([frozenset({State.SUCCESSFUL}), frozenset(State), PurgeRequest().states]),
        is_due=st.booleans(),
        age=maybe(DELAYS),
        keep_latest=maybe(st.integers(0, 2)),
        limit=st.sampled_from([1, 1000]),
    )
    def purge(
        self,
        states: frozenset[State],
        is_due: bool,
        age: timedelta | None,
        keep_latest: int | None,
        limit: int,
    ) -> None:
        request = PurgeRequest(
            states=states,
            is_due=is_due,
            finished_before=None if age is None else self.clock.now() - age,
            keep_latest=keep_latest,
            limit=limit,
        )
        before = set(self.history.accepted)
        count = self.both("purge", lambda backend: backend.purge(request))
        left = {task.id for task in self.everything(self.store)}
        expect(count, len(before - left), "how many tasks are gone after a purge")
        self.history.saw_purge(before - left)

    # Schedules

    @rule(target=schedules, name=st.sampled_from(["n", "m"]))
    def add_a_schedule(self, name: str) -> Schedule:
        now = self.clock.now()
        new = Schedule(
            id=f"{self.number():032x}",
            name=name,
            trigger=every(SECOND, anchor=now),
            spec=TaskSpec(id="0" * 32, name="task", enqueued_at=now),
            next_slot=now + SECOND,
            created_at=now,
            updated_at=now,
        )
        self.both("put_schedule", lambda backend: backend.put_schedule(new, expected_revision=None))
        return new

    @rule(target=schedules, seen=schedules, options=OPTIONS, is_last=st.booleans())
    def fire(self, seen: Schedule, options: Options, is_last: bool) -> Schedule:
        """Fire from what was seen once; it may be old by now."""
        after = attrs.evolve(seen, revision=seen.revision + 1, runs=seen.runs + 1, next_slot=self.clock.now() + SECOND)
        spec = self.spec(options, schedule_id=seen.id, slot=seen.next_slot)
        self.both("fire", lambda backend: backend.fire(seen, None if is_last else after, [spec]))
        self.history.accepted.update(task.id for task in self.store.get([spec.id]) if task is not None)
        return after

    @rule(target=schedules, seen=schedules, name=st.sampled_from(["n", "m"]))
    def edit(self, seen: Schedule, name: str) -> Schedule:
        after = attrs.evolve(seen, revision=seen.revision + 1, name=name, generation=seen.generation + 1)
        self.both("edit", lambda backend: backend.put_schedule(after, expected_revision=seen.revision))
        return after

    # Time

    @rule(duration=st.sampled_from([timedelta(milliseconds=1), SECOND, 5 * SECOND, 30 * SECOND, 70 * SECOND]))
    def time_passes(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    @rule()
    def housekeeping(self) -> None:
        self.send([], self.request(("nothing",), 1, SECOND))
        self.look()
        groups = {group.id: group for group in self.all_groups(self.store)}
        self.history.check_drained(groups)


def state_machine(
    make_backend: Callable[[Clock], Backend], make_reference: Callable[[Clock], Backend]
) -> type[unittest.TestCase]:
    """Return a test case that compares the backend on trial with the reference; set ``.settings`` to try harder."""

    class Comparison(_Comparison):
        pass

    Comparison.make_backend = staticmethod(make_backend)
    Comparison.make_reference = staticmethod(make_reference)
    return Comparison.TestCase
