"""``Context``: what a running task sees of itself, and what it says. All input and output is its ``RunSink``'s."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from taskcore._codec import check_size, encode_plain
from taskcore._control import CancelRequested
from taskcore._data import Progress, Task
from taskcore._vocabulary import CancelLevel
from taskcore.errors import InvalidInput, LeaseLost

if TYPE_CHECKING:
    from taskcore._call import Call

__all__ = ["Context", "RunSink", "current_context", "enter", "leave", "running_in"]


_MESSAGE_LIMIT = 1_000
_NAMES_LIMIT = 50
_TEXT_LIMIT = 4_000
_DATA_LIMIT = 100_000


class RunSink(Protocol):
    """Where a context's words go: implemented by the worker, called from the thread or loop of the task."""

    def progress(self, progress: Progress) -> None:
        """Remember the newest progress; it travels with the next heartbeat or the settle."""
        ...

    def item(self, *, count: float | None, data_json: str | None, dimensions: Mapping[str, str]) -> None:
        """Append an item to those that travel with the next heartbeat or the settle."""
        ...

    def cancel_level(self) -> CancelLevel | None:
        """Return the cancel that is wanted, as far as the worker knows."""
        ...

    def is_lease_lost(self) -> bool:
        """Whether another worker may hold the task by now."""
        ...

    def enqueue(self, call: Call[object]) -> str:
        """Keep a new task for the step that stores this one's success; return its id."""
        ...

    def remaining(self) -> timedelta | None:
        """Return the time left to the hard timeout; ``None`` without one."""
        ...


class Context:
    """A task's view of its own run: the first argument of a function with ``takes_context=True``."""

    __slots__ = ("_sink", "task")

    task: Task
    """The task as it was claimed."""

    def __init__(self, task: Task, sink: RunSink) -> None:
        self.task = task
        self._sink = sink

    @property
    def attempt(self) -> int:
        """The number of this run as people count: 1 for the first."""
        return self.task.attempt

    def progress(
        self,
        current: float,
        *,
        total: float | None = None,
        message: str = "",
        counters: Mapping[str, float] | None = None,
    ) -> None:
        """Say how far the task is; the newest word is kept, and seen by others with the next heartbeat.

        Of a message the first 1,000 characters are kept. Raises InvalidInput for what is no finite number or no text,
        and for more than 50 counters.
        """
        _check_number("current", current)
        if total is not None:
            _check_number("total", total)
        if not isinstance(message, str):
            raise InvalidInput(f"progress(message=…) is a text, not {message!r}.")
        counts = dict(counters or {})
        _check_names("progress", "counters", counts)
        for name, value in counts.items():
            if not isinstance(name, str):
                raise InvalidInput(f"progress(counters=…) has texts for keys, not {name!r}.")
            _check_number(f"counters[{name!r}]", value)
        counts = {_text(name): value for name, value in counts.items()}
        if len(message) > _MESSAGE_LIMIT:
            message = f"{message[: _MESSAGE_LIMIT - 1]}…"
        self._sink.progress(Progress(current=current, total=total, message=_text(message), counters=counts))

    def item(self, *, count: float | None = None, data: object = None, **dimensions: str) -> None:
        """Add a sub-result: ``ctx.item(count=3, data={"rows": 3}, shop="x")``. Items are kept in order, never changed.

        Raises NotEncodable for data that is no JSON, PayloadTooLarge for more than 100,000 bytes of it, InvalidInput
        for a dimension that is no text, or one of more than 4,000 characters, for more than 50 dimensions, and for
        more than 100,000 items, or 100 MB of them, in one run.
        """
        if count is not None:
            _check_number("count", count, "item")
        _check_names("item", "dimensions", dimensions)
        for name, value in dimensions.items():
            if not isinstance(value, str):
                raise InvalidInput(f"item({name}={value!r}): a dimension is a text.")
            _check_length("item", name, value)
        data_json = None
        if data is not None:
            what = f"Task {self.task.name!r}: the data of an item"
            data_json = encode_plain(data, what)
            check_size(data_json, _DATA_LIMIT, what)
        texts = {_text(name): _text(value) for name, value in dimensions.items()}
        self._sink.item(count=count, data_json=data_json, dimensions=texts)

    @property
    def is_cancel_wanted(self) -> bool:
        """Whether somebody wants this task cancelled."""
        return self._sink.cancel_level() is not None

    def check(self) -> None:
        """Return if the task may go on; call it between steps.

        Raises LeaseLost when another worker may hold the task by now, CancelRequested when a cancel is wanted.
        """
        if self._sink.is_lease_lost():
            raise LeaseLost(f"Task {self.task.id} ({self.task.name}) is no longer this worker's: nothing more is kept.")
        level = self._sink.cancel_level()
        if level is not None:
            raise CancelRequested(
                f"A cancel of task {self.task.id} ({self.task.name}) is wanted: {level.name.lower()}."
            )

    def enqueue(self, call: Call[object]) -> str:
        """Enqueue another task in the same atomic step as this one's success, or not at all; return its id.

        Raises what enqueueing raises for bad arguments and options, and InvalidInput beyond 1,000 tasks.
        """
        return self._sink.enqueue(call)

    @property
    def remaining(self) -> timedelta | None:
        """The time left to the hard timeout of this run, not below zero; ``None`` without one."""
        return self._sink.remaining()


def _check_names(method: str, what: str, named: Mapping[str, object]) -> None:
    if len(named) > _NAMES_LIMIT:
        raise InvalidInput(f"{method}() takes {_NAMES_LIMIT} {what} at most, not {len(named):,}.")
    for name in named:
        if isinstance(name, str):
            _check_length(method, f"the name of one of its {what}", name)


def _check_length(method: str, what: str, value: str) -> None:
    if len(value) > _TEXT_LIMIT:
        raise InvalidInput(f"{method}(): {what} has {len(value):,} characters, more than {_TEXT_LIMIT:,}.")


def _check_number(name: str, value: object, method: str = "progress") -> None:
    try:
        if not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value):
            return
    except OverflowError:  # a whole number that no float can hold
        pass
    raise InvalidInput(f"{method}({name}=…) is a finite number, not {reprlib.repr(value)}.")


def _text(value: str) -> str:
    """Return a text that UTF-8 can hold: that of a file's name may not be."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


_CURRENT: ContextVar[Context] = ContextVar("taskcore_context")


def current_context() -> Context | None:
    """Return the context of the task that this code runs in; ``None`` outside of one.

    For functions without a context argument. Threads that the task starts itself do not inherit it.
    """
    return _CURRENT.get(None)


def enter(context: Context) -> Token[Context]:
    """Make ``context`` the current one, for whoever runs a task; ``leave`` with what this returns."""
    return _CURRENT.set(context)


def leave(token: Token[Context]) -> None:
    """Undo ``enter``."""
    _CURRENT.reset(token)


@contextmanager
def running_in(context: Context) -> Generator[None, None, None]:
    """Make ``context`` the current one for a block; ``enter`` and ``leave`` cost less."""
    token = enter(context)
    try:
        yield
    finally:
        leave(token)
