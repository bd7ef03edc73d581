"""What the checks are written with: one backend on trial, its clock, and short words for what is done to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import attrs

from taskcore.protocol import (
    Added,
    AddVerdict,
    Applied,
    Backend,
    Change,
    ClaimRequest,
    Clock,
    Event,
    Group,
    GroupQuery,
    Page,
    Query,
    State,
    Task,
    TaskSpec,
    Verdict,
    first_id_at,
)
from taskcore.testing._clock import FakeClock

__all__ = ["LEASE", "PATIENCE", "CheckFailed", "Trial", "all_pages", "expect", "expect_raises", "in_threads"]

LEASE = timedelta(seconds=30)
PATIENCE = timedelta(seconds=5)
"""Real time that a check gives to threads before it calls them stuck."""

SHOWN = 1000
"""Characters of a value that a message shows."""

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class CheckFailed(AssertionError):
    """The backend does not do what the check is about; the message says what was expected and what came."""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def _first_difference(expected: object, actual: object, path: str = "") -> str:
    """Return where two values differ first, as a path into them, and how."""
    kind = type(expected)
    if kind is type(actual):
        parts: list[tuple[str, object, object]] = []
        if attrs.has(kind):
            names = [field.name for field in attrs.fields(kind)]
            parts = [(f".{name}", getattr(expected, name), getattr(actual, name)) for name in names]
        elif isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)) and len(expected) == len(actual):
            parts = [(f"[{index}]", *pair) for index, pair in enumerate(zip(expected, actual, strict=True))]
        elif isinstance(expected, dict) and isinstance(actual, dict) and set(expected) == set(actual):
            parts = [(f"[{key!r}]", expected[key], actual[key]) for key in expected]
        for name, one, other in parts:
            if one != other:
                return _first_difference(one, other, path + name)
    return f"{path}: {_shown(expected)} / {_shown(actual)}" if path else ""


def expect(expected: object, actual: object, what: str) -> None:
    """Raise ``CheckFailed`` unless the two are equal; works under ``python -O`` too."""
    if expected == actual:
        return
    message = f"{what}\n  expected: {_shown(expected)}\n  actual:   {_shown(actual)}"
    difference = _first_difference(expected, actual)
    raise CheckFailed(f"{message}\n  first difference: {difference}" if difference else message)


def expect_raises(error: type[E], call: Callable[[], object], what: str) -> E:
    """Return the error that ``call`` raises; raise ``CheckFailed`` when it raises none."""
    try:
        returned = call()
    except error as raised:
        return raised
    raise CheckFailed(f"{what}\n  expected: {error.__name__} to be raised\n  actual:   {_shown(returned)} returned")


def in_threads(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at once, each in a thread of its own; return the answers in order, or raise what one raised."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[T | BaseException | None] = [None] * len(calls)

    def run(index: int, call: Callable[[], T]) -> None:
        try:
            barrier.wait(PATIENCE.total_seconds())
            outcomes[index] = call()
        except BaseException as error:
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * PATIENCE.total_seconds())
        if thread.is_alive():
            raise CheckFailed(f"a call in a thread did not return within {3 * PATIENCE}")
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes  # type: ignore[return-value]  # every thread has put its value


def all_pages(first: Callable[[str | None], Page[T]], most: int = 1000) -> list[T]:
    """Return the items of all pages; raise ``CheckFailed`` when the cursors do not come to an end."""
    found: list[T] = []
    cursor: str | None = None
    for _ in range(most):
        page = first(cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found
    raise CheckFailed(f"after {most} pages there is still a cursor: {cursor!r}")


@attrs.define
class Trial:
    """A fresh backend, and what checks do with it all the time. Ids count up, so the order of adding is that of ids."""

    store: Backend
    clock: FakeClock
    reopen: Callable[[Clock], Backend]
    _count: int = 0
    _opened: list[Backend] = attrs.field(factory=list)

    def number(self) -> int:
        """Return the next number."""
        self._count += 1
        return self._count

    def spec(self, **options: object) -> TaskSpec:
        """Return the spec of a new task, enqueued now; the options are the fields of ``TaskSpec``."""
        now = self.clock.now()
        task_id = f"{first_id_at(now)[:12]}7{self.number():019x}"
        whole: dict[str, Any] = {"id": task_id, "name": "task", "enqueued_at": now, **options}
        return TaskSpec(**whole)

    def add(self, **options: object) -> str:
        """Store one new task, which must be ADDED; return its id."""
        spec = self.spec(**options)
        expect([Added(AddVerdict.ADDED, spec.id)], self.store.add([spec]), "the answer of add() for a new task")
        return spec.id

    def claim(self, *queue_names: str, **options: object) -> list[Task]:
        """Claim one task of these queues (``default`` if none is named); the options are the fields of the request."""
        whole: dict[str, Any] = {
            "worker_id": "worker",
            "nonce": f"nonce {self.number()}",
            "queue_names": queue_names or ("default",),
            "limit": 1,
            "lease": LEASE,
            **options,
        }
        return self.store.claim(ClaimRequest(**whole))

    def take(self, task_id: str, **options: object) -> Task:
        """Claim one task from its queue, which must be this one; return it."""
        claimed = self.claim(self.get(task_id).queue_name, **options)
        expect([task_id], [task.id for task in claimed], "the ids claimed")
        return claimed[0]

    def apply(self, event: Event, task: Task | str, **options: object) -> Applied:
        """Apply one change; a ``Task`` that is RUNNING shows its fence unless another, or none, is given."""
        brings: dict[str, Any] = dict(options)
        if isinstance(task, Task):
            if task.lease is not None:
                brings.setdefault("fence", task.fence)
            task = task.id
        reply = self.store.apply([Change(task_id=task, event=event, **brings)])
        expect(1, len(reply.applied), "how many answers apply() gives to one change")
        return reply.applied[0]

    def must(self, event: Event, task: Task | str, **options: object) -> Task:
        """Apply one change, which must be APPLIED; return the task as it is stored then."""
        applied = self.apply(event, task, **options)
        expect(Verdict.APPLIED, applied.verdict, f"the verdict of {event.value} ({applied.why})")
        return self.get(applied.task_id)

    def finish(self, task_id: str, event: Event = Event.SUCCEED, **options: object) -> Task:
        """Claim a task and end its run; return it as it is stored then."""
        return self.must(event, self.take(task_id), **options)

    def get(self, task_id: str) -> Task:
        """Return a task that must be there."""
        task = self.store.get([task_id])[0]
        if task is None:
            raise CheckFailed(f"task {task_id} is not in the store")
        return task

    def states(self, *task_ids: str) -> list[State | None]:
        """Return the states of these tasks; ``None`` for one that is not there."""
        return [None if task is None else task.state for task in self.store.get(task_ids)]

    def housekeep(self, times: int = 1) -> None:
        """Claim from a queue that has no tasks: all that happens is housekeeping."""
        for _ in range(times):
            expect([], self.claim("nothing is here"), "what is claimed from an empty queue")

    def found(self, **options: object) -> list[str]:
        """Return the ids of all tasks that a query finds, page by page."""
        whole: dict[str, Any] = dict(options)
        query = Query(**whole)
        pages = all_pages(lambda cursor: self.store.find(attrs.evolve(query, cursor=cursor)))
        return [task.id for task in pages]

    def group(self, group_id: str) -> Group:
        """Return a group that must be there."""
        page = self.store.groups(GroupQuery(ids=(group_id,)))
        expect([group_id], [group.id for group in page.items], "the ids of groups(ids=…)")
        return page.items[0]

    def open_again(self) -> Backend:
        """Open the same store once more."""
        self._opened.append(self.reopen(self.clock))
        return self._opened[-1]

    def close(self) -> None:
        """Close all that was opened."""
        for backend in (*self._opened, self.store):
            backend.close()
