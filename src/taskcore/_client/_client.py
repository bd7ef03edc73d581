"""``Client``: what a program enqueues with, and what operators look at and change tasks with.

A facade: each method says what callers need to know, and leaves the doing to the module that is about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload

from typing_extensions import Self, Unpack

from taskcore._call import Call
from taskcore._client._amending import JSONValue, amended
from taskcore._client._asking import Filters, all_items, all_tasks, get_task, query_from
from taskcore._client._backends import backend_from_url
from taskcore._client._bulk import BulkCount, PurgeFilters, cancel_all, purge, purge_request, requeue_all
from taskcore._client._enqueueing import Session, bind_of, enqueue_call, enqueue_group, enqueue_many
from taskcore._client._explain import Explanation, explain
from taskcore._client._group import GroupHandle
from taskcore._client._handle import Handle
from taskcore._client._operating import amend, cancel, copied, replace, requeue, reschedule
from taskcore._client._planning import Planner, ScheduleOptions
from taskcore._client._waiting import Deadline, Waitable, Waited, completed, wait_all
from taskcore._options import check_name
from taskcore.clock import Clock
from taskcore.protocol import (
    Backend,
    CancelLevel,
    Group,
    GroupQuery,
    Item,
    Order,
    Page,
    Query,
    Schedule,
    ScheduleQuery,
    Stats,
    Task,
    Trigger,
    WorkerInfo,
)

if TYPE_CHECKING:
    from taskcore._definition import TaskDefinition

__all__ = ["DEFAULT_PAYLOAD_LIMIT", "Client"]

DEFAULT_PAYLOAD_LIMIT = 1_000_000

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Waitable)


class Client:
    """Enqueues into one store, and looks after what is there. Safe to share between threads.

    ``backend`` is the store; ``clock`` what moments are read from when enqueueing (the store's own when left out);
    ``payload_limit`` how many bytes the encoded arguments, or the metadata, of a task may have.

    As a context manager it closes its backend at the end, so that ``with Client(SQLiteBackend(path)) as client`` leaves
    nothing open. A backend that others go on using is simply not used in a ``with``.
    """

    def __init__(
        self, backend: Backend, *, clock: Clock | None = None, payload_limit: int = DEFAULT_PAYLOAD_LIMIT
    ) -> None:
        self._backend = backend
        self._session = Session.of(backend, clock, payload_limit)
        self._planner = Planner(self._session)

    @classmethod
    def from_url(cls, url: str, *, clock: Clock | None = None, payload_limit: int = DEFAULT_PAYLOAD_LIMIT) -> Self:
        """Return a client of the store that ``url`` names; raises what ``backend_from_url`` does."""
        return cls(backend_from_url(url), clock=clock, payload_limit=payload_limit)

    @property
    def backend(self) -> Backend:
        """The store."""
        return self._backend

    @property
    def payload_limit(self) -> int:
        """How many bytes the encoded arguments, or the metadata, of a task may have."""
        return self._session.payload_limit

    # Enqueueing

    def enqueue(self, definition: TaskDefinition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Store a task that will call the definition's function with these arguments.

        Options go in with ``definition.using(…)``. When this returns, the task is stored, and will not be lost. Raises
        InvalidInput (InvalidArguments, NotEncodable, PayloadTooLarge, MissingParent) and has then stored nothing,
        UniqueConflict when its options say so, BackendError when the store failed.
        """
        return enqueue_call(self._session, bind_of(definition)(*args, **kwargs))

    def enqueue_call(self, call: Call[R]) -> Handle[R]:
        """Store a task for a call that ``definition.bind(…)`` made; as ``enqueue`` otherwise."""
        return enqueue_call(self._session, call)

    def enqueue_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Store any number of tasks, a thousand or 10 MB in one atomic step; the iterable is read as they are stored.

        Raises EnqueueFailed when it stopped after some were stored: it says which. What went wrong before any was
        stored is raised as it is.
        """
        return enqueue_many(self._session, calls)

    def group(
        self,
        name: str,
        calls: Iterable[Call[R]],
        *,
        then: Call[object] | Callable[[list[R]], Call[object]] | None = None,
    ) -> GroupHandle[R]:
        """Store tasks that belong together, and what is to run once when all of them have finished.

        ``then`` is a call, or a function that is given what stands for the list of the members' values and returns
        one. Without any member it runs at once. Raises as ``enqueue_many`` does; a group that was not stored to its
        end finishes only once its handle's ``seal`` is called, and has no callback.
        """
        return enqueue_group(self._session, name, calls, then)

    def duplicate(
        self,
        task_id: str,
        *,
        run_after: datetime | timedelta | None = None,
        priority: int | None = None,
        queue_name: str | None = None,
    ) -> Handle[object]:
        """Store a new task that does what this one was asked to, at once unless ``run_after`` is given.

        It joins no group or schedule and takes no unique key. Raises TaskNotFound, InvalidOption.
        """
        now = self._session.now()
        spec = copied(
            get_task(self._backend, task_id).spec,
            task_id=self._session.ids.new(now),
            now=now,
            run_after=run_after,
            priority=priority,
            queue_name=queue_name,
        )
        return Handle(self._backend, self._backend.add([spec])[0].task_id)

    # Waiting

    @overload
    def handle(self, task_id: str) -> Handle[object]: ...
    @overload
    def handle(self, task_id: str, definition: TaskDefinition[..., R]) -> Handle[R]: ...
    def handle(self, task_id: str, definition: TaskDefinition[..., R] | None = None) -> Handle[R] | Handle[object]:
        """Return a handle for a task that is known by its id; the store is not asked.

        With its definition results are decoded by the function's annotation, without it they are plain JSON values.
        """
        return Handle(self._backend, task_id, definition)

    def group_handle(self, group_id: str) -> GroupHandle[object]:
        """Return a handle for a group that is known by its id; the store is not asked."""
        return GroupHandle(self._backend, group_id)

    def result(self, task_id: str, timeout: timedelta | None = None) -> object:
        """Return the result of a task as a plain JSON value; waits and raises as ``Handle.result`` does."""
        return Handle[object](self._backend, task_id).result(timeout)

    def wait(self, handles: Iterable[H], timeout: timedelta | None = None) -> Waited[H]:
        """Wait until all of these tasks and groups have finished, or the time is over; says which have."""
        given = list(handles)
        finished = wait_all(self._backend, given, Deadline(timeout))
        return Waited.of(given, finished)

    def as_completed(self, handles: Iterable[H], timeout: timedelta | None = None) -> Iterator[H]:
        """Yield each of these tasks and groups once it has finished (or is gone), the first ones first.

        Raises ResultTimeout when some have not finished within ``timeout``, counted from this call.
        """
        return completed(self._backend, handles, Deadline(timeout))

    # Looking

    def get(self, task_id: str) -> Task:
        """Return the task as it is now. Raises TaskNotFound."""
        return get_task(self._backend, task_id)

    def find(self, query: Query | None = None, **filters: Unpack[Filters]) -> Page[Task]:
        """Return a page of the tasks that match, newest first: a ``Query``, its fields as keywords, or both.

        The page's cursor asks for the next one: ``find(query, cursor=page.cursor)``. Raises InvalidInput.
        """
        return self._backend.find(query_from(query, filters))

    def iterate(self, query: Query | None = None, **filters: Unpack[Filters]) -> Iterator[Task]:
        """Yield all tasks that match, however many, with one page of them in memory; ``limit`` is the page's size."""
        return all_tasks(self._backend, query_from(query, filters))

    def explain(self, task_id: str) -> Explanation:
        """Return in words why a task is not running; ``print`` shows it. Raises TaskNotFound."""
        return explain(self._backend, task_id)

    def stats(self) -> Stats:
        """Return the counts of tasks by queue and state."""
        return self._backend.stats()

    def groups(self, *, name: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[Group]:
        """Return a page of the groups with their counts, newest first."""
        return self._backend.groups(GroupQuery(name=name, cursor=cursor, limit=limit))

    def items(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Item]:
        """Return a page of the sub-results and captured log lines of a task, oldest first."""
        return self._backend.items(task_id, cursor=cursor, limit=limit)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers seen within the last day, the newest beat first, stopped and lost ones too."""
        return self._backend.workers()

    # Changing

    def cancel(self, task_id: str, level: CancelLevel = CancelLevel.ASK) -> bool:
        """Cancel a task that waits, ask for the cancel of one that runs; return False if it has finished otherwise.

        Raises TaskNotFound.
        """
        return cancel(self._backend, task_id, level)

    def reschedule(
        self,
        task_id: str,
        *,
        run_after: datetime | timedelta | None = None,
        priority: int | None = None,
        queue_name: str | None = None,
    ) -> Task:
        """Move a task that waits: what is given changes, the rest stays. Return it as it is then.

        Raises TaskNotFound, InvalidOption, and RefusedChange when it does not wait.
        """
        return reschedule(self._backend, task_id, run_after=run_after, priority=priority, queue_name=queue_name)

    def amend(
        self, task_id: str, call: Call[object] | None = None, *, metadata: Mapping[str, JSONValue] | None = None
    ) -> Task:
        """Put the arguments of ``call``, or other metadata, in the place of what a waiting task has.

        The call is of the same task and depends on nothing that the old one did not: ``replace`` is for the rest.
        Raises TaskNotFound, InvalidInput, and RefusedChange when the task does not wait.
        """
        return amend(self._backend, task_id, amended(self._session, call, metadata))

    def replace(self, task_id: str, call: Call[object]) -> Task:
        """Make a waiting task another call, with that call's options; it keeps its id, group and dependents.

        Raises TaskNotFound, InvalidInput, and RefusedChange when it does not wait.
        """
        return replace(self._backend, task_id, self._session.spec(call))

    def requeue(
        self,
        task_id: str,
        *,
        run_after: datetime | timedelta | None = None,
        with_parents: bool = False,
        with_dependents: bool = False,
    ) -> Task:
        """Have a failed or cancelled task run again, its counters cleared, at once unless ``run_after`` is given.

        It waits again for parents that are unfinished; when one has failed this is refused, unless ``with_parents``
        requeues that as well. ``with_dependents`` also requeues what was cancelled because this task had not
        succeeded. Raises TaskNotFound, RefusedChange.
        """
        return requeue(
            self._backend, task_id, run_after=run_after, with_parents=with_parents, with_dependents=with_dependents
        )

    def cancel_all(
        self, query: Query | None = None, *, level: CancelLevel = CancelLevel.ASK, **filters: Unpack[Filters]
    ) -> BulkCount:
        """Cancel all unfinished tasks that match, however many; return how many were changed."""
        return cancel_all(self._backend, query_from(query, filters), level)

    def requeue_all(
        self, query: Query | None = None, *, delay: timedelta | None = None, **filters: Unpack[Filters]
    ) -> BulkCount:
        """Requeue all failed and cancelled tasks that match, however many; return how many were changed."""
        return requeue_all(self._backend, query_from(query, filters), delay)

    def purge(self, *, at_most: int | None = None, **filters: Unpack[PurgeFilters]) -> int:
        """Delete finished tasks with their items; return how many.

        Without any filter those whose own retention is over, else all that match every filter. ``older_than`` counts
        from when they finished. What an unfinished task depends on stays. ``at_most`` bounds one call.
        """
        request = purge_request(self._backend.now(), filters)
        return 0 if request is None else purge(self._backend, request, at_most=at_most)

    def pause(self, queue_name: str) -> None:
        """Let no task of a queue start until ``resume``; what runs goes on."""
        self._backend.pause(_queue(queue_name))

    def resume(self, queue_name: str) -> None:
        """Let the tasks of a queue start again."""
        self._backend.resume(_queue(queue_name))

    def stop_worker(self, worker_id: str) -> bool:
        """Ask a worker to stop as SIGTERM would; return whether the store knows it."""
        return self._backend.order(worker_id, Order.STOP)

    def pause_worker(self, worker_id: str) -> bool:
        """Ask a worker to start no more tasks until it is resumed; return whether the store knows it."""
        return self._backend.order(worker_id, Order.PAUSE)

    def resume_worker(self, worker_id: str) -> bool:
        """Ask a paused worker to go on; return whether the store knows it."""
        return self._backend.order(worker_id, Order.RUN)

    # Schedules

    def schedule(self, name: str, trigger: Trigger, call: Call[object], **options: Unpack[ScheduleOptions]) -> Schedule:
        """Have ``call`` enqueued whenever ``trigger`` fires; return the schedule as it is stored.

        A schedule of this name is changed in place, so a program can say this each time it starts: when nothing
        differs nothing is written. Options that are not given keep what is stored. Raises InvalidSchedule,
        InvalidInput, and ScheduleConflict when others kept changing it meanwhile.
        """
        return self._planner.schedule(name, trigger, call, options)

    def edit_schedule(
        self,
        name: str,
        *,
        trigger: Trigger | None = None,
        call: Call[object] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """Change what is given of a schedule, keep the rest; return it as it is stored.

        Raises TaskNotFound when there is none of this name, and what ``schedule`` raises.
        """
        return self._planner.edit(name, trigger, call, options)

    def enable_schedule(self, name: str) -> Schedule:
        """Let a schedule fire again, from its next slot after now on. Raises TaskNotFound."""
        return self._planner.edit(name, None, None, {"enabled": True})

    def disable_schedule(self, name: str) -> Schedule:
        """Let a schedule not fire until it is enabled. Raises TaskNotFound."""
        return self._planner.edit(name, None, None, {"enabled": False})

    def delete_schedule(self, name: str) -> bool:
        """Delete a schedule; return whether it was there. Its tasks stay."""
        return self._planner.delete(name)

    def get_schedule(self, name: str) -> Schedule:
        """Return a schedule by its name. Raises TaskNotFound."""
        return self._planner.get(name)

    def schedules(self) -> Iterator[Schedule]:
        """Yield all schedules by name."""
        return all_items(lambda cursor: self._backend.schedules(ScheduleQuery(cursor=cursor, limit=500)))

    def run_now(self, name: str) -> Handle[object]:
        """Enqueue a schedule's call at once, as one of its runs; its next slot stays. Raises TaskNotFound."""
        return self._planner.run_now(name)

    def preview_schedule(self, name: str, count: int = 5) -> tuple[datetime, ...]:
        """Return the next ``count`` slots of a schedule, fewer when it has no more. Raises TaskNotFound."""
        return self._planner.preview(name, count)

    # The client itself

    def close(self) -> None:
        """Close the backend; a second time does nothing."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._backend.url}>"


def _queue(queue_name: str) -> str:
    return check_name("queue_name", queue_name)
