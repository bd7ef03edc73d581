"""``Run``: one run of one task, as its ``Context`` and its executor share it, and what runs of a process share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import attrs

from taskcore._call import Call, spec_for
from taskcore._codec import encode_result, failure_from
from taskcore._data import Item, Progress, Task, TaskSpec
from taskcore._definition import TaskDefinition
from taskcore._ids import IdSource
from taskcore._options import NotGiven
from taskcore._policy import CancelObeyed, GivenBack, Outcome, Returned, Unstorable
from taskcore._retry import Retry
from taskcore._run._items import Allowance
from taskcore._vocabulary import CancelLevel, ItemKind
from taskcore.clock import Clock
from taskcore.errors import InvalidInput, NotEncodable, PayloadTooLarge

__all__ = ["Job", "Run", "Surroundings", "effective_retry"]

T = TypeVar("T")

_ENQUEUED_AT_MOST = 1000


@attrs.frozen(kw_only=True)
class Surroundings:
    """What runs of one process share: clock, ids and limits."""

    clock: Clock
    monotonic: Callable[[], float]
    """Seconds by the clock's monotonic time."""
    ids: IdSource
    payload_limit: int
    result_limit: int


@attrs.frozen(kw_only=True)
class Job:
    """A definition, with what a run needs of its options at hand."""

    definition: TaskDefinition[..., object]
    function: Callable[..., Any]
    is_async: bool
    takes_context: bool
    retry: Retry | None
    timeout: timedelta | None
    soft_timeout: timedelta | None
    is_atomic: bool = False

    @classmethod
    def of(cls, definition: TaskDefinition[..., object]) -> Job:
        """Return the job of a definition."""
        options = definition.options
        return cls(
            definition=definition,
            function=definition.function,
            is_async=definition.is_async,
            takes_context=definition.takes_context,
            retry=_given(options.retry),
            timeout=_given(options.timeout),
            soft_timeout=_given(options.soft_timeout),
            is_atomic=definition.is_atomic,
        )


def _given(option: T | NotGiven | None) -> T | None:
    return None if isinstance(option, NotGiven) else option


class Run:
    """One run of one task, as its ``Context`` and its executor share it. Implements ``RunSink``.

    The running function only appends; the worker's threads take away what they have sent.
    """

    __slots__ = (
        "_allowance",
        "_next_item",
        "_surroundings",
        "cancel_level_wanted",
        "deadline",
        "interruption",
        "is_lost",
        "items",
        "job",
        "latest_progress",
        "logs_left",
        "refresh",
        "sent_progress",
        "specs",
        "started",
        "started_at",
        "task",
    )

    def __init__(
        self, task: Task, job: Job, surroundings: Surroundings, *, started: float, started_at: datetime
    ) -> None:
        self.task = task
        self.job = job
        self._surroundings = surroundings
        self.started = started
        """When it began, in the seconds of ``Surroundings.monotonic``."""
        self.started_at = started_at
        """The same by the store's clock."""
        self.deadline: float | None = None
        """When its hard timeout ends it; in the same seconds."""
        self.cancel_level_wanted: CancelLevel | None = None
        self.is_lost = False
        """Another worker may hold the task now."""
        self.interruption: Outcome | None = None
        """Why its executor stops it: the outcome when it ends by a cancellation that was raised in it."""
        self.refresh: Callable[[], None] | None = None
        """Called before it is asked whether it is to stop: where nothing else brings the news (``drain``)."""
        self.latest_progress: Progress | None = None
        self.sent_progress: Progress | None = None
        self.items: list[Item] = []
        """What the store has not confirmed yet, oldest first."""
        self._next_item = 0
        self._allowance: Allowance | None = None
        self.specs: list[TaskSpec] = []
        self.logs_left = 0

    def progress(self, progress: Progress) -> None:
        """Keep the newest progress; it is sent with the next heartbeat, or with the outcome."""
        self.latest_progress = attrs.evolve(progress, updated_at=self._surroundings.clock.now())

    def item(
        self,
        *,
        count: float | None,
        data_json: str | None,
        dimensions: Mapping[str, str],
        kind: ItemKind = ItemKind.ITEM,
    ) -> None:
        """Append a sub-result or log line. Raises InvalidInput for a sub-result beyond what a run may add."""
        sequence = self._next_item
        self._next_item = sequence + 1
        made = Item(
            task_id=self.task.spec.id,
            epoch=self.task.epoch,
            sequence=sequence,
            kind=kind,
            at=self._surroundings.clock.now(),
            dimensions=dimensions,
            count=count,
            data_json=data_json,
        )
        if kind is ItemKind.ITEM:
            self._allowance = self._allowance or Allowance()
            self._allowance.take(made)
        self.items.append(made)

    def cancel_level(self) -> CancelLevel | None:
        """Return the cancel that is wanted, as far as the worker has heard."""
        if self.refresh is not None:
            self.refresh()
        return self.cancel_level_wanted

    def is_lease_lost(self) -> bool:
        """Return whether another worker may hold the task now."""
        if self.refresh is not None:
            self.refresh()
        return self.is_lost

    def enqueue(self, call: Call[object]) -> str:
        """Have a call stored in the same step as this run's success; return its id.

        Raises InvalidInput beyond a thousand: all of them are one atomic step of the store.
        """
        if len(self.specs) >= _ENQUEUED_AT_MOST:
            raise InvalidInput(
                f"Task {self.task.name!r}: a run enqueues at most {_ENQUEUED_AT_MOST:,} tasks with its own success. "
                "For more, have it enqueue one task that calls enqueue_many() or group() of a client."
            )
        surroundings = self._surroundings
        now = surroundings.clock.now()
        task_id = surroundings.ids.new(now)
        self.specs.append(spec_for(call, task_id=task_id, now=now, payload_limit=surroundings.payload_limit))
        return task_id

    def remaining(self) -> timedelta | None:
        """Return how long the run may still go on; ``None``: it has no hard timeout."""
        if self.deadline is None:
            return None
        return timedelta(seconds=max(0.0, self.deadline - self._surroundings.monotonic()))

    def want_cancel(self, level: CancelLevel) -> None:
        """Note that a cancel is wanted, for ``ctx.check()`` and for the outcome of obeying it."""
        self.cancel_level_wanted = level
        if self.interruption is None:
            self.interruption = CancelObeyed()

    def lose(self) -> None:
        """Note that another worker may hold the task now."""
        self.is_lost = True
        if self.interruption is None:
            self.interruption = GivenBack("its lease was lost", has_begun=True)

    @property
    def timeout(self) -> timedelta | None:
        """The hard limit of the run: the task's own, else the definition's."""
        return self.task.spec.timeout or self.job.timeout

    @property
    def soft_timeout(self) -> timedelta | None:
        """When it is asked to stop by ``SoftTimeout``: the task's own, else the definition's."""
        return self.task.spec.soft_timeout or self.job.soft_timeout

    @property
    def has_news(self) -> bool:
        """Whether there is progress or an item that the store has not been told of."""
        return bool(self.items) or self.latest_progress is not self.sent_progress

    def encode(self, value: object) -> Outcome:
        """Return the outcome of having returned ``value``."""
        try:
            value_json = encode_result(self.job.definition, value, self._surroundings.result_limit)
        except (NotEncodable, PayloadTooLarge) as error:
            return Unstorable(failure_from(error))
        return Returned(value_json, tuple(self.specs) if self.specs else ())


def effective_retry(task: Task, job: Job | None) -> Retry | None:
    """Return the retry that governs ``task``: its own, else that of the definition this process has."""
    if task.spec.retry is not None or job is None:
        return task.spec.retry
    return job.retry
