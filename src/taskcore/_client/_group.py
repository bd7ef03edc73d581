"""``GroupHandle``: what ``group`` gives back, to follow many tasks with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from taskcore._client._asking import get_group, members
from taskcore._client._bulk import BulkCount, cancel_all
from taskcore._client._handle import Handle
from taskcore._client._operating import seal
from taskcore._client._results import value_of
from taskcore._client._waiting import wait_for_group
from taskcore._output import Output
from taskcore.protocol import Backend, CancelLevel, Group, Progress, Query, Task

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["GroupHandle", "summed_progress"]

R_co = TypeVar("R_co", covariant=True)


class GroupHandle(Generic[R_co]):
    """A group of tasks that was enqueued; ``R_co`` is what each of them returns. Got from a client."""

    __slots__ = ("_backend", "_callback", "_definitions", "_id")

    def __init__(
        self,
        backend: Backend,
        group_id: str,
        definitions: Mapping[str, TaskDefinition[..., R_co]] | None = None,
        callback: Handle[object] | None = None,
    ) -> None:
        self._backend = backend
        self._id = group_id
        self._definitions = dict(definitions or {})
        self._callback = callback

    @property
    def id(self) -> str:
        """The id of the group: 32 hex digits."""
        return self._id

    @property
    def is_group(self) -> bool:
        """True: it stands for many tasks."""
        return True

    @property
    def output(self) -> list[R_co]:
        """What stands for the list of the members' values among the arguments of another task, which then waits.

        At run time it is an ``Output``, whatever the annotation says: it can be passed on, not computed with.
        """
        return cast("list[R_co]", Output(self._id, is_group=True))

    @property
    def callback(self) -> Handle[object] | None:
        """The handle of the task that ``then=`` made; ``None`` without one, and for a group got by its id."""
        return self._callback

    def refresh(self) -> Group:
        """Return the group with its counts as they are now. Raises TaskNotFound when it has been purged."""
        return get_group(self._backend, self._id)

    def tasks(self) -> Iterator[Task]:
        """Yield the members as they are now, in the order of the group, a page in memory at a time."""
        return members(self._backend, self._id)

    def handles(self) -> Iterator[Handle[R_co]]:
        """Yield a handle for each member, in the order of the group."""
        for task in self.tasks():
            yield Handle(self._backend, task.id, self._definitions.get(task.name))

    def progress(self) -> Progress:
        """Return the sums of what the members have told of their progress; the counts by state are in ``refresh``."""
        return summed_progress(self.tasks())

    def wait(self, timeout: timedelta | None = None) -> Group:
        """Return the group once all of its members are stored and have finished, whether or not they succeeded.

        Raises ResultTimeout when they have not within ``timeout`` (``None``: wait for ever), TaskNotFound.
        """
        return wait_for_group(self._backend, self._id, timeout)

    def result(self, timeout: timedelta | None = None) -> list[R_co]:
        """Return the values of all members in the order of the group, once all have succeeded.

        Members that have been purged are left out. Raises TaskFailed or TaskCancelled for the first member, in that
        order, that ended so; ResultTimeout when they have not all ended within ``timeout``; TaskNotFound when the
        group has been purged.
        """
        self.wait(timeout)
        return [cast("R_co", value_of(task, self._definitions.get(task.name))) for task in self.tasks()]

    def cancel(self, level: CancelLevel = CancelLevel.ASK) -> BulkCount:
        """Cancel the members that have not finished, as ``Handle.cancel`` does; the callback goes with them."""
        return cancel_all(self._backend, Query(group_id=self._id), level)

    def seal(self) -> Group:
        """Have the group expect no more members than it has; return it as it is then. One that is sealed stays so.

        For a group whose program ended before it had stored all of its members: such a group never finishes by itself.
        Should that program live, it is refused with the rest. Raises TaskNotFound.
        """
        return seal(self._backend, self._id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GroupHandle) and self._id == other.id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"<GroupHandle {self._id}>"


def summed_progress(tasks: Iterator[Task]) -> Progress:
    """Return the sums of current, total and counters over the tasks that have told any.

    The total is ``None`` when one of them has told none; ``updated_at`` is the latest.
    """
    told = [task.progress for task in tasks if task.progress is not None]
    totals = [one.total for one in told if one.total is not None]
    counters: dict[str, float] = {}
    for one in told:
        for name, value in one.counters.items():
            counters[name] = counters.get(name, 0) + value
    return Progress(
        current=sum(one.current for one in told),
        total=sum(totals) if told and len(totals) == len(told) else None,
        counters=counters,
        updated_at=max((one.updated_at for one in told if one.updated_at is not None), default=None),
    )
