"""Waiting until tasks and groups have finished: one of them, all of them, or each as it finishes.

Hints of the store (``wait_finished``) end a wait at once, but only what ``get`` then says counts, so a lost hint costs
time and nothing else. A ``Watch`` holds any number of ids and looks closely only at the few that were added first,
which mostly finish first; the others are swept over now and then, at a cost that is a fixed part of the time.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Generic, Protocol, TypeVar

import attrs

from taskcore._client._asking import not_stored
from taskcore._naming import shown
from taskcore.clock import Clock, SystemClock
from taskcore.errors import BackendError, InvalidInput, InvalidOption, ResultTimeout, TaskNotFound
from taskcore.protocol import Backend, Capability, Group, GroupQuery, State, Task

__all__ = [
    "Deadline",
    "Finish",
    "Waitable",
    "Waited",
    "Watch",
    "completed",
    "group_still_waiting",
    "still_waiting",
    "wait_all",
    "wait_for_group",
    "wait_for_task",
]

_ZERO = timedelta(0)
_LONGEST = timedelta(days=36_525)
_WINDOW = 100
"""How many ids one wait of the store is about, as long as tasks keep finishing; when none does it grows to all."""
_CHUNK = 500
"""How many ids one sweep asks about at a time."""
_SLICE = timedelta(seconds=1)
"""The longest single wait: a hint that was lost costs no more than this."""
_FIRST_POLL, _LAST_POLL = timedelta(milliseconds=1), timedelta(milliseconds=250)
"""Between these the interval doubles where the store cannot wait."""
_LAST_DOUBT = timedelta(milliseconds=5)
"""The longest pause after hints that led to nothing."""
_SWEEP_SHARE = 10
"""A sweep is followed by at least this many times its own duration without one."""
_SWEEP_EVERY = timedelta(milliseconds=20)


class Waitable(Protocol):
    """What can be waited for: a ``Handle`` or a ``GroupHandle``."""

    @property
    def id(self) -> str:
        """The id of the task or group."""
        ...

    @property
    def is_group(self) -> bool:
        """Whether the id is a group's."""
        ...


W = TypeVar("W", bound=Waitable)


@attrs.frozen
class Waited(Generic[W]):
    """What ``wait`` has seen: those that have finished (or are gone), and those that had not when the time was over."""

    finished: list[W]
    unfinished: list[W]

    @classmethod
    def of(cls, waitables: Iterable[W], finished: Container[str]) -> Waited[W]:
        """Return which of these have finished, by the ids of those that have."""
        given = list(waitables)
        return cls([one for one in given if one.id in finished], [one for one in given if one.id not in finished])


@attrs.frozen
class Finish:
    """A task or group that has finished, as it was when that was seen; with neither, it is no longer stored."""

    id: str
    task: Task | None = None
    group: Group | None = None


class Deadline:
    """How long a caller is willing to wait, in time that really passes, whatever clock the store goes by."""

    __slots__ = ("_clock", "_end", "timeout")

    def __init__(self, timeout: timedelta | None, clock: Clock | None = None) -> None:
        if timeout is not None and not isinstance(timeout, timedelta):
            raise InvalidOption(
                f"timeout is {shown(timeout)}: it should be a timedelta, or None to wait without limit."
            )
        self.timeout = timeout
        self._clock = clock or SystemClock()
        self._end = None if timeout is None else self._clock.monotonic() + min(timeout, _LONGEST)

    def remaining(self, at_most: timedelta) -> timedelta:
        """Return what is left, but no more than ``at_most``; zero when the time is over."""
        if self._end is None:
            return at_most
        return max(_ZERO, min(at_most, self._end - self._clock.monotonic()))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._end is not None and self._clock.monotonic() >= self._end


class Watch:
    """Tells which of many tasks and groups have finished. Used by one thread; only ``interrupt`` is for others."""

    def __init__(
        self, backend: Backend, waitables: Iterable[tuple[str, bool]] = (), *, are_looked_at: bool = False
    ) -> None:
        """``are_looked_at``: the caller has just seen that none has finished."""
        self._backend = backend
        self._can_wait = Capability.WAIT in backend.capabilities
        self._clock = SystemClock()
        self._pending: dict[str, bool] = dict(waitables)
        self._fresh: list[str] = [] if are_looked_at else list(self._pending)
        self._interrupted = threading.Event()
        self._pause = _FIRST_POLL
        self._window = _WINDOW
        self._next_sweep = self._clock.monotonic() + _SLICE

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, waitable_id: str, *, is_group: bool = False) -> None:
        """Watch one more; it is looked at by the next ``poll``."""
        self._pending[waitable_id] = is_group
        self._fresh.append(waitable_id)

    def discard(self, waitable_id: str) -> None:
        """Watch it no longer."""
        self._pending.pop(waitable_id, None)

    def forget(self) -> list[str]:
        """Watch none of them any longer; return their ids."""
        forgotten = list(self._pending)
        self._pending.clear()
        self._fresh.clear()
        return forgotten

    def interrupt(self) -> None:
        """Make a ``poll`` of another thread return soon."""
        self._interrupted.set()
        if self._can_wait:
            with suppress(BackendError):  # a store that is closed or away has no waits to end
                self._backend.wake()

    def poll(self, deadline: Deadline) -> list[Finish]:
        """Return those that have finished since they were added; none when the time is over, or after ``interrupt``.

        What is returned is not watched any more.
        """
        while self._pending:
            found = self._look_once(deadline)
            if found:
                self._pause, self._window = _FIRST_POLL, _WINDOW
                return found
            if self._interrupted.is_set():
                self._interrupted.clear()
                return []
            if deadline.is_over:
                return []
        return []

    def _look_once(self, deadline: Deadline) -> list[Finish]:
        if self._fresh:
            fresh = [one for one in self._fresh[:_CHUNK] if one in self._pending]
            del self._fresh[:_CHUNK]
            self._plan_sweep(_ZERO)
            return self._take_finished(fresh)
        if self._clock.monotonic() >= self._next_sweep:
            found = self._sweep()
            if not found:
                self._window = min(4 * self._window, max(_WINDOW, len(self._pending)))
            return found
        return self._look_at_window(deadline)

    def look(self) -> list[Finish]:
        """Return those that have finished, without waiting; no hint is asked for."""
        self._fresh.clear()
        ids = list(self._pending)
        chunks = (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
        return [finish for chunk in chunks for finish in self._take_finished(chunk)]

    def _sweep(self) -> list[Finish]:
        """Look at all; where a chunk has nothing finished, the store says so without handing out its tasks."""
        began = self._clock.monotonic()
        found: list[Finish] = []
        ids = list(self._pending)
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            if not self._can_wait or len(chunk) <= _WINDOW or self._backend.wait_finished(chunk, _ZERO):
                found += self._take_finished(chunk)
        self._plan_sweep(self._clock.monotonic() - began)
        return found

    def _plan_sweep(self, cost: timedelta) -> None:
        if len(self._pending) <= self._window:  # the window is all there is
            wait = _SLICE
        else:
            wait = max(_SWEEP_EVERY if self._can_wait else self._pause, _SWEEP_SHARE * cost)
        self._next_sweep = self._clock.monotonic() + wait

    def _look_at_window(self, deadline: Deadline) -> list[Finish]:
        window = list(islice(self._pending, self._window))
        if not self._can_wait:
            self._rest(deadline, _LAST_POLL)
            return self._take_finished(window[:_WINDOW])
        until_sweep = max(_ZERO, self._next_sweep - self._clock.monotonic())
        if not self._backend.wait_finished(window, deadline.remaining(min(until_sweep, _SLICE))):
            return []
        found = self._take_finished(window) if len(window) <= _CHUNK else self._sweep()
        taken = len(found)
        while taken == len(window):  # all of it had finished, so what follows may have as well
            window = list(islice(self._pending, _WINDOW))
            more = self._take_finished(window) if window else []
            found += more
            taken = len(more) or -1
        if not found:
            self._rest(deadline, _LAST_DOUBT)
        return found

    def _rest(self, deadline: Deadline, longest: timedelta) -> None:
        self._pause = min(self._pause, longest)
        self._interrupted.wait(deadline.remaining(self._pause).total_seconds())
        self._pause = min(2 * self._pause, longest)

    def _take_finished(self, ids: Sequence[str]) -> list[Finish]:
        """Return those of ``ids`` that have finished or are gone, and stop watching them."""
        found: list[Finish] = []
        task_ids = [one for one in ids if not self._pending[one]]
        if task_ids:
            for task_id, task in zip(task_ids, self._backend.get(task_ids), strict=True):
                if task is None or task.state.is_finished:
                    found.append(Finish(task_id, task=task))
        group_ids = [one for one in ids if self._pending[one]]
        if group_ids:
            page = self._backend.groups(GroupQuery(ids=tuple(group_ids), limit=len(group_ids)))
            stored = {group.id: group for group in page.items}
            for group_id in group_ids:
                group = stored.get(group_id)
                if group is None or group.is_finished:
                    found.append(Finish(group_id, group=group))
        for finish in found:
            del self._pending[finish.id]
        return found


def wait_for_task(backend: Backend, task_id: str, timeout: timedelta | None, *, is_new: bool = False) -> Task:
    """Return the task once it has finished, whatever its state then.

    ``is_new``: it was stored just now, so it is waited for without asking first how it stands.
    Raises ResultTimeout when it has not within ``timeout``, TaskNotFound when the store does not hold it.
    """
    deadline = Deadline(timeout)
    if is_new and Capability.WAIT in backend.capabilities:
        backend.wait_finished((task_id,), deadline.remaining(_SLICE))
    task = backend.get((task_id,))[0]
    if task is not None and not task.state.is_finished:
        finish = _poll_one(Watch(backend, [(task_id, False)], are_looked_at=True), deadline)
        if finish is None:
            raise ResultTimeout(still_waiting(task, timeout))
        task = finish.task
    if task is None:
        raise TaskNotFound(not_stored(task_id), task_id=task_id)
    return task


def wait_for_group(backend: Backend, group_id: str, timeout: timedelta | None) -> Group:
    """Return the group once it is sealed and all of its members have finished; raises as ``wait_for_task`` does."""
    finish = _poll_one(Watch(backend, [(group_id, True)]), Deadline(timeout))
    if finish is None:
        raise ResultTimeout(group_still_waiting(group_id, timeout))
    if finish.group is None:
        raise TaskNotFound(f"The store holds no group {group_id}: never stored, or purged.", task_id=group_id)
    return finish.group


def _poll_one(watch: Watch, deadline: Deadline) -> Finish | None:
    while True:
        found = watch.poll(deadline)
        if found:
            return found[0]
        if deadline.is_over:
            return None


def still_waiting(task: Task, timeout: timedelta | None) -> str:
    """Say that a result is not there yet."""
    state = task.state.value if task.state is State.RUNNING else f"{task.state.value} when last seen"
    return (
        f"Task {task.name} {task.id} has not finished within {timeout} ({state}); it goes on. "
        "client.explain(id) tells what it waits for."
    )


def group_still_waiting(group_id: str, timeout: timedelta | None) -> str:
    """Say that a group has not finished yet."""
    return f"Group {group_id} has not finished within {timeout}; its tasks go on. refresh() tells how many have."


def _checked(waitables: Iterable[W]) -> Iterator[W]:
    """Yield them; raise InvalidInput for what cannot be waited for."""
    for one in waitables:
        if not isinstance(getattr(one, "id", None), str) or not isinstance(getattr(one, "is_group", None), bool):
            raise InvalidInput(f"{shown(one)} is no handle of a task or group: client.handle(id) makes one.")
        yield one


def wait_all(backend: Backend, waitables: Sequence[Waitable], deadline: Deadline) -> set[str]:
    """Wait until all have finished or the time is over; return the ids of those that have, or are gone.

    A chunk is done when its last member is and the others are as well: mostly one wait for each chunk.
    """
    finished: set[str] = set()
    unique = list({one.id: one.is_group for one in _checked(waitables)}.items())
    for start in range(0, len(unique), _CHUNK):
        chunk = dict(unique[start : start + _CHUNK])
        while chunk:
            last = next(reversed(chunk))
            watch = Watch(backend, [(last, chunk[last])])
            if _poll_one(watch, deadline) is not None:
                del chunk[last]
                finished.add(last)
            rest = Watch(backend, chunk.items())
            done = {finish.id for finish in rest.look()}
            finished |= done
            for one in done:
                del chunk[one]
            if chunk and deadline.is_over:
                break
    return finished


def completed(backend: Backend, waitables: Iterable[W], deadline: Deadline) -> Iterator[W]:
    """Yield each once it has finished; ResultTimeout when the time is over before all have."""
    by_id: dict[str, list[W]] = {}
    for one in _checked(waitables):
        by_id.setdefault(one.id, []).append(one)
    watch = Watch(backend, [(key, same[0].is_group) for key, same in by_id.items()])
    while len(watch):
        found = watch.poll(deadline) or (watch.look() if deadline.is_over else [])
        for finish in found:
            yield from by_id.pop(finish.id)
        if not found and deadline.is_over:
            raise ResultTimeout(f"{len(watch):,} of the tasks have not finished within {deadline.timeout}; they go on.")
