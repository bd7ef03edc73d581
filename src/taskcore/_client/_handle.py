"""``Handle``: what ``enqueue`` gives back, to follow one task with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from taskcore._client._asking import get_task
from taskcore._client._operating import cancel
from taskcore._client._results import value_of
from taskcore._client._waiting import wait_for_task
from taskcore._output import Output
from taskcore.protocol import Backend, CancelLevel, State, Task

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["Handle"]

R_co = TypeVar("R_co", covariant=True)


class Handle(Generic[R_co]):
    """A task that was enqueued; ``R_co`` is what its function returns. Got from a client, never made by hand.

    Holds no state of the task: each call asks the store. Two handles of one task are equal.
    """

    __slots__ = ("_backend", "_definition", "_id", "_is_new")

    def __init__(
        self,
        backend: Backend,
        task_id: str,
        definition: TaskDefinition[..., R_co] | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        """``is_new``: the task was stored just now, so that its first ``wait`` is likely to be one."""
        self._backend = backend
        self._id = task_id
        self._definition = definition
        self._is_new = is_new

    @property
    def id(self) -> str:
        """The id of the task: 32 hex digits."""
        return self._id

    @property
    def is_group(self) -> bool:
        """False: it stands for a single task."""
        return False

    @property
    def definition(self) -> TaskDefinition[..., R_co] | None:
        """The definition whose annotation says what the result is; ``None`` for a handle got by the id alone."""
        return self._definition

    @property
    def output(self) -> R_co:
        """What stands for the value that the task will have, among the arguments of another task, which then waits.

        At run time it is an ``Output``, whatever the annotation says: it can be passed on, not computed with.
        """
        return cast("R_co", Output(self._id))

    @property
    def state(self) -> State:
        """The state that the task is in now. Raises TaskNotFound."""
        return self.refresh().state

    def refresh(self) -> Task:
        """Return the task as it is now. Raises TaskNotFound when it has been purged."""
        return get_task(self._backend, self._id)

    def wait(self, timeout: timedelta | None = None) -> Task:
        """Return the task once it has finished, whether or not it succeeded.

        Raises ResultTimeout when it has not within ``timeout`` (``None``: wait for ever), TaskNotFound.
        """
        is_new, self._is_new = self._is_new, False
        return wait_for_task(self._backend, self._id, timeout, is_new=is_new)

    def result(self, timeout: timedelta | None = None) -> R_co:
        """Return the value of the task, once it has succeeded.

        Raises TaskFailed or TaskCancelled when it ended so, ResultTimeout when it has not ended within ``timeout``
        (``None``: wait for ever), TaskNotFound when it has been purged, UndecodablePayload when its value was not
        kept or does not fit the annotation of the function's result.
        """
        return cast("R_co", value_of(self.wait(timeout), self._definition))

    def cancel(self, level: CancelLevel = CancelLevel.ASK) -> bool:
        """Cancel the task if it waits, ask for its cancel if it runs; return False if it has finished otherwise."""
        return cancel(self._backend, self._id, level)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self._id == other.id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        name = "" if self._definition is None else f" of {self._definition.name}"
        return f"<Handle {self._id}{name}>"
