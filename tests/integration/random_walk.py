"""Long random walks over every call and every field, on a store and on the memory backend: they never differ.

The kit's state machine finds and shrinks; this goes further afield: bulk adds past the limits of propagation, long
arguments, duplicates within a call, clocks that step back, and a look inside the store on the way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import attrs

from taskcore.errors import TaskcoreError
from taskcore.protocol import (
    AddVerdict,
    ApplyReply,
    Backend,
    CancelLevel,
    CancelReason,
    Change,
    ClaimRequest,
    Clock,
    Event,
    Failure,
    Fence,
    Group,
    GroupQuery,
    Item,
    KeepPer,
    OnConflict,
    OnParentFailure,
    Progress,
    PurgeRequest,
    Query,
    Retention,
    Retry,
    State,
    Task,
    TaskSpec,
    UniqueKey,
    UniqueUntil,
    replacement,
)
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend

QUEUES = ("q1", "q2", "q3")
HOLDERS = (
    *[Event.SUCCEED] * 5,
    *[Event.HEARTBEAT] * 3,
    *[Event.FAIL, Event.RETRY] * 2,
    Event.RELEASE,
    Event.ABORT,
    Event.RECLAIM,
    Event.ABANDON,
    Event.START,
)
OTHERS = (
    *[Event.CANCEL, Event.REQUEUE] * 2,
    Event.EXPIRE,
    Event.UNBLOCK,
    Event.RESCHEDULE,
    Event.AMEND,
    Event.REPLACE,
    Event.LET_GO,
)
QUERIES = (
    Query(),
    Query(states=frozenset({State.FAILED, State.BLOCKED})),
    Query(states=frozenset({State.RUNNING})),
    Query(worker_id="w1"),
    Query(queue_name="q2", is_oldest_first=True),
    Query(unique_key="a"),
    Query(schedule_id="s"),
    Query(name="x", states=frozenset({State.READY})),
)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Walk:
    """Two backends, and what was done to both so far."""

    def __init__(self, seed: int, open_store: Callable[[Clock], Backend]) -> None:
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.memory = MemoryBackend(clock=self.clock)
        self.store = open_store(self.clock)
        self.tasks: list[str] = []
        self.groups: list[str] = []
        self.fences: list[tuple[str, Fence]] = []
        self.specs: list[TaskSpec] = []
        self.requests: list[ClaimRequest] = []
        self.count = 0

    def both(self, name: str, *arguments: object, **options: object):
        """Call both; return what both answered, or the name of the error that both raised."""
        answers = []
        for backend in (self.memory, self.store):
            try:
                answer = getattr(backend, name)(*arguments, **options)
            except TaskcoreError as error:
                answer = type(error).__name__
            if isinstance(answer, ApplyReply):  # each says why in words of its own
                applied = tuple(attrs.evolve(one, why="why" * bool(one.why)) for one in answer.applied)
                answer = attrs.evolve(answer, applied=applied)
            answers.append(answer)
        assert answers[0] == answers[1], (name, arguments, options)
        return answers[0]

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def new_id(self) -> str:
        self.count += 1
        return f"{int(self.clock.now().timestamp() * 1000):012x}{self.count:020x}"

    # What is asked for

    def spec(self) -> TaskSpec:
        pick, now = self.random, self.clock.now()
        fields: dict[str, object] = {
            "queue_name": pick.choice(QUEUES),
            "priority": pick.choice([0, 0, 0, 5, -5]),
            "arguments_json": pick.choice(["{}", '{"a":[1]}', '"' + "x" * 2100 + '"']),
        }
        rare: list[tuple[float, Callable[[], dict[str, object]]]] = [
            (0.2, lambda: {"run_after": now + timedelta(milliseconds=pick.randint(-5000, 20000), microseconds=7)}),
            (0.15, lambda: {"expires_at": now + seconds(pick.randint(-3, 30))}),
            (0.3, lambda: {"max_attempts": pick.choice([None, 2, 3])}),
            (0.3, lambda: {"max_crashes": pick.choice([0, 1, 2])}),
            (0.25, lambda: {"unique": self.unique()}),
            (0.3, lambda: {"parents": self.parents()}),
            (0.3, lambda: {"on_parent_failure": OnParentFailure.RUN}),
            (0.1, lambda: {"retention": Retention(successful=seconds(pick.randint(0, 20)), failed=seconds(5))}),
            (0.1, lambda: {"timeout": timedelta(seconds=3, microseconds=5)}),
            (0.1, lambda: {"label": "l", "metadata_json": '{"a":1}', "soft_timeout": seconds(1)}),
            (0.1, lambda: {"schedule_id": "s", "slot": now, "retry": Retry(max_attempts=3)}),
        ]
        for share, make in rare:
            if self.chance(share):
                fields.update(make())
        if self.groups and self.chance(0.2):
            group_id = pick.choice(self.groups)
            if group_id not in fields.get("parents", ()):
                fields.update(group_id=group_id, group_index=pick.randint(0, 9))
        spec = TaskSpec(id=self.new_id(), name=pick.choice("xy"), enqueued_at=now, **fields)
        self.specs.append(spec)
        return spec

    def unique(self) -> UniqueKey:
        until = self.random.choice(list(UniqueUntil))
        moment = self.clock.now() + seconds(self.random.randint(-1, 40)) if until is UniqueUntil.MOMENT else None
        return UniqueKey(
            key=self.random.choice("abc"),
            until=until,
            moment=moment,
            on_conflict=self.random.choice(list(OnConflict)),
        )

    def parents(self) -> tuple[str, ...]:
        known = [*self.tasks[-30:], *self.groups[-3:], *["missing"] * self.chance(0.05)]
        return tuple(self.random.sample(known, min(len(known), self.random.randint(1, 3))))

    def request(self) -> ClaimRequest:
        pick = self.random
        if self.requests and self.chance(0.15):
            return pick.choice(self.requests[-12:])
        self.count += 1
        request = ClaimRequest(
            worker_id=pick.choice(["w1", "w2"]),
            nonce=f"n{self.count}",
            queue_names=tuple(pick.sample([*QUEUES, "none"], pick.randint(1, 3))),
            limit=pick.choice([1, 2, 10, 50]),
            lease=seconds(pick.randint(1, 20)),
            allow_suspects=self.chance(0.8),
        )
        self.requests.append(request)
        return request

    def change(self) -> Change:
        pick, now = self.random, self.clock.now()
        event = pick.choice(HOLDERS if self.chance(0.65) else OTHERS)
        fields: dict[str, object] = {}
        task_id = pick.choice(self.tasks) if self.tasks and self.chance(0.97) else "missing"
        if event in HOLDERS and self.fences:
            holder, fields["fence"] = pick.choice(self.fences[-40:])
            task_id = holder if self.chance(0.9) else task_id
        rare: list[tuple[float, Callable[[], dict[str, object]]]] = [
            (0.4, lambda: {"extend": seconds(pick.randint(1, 30))}),
            (0.2, lambda: {"progress": Progress(current=1, total=2.5, counters={"a": 1.5}, updated_at=now)}),
            (0.5, lambda: {"value_json": pick.choice(["1", '"x"']), "started_at": now}),
            (0.5, lambda: {"failure": Failure(exception_type="E", message="m")}),
            (0.3, lambda: {"delay": seconds(pick.randint(0, 10))}),
            (0.1, lambda: {"run_after": now + timedelta(seconds=pick.randint(-3, 10), microseconds=7)}),
            (0.3, lambda: {"level": pick.choice(list(CancelLevel)), "reason": CancelReason.USER}),
            (0.15, lambda: {"items": tuple(self.items(task_id))}),
            (0.08, lambda: {"tasks": tuple(self.spec() for _ in range(pick.randint(1, 2)))}),
            (0.1, lambda: {"version": None if event in HOLDERS else pick.randint(1, 4)}),
        ]
        for share, make in rare:
            if self.chance(share):
                fields.update(make())
        task = self.memory.get([task_id])[0]
        if event in (Event.RESCHEDULE, Event.AMEND, Event.REPLACE) and task is not None:
            fields["spec"] = self.new_spec(event, task)
        return Change(task_id=task_id, event=event, **fields)

    def items(self, task_id: str) -> Iterator[Item]:
        for sequence in range(self.random.randint(1, 3)):
            yield Item(
                task_id=task_id, epoch=1, sequence=sequence, at=self.clock.now(), dimensions={"a": "b"}, count=2.5
            )

    def new_spec(self, event: Event, task: Task) -> TaskSpec:
        pick = self.random
        if event is Event.REPLACE or self.chance(0.1):
            return replacement(task.spec, self.spec())
        arguments = pick.choice(['"n"', '"' + "y" * 2500 + '"'])
        return attrs.evolve(task.spec, priority=3, arguments_json=arguments, queue_name=pick.choice(QUEUES))

    # What is done

    def add(self) -> None:
        pick, group = self.random, None
        specs = [self.spec() for _ in range(pick.choice([0, 1, 1, 1, 2, 5, 20]))]
        if self.specs and self.chance(0.1):
            specs += pick.choices(self.specs, k=3)
        if self.chance(0.25):
            if not self.groups or self.chance(0.5):
                self.groups.append(self.new_id())
            group_id = pick.choice(self.groups)
            total = pick.choice([None, len(specs), len(specs) + 1, 3, 8])
            group = Group(id=group_id, name=pick.choice("gh"), created_at=self.clock.now(), total=total)
            specs = [spec if group_id in spec.parents else attrs.evolve(spec, group_id=group_id) for spec in specs]
        if self.chance(0.1):
            parents = (pick.choice(self.tasks),) if self.tasks and self.chance(0.5) else ()
            now = self.clock.now()
            specs += [
                TaskSpec(id=self.new_id(), name="p", enqueued_at=now, queue_name="q1", parents=parents)
                for _ in range(130)
            ]
        answers = self.both("add", specs, group=group)
        if not isinstance(answers, str):
            self.tasks += [added.task_id for added in answers if added.verdict is AddVerdict.ADDED]

    def claim(self) -> None:
        self.note(self.both("claim", self.request()))

    def apply(self) -> None:
        changes = [self.change() for _ in range(self.random.choice([1, 1, 2, 8, 25]))]
        reply = self.both("apply", changes, self.request() if self.chance(0.4) else None)
        if isinstance(reply, ApplyReply):
            self.note(reply.claimed)
            new = [spec.id for change in changes for spec in change.tasks]
            self.tasks += [task_id for task_id, task in zip(new, self.memory.get(new), strict=True) if task is not None]

    def note(self, claimed: Iterator[Task]) -> None:
        self.fences += [(task.id, task.fence) for task in claimed]

    def pass_time(self) -> None:
        self.clock.advance(timedelta(milliseconds=self.random.choice([0, 1, 100, 1500, 7000, 30000])))

    def pause(self) -> None:
        self.both(self.random.choice(["pause", "resume", "resume"]), self.random.choice(QUEUES))

    def purge(self) -> None:
        pick = self.random
        rare: list[tuple[float, Callable[[], dict[str, object]]]] = [
            (0.3, lambda: {"is_due": True}),
            (0.3, lambda: {"finished_before": self.clock.now() - seconds(pick.randint(0, 20))}),
            (0.2, lambda: {"queue_name": "q1"}),
            (0.2, lambda: {"name": pick.choice("xyp")}),
            (0.2, lambda: {"group_id": pick.choice(self.groups or ["none"])}),
            (0.2, lambda: {"ids": tuple(self.tasks[-5:])}),
            (0.3, lambda: {"keep_latest": pick.randint(0, 4), "keep_per": pick.choice(list(KeepPer))}),
            (0.3, lambda: {"states": frozenset({State.FAILED, State.CANCELLED})}),
        ]
        fields: dict[str, object] = {}
        for share, make in rare:
            if self.chance(share):
                fields.update(make())
        if self.chance(0.4):
            self.both("purge", PurgeRequest(**fields))

    # What has to be equal

    def compare(self, *, is_whole: bool) -> None:
        for _ in range(3):  # let both come to the end of what happens by itself
            self.count += 1
            nothing = ClaimRequest(
                worker_id="w", nonce=f"h{self.count}", queue_names=("nothing",), limit=1, lease=seconds(1)
            )
            self.both("claim", nothing)
        self.both("stats")
        self.both("get", self.tasks if is_whole else self.tasks[-40:])
        self.both("groups", GroupQuery(limit=5))
        if is_whole:
            self.ask()
            self.inspect()

    def ask(self) -> None:
        for query in (*QUERIES, *(Query(group_id=group_id) for group_id in self.groups[-3:])):
            cursor = None
            for _ in range(4):
                page = self.both("find", attrs.evolve(query, limit=self.random.choice([3, 20]), cursor=cursor))
                cursor = page.cursor
                if cursor is None:
                    break
        for key in (*self.tasks[-20:], *self.groups[-5:]):
            self.both("children", key)
            self.both("items", key, limit=2)
        for key in "abc":
            self.both("unique_holder", key)
        self.both("groups", GroupQuery(name="g", limit=2))

    def inspect(self) -> None:
        """Look at what only the store knows; a test of one store does."""

    def run(self, steps: int) -> None:
        calls = [self.add] * 4 + [self.claim] * 4 + [self.apply] * 6 + [self.pass_time] * 3 + [self.pause, self.purge]
        for number in range(steps):
            self.random.choice(calls)()
            self.compare(is_whole=number % 20 == 19)
