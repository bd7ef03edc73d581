"""``History``: what was seen of a store from outside, and what must hold of it whatever the store says.

It knows no reference and no transition table: it remembers what was accepted, claimed and settled, and looks at each
new reading of the store. That is the second opinion of the state machine in ``stateful``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from taskcore.protocol import (
    Applied,
    Change,
    Event,
    Group,
    State,
    Task,
    UniqueUntil,
    Verdict,
)
from taskcore.testing.conformance._trial import CheckFailed

__all__ = ["History"]

_SETTLES = frozenset({Event.SUCCEED, Event.FAIL, Event.RETRY, Event.RELEASE, Event.ABORT, Event.RECLAIM, Event.ABANDON})


@attrs.frozen
class _Held:
    """A claim, and up to when nobody else may have the task."""

    epoch: int
    nonce: str
    until: datetime


@attrs.define
class History:
    """What was seen so far. Each ``saw_`` and ``check_`` raises ``CheckFailed`` when it cannot be right."""

    accepted: set[str] = attrs.field(factory=set)
    tasks: dict[str, Task] = attrs.field(factory=dict)
    """Each task as it was read last."""
    _held: dict[str, _Held] = attrs.field(factory=dict)
    _settled: set[tuple[str, int]] = attrs.field(factory=set)

    def saw_claim(self, task: Task, now: datetime) -> None:
        """Note a claim: the one before must have been settled, or its lease must be over."""
        assert task.lease is not None
        before = self._held.get(task.id)
        claim = _Held(task.epoch, task.lease.nonce, task.lease.expires_at)
        if before is not None and (before.epoch, before.nonce) == (claim.epoch, claim.nonce):
            return
        if before is not None and before.until > now:
            raise CheckFailed(f"task {task.id} has two holders: {claim} is given at {now} beside {before}")
        if before is not None and before.epoch >= claim.epoch:
            raise CheckFailed(f"the epoch of task {task.id} does not rise: {claim} after {before}")
        self._held[task.id] = claim

    def saw_change(self, change: Change, applied: Applied, after: Task | None) -> None:
        """Note the answer to a change: one settle for each claim is applied, and by its holder only."""
        if applied.verdict is not Verdict.APPLIED:
            return
        held = self._held.get(change.task_id)
        if change.event in _SETTLES and change.fence is not None:
            key = (change.task_id, change.fence.epoch)
            if key in self._settled:
                raise CheckFailed(f"two settles of {key} were applied; the second one is {change.event.value}")
            if held is None or (held.epoch, held.nonce) != (change.fence.epoch, change.fence.nonce):
                raise CheckFailed(f"{change.event.value} of {key} was applied; the holder is {held}")
            self._settled.add(key)
            del self._held[change.task_id]
        elif after is not None and after.lease is not None and held is not None:
            self._held[change.task_id] = attrs.evolve(held, until=after.lease.expires_at)

    def saw_tasks(self, tasks: Mapping[str, Task | None], now: datetime) -> None:
        """Compare a new reading of all accepted tasks with the last one."""
        for task_id in self.accepted:
            task = tasks.get(task_id)
            if task is None:
                raise CheckFailed(f"task {task_id} was accepted, never purged, and is gone")
            self._check_task(task)
            before = self.tasks.get(task_id)
            if before is not None:
                _check_order(before, task)
                _check_parents(before, task, tasks)
            held = self._held.get(task_id)
            if held is not None and task.state is not State.RUNNING and held.until > now:
                raise CheckFailed(f"task {task_id} was taken from {held} at {now}: it is {task.state.value}")
            if held is not None and task.state is not State.RUNNING:
                del self._held[task_id]
            self.tasks[task_id] = task
        self._check_keys()

    def saw_purge(self, gone: Iterable[str]) -> None:
        """Forget what was purged: it must have finished, and no unfinished task may depend on it."""
        doomed = set(gone)
        for task_id in doomed:
            task = self.tasks[task_id]
            if not task.state.is_finished:
                raise CheckFailed(f"task {task_id} was purged while it was {task.state.value}")
        for task_id in self.accepted - doomed:
            task = self.tasks[task_id]
            if not task.state.is_finished and doomed.intersection(task.spec.parents):
                raise CheckFailed(f"a parent of task {task_id}, which is {task.state.value}, was purged")
        self.accepted -= doomed
        for task_id in doomed:
            self.tasks.pop(task_id, None)
            self._held.pop(task_id, None)
            self._settled = {key for key in self._settled if key[0] != task_id}

    def check_drained(self, groups: Mapping[str, Group]) -> None:
        """After housekeeping: whoever waits waits for something that is unfinished."""
        for task in self.tasks.values():
            if task.state is not State.BLOCKED:
                continue
            if not any(self._is_unfinished(parent, groups) for parent in task.spec.parents):
                raise CheckFailed(f"task {task.id} is BLOCKED, and all that it waits for has finished")

    def check_groups(self, groups: Sequence[Group]) -> None:
        """The counts of each group are those of its members."""
        for group in groups:
            members = [task for task in self.tasks.values() if task.spec.group_id == group.id]
            counts = dict(Counter(task.state for task in members))
            if counts != dict(group.counts):
                raise CheckFailed(f"group {group.id} counts {dict(group.counts)}; its members are {counts}")

    def _is_unfinished(self, parent_id: str, groups: Mapping[str, Group]) -> bool:
        task = self.tasks.get(parent_id)
        if task is not None:
            return not task.state.is_finished
        return parent_id in groups and not groups[parent_id].is_finished

    def _check_task(self, task: Task) -> None:
        if (task.state is State.RUNNING) != (task.lease is not None):
            raise CheckFailed(f"task {task.id} is {task.state.value} with the lease {task.lease}")
        if task.state is State.CANCELLED and task.reason is None:
            raise CheckFailed(f"task {task.id} is CANCELLED for no reason")
        if task.state is not State.RUNNING and task.cancel_level is not None:
            raise CheckFailed(f"task {task.id} is {task.state.value}, and a cancel is wanted")
        limit = task.spec.max_attempts
        if limit is not None and task.failures > limit:
            raise CheckFailed(f"task {task.id} has failed {task.failures} times of {limit}")

    def _check_keys(self) -> None:
        holders: Counter[str] = Counter()
        for task in self.tasks.values():
            unique = task.spec.unique
            if unique is not None and unique.until is UniqueUntil.FINISHED and not task.state.is_finished:
                holders[unique.key] += 1
        several = {key: count for key, count in holders.items() if count > 1}
        if several:
            raise CheckFailed(f"unfinished tasks that hold one key until they finish, by key: {several}")


def _check_parents(before: Task, after: Task, tasks: Mapping[str, Task | None]) -> None:
    """Who was let go waits for nothing any more."""
    if before.state is State.BLOCKED and after.state in {State.READY, State.RUNNING}:
        parents = [tasks.get(parent_id) for parent_id in after.spec.parents]
        open_ = [parent.id for parent in parents if parent is not None and not parent.state.is_finished]
        if open_:
            raise CheckFailed(f"task {after.id} was let go while it waits for {', '.join(open_)}")


def _check_order(before: Task, after: Task) -> None:
    """Versions and epochs rise; what has not got a new version has not changed."""
    if after.version < before.version or after.epoch < before.epoch:
        raise CheckFailed(
            f"task {after.id} went back from version {before.version} and epoch {before.epoch} "
            f"to version {after.version} and epoch {after.epoch}"
        )
    if after.version == before.version and after != before:
        raise CheckFailed(f"task {after.id} changed within version {after.version}:\n  {before}\n  {after}")
    if before.state is State.SUCCESSFUL and after.state is not State.SUCCESSFUL:
        raise CheckFailed(f"task {after.id} was SUCCESSFUL and is {after.state.value}")
