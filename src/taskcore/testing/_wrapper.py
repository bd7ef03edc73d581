"""A backend around another one: every call goes through one place, where a test may do something to it.

It has as many methods as the protocol: each only says which call it is, and whether the call writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, cast

from taskcore.protocol import (
    Added,
    Applied,
    ApplyReply,
    Backend,
    Capability,
    Change,
    ClaimRequest,
    Group,
    GroupQuery,
    Item,
    Order,
    Page,
    PurgeRequest,
    Query,
    Schedule,
    ScheduleQuery,
    Stats,
    Task,
    TaskSpec,
    TransactionalStore,
    WorkerInfo,
)

__all__ = ["WRITES", "Wrapper"]

R = TypeVar("R")

WRITES = frozenset(
    {
        "add",
        "claim",
        "apply",
        "pause",
        "resume",
        "purge",
        "put_schedule",
        "delete_schedule",
        "fire",
        "beat",
        "order",
    }
)
"""The calls that change the store."""


class Wrapper:
    """Hands every call of the protocol to ``inner``; subclasses say in ``_call`` what happens on the way."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner

    def _call(self, name: str, call: Callable[[Backend], R]) -> R:
        """Make a call of the protocol, which goes to the backend that it is given, and return its answer."""
        return call(self.inner)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.inner.capabilities

    @property
    def url(self) -> str:
        return self.inner.url

    def now(self) -> datetime:
        return self.inner.now()

    def add(self, specs: Sequence[TaskSpec], *, group: Group | None = None) -> list[Added]:
        return self._call("add", lambda inner: inner.add(specs, group=group))

    def claim(self, request: ClaimRequest) -> list[Task]:
        return self._call("claim", lambda inner: inner.claim(request))

    def apply(self, changes: Sequence[Change], claim: ClaimRequest | None = None) -> ApplyReply:
        return self._call("apply", lambda inner: inner.apply(changes, claim))

    def settle_in_transaction(self, work: Callable[[], Change | None]) -> Applied | None:
        return self._call(
            "settle_in_transaction", lambda inner: cast("TransactionalStore", inner).settle_in_transaction(work)
        )

    def get(self, task_ids: Sequence[str]) -> list[Task | None]:
        return self._call("get", lambda inner: inner.get(task_ids))

    def find(self, query: Query) -> Page[Task]:
        return self._call("find", lambda inner: inner.find(query))

    def children(self, parent_id: str, cursor: str | None = None, limit: int = 100) -> Page[Task]:
        return self._call("children", lambda inner: inner.children(parent_id, cursor, limit))

    def unique_holder(self, key: str) -> str | None:
        return self._call("unique_holder", lambda inner: inner.unique_holder(key))

    def stats(self) -> Stats:
        return self._call("stats", lambda inner: inner.stats())

    def groups(self, query: GroupQuery) -> Page[Group]:
        return self._call("groups", lambda inner: inner.groups(query))

    def pause(self, queue_name: str) -> None:
        self._call("pause", lambda inner: inner.pause(queue_name))

    def resume(self, queue_name: str) -> None:
        self._call("resume", lambda inner: inner.resume(queue_name))

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        return self._call("items", lambda inner: inner.items(task_id, cursor=cursor, limit=limit))

    def purge(self, request: PurgeRequest) -> int:
        return self._call("purge", lambda inner: inner.purge(request))

    def put_schedule(self, schedule: Schedule, *, expected_revision: int | None) -> bool:
        return self._call(
            "put_schedule", lambda inner: inner.put_schedule(schedule, expected_revision=expected_revision)
        )

    def delete_schedule(self, schedule_id: str) -> bool:
        return self._call("delete_schedule", lambda inner: inner.delete_schedule(schedule_id))

    def schedules(self, query: ScheduleQuery) -> Page[Schedule]:
        return self._call("schedules", lambda inner: inner.schedules(query))

    def fire(self, before: Schedule, after: Schedule | None, specs: Sequence[TaskSpec]) -> bool:
        return self._call("fire", lambda inner: inner.fire(before, after, specs))

    def beat(self, worker: WorkerInfo) -> Order:
        return self._call("beat", lambda inner: inner.beat(worker))

    def order(self, worker_id: str, order: Order) -> bool:
        return self._call("order", lambda inner: inner.order(worker_id, order))

    def workers(self) -> list[WorkerInfo]:
        return self._call("workers", lambda inner: inner.workers())

    def wait(self, queue_names: Sequence[str], timeout: timedelta) -> bool:
        return self._call("wait", lambda inner: inner.wait(queue_names, timeout))

    def wait_finished(self, task_ids: Sequence[str], timeout: timedelta) -> bool:
        return self._call("wait_finished", lambda inner: inner.wait_finished(task_ids, timeout))

    def wake(self) -> None:
        self.inner.wake()

    def close(self) -> None:
        self.inner.close()
