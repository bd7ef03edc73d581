"""What the state machine of ``stateful`` stands on: two backends under one clock, compared after every step.

Here are the calls of both, the comparison, and what a rule draws; the rules themselves are in ``stateful``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from taskcore.errors import TaskcoreError
from taskcore.protocol import (
    Added,
    AddVerdict,
    Applied,
    ApplyReply,
    Backend,
    Change,
    ClaimRequest,
    Clock,
    Group,
    GroupQuery,
    Item,
    OnConflict,
    OnParentFailure,
    Page,
    Query,
    Retention,
    Schedule,
    ScheduleQuery,
    Stats,
    Task,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    first_id_at,
)
from taskcore.testing._clock import FakeClock
from taskcore.testing._history import History
from taskcore.testing.conformance._trial import all_pages, expect

__all__ = ["DELAYS", "LEASES", "OPTIONS", "QUEUES", "SECOND", "Options", "Pair", "maybe"]

R = TypeVar("R")

SECOND = timedelta(seconds=1)
DELAYS = st.sampled_from([timedelta(0), timedelta(0), SECOND, 5 * SECOND, 40 * SECOND])
LEASES = st.sampled_from([SECOND, 10 * SECOND, 60 * SECOND])
QUEUES = st.sampled_from(["a", "b"])
KEYS = ("k", "K")


@attrs.frozen
class Options:
    """What a new task asks for, drawn; moments are relative and become absolute when it is added."""

    queue_name: str
    priority: int
    delay: timedelta | None
    expires_in: timedelta | None
    max_attempts: int | None
    max_crashes: int
    unique: tuple[str, UniqueUntil, OnConflict] | None
    on_parent_failure: OnParentFailure
    retention: Retention | None


def maybe(strategy: st.SearchStrategy[R]) -> st.SearchStrategy[R | None]:
    return st.one_of(st.none(), st.none(), strategy)


OPTIONS: st.SearchStrategy[Options] = st.builds(
    Options,
    queue_name=QUEUES,
    priority=st.sampled_from([0, 0, 5, -5]),
    delay=maybe(DELAYS),
    expires_in=maybe(DELAYS),
    max_attempts=st.sampled_from([1, 2, None]),
    max_crashes=st.sampled_from([3, 1, 0]),
    unique=maybe(st.tuples(st.sampled_from(KEYS), st.sampled_from(UniqueUntil), st.sampled_from(OnConflict))),
    on_parent_failure=st.sampled_from(OnParentFailure),
    retention=maybe(st.just(Retention(successful=5 * SECOND, failed=timedelta(0)))),
)


def _bare(answer: object) -> object:
    """Return an answer without what is said for people only."""
    if isinstance(answer, ApplyReply):
        return attrs.evolve(answer, applied=tuple(attrs.evolve(one, why="") for one in answer.applied))
    if isinstance(answer, Stats):
        return attrs.evolve(answer, queues=tuple(sorted(answer.queues, key=lambda queue: queue.name)))
    return answer


def _schedules(query: ScheduleQuery, backend: Backend) -> list[Schedule]:
    return list(backend.schedules(query).items)


def _unique_holder(key: str, backend: Backend) -> str | None:
    return backend.unique_holder(key)


def _items(task_id: str, backend: Backend) -> Page[Item]:
    return backend.items(task_id)


def _children(task_id: str, backend: Backend) -> Page[Task]:
    return backend.children(task_id)


class Pair(RuleBasedStateMachine):
    """Two backends, and what was seen of them."""

    make_backend: Callable[[Clock], Backend]
    make_reference: Callable[[Clock], Backend]

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = type(self).make_backend(self.clock)
        self.reference = type(self).make_reference(self.clock)
        self.history = History()
        self.count = 0

    def teardown(self) -> None:
        """Close both."""
        self.store.close()
        self.reference.close()

    # What every rule does

    def number(self) -> int:
        """Return the next number."""
        self.count += 1
        return self.count

    def both(self, name: str, call: Callable[[Backend], R]) -> R | None:
        """Make a call of both backends, compare the answers, and return that of the one on trial; None if it raised."""
        answers: list[tuple[object, R | None]] = []
        for backend in (self.reference, self.store):
            try:
                answer = call(backend)
                answers.append((_bare(answer), answer))
            except TaskcoreError as error:
                answers.append((type(error), None))
        expect(answers[0][0], answers[1][0], f"{name}: the reference is expected, the backend on trial is actual")
        return answers[1][1]

    def add_specs(self, specs: tuple[TaskSpec, ...], group: Group | None = None) -> list[str]:
        """Add, and return the ids of those that the backend on trial says are ADDED."""
        added: list[Added] = self.both("add", lambda backend: backend.add(specs, group=group)) or []
        self.history.accepted.update(one.task_id for one in added if one.verdict is AddVerdict.ADDED)
        return [one.task_id for one in added if one.verdict is AddVerdict.ADDED]

    def spec(self, options: Options, parents: tuple[str, ...] = (), **more: Any) -> TaskSpec:  # noqa: ANN401 - fields
        """Return a new spec with what was drawn; its moments begin now."""
        now = self.clock.now()
        unique = None
        if options.unique is not None:
            key, until, policy = options.unique
            moment = now + 10 * SECOND if until is UniqueUntil.MOMENT else None
            unique = UniqueKey(key=key, until=until, moment=moment, on_conflict=policy)
        return TaskSpec(
            id=f"{first_id_at(now)[:12]}7{self.number():019x}",
            name="task",
            enqueued_at=now,
            queue_name=options.queue_name,
            priority=options.priority,
            run_after=None if options.delay is None else now + options.delay,
            expires_at=None if options.expires_in is None else now + options.expires_in,
            max_attempts=options.max_attempts,
            max_crashes=options.max_crashes,
            unique=unique,
            parents=parents,
            on_parent_failure=options.on_parent_failure,
            retention=options.retention,
            **more,
        )

    def request(
        self, queue_names: tuple[str, ...], limit: int, lease: timedelta, *, allow_suspects: bool = True
    ) -> ClaimRequest:
        """Return a claim with a new nonce, of one of two workers."""
        return ClaimRequest(
            worker_id=f"worker {limit % 2}",
            nonce=f"nonce {self.number()}",
            queue_names=queue_names,
            limit=limit,
            lease=lease,
            allow_suspects=allow_suspects,
        )

    def send(self, changes: list[Change], request: ClaimRequest | None = None) -> tuple[Task, ...]:
        """Apply, and tell the history; return what was claimed with it."""
        reply = self.both("apply", lambda backend: backend.apply(changes, request))
        if reply is None:
            return ()
        for change, applied in zip(changes, reply.applied, strict=True):
            self._note(change, applied)
        for task in reply.claimed:
            self.history.saw_claim(task, self.clock.now())
        return reply.claimed

    def _note(self, change: Change, applied: Applied) -> None:
        self.history.saw_change(change, applied, self.store.get([change.task_id])[0])
        ids = [spec.id for spec in change.tasks]
        self.history.accepted.update(task.id for task in self.store.get(ids) if task is not None)

    # What must hold after each step

    def everything(self, backend: Backend) -> list[Task]:
        """Return all tasks that a backend holds."""
        return all_pages(lambda cursor: backend.find(Query(cursor=cursor, limit=7)))

    def all_groups(self, backend: Backend) -> list[Group]:
        """Return all groups that a backend holds."""
        return all_pages(lambda cursor: backend.groups(GroupQuery(cursor=cursor, limit=3)))

    def look(self) -> None:
        """Show the history all tasks of the backend on trial."""
        tasks: dict[str, Task | None] = {task.id: task for task in self.everything(self.store)}
        self.history.saw_tasks(tasks, self.clock.now())

    @invariant()
    def both_hold_the_same(self) -> None:
        """Whatever can be asked is answered alike."""
        expect(self.everything(self.reference), self.everything(self.store), "all tasks: reference, and on trial")
        expect(self.all_groups(self.reference), self.all_groups(self.store), "all groups: reference, and on trial")
        self.both("stats", lambda backend: backend.stats())
        schedules = ScheduleQuery(due_by=self.clock.now() + SECOND)
        for query in (ScheduleQuery(), schedules):
            self.both("schedules", partial(_schedules, query))
        for key in KEYS:
            self.both("unique_holder", partial(_unique_holder, key))
        for task_id in sorted(self.history.accepted):
            self.both("items", partial(_items, task_id))
            self.both("children", partial(_children, task_id))

    @invariant()
    def history_holds(self) -> None:
        """What was seen from outside can be right."""
        self.look()
        self.history.check_groups(self.all_groups(self.store))
