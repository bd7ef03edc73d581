"""``AsyncHandle`` and ``AsyncGroupHandle``: what an ``AsyncClient`` gives back, to follow tasks with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from taskcore._aclient._lane import Lane
from taskcore._client import BulkCount, GroupHandle, Handle
from taskcore._client._asking import not_stored
from taskcore._client._results import value_of
from taskcore._client._waiting import group_still_waiting, still_waiting
from taskcore.errors import ResultTimeout, TaskNotFound
from taskcore.protocol import CancelLevel, Group, Progress, State, Task

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["AsyncGroupHandle", "AsyncHandle"]

R_co = TypeVar("R_co", covariant=True)

_NOW = timedelta(0)


class AsyncHandle(Generic[R_co]):
    """A task that was enqueued; ``R_co`` is what its function returns. Got from a client, never made by hand."""

    __slots__ = ("_handle", "_lane")

    def __init__(self, lane: Lane, handle: Handle[R_co]) -> None:
        self._lane = lane
        self._handle = handle

    @property
    def id(self) -> str:
        """The id of the task: 32 hex digits."""
        return self._handle.id

    @property
    def is_group(self) -> bool:
        """False: it stands for a single task."""
        return False

    @property
    def definition(self) -> TaskDefinition[..., R_co] | None:
        """The definition whose annotation says what the result is; ``None`` for a handle got by the id alone."""
        return self._handle.definition

    @property
    def output(self) -> R_co:
        """What stands for the value that the task will have, as ``Handle.output``."""
        return self._handle.output

    async def state(self) -> State:
        """Return the state that the task is in now. Raises TaskNotFound."""
        return (await self.refresh()).state

    async def refresh(self) -> Task:
        """Return the task as it is now. Raises TaskNotFound when it has been purged."""
        return await self._lane.call(self._handle.refresh)

    async def wait(self, timeout: timedelta | None = None) -> Task:
        """Return the task once it has finished, whether or not it succeeded; raises as ``Handle.wait`` does."""
        finish = await self._lane.finish_of(self.id, timeout)
        if finish is None:  # a last look, which also tells the state that it is left in
            task = await self.refresh()
            if not task.state.is_finished:
                raise ResultTimeout(still_waiting(task, timeout))
            return task
        if finish.task is None:
            raise TaskNotFound(not_stored(self.id), task_id=self.id)
        return finish.task

    async def result(self, timeout: timedelta | None = None) -> R_co:
        """Return the value of the task, once it has succeeded; raises as ``Handle.result`` does."""
        return cast("R_co", value_of(await self.wait(timeout), self._handle.definition))

    async def cancel(self, level: CancelLevel = CancelLevel.ASK) -> bool:
        """Cancel the task if it waits, ask for its cancel if it runs; return False if it has finished otherwise."""
        return await self._lane.call(self._handle.cancel, level)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncHandle) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Async{repr(self._handle)[1:]}"


class AsyncGroupHandle(Generic[R_co]):
    """A group of tasks that was enqueued; ``R_co`` is what each of them returns. Got from a client."""

    __slots__ = ("_handle", "_lane")

    def __init__(self, lane: Lane, handle: GroupHandle[R_co]) -> None:
        self._lane = lane
        self._handle = handle

    @property
    def id(self) -> str:
        """The id of the group: 32 hex digits."""
        return self._handle.id

    @property
    def is_group(self) -> bool:
        """True: it stands for many tasks."""
        return True

    @property
    def output(self) -> list[R_co]:
        """What stands for the list of the members' values, as ``GroupHandle.output``."""
        return self._handle.output

    @property
    def callback(self) -> AsyncHandle[object] | None:
        """The handle of the task that ``then=`` made; ``None`` without one, and for a group got by its id."""
        callback = self._handle.callback
        return None if callback is None else AsyncHandle(self._lane, callback)

    async def refresh(self) -> Group:
        """Return the group with its counts as they are now. Raises TaskNotFound when it has been purged."""
        return await self._lane.call(self._handle.refresh)

    def tasks(self) -> AsyncIterator[Task]:
        """Yield the members as they are now, in the order of the group, a few hundred in memory at a time."""
        return self._lane.each(self._handle.tasks())

    async def handles(self) -> AsyncIterator[AsyncHandle[R_co]]:
        """Yield a handle for each member, in the order of the group."""
        async for handle in self._lane.each(self._handle.handles()):
            yield AsyncHandle(self._lane, handle)

    async def progress(self) -> Progress:
        """Return the sums of what the members have told of their progress; the counts by state are in ``refresh``."""
        return await self._lane.call(self._handle.progress)

    async def wait(self, timeout: timedelta | None = None) -> Group:
        """Return the group once all members are stored and have finished; raises as ``GroupHandle.wait`` does."""
        finish = await self._lane.finish_of(self.id, timeout, is_group=True)
        group = None if finish is None else finish.group
        if group is None:
            group = await self.refresh()
            if not group.is_finished:
                raise ResultTimeout(group_still_waiting(group.id, timeout))
        return group

    async def result(self, timeout: timedelta | None = None) -> list[R_co]:
        """Return the values of all members in the order of the group; raises as ``GroupHandle.result`` does."""
        await self.wait(timeout)
        return await self._lane.call(self._handle.result, _NOW)

    async def cancel(self, level: CancelLevel = CancelLevel.ASK) -> BulkCount:
        """Cancel the members that have not finished, as ``AsyncHandle.cancel`` does; the callback goes with them."""
        return await self._lane.call(self._handle.cancel, level)

    async def seal(self) -> Group:
        """Have the group expect no more members than it has; return it as it is then. See ``GroupHandle.seal``."""
        return await self._lane.call(self._handle.seal)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncGroupHandle) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Async{repr(self._handle)[1:]}"
