"""Putting tasks into the store: one, many, or a group of many with what is to run after them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

import attrs

from taskcore._call import Call, spec_for
from taskcore._client._group import GroupHandle
from taskcore._client._handle import Handle
from taskcore._ids import IdSource
from taskcore._naming import shown
from taskcore._options import check_name
from taskcore._output import Output
from taskcore.clock import Clock
from taskcore.errors import (
    BackendFull,
    BackendUnavailable,
    EnqueueFailed,
    InvalidDefinition,
    InvalidInput,
    InvalidOption,
)
from taskcore.protocol import Added, AddVerdict, Backend, Group, TaskSpec

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["Session", "add_specs", "bind_of", "enqueue_call", "enqueue_group", "enqueue_many"]

_CHUNK = 1000
"""How many tasks are stored in one atomic step."""

_BYTES = 10_000_000
"""How long the arguments of what is stored in one step may be; a task that is longer is stored alone."""

_MADE = (AddVerdict.ADDED, AddVerdict.ALREADY)

P = ParamSpec("P")
R = TypeVar("R")


@attrs.frozen(kw_only=True)
class Session:
    """What enqueueing needs besides the call: the store, the clock, fresh ids, the limit of a payload in bytes."""

    backend: Backend
    clock: Clock | None
    """``None``: the store's."""
    payload_limit: int
    ids: IdSource = attrs.field(factory=IdSource)

    @classmethod
    def of(cls, backend: Backend, clock: Clock | None, payload_limit: int) -> Session:
        """Return what a client was given, checked; raises InvalidOption."""
        if isinstance(cast("object", backend), str):
            raise InvalidOption(f"Client({backend!r}): it takes a backend; Client.from_url takes a URL.")
        if not callable(getattr(backend, "add", None)):
            raise InvalidOption(f"Client({shown(backend)}): it takes a backend, such as MemoryBackend().")
        if not isinstance(payload_limit, int) or isinstance(payload_limit, bool) or payload_limit < 1:
            raise InvalidOption(f"payload_limit is {shown(payload_limit)}: it should be a number of bytes, 1 or more.")
        return cls(backend=backend, clock=clock, payload_limit=payload_limit)

    def now(self) -> datetime:
        """Return the moment by the client's clock."""
        return self.backend.now() if self.clock is None else self.clock.now()

    def spec(self, call: Call[object]) -> TaskSpec:
        """Return the spec of a new task for ``call``."""
        now = self.now()
        return spec_for(call, task_id=self.ids.new(now), now=now, payload_limit=self.payload_limit)


def bind_of(definition: TaskDefinition[P, R]) -> Callable[P, Call[R]]:
    """Return the ``bind`` of a definition; raise InvalidDefinition for what is none, a plain function above all."""
    bind: Callable[P, Call[R]] | None = getattr(definition, "bind", None)
    if bind is None:
        words = shown(definition)
        if isinstance(definition, Call):
            raise InvalidInput(f"{words} is a call already: give it to enqueue_call.")
        raise InvalidDefinition(f"{words} is no task: decorate the function with @task.")
    return bind


def enqueue_call(session: Session, call: Call[R]) -> Handle[R]:
    """Store one task."""
    added = add_specs(session.backend, [session.spec(call)])[0]
    return Handle(session.backend, added.task_id, call.definition, is_new=added.verdict is AddVerdict.ADDED)


def enqueue_many(session: Session, calls: Iterable[Call[R]]) -> list[Handle[R]]:
    """Store the calls chunk by chunk, taking from the iterable only what the next chunk needs."""
    backend = session.backend
    handles: list[Handle[R]] = []
    try:
        for chunk in _chunks(calls):
            rest = iter(chunk)
            for specs in _portions(_specs(session, chunk)):
                for one, call in zip(add_specs(backend, specs), rest, strict=False):
                    handles.append(Handle(backend, one.task_id, call.definition))
    except Exception as error:
        if not handles:
            raise
        raise _stopped([handle.id for handle in handles], error) from error
    return handles


def enqueue_group(
    session: Session,
    name: str,
    calls: Iterable[Call[R]],
    then: Call[object] | Callable[[list[R]], Call[object]] | None,
) -> GroupHandle[R]:
    """Store a group chunk by chunk; its callback, and the total that seals it, come with the last one."""
    check_name("name of a group", name)
    now = session.now()
    group = Group(id=session.ids.new(now), name=name, created_at=now)
    callback = _callback(group.id, then)
    members: _Members[R] = _Members(session, group)
    try:
        last: list[TaskSpec] = []
        for chunk in _chunks(calls):
            members.store(last)
            last = members.specs(chunk)
        if any(spec.unique is not None for spec in last):  # if its key is held, it does not become a member
            members.store(last)
            last = []
        final = [] if callback is None else [_waiting_for(session.spec(callback), group.id)]
        members.seal(last, final)
    except Exception as error:
        if not members.accepted:
            raise
        raise _stopped(members.accepted, error) from error
    handle = None if callback is None else Handle(session.backend, members.accepted[-1], callback.definition)
    return GroupHandle(session.backend, group.id, members.definitions, handle)


class _Members(Generic[R]):
    """The members of a group on their way into the store."""

    def __init__(self, session: Session, group: Group) -> None:
        self._session = session
        self._group = group
        self._placed = 0
        self._stored = 0
        self.accepted: list[str] = []
        self.definitions: dict[str, TaskDefinition[..., R]] = {}

    def specs(self, calls: Sequence[Call[R]]) -> list[TaskSpec]:
        """Return the specs of the next members in order."""
        specs = _specs(self._session, calls, group_id=self._group.id, first_index=self._placed)
        self._placed += len(specs)
        self.definitions.update((call.definition.name, call.definition) for call in calls)
        return specs

    def store(self, specs: Sequence[TaskSpec]) -> None:
        """Store these; more are to come."""
        for portion in _portions(specs):
            added = add_specs(self._session.backend, portion, self._group)
            self._stored += sum(one.verdict in _MADE for one in added)
            self.accepted += [one.task_id for one in added]

    def seal(self, specs: Sequence[TaskSpec], final: Sequence[TaskSpec]) -> None:
        """Store the last ones, all of which become members, and what runs after the group."""
        *before, specs = list(_portions(specs)) or [[]]
        for portion in before:
            self.store(portion)
        group = attrs.evolve(self._group, total=self._stored + len(specs))
        added = add_specs(self._session.backend, [*specs, *final], group)
        self.accepted += [one.task_id for one in added]


def _callback(group_id: str, then: Call[object] | Callable[[list[R]], Call[object]] | None) -> Call[object] | None:
    if then is None or isinstance(then, Call):
        return then
    if not callable(then):
        raise InvalidInput(f"then={shown(then)} is neither a call nor a function that makes one.")
    call = then(cast("list[R]", Output(group_id, is_group=True)))
    if not isinstance(call, Call):
        raise InvalidInput(f"then= returned {shown(call)}: it should return a Call, as definition.bind(…) makes it.")
    return call


def _waiting_for(spec: TaskSpec, group_id: str) -> TaskSpec:
    return spec if group_id in spec.parents else attrs.evolve(spec, parents=(*spec.parents, group_id))


def _chunks(calls: Iterable[Call[R]]) -> Iterator[list[Call[R]]]:
    try:
        remaining = iter(calls)
    except TypeError:
        raise InvalidInput(f"{shown(calls)} is no iterable of calls, as definition.bind(…) makes them.") from None
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _portions(specs: Sequence[TaskSpec]) -> Iterator[Sequence[TaskSpec]]:
    """Yield the specs in portions whose arguments are not too long for one step."""
    first = size = 0
    for index, spec in enumerate(specs):
        size += len(spec.arguments_json)
        if size > _BYTES and index > first:
            yield specs[first:index]
            first, size = index, len(spec.arguments_json)
    if first < len(specs):
        yield specs[first:]


def _specs(
    session: Session, calls: Sequence[Call[R]], *, group_id: str | None = None, first_index: int = 0
) -> list[TaskSpec]:
    now = session.now()
    limit = session.payload_limit
    ids = session.ids.many(now, len(calls))
    if group_id is None:
        return [
            spec_for(call, task_id=task_id, now=now, payload_limit=limit)
            for task_id, call in zip(ids, calls, strict=True)
        ]
    return [
        spec_for(call, task_id=task_id, now=now, payload_limit=limit, group_id=group_id, group_index=index)
        for index, (task_id, call) in enumerate(zip(ids, calls, strict=True), first_index)
    ]


def add_specs(backend: Backend, specs: Sequence[TaskSpec], group: Group | None = None) -> list[Added]:
    """Store specs, once more after a lost reply: the ids are the same, so what was stored is not stored twice."""
    try:
        return backend.add(specs, group=group)
    except BackendFull:
        raise
    except BackendUnavailable:
        return backend.add(specs, group=group)


def _stopped(accepted: Sequence[str], error: Exception) -> EnqueueFailed:
    return EnqueueFailed(
        f"Stopped after {len(accepted):,} tasks were stored, those that came next were not: {error}",
        accepted=accepted,
    )
